import { cleanup, render, screen, waitFor, within } from "@testing-library/preact";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChoiceOf } from "../../src/choice";
import ProgressView from "../../src/progress/progress-view";
import type { Language } from "../../src/words";
import { allStats, curve, DIFFUSION, described, fewRatings, LEONARDO, modeStats, rated, step } from "./study";

type Answer = (address: URL) => unknown;

/** Answers in place of a problem. */
class Refusal {
  constructor(readonly status: number) {}
}

const answers: Record<string, Answer> = {};
let asked: URL[] = [];

beforeEach(() => {
  asked = [];
  Object.assign(answers, {
    "/ml/stats": () => allStats(),
    "/ml/studies/kitchens": () => described("kitchens"),
    "/ml/studies": () => ({ studies: [described("kitchens"), described("baths")], next_cursor: null }),
    "/ml/progress": () => ({
      study: "kitchens",
      mode: "structure",
      samples_seen: 41,
      steps: [step(6), step(41, 4.6)],
      complete: true,
    }),
    "/ml/history": () => ({ observations: [rated(3), rated(2), rated(1)], next_cursor: null }),
    "/ml/surrogate": ({ searchParams }: URL) => {
      const names = searchParams.getAll("parameter");
      const values = names.length === 1 ? [[0.1], [0.3], [0.5]] : [0.1, 0.3].flatMap((x) => [5, 12].map((y) => [x, y]));
      return {
        study: "kitchens",
        mode: "structure",
        samples_seen: 41,
        curves: [curve("leonardo", names, values, LEONARDO), curve("stablediffusion", names, values, DIFFUSION, 4)],
      };
    },
  });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (request) => {
    const address = new URL((request as Request).url);
    asked.push(address);
    const body = answers[address.pathname]?.(address);
    const status = body instanceof Refusal ? body.status : body === undefined ? 404 : 200;
    const problem = { type: "about:blank", title: "", status, detail: `refused ${address.pathname}` };
    return new Response(JSON.stringify(status === 200 ? body : problem), {
      status,
      headers: { "Content-Type": "application/json" },
    });
  });
});
afterEach(() => {
  cleanup();
  localStorage.clear();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const open = (language: Language = "en") =>
  render(
    <ChoiceOf initial={{ study: "kitchens", mode: "structure", language }}>
      <ProgressView />
    </ChoiceOf>,
  );

const times = (path: string) => asked.filter(({ pathname }) => pathname === path).length;
const LATER = { timeout: 10_000 };

test("the verdict comes first, with its parameters by name and the way to rate it", async () => {
  open();
  await screen.findByText(/^Use leonardo 0.31/);
  const setting = within(screen.getByLabelText("The recommended setting"));
  expect(setting.getByText("guidance_scale").nextElementSibling?.textContent).toBe("9.7");
  const link = screen.getByRole("link", { name: "Rate this one" }).getAttribute("href") ?? "";
  const query = new URLSearchParams(link.split("?")[1]);
  expect(link).toMatch(/^#rate\?/);
  expect(JSON.parse(query.get("fixed") ?? "")).toEqual(LEONARDO);
  screen.getByText(/Highest single rating: 5, for stablediffusion/);
});

test("every chart is drawn, and has its numbers as a table", async () => {
  open();
  await screen.findByRole("heading", { name: "How people rate" }, LATER);
  for (const title of ["Ratings, and what was recommended", "Along guidance_scale", "leonardo: expected rating"])
    await screen.findByRole("heading", { name: title }, LATER);
  await waitFor(() => expect(screen.getAllByRole("img").length).toBe(screen.getAllByRole("figure").length), LATER);
  const figure = screen.getByRole("heading", { name: "Leniency" }).closest("figure") as HTMLElement;
  expect(figure.querySelector("table")).toBeNull();
  await userEvent.click(within(figure).getByText("Numbers as a table"));
  const table = await within(figure).findByRole("table");
  expect(within(table).getByRole("rowheader", { name: "ana" })).toBeTruthy();
  expect(
    within(table)
      .getAllByRole("columnheader")
      .every((one) => one.getAttribute("scope") === "col"),
  ).toBe(true);
}, 20_000);

test("before six ratings it says how many are missing, and shows no chart", async () => {
  answers["/ml/stats"] = () => allStats(fewRatings(4));
  open();
  await screen.findByText(/^4 ratings so far: 2 more are needed/);
  expect(screen.getByRole("progressbar").getAttribute("value")).toBe("4");
  expect(screen.queryByRole("figure")).toBeNull();
  expect(screen.queryByText("Reading…")).toBeNull();
  expect(asked.map(({ pathname }) => pathname)).not.toContain("/ml/surrogate");
  expect(screen.getByRole("link", { name: "Rate pictures" }).getAttribute("href")).toBe("#rate");
});

test("an archived study and one that is based on another say so, and the archived one is not to be rated", async () => {
  answers["/ml/studies/kitchens"] = () =>
    described("kitchens", { archived_at: "2026-11-26T15:00:00Z", based_on: "kitchens-2025" });
  open();
  await screen.findByText(/archived on Nov 26, 2026/);
  await screen.findByText(/based on kitchens-2025/);
  await screen.findByText(/^Use leonardo/);
  expect(screen.queryByRole("link", { name: /Rate/ })).toBeNull();
});

test("what is shown stays while it is read anew, and while the server refuses", async () => {
  open();
  await screen.findByText(/^Use leonardo/);
  answers["/ml/stats"] = () => new Refusal(422);
  await userEvent.click(screen.getByRole("button", { name: "Refresh" }));
  const alert = await screen.findByText(/refused \/ml\/stats/);
  expect(screen.getByText(/^Use leonardo/)).toBeTruthy();
  answers["/ml/stats"] = () => allStats(modeStats({ samples_seen: 42 }));
  await userEvent.click(within(alert.parentElement as HTMLElement).getByRole("button", { name: "Try again" }));
  await screen.findByText(/42 ratings, about/);
  expect(screen.queryByText(/refused/)).toBeNull();
});

test("a part that cannot be read says so by itself, and is read again on request", async () => {
  answers["/ml/progress"] = () => new Refusal(422);
  open();
  const alert = await screen.findByText(/refused \/ml\/progress/, {}, LATER);
  await screen.findByRole("heading", { name: "Along guidance_scale" }, LATER);
  answers["/ml/progress"] = () => ({ steps: [step(6)], complete: true });
  await userEvent.click(within(alert.parentElement as HTMLElement).getByRole("button", { name: "Try again" }));
  await screen.findByRole("heading", { name: "Ratings, and what was recommended" });
}, 20_000);

test("steps that the server has not worked out yet are asked for again", async () => {
  answers["/ml/progress"] = () => ({ steps: [step(6)], complete: times("/ml/progress") > 2 });
  open();
  await screen.findByText(/still working out earlier steps/, {}, LATER);
  await waitFor(() => expect(times("/ml/progress")).toBe(3), LATER);
  await waitFor(() => expect(screen.queryByText(/still working out/)).toBeNull(), LATER);
}, 20_000);

test("a tab that is looked at again after a while reads anew, and one that was left for a moment does not", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  open();
  await screen.findByText(/^Use leonardo/);
  const look = (state: "hidden" | "visible") => {
    vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
    document.dispatchEvent(new Event("visibilitychange"));
  };
  look("hidden");
  vi.setSystemTime(Date.now() + 5_000);
  look("visible");
  await new Promise((done) => setTimeout(done, 100));
  expect(times("/ml/stats")).toBe(1);
  look("hidden");
  vi.setSystemTime(Date.now() + 60_000);
  look("visible");
  await waitFor(() => expect(times("/ml/stats")).toBe(2));
});

test("of many studies twenty are compared, and others on request", async () => {
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(private readonly seen: (entries: { isIntersecting: boolean }[]) => void) {}
      observe() {
        this.seen([{ isIntersecting: true }]);
      }
      disconnect() {}
    },
  );
  const others = Array.from({ length: 29 }, (_, at) => described(`study-${at}`));
  answers["/ml/studies"] = () => ({ studies: [described("kitchens"), ...others], next_cursor: null });
  const compared = () => new Set(asked.flatMap(({ searchParams }) => searchParams.get("study") ?? []));
  open();
  const more = await screen.findByRole("button", { name: "Show 10 more" }, LATER);
  expect(compared().size).toBe(20);
  await userEvent.click(more);
  await waitFor(() => expect(screen.queryByRole("button", { name: /^Show/ })).toBeNull(), LATER);
  expect(compared().size).toBe(30);
  expect(asked.filter(({ searchParams }) => searchParams.get("study") === "study-3").length).toBe(1);
}, 20_000);

test("it speaks Spanish, numbers included", async () => {
  open("es");
  await screen.findByText(/^Use leonardo 0,31.*se espera un 4,6/);
  await screen.findByRole("heading", { name: "Cómo valora cada persona" }, LATER);
  expect(screen.getByText("0,91")).toBeTruthy();
}, 20_000);
