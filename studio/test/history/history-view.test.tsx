import { cleanup, fireEvent, render, screen, within } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { ChoiceOf } from "../../src/choice";
import { cursorOf, wholeTable } from "../../src/history/downloads";
import type { Entry } from "../../src/history/entries";
import HistoryView from "../../src/history/history-view";
import { entry } from "./entry";

afterEach(() => {
  cleanup();
  localStorage.clear();
});

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

/** An API that has `entries` and answers corrections of them; `sent` are the requests that it had. */
function history(entries: Entry[], correct: (body: Record<string, unknown>) => Response) {
  const sent: Request[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (given) => {
    const request = (given as Request).clone();
    sent.push(request);
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "PATCH") return correct((await request.clone().json()) as Record<string, unknown>);
    if (pathname.endsWith("/ml/studies/default")) return json({ name: "default", archived_at: null, note: null });
    if (pathname.endsWith("/ml/studies")) return json({ studies: [], next_cursor: null });
    const from = Number(searchParams.get("cursor") ?? 0);
    const limit = Number(searchParams.get("limit"));
    const next = from + limit < entries.length ? String(from + limit) : null;
    return json({ observations: entries.slice(from, from + limit), next_cursor: next });
  });
  return sent;
}

function show() {
  render(
    <ChoiceOf initial={{ language: "en", rater: "bo" }}>
      <HistoryView />
    </ChoiceOf>,
  );
}

test("reads every page, and puts only the rows in sight into the page", async () => {
  const entries = Array.from({ length: 10_000 }, (_, index) => entry({ id: `default-${10_000 - index}` }));
  const sent = history(entries, () => json({}, 500));
  show();
  await screen.findByText("10000 entries", {}, { timeout: 10_000 });
  expect(sent.filter((request) => request.url.includes("/ml/history")).length).toBe(50);
  const table = screen.getByRole("table");
  expect(table.getAttribute("aria-rowcount")).toBe("10001");
  expect(within(table).getAllByRole("row").length).toBeLessThan(80);
});

test("the rows in the page are those in sight, however high the style makes them", async () => {
  const entries = Array.from({ length: 1_000 }, (_, index) => entry({ id: `default-${1_000 - index}` }));
  history(entries, () => json({}, 500));
  const style = globalThis.getComputedStyle;
  vi.spyOn(globalThis, "getComputedStyle").mockImplementation((element, pseudo) => {
    const found = style(element, pseudo);
    if (!element.classList.contains("frame")) return found;
    return new Proxy(found, {
      get: (of, name) => (name === "getPropertyValue" ? () => "120px" : Reflect.get(of, name)),
    });
  });
  show();
  await screen.findByText("1000 entries", {}, { timeout: 10_000 });
  const frame = screen.getByRole("region", { name: "Ratings and failures" });
  frame.scrollTop = 120 * 500;
  fireEvent.scroll(frame);
  await vi.waitFor(() => expect(document.querySelector('tr[aria-rowindex="502"]')).not.toBeNull());
  // 12 rows before them, as high as they are.
  const space = document.querySelector<HTMLElement>("tr.space td");
  expect(space?.style.height).toBe(`${120 * (500 - 12)}px`);
  expect(screen.getAllByRole("row").length).toBeLessThan(45);
});

test("a click on the stars corrects them, against the revision that was seen, in the rater's name", async () => {
  const one = entry({ id: "default-1", rating: 2, revision: 3 });
  const sent = history([one], (body) =>
    json({ observation: { ...one, rating: body.rating, revision: 4 }, samples_seen: 1, convergence_score: 0.02 }),
  );
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Correct: 2 stars" }));
  await userEvent.selectOptions(screen.getByLabelText("Stars", { selector: "dialog select" }), "4.5");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByRole("button", { name: "Correct: 4.5 stars" });
  const patch = sent.find((request) => request.method === "PATCH");
  expect(patch?.headers.get("If-Match")).toBe("3");
  expect(patch?.headers.get("Idempotency-Key")).toBeTruthy();
  expect(await patch?.json()).toEqual({ rating: 4.5, reviser: "bo" });
});

test("where somebody else was faster, the entry is shown as it stands and nothing is overwritten", async () => {
  const one = entry({ id: "default-1", rating: 2 });
  const entries = [one];
  history(entries, () => {
    entries[0] = { ...one, rating: 5, revision: 2 };
    return json({ type: "about:blank", title: "Precondition Failed", status: 412, detail: "revision 2" }, 412);
  });
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Correct: 2 stars" }));
  await userEvent.selectOptions(screen.getByLabelText("Stars", { selector: "dialog select" }), "3");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText(/Somebody else corrected this entry/);
  await vi.waitFor(() =>
    expect((screen.getByLabelText("Stars", { selector: "dialog select" }) as HTMLSelectElement).value).toBe("5"),
  );
});

test("a table of several pages has its line of names once", async () => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (given) => {
    const second = new URL((given as Request).url).searchParams.get("cursor") === "two";
    return new Response(second ? "id,rating\r\nb,2\r\n" : 'id,rating\r\n"a\r\n",1\r\n', {
      headers: second
        ? { "Content-Type": "text/csv" }
        : { "Content-Type": "text/csv", Link: '<?study=default&cursor=two>; rel="next"' },
    });
  });
  expect(await wholeTable("default", "structure", () => {})).toBe('id,rating\r\n"a\r\n",1\r\nb,2\r\n');
  expect(cursorOf(null)).toBeNull();
});
