import { act, cleanup, configure, fireEvent, render, screen } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Choice, ChoiceOf } from "../../src/choice";
import { nameOf, readDesk } from "../../src/rate/desk";
import { keptNames } from "../../src/rate/kept";
import RateView from "../../src/rate/rate-view";
import { outbox, Session } from "../../src/rate/session";
import { FakeApi, problem } from "./fake-api";

// A machine that is busy takes its time.
configure({ asyncUtilTimeout: 15_000 });
vi.setConfig({ testTimeout: 60_000 });

const DESK = nameOf({ study: "default", mode: "structure", fixed: null });

let api: FakeApi;
beforeEach(() => {
  api = new FakeApi();
});
afterEach(async () => {
  cleanup();
  api.isDown = false;
  await outbox.flush();
  localStorage.clear();
  sessionStorage.clear();
  location.hash = "";
});

function open(choice: Partial<Choice> = {}) {
  return render(
    <ChoiceOf initial={{ language: "en", rater: "ana", study: "default", mode: "structure", ...choice }}>
      <RateView />
    </ChoiceOf>,
  );
}

const stars = (letter: string) => screen.findByRole<HTMLInputElement>("slider", { name: `Stars of ${letter}` });
const press = (key: string) => fireEvent.keyDown(document.body, { key });

async function rateBoth() {
  await stars("B");
  for (const key of ["4", ".", "a", "2", "b"]) await act(() => void press(key));
}

test("suggestions are rated by keys, saved with study, rater and key, and followed by the next", async () => {
  open();
  await rateBoth();
  expect((await stars("A")).getAttribute("aria-valuetext")).toBe("4.5 of 5 stars");
  press("Enter");
  await screen.findByText("2 ratings are recorded.");
  expect(api.recorded).toHaveLength(1);
  expect(api.recorded[0]?.key).toMatch(/^[0-9a-f]{32}$/);
  expect(api.recorded[0]?.body).toMatchObject({
    study: "default",
    mode: "structure",
    rater: "ana",
    results: [
      { suggestion_id: "s1", rating: 4.5 },
      { suggestion_id: "s2", rating: 2 },
    ],
  });
  expect(readDesk(DESK).current?.cards.map((card) => card.id)).toEqual(["s3", "s4"]);
  expect((await stars("A")).getAttribute("aria-valuetext")).toBe("not rated");
});

test("the left half of a star is a half, and the slider knows nothing between none and one", async () => {
  open();
  const slider = await stars("A");
  slider.getBoundingClientRect = () => new DOMRect(100, 0, 200, 40);
  fireEvent.click(slider, { clientX: 100 + 2 * 40 + 10 });
  expect(slider.value).toBe("2.5");
  fireEvent.click(slider, { clientX: 100 + 2 * 40 + 30 });
  expect(slider.value).toBe("3");
  fireEvent.click(slider, { clientX: 105 });
  expect(slider.value).toBe("1");
  fireEvent.input(slider, { target: { value: "0.5" } });
  expect(slider.getAttribute("aria-valuetext")).toBe("not rated");
  fireEvent.input(slider, { target: { value: "0.5" } });
  expect(slider.getAttribute("aria-valuetext")).toBe("1 of 5 stars");
});

test("a card that says nothing is pointed at, and nothing is sent", async () => {
  open();
  await stars("B");
  for (const key of ["4", "a", "Enter"]) await act(() => void press(key));
  await screen.findByText("Rate B, skip it, or say that it failed.");
  expect(document.activeElement).toBe(await stars("B"));
  expect(api.calls("POST /ml/update_model")).toEqual([]);
});

test("a failure is sent with its reason and without stars", async () => {
  open();
  await rateBoth();
  await userEvent.click(screen.getAllByRole("button", { name: "It failed" })[1] as HTMLElement);
  await userEvent.type(screen.getByLabelText("Why is there no picture?"), "time-out");
  await userEvent.click(screen.getByRole("button", { name: "Save and next" }));
  await screen.findByText("1 rating and 1 failure are recorded.");
  const results = api.recorded[0]?.body.results;
  expect(results?.[1]).toMatchObject({ suggestion_id: "s2", failed: "time-out" });
  expect(results?.[1]).not.toHaveProperty("rating");
});

test("whoever has no name is asked once, and may go without", async () => {
  open({ rater: "" });
  await rateBoth();
  press("Enter");
  await userEvent.click(await screen.findByRole("button", { name: "Save without a name" }));
  await screen.findByText("2 ratings are recorded.");
  expect(api.recorded[0]?.body).not.toHaveProperty("rater");
  await rateBoth();
  press("Enter");
  await vi.waitFor(() => expect(api.recorded).toHaveLength(2));
});

test("a name that is missing is asked for in the page's words, and nothing is saved", async () => {
  open({ rater: "", language: "es" });
  await screen.findByRole("slider", { name: "Estrellas de B" });
  for (const key of ["4", "a", "2", "b", "Enter"]) await act(() => void press(key));
  const field = await screen.findByLabelText("persona");
  // The browser would refuse it in its own language, whatever the page's is.
  expect(field.closest("form")?.noValidate).toBe(true);
  await userEvent.type(field, "  {Enter}");
  await screen.findByText("Escriba un nombre o guarde sin él.");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(field);
  expect(api.recorded).toEqual([]);
  await userEvent.type(field, "ana{Enter}");
  await screen.findByText("Se han registrado 2 valoraciones.");
  expect(api.recorded[0]?.body).toMatchObject({ rater: "ana" });
});

test("a setting that was asked for and given back leaves no desk behind", async () => {
  location.hash = `#rate?${new URLSearchParams({ fixed: '{"api":"leonardo"}' })}`;
  open();
  await stars("A");
  await userEvent.click(screen.getByRole("button", { name: "Skip" }));
  await screen.findByText("This setting is done.");
  expect(keptNames("studio.rate.desk/")).toEqual([]);
});

test("a half-done set is there again when the view is, and asks for no other suggestions", async () => {
  open();
  await stars("B");
  for (const key of ["3", "a"]) await act(() => void press(key));
  cleanup();
  open();
  expect((await stars("A")).value).toBe("3");
  expect(api.calls("POST /ml/suggest_parameters")).toHaveLength(1);
  cleanup();
  open({ mode: "surfaces" });
  expect((await stars("A")).value).toBe("0");
  expect(api.calls("POST /ml/suggest_parameters")).toHaveLength(2);
});

test("a set that got into the outbox before the page ended is not shown to be rated again", async () => {
  open();
  await rateBoth();
  const half = localStorage.getItem(DESK) ?? "";
  press("Enter");
  await screen.findByText("2 ratings are recorded.");
  cleanup();
  localStorage.setItem(DESK, half);
  open();
  await vi.waitFor(() => expect(readDesk(DESK).current?.cards[0]?.id).toBe("s5"));
});

test("what another tab does to the desk shows here too", async () => {
  open();
  await stars("A");
  const desk = readDesk(DESK);
  const cards = desk.current?.cards.map((card) => ({ ...card, rating: 5 })) ?? [];
  localStorage.setItem(DESK, JSON.stringify({ ...desk, current: { ...desk.current, cards } }));
  act(() => void dispatchEvent(new StorageEvent("storage", { key: DESK })));
  expect((await stars("A")).value).toBe("5");
});

test("a suggestion that nobody reserves any more is marked, and can be rated", async () => {
  open();
  await stars("A");
  for (const key of ["3", "a"]) await act(() => void press(key));
  cleanup();
  api.pending.delete("s1");
  open();
  await screen.findByText(/No longer reserved for you/);
  await rateBoth();
  press("Enter");
  await screen.findByText("2 ratings are recorded.");
});

test("where every setting is with somebody, the oldest can be rated all the same", async () => {
  api.instead.set("POST /ml/suggest_parameters", () => problem(409, "every setting has a pending suggestion"));
  for (const id of ["p1", "p2", "p3"]) api.pending.set(id, { api: "leonardo", guidance_scale: 7 });
  open();
  await screen.findByText(/3 settings are with people/);
  await userEvent.click(screen.getByRole("button", { name: "Rate the oldest" }));
  await stars("B");
  expect(readDesk(DESK).current?.cards.map((card) => card.id)).toEqual(["p1", "p2"]);
});

test("an archived study says so", async () => {
  api.archived = true;
  api.instead.set("POST /ml/suggest_parameters", () => problem(409, "study default is archived"));
  open();
  await screen.findByText(/This study is archived/);
});

test("ratings that a restored study has taken after all are followed by suggestions again", async () => {
  open();
  await rateBoth();
  api.archived = true;
  for (const path of ["POST /ml/update_model", "POST /ml/suggest_parameters"])
    api.instead.set(path, () => problem(409, "study default is archived"));
  press("Enter");
  await screen.findByText(/This study is archived/);
  api.archived = false;
  api.instead.clear();
  await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await stars("A");
  expect(screen.queryByText(/This study is archived/)).toBeNull();
  expect(api.recorded).toHaveLength(1);
});

test("a network that answers itself, as where one has to log in first, is one that is away", async () => {
  const page = () => new Response("<html>Log in</html>", { headers: { "Content-Type": "text/html" } });
  api.instead.set("POST /ml/suggest_parameters", page);
  open();
  await screen.findByText(/The server does not answer/);
});

test("what two tabs undo at once is brought back once", async () => {
  open();
  await rateBoth();
  press("Enter");
  await screen.findByText("2 ratings are recorded.");
  const of = { study: "default", mode: "structure", fixed: null } as const;
  const tabs = [new Session(of, 2), new Session(of, 2)];
  const undone = await Promise.all(tabs.map((tab) => tab.undo("ana")));
  expect(undone.map(({ kind }) => kind)).toEqual(["back", "back"]);
  const { current, waiting } = readDesk(DESK);
  expect([current, ...waiting].map((set) => set?.cards.map((card) => card.id))).toEqual([
    ["s1", "s2"],
    ["s3", "s4"],
  ]);
  expect(tabs.map((tab) => tab.state.desk.current?.key)).toEqual([current?.key, current?.key]);
});

test("a lost connection says how many ratings wait", async () => {
  open();
  await rateBoth();
  api.isDown = true;
  press("Enter");
  await screen.findByText("2 ratings wait to be sent.");
  api.isDown = false;
  await userEvent.click(screen.getByRole("button", { name: "Send now" }));
  await vi.waitFor(() => expect(screen.queryByText("2 ratings wait to be sent.")).toBeNull());
  expect(api.recorded).toHaveLength(1);
});

test("refused ratings stay with their reason, are corrected on the desk, or discarded when one is sure", async () => {
  api.instead.set("POST /ml/update_model", () => problem(422, "results.0.comment: is too long"));
  open();
  await rateBoth();
  press("Enter");
  await screen.findByText("2 ratings were refused:");
  await screen.findByText("results.0.comment: is too long");
  await userEvent.click(screen.getByRole("button", { name: "Correct" }));
  expect((await stars("A")).value).toBe("4.5");
  expect(screen.queryByText("2 ratings were refused:")).toBeNull();

  press("Enter");
  await screen.findByText("2 ratings were refused:");
  const discard = screen.getByRole("button", { name: "Discard" });
  await userEvent.click(discard);
  expect(outbox.entries()).toHaveLength(1);
  await userEvent.click(screen.getByRole("button", { name: "Discard 2 ratings for good?" }));
  expect(outbox.entries()).toEqual([]);
});

test("undo withdraws each rating as it was recorded, and leaves what was corrected since", async () => {
  open();
  await rateBoth();
  press("Enter");
  await screen.findByText("2 ratings are recorded.");
  api.instead.set("DELETE /ml/history/default-11", () => problem(412, "default-11 is at revision 2 by now"));
  press("u");
  await screen.findByText(/Not withdrawn, because corrected since: default-11/);
  expect(api.calls("DELETE /ml/history/").map((one) => one.headers.get("If-Match"))).toEqual(["1", "1"]);
  expect((await stars("A")).value).toBe("4.5");
});

test("undo of what is not known to have arrived brings it back and withdraws it when it has", async () => {
  open();
  await rateBoth();
  let sent = 0;
  api.instead.set("POST /ml/update_model", () => problem(sent++ < 4 ? 503 : 500, "down"));
  press("Enter");
  await screen.findByText("2 ratings wait to be sent.");
  press("u");
  await screen.findByText("Undone: the last set is back.");
  expect(screen.queryByText("2 ratings wait to be sent.")).toBeNull();
  api.instead.clear();
  await outbox.flush();
  expect(api.recorded).toHaveLength(1);
  expect(api.calls("DELETE /ml/history/")).toHaveLength(2);
  expect(outbox.entries()).toEqual([]);
});

test("more cards are asked for, and those that nobody has touched are given back", async () => {
  open();
  await stars("B");
  await userEvent.selectOptions(screen.getByLabelText("cards"), "4");
  await stars("D");
  for (const key of ["3", "c"]) await act(() => void press(key));
  await userEvent.selectOptions(screen.getByLabelText("cards"), "1");
  await vi.waitFor(() => expect(readDesk(DESK).current?.cards.map((card) => card.id)).toEqual(["s1", "s3"]));
  expect(api.calls("DELETE /ml/suggestions/").map((one) => one.path)).toEqual([
    "/ml/suggestions/s2",
    "/ml/suggestions/s4",
  ]);
});

test("what is fixed in the address is asked for once, and shows one card", async () => {
  location.hash = `#rate?${new URLSearchParams({ fixed: '{"api":"leonardo","guidance_scale":7}' })}`;
  open();
  await stars("A");
  expect(screen.queryByRole("slider", { name: "Stars of B" })).toBeNull();
  await act(() => void press("4"));
  press("Enter");
  await screen.findByText("This setting is done.");
  const asked = api.calls("POST /ml/suggest_parameters");
  expect(asked).toHaveLength(1);
  expect(asked[0]?.body).toMatchObject({ num_suggestions: 1, fixed: { api: "leonardo", guidance_scale: 7 } });
});

test("letters do nothing in a comment, nor where keys are switched off", async () => {
  open();
  await stars("B");
  await userEvent.click(screen.getAllByRole("button", { name: "Comment" })[0] as HTMLElement);
  await userEvent.type(screen.getByLabelText("Comment"), "4a");
  expect((await stars("A")).value).toBe("0");
  await userEvent.click(screen.getByText("Keys"));
  await userEvent.click(screen.getByLabelText("Keys work while no text is being typed"));
  for (const key of ["4", "a"]) await act(() => void press(key));
  expect((await stars("A")).value).toBe("0");
});

test("only https addresses are shown as pictures", async () => {
  open();
  await stars("A");
  await userEvent.click(screen.getByRole("button", { name: "Give an address: Picture A" }));
  await userEvent.type(screen.getByLabelText("Address of the picture"), "http://pictures.example/a.jpg{Enter}");
  await screen.findByText("The address must begin with https://");
  await userEvent.clear(screen.getByLabelText("Address of the picture"));
  await userEvent.type(screen.getByLabelText("Address of the picture"), "https://pictures.example/a.jpg{Enter}");
  const picture = await screen.findByRole("img", { name: "Picture A" });
  expect(picture.getAttribute("src")).toBe("https://pictures.example/a.jpg");
  expect(picture.getAttribute("referrerpolicy")).toBe("no-referrer");
});

test("it speaks Spanish, numbers too", async () => {
  open({ language: "es" });
  await screen.findByRole("slider", { name: "Estrellas de B" });
  for (const key of ["4", ",", "a"]) await act(() => void press(key));
  await screen.findByText("A: 4,5 estrellas.");
  await screen.findByText(/0 valoraciones en este modo hasta ahora. Con 6 más/);
});
