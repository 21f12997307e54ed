import { afterEach, expect, test, vi } from "vitest";
import { DRAWN_RATINGS, numbered, parametersByApi, readCurves, readRatings } from "../../src/progress/reading";
import { inOrder } from "../../src/progress/sections/comparisons";
import { mostTelling } from "../../src/progress/sections/map";
import { curve, DIFFUSION, described, LEONARDO, modeStats, rated } from "./study";

const signal = new AbortController().signal;
const json = (body: unknown) => new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });

afterEach(() => vi.restoreAllMocks());

/** Answers every request by its address, and keeps the addresses. */
function served(answer: (address: URL) => unknown): URL[] {
  const asked: URL[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (request) => {
    const address = new URL((request as Request).url);
    asked.push(address);
    return json(answer(address));
  });
  return asked;
}

test("ratings are numbered from the first, whatever failed or was withdrawn between them", async () => {
  served(({ searchParams }) =>
    searchParams.get("cursor") === null
      ? { observations: [rated(5), rated(4, { rating: null, failed: "refused" }), rated(3)], next_cursor: "more" }
      : { observations: [rated(2, { withdrawn: true }), rated(1)], next_cursor: null },
  );
  const { ratings, whole } = await readRatings("kitchens", "structure", 3, signal);
  expect(whole).toBe(true);
  expect(ratings.map((one) => [one.order, one.recordedAt.slice(14, 16)])).toEqual([
    [1, "01"],
    [2, "03"],
    [3, "05"],
  ]);
});

test("of very many ratings the latest are read, and numbered from the end", async () => {
  const page = Array.from({ length: 200 }, (_, at) => rated(at));
  const asked = served(() => ({ observations: page, next_cursor: "more" }));
  const { ratings, whole } = await readRatings("kitchens", "structure", 12_345, signal);
  expect(asked.length).toBe(DRAWN_RATINGS / 200);
  expect(whole).toBe(false);
  expect([ratings[0]?.order, ratings.at(-1)?.order]).toEqual([12_345 - DRAWN_RATINGS + 1, 12_345]);
  expect(numbered([], 0)).toEqual([]);
});

test("a curve is asked for once per coordinate, and for what the other API has alone", async () => {
  const stats = modeStats();
  const shares = { first: 0.1, total: 0.1 };
  const stable = { ...stats.importance.stablediffusion?.parameters, steps: shares };
  const parameters = parametersByApi({
    ...stats,
    importance: { ...stats.importance, stablediffusion: { spread: 0.2, parameters: stable } },
  });
  const alike: Record<string, string> = {
    init_strength: "strength",
    guidance_scale: "guidance_scale",
    controlnet_weight: "controlnet_conditioning_scale",
  };
  const asked = served(({ searchParams }) => {
    const name = searchParams.get("parameter") ?? "";
    const other = alike[name];
    const mine = curve("leonardo", [name], [[1], [2]], LEONARDO);
    if (other === undefined) return { curves: [curve("stablediffusion", [name], [[1], [2]], DIFFUSION)] };
    return { curves: [mine, curve("stablediffusion", [other], [[1], [2]], DIFFUSION)] };
  });
  const groups = await readCurves("kitchens", "structure", parameters, signal);
  expect(asked.map(({ searchParams }) => [searchParams.get("parameter"), searchParams.get("api")])).toEqual([
    ["init_strength", null],
    ["guidance_scale", null],
    ["controlnet_weight", null],
    ["steps", "stablediffusion"],
  ]);
  expect(groups.map((group) => group.length)).toEqual([2, 2, 2, 1]);
});

test("choices and numbers of one coordinate get charts of their own", async () => {
  served(() => ({
    curves: [
      curve("leonardo", ["sampler"], [["euler"], ["heun"]], LEONARDO),
      curve("stablediffusion", ["sampler"], [[1], [2]], DIFFUSION),
    ],
  }));
  const groups = await readCurves("kitchens", "structure", new Map([["leonardo", ["sampler"]]]), signal);
  expect(groups.map((group) => group.map((one) => one.api))).toEqual([["stablediffusion"], ["leonardo"]]);
});

test("a map begins with the two parameters that matter most", () => {
  const names = ["init_strength", "guidance_scale", "controlnet_weight"];
  expect(mostTelling(modeStats(), "leonardo", names)).toEqual(["guidance_scale", "init_strength"]);
  expect(mostTelling(modeStats(), "leonardo", ["init_strength"])).toBeNull();
});

test("studies come with the one that is shown first, then the most recent, those without ratings last", () => {
  const studies = [
    described("old", { last_activity: "2026-01-01T00:00:00Z" }),
    described("new", { last_activity: "2026-11-01T00:00:00Z" }),
    described("bare", { counts: { structure: 0 }, last_activity: "2026-12-01T00:00:00Z" }),
    described("shown", { last_activity: "2025-01-01T00:00:00Z" }),
  ];
  expect(inOrder(studies, "shown", "structure").map(({ name }) => name)).toEqual(["shown", "new", "old", "bare"]);
});
