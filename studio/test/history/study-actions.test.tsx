import { cleanup, render, screen } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { ChoiceOf } from "../../src/choice";
import { StudyActions } from "../../src/history/study-actions";
import type { Language } from "../../src/words";

afterEach(() => {
  cleanup();
  localStorage.clear();
  vi.unstubAllGlobals();
});

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

const study = (name: string, samples_seen: number) => ({
  name,
  samples_seen,
  counts: { structure: samples_seen },
  archived_at: null,
  note: null,
});

type Study = Parameters<typeof StudyActions>[0]["study"];

/** The buttons of a study, and the bodies of what was sent. */
function show(chosen: ReturnType<typeof study> | null, language: Language = "en") {
  const sent: unknown[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (given) => {
    const request = given as Request;
    if (request.method === "GET")
      return json({ studies: [study("baths", 0), study("kitchens", 41)], next_cursor: null });
    sent.push(await request.json());
    return json(study("new", 0), 201);
  });
  render(
    <ChoiceOf initial={{ language, study: "kitchens" }}>
      <StudyActions study={chosen as Study} changed={() => {}} />
    </ChoiceOf>,
  );
  return sent;
}

const basis = () => screen.getByLabelText<HTMLSelectElement>("Based on");
const chosenBasis = () => basis().selectedOptions[0]?.textContent;

test("a new study goes on from the one from within which it is asked for, and says so", async () => {
  const sent = show(study("kitchens", 41));
  await userEvent.click(screen.getByRole("button", { name: "New study" }));
  await screen.findByRole("option", { name: "baths (0 ratings)" });
  expect(chosenBasis()).toBe("kitchens (this study, 41 ratings)");
  screen.getByText(/^It goes on from kitchens: the ratings there teach it too/);
  await userEvent.type(screen.getByLabelText("Name"), "kitchens-2");
  await userEvent.click(screen.getByRole("button", { name: "Begin" }));
  await vi.waitFor(() => expect(sent).toEqual([{ name: "kitchens-2", based_on: "kitchens" }]));
});

test("whoever wants one that begins with nothing says so, and sees what that does", async () => {
  const sent = show(study("kitchens", 41));
  await userEvent.click(screen.getByRole("button", { name: "New study" }));
  await userEvent.selectOptions(basis(), "none");
  screen.getByText(/^It begins with nothing/);
  await screen.findByRole("option", { name: "baths (0 ratings)" });
  expect(chosenBasis()).toBe("none");
  await userEvent.type(screen.getByLabelText("Name"), "fresh");
  await userEvent.click(screen.getByRole("button", { name: "Begin" }));
  await vi.waitFor(() => expect(sent).toEqual([{ name: "fresh" }]));
});

test.each([study("baths", 0), null])(
  "from a study without ratings, or of which nothing is known, nothing is taken",
  async (one) => {
    show(one);
    await userEvent.click(screen.getByRole("button", { name: "New study" }));
    expect(chosenBasis()).toBe("none");
  },
);

test("a name that the API would not take is refused in the page's words, before anything is sent", async () => {
  const sent = show(study("kitchens", 41), "es");
  await userEvent.click(screen.getByRole("button", { name: "Estudio nuevo" }));
  const field = screen.getByLabelText("Nombre");
  expect(field.closest("form")?.noValidate).toBe(true);
  for (const wrong of [" ", "Kitchens", "-a"]) {
    await userEvent.clear(field);
    await userEvent.type(field, `${wrong}{Enter}`);
    await screen.findByText(/^Dele un nombre de hasta 64/);
    expect(document.activeElement).toBe(field);
    expect(field.getAttribute("aria-invalid")).toBe("true");
  }
  expect(sent).toEqual([]);
});

test("archiving asks first, in the page's own dialog, and what is declined is not done", async () => {
  const asked = vi.fn(() => true);
  vi.stubGlobal("confirm", asked);
  const sent = show(study("kitchens", 41), "es");
  const opener = screen.getByRole("button", { name: "Archivar este estudio" });
  await userEvent.click(opener);
  await screen.findByRole("heading", { name: "¿Archivar kitchens?" });
  await userEvent.click(screen.getByRole("button", { name: "Cancelar" }));
  expect(sent).toEqual([]);
  await vi.waitFor(() => expect(document.activeElement).toBe(opener));
  await userEvent.click(opener);
  await userEvent.click(await screen.findByRole("button", { name: "Archivarlo" }));
  await vi.waitFor(() => expect(sent).toEqual([{ archived: true }]));
  await vi.waitFor(() => expect(screen.queryByRole("heading", { name: "¿Archivar kitchens?" })).toBeNull());
  expect(asked).not.toHaveBeenCalled();
});
