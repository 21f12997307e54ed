import { expect, test } from "vitest";
import { corrected } from "../../src/history/entries";
import { EVERYTHING, inOrder, matches } from "../../src/history/order";
import { starsOf } from "../../src/history/stars";
import { entry } from "./entry";

test("sorts by stars, failures last in both directions, equals as they came", () => {
  const entries = [
    entry({ id: "a", rating: 3 }),
    entry({ id: "b", rating: null, failed: "refused" }),
    entry({ id: "c", rating: 5 }),
    entry({ id: "d", rating: 3 }),
  ];
  const ids = (descending: boolean) => inOrder(entries, { column: "stars", descending }).map((one) => one.id);
  expect(ids(true)).toEqual(["c", "a", "d", "b"]);
  expect(ids(false)).toEqual(["a", "d", "c", "b"]);
});

test("filters by rater, and one without a name is not any", () => {
  const [named, nameless] = [entry({ id: "a", rater: "ana" }), entry({ id: "b" })];
  expect(matches(named, { ...EVERYTHING, rater: "ana" })).toBe(true);
  expect(matches(nameless, { ...EVERYTHING, rater: "ana" })).toBe(false);
  expect(matches(nameless, { ...EVERYTHING, rater: "" })).toBe(true);
  expect(matches(named, { ...EVERYTHING, rater: "" })).toBe(false);
});

test("a range of stars leaves failures out, and the whole range does not", () => {
  const failure = entry({ id: "a", rating: null, failed: "refused" });
  expect(matches(failure, EVERYTHING)).toBe(true);
  expect(matches(failure, { ...EVERYTHING, least: 2 })).toBe(false);
  expect(matches(entry({ id: "b", rating: 2.5 }), { ...EVERYTHING, least: 2.5, most: 2.5 })).toBe(true);
});

test("withdrawn entries are shown, hidden or alone", () => {
  const [gone, here] = [entry({ id: "a", withdrawn: true }), entry({ id: "b" })];
  expect([gone, here].filter((one) => matches(one, { ...EVERYTHING, withdrawn: "hide" }))).toEqual([here]);
  expect([gone, here].filter((one) => matches(one, { ...EVERYTHING, withdrawn: "only" }))).toEqual([gone]);
});

test("a correction keeps what was before, and none is made of an answer that changes nothing", () => {
  const before = entry({ id: "a", rating: 2, comment: "dark" });
  const after = entry({ id: "a", rating: 4, revision: 2, revised_at: "2026-11-26T11:00:00Z", reviser: "bo" });
  const merged = corrected(before, after);
  expect(merged.rating).toBe(4);
  expect(merged.earlier).toEqual([
    { revision: 1, rating: 2, comment: "dark", withdrawn: false, made_at: before.recorded_at, reviser: null },
  ]);
  expect(corrected(before, entry({ id: "a", rating: 2, comment: "dark" }))).toBe(before);
});

test("stars show halves, and a rating between them its number", () => {
  expect(starsOf(4.5, "en-GB")).toBe("★★★★½ 4.5");
  expect(starsOf(1, "en-GB")).toBe("★ 1");
  expect(starsOf(3.14, "en-GB")).toBe("★★★ 3.14");
  expect(starsOf(3.5, "es-ES")).toBe("★★★½ 3,5");
});
