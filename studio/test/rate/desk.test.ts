import { afterEach, expect, test, vi } from "vitest";
import { fixedOf, nameOf, readDesk, setOf, shownPictures, tallyOf, tidyDesks, writeDesk } from "../../src/rate/desk";
import { keptNames } from "../../src/rate/kept";
import { bodyOf } from "../../src/rate/outbox";
import { pictureId, pictureIdOfAddress } from "../../src/rate/picture-id";
import { WORDS } from "../../src/words";
import { fillStorage } from "./full-storage";

afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

const PLACE = { study: "default", mode: "structure", fixed: null } as const;
const SET = setOf(
  { study: "kitchens", mode: "surfaces" },
  [
    { id: "a", parameters: { api: "leonardo", init_strength: 0.3, guidance_scale: 7, controlnet_weight: 0.9 } },
    {
      id: "b",
      parameters: { api: "stablediffusion", strength: 0.3, guidance_scale: 7, controlnet_conditioning_scale: 0.9 },
    },
  ],
  { id: "f00d", name: "kitchen.jpg", address: null, goesOn: false },
);

test("a desk is kept for its study, mode and what is fixed, and for no other", () => {
  writeDesk(nameOf(PLACE), { current: SET, waiting: [], last: null });
  expect(readDesk(nameOf(PLACE)).current).toEqual(SET);
  for (const other of [
    { ...PLACE, study: "b" },
    { ...PLACE, mode: "surfaces" as const },
    { ...PLACE, fixed: "{}" },
  ]) {
    expect(readDesk(nameOf(other)).current).toBeNull();
  }
  expect(shownPictures()).toEqual(new Set(["a", "b", "f00d"]));
});

test("desks of settings that were asked for once go a day after they are done; what waits, is undone or unknown stays", () => {
  const done = { current: null, waiting: [], last: SET };
  const old = { ...done, last: { ...SET, asked: Date.now() - 25 * 3600 * 1000 } };
  const put = (fixed: string | null, desk: unknown) => {
    localStorage.setItem(nameOf({ ...PLACE, fixed }), JSON.stringify(desk));
    return nameOf({ ...PLACE, fixed });
  };
  put('{"a":1}', { current: null, waiting: [], last: null });
  put('{"a":2}', old);
  const stay = [
    put('{"a":3}', done),
    put('{"a":4}', { ...old, current: SET }),
    put('{"a":5}', { ...old, waiting: [SET] }),
    put('{"a":6}', { of: "another release" }),
    put('{"a":7}', old),
    put(null, old),
  ];
  tidyDesks(nameOf({ ...PLACE, fixed: '{"a":7}' }));
  expect(keptNames("studio.rate.desk/")).toEqual(stay.sort());
});

test("a desk with nothing on it leaves nothing in the storage", () => {
  writeDesk(nameOf(PLACE), { current: SET, waiting: [], last: null });
  expect(localStorage.length).toBe(1);
  expect(writeDesk(nameOf(PLACE), { current: null, waiting: [], last: null })).toBe(true);
  expect(localStorage.length).toBe(0);
  expect(readDesk(nameOf(PLACE)).current).toBeNull();
});

test("what the browser does not keep lasts as long as the page, and what is damaged is passed over", () => {
  localStorage.setItem(nameOf(PLACE), "{");
  expect(readDesk(nameOf(PLACE)).current).toBeNull();
  fillStorage();
  expect(writeDesk(nameOf(PLACE), { current: SET, waiting: [], last: null })).toBe(false);
  expect(readDesk(nameOf(PLACE)).current).toEqual(SET);
  vi.unstubAllGlobals();
  expect(writeDesk(nameOf(PLACE), { current: null, waiting: [], last: null })).toBe(true);
  expect(readDesk(nameOf(PLACE)).current).toBeNull();
});

test("a set is sent with its study, mode, rater and picture; a failure with its reason and no rating", () => {
  const [first, second] = SET.cards;
  if (first === undefined || second === undefined) throw new Error("the set has two cards");
  const cards = [
    { ...first, rating: 3.5, comment: " too dark " },
    { ...second, rating: 2, failed: " refused " },
  ];
  expect(bodyOf({ ...SET, cards }, "ana")).toEqual({
    study: "kitchens",
    mode: "surfaces",
    rater: "ana",
    picture: "f00d",
    results: [
      { suggestion_id: "a", parameters: first.parameters, rating: 3.5, comment: "too dark" },
      { suggestion_id: "b", parameters: second.parameters, failed: "refused" },
    ],
  });
  expect(bodyOf({ ...SET, original: null }, "")).toEqual({ study: "kitchens", mode: "surfaces", results: [] });
});

test("failures are no ratings, and what says nothing is neither", () => {
  const [first, second] = SET.cards;
  if (first === undefined || second === undefined) throw new Error("the set has two cards");
  expect(tallyOf(SET.cards)).toEqual({ ratings: 0, failures: 0 });
  expect(
    tallyOf([
      { ...first, rating: 3 },
      { ...second, rating: 2, failed: "refused" },
    ]),
  ).toEqual({ ratings: 1, failures: 1 });
  const { saved, waiting, refused } = WORDS.en.rate;
  expect(saved({ ratings: 2, failures: 1 })).toBe("2 ratings and 1 failure are recorded.");
  expect(saved({ ratings: 0, failures: 1 })).toBe("1 failure is recorded.");
  expect(waiting({ ratings: 1, failures: 0 })).toBe("1 rating waits to be sent.");
  expect(refused({ ratings: 0, failures: 2 })).toBe("2 failures were refused:");
  expect(WORDS.es.rate.saved({ ratings: 2, failures: 1 })).toBe("Se han registrado 2 valoraciones y 1 fallo.");
  expect(WORDS.es.rate.discardSure({ ratings: 0, failures: 1 })).toBe("¿Descartar 1 fallo para siempre?");
});

test("what an address asks for is an object, or nothing", () => {
  expect(fixedOf('{"api":"leonardo"}')).toEqual({ api: "leonardo" });
  for (const wrong of ["", "{", "[]", "null", "3"]) expect(fixedOf(wrong)).toBeNull();
});

test("a picture has the same id where the browser does not hash", async () => {
  const bytes = new TextEncoder().encode("abc").buffer;
  const standard = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  expect(await pictureId(bytes)).toBe(standard);
  expect(await pictureIdOfAddress("abc")).toBe(standard);
  vi.stubGlobal("crypto", {});
  expect(await pictureId(bytes)).toBe(standard);
});

test.each([5, "x", [], {}, { current: {}, waiting: [], last: null }, { current: null, waiting: [{}], last: null }])(
  "a desk that something else has left (%j) is passed over",
  (rubbish) => {
    localStorage.setItem(nameOf(PLACE), JSON.stringify(rubbish));
    expect(readDesk(nameOf(PLACE))).toEqual({ current: null, waiting: [], last: null });
    expect(shownPictures()).toEqual(new Set());
  },
);
