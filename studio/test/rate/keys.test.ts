import { expect, test } from "vitest";
import { deedOf, type Pending, type Situation, withHalf } from "../../src/rate/keys";

/** What a person types, one key after the other: what is done in the end, and what still waits. */
function typed(
  strokes: (string | { key: string; code: string; shiftKey?: boolean })[],
  situation: Partial<Situation> = {},
) {
  let pending: Pending | null = null;
  let deed = null;
  for (const stroke of strokes) {
    const pressed =
      typeof stroke === "string" ? { key: stroke, code: "", shiftKey: false } : { shiftKey: false, ...stroke };
    const given = deedOf(pressed, { cards: 2, focused: null, ...situation, pending });
    deed = given?.deed ?? null;
    pending = given?.pending ?? null;
  }
  return { deed, pending };
}

test("a digit waits for the card's letter", () => {
  expect(typed(["4"])).toEqual({ deed: null, pending: { kind: "stars", value: 4 } });
  expect(typed(["4", "b"]).deed).toEqual({ kind: "rate", card: 1, value: 4 });
  expect(typed(["2", "5", "A"]).deed).toEqual({ kind: "rate", card: 0, value: 5 });
});

test("a dot, a comma or Shift makes a half of it, and never more than five", () => {
  expect(typed(["3", ".", "a"]).deed).toEqual({ kind: "rate", card: 0, value: 3.5 });
  expect(typed(["3", ",", "a"]).deed).toEqual({ kind: "rate", card: 0, value: 3.5 });
  expect(typed([{ key: "$", code: "Digit4", shiftKey: true }, "b"]).deed).toEqual({
    kind: "rate",
    card: 1,
    value: 4.5,
  });
  expect(typed([{ key: "%", code: "Digit5", shiftKey: true }, "b"]).deed).toEqual({ kind: "rate", card: 1, value: 5 });
  expect([1, 1.5, 5].map(withHalf)).toEqual([1.5, 1, 5]);
});

test("a keyboard whose digits need Shift gives whole stars", () => {
  expect(typed([{ key: "4", code: "Digit4", shiftKey: true }, "a"]).deed).toEqual({ kind: "rate", card: 0, value: 4 });
});

test("the only card, and the one whose stars have the focus, needs no letter", () => {
  expect(typed(["4"], { cards: 1 }).deed).toEqual({ kind: "rate", card: 0, value: 4 });
  expect(typed(["2"], { focused: 1 }).deed).toEqual({ kind: "rate", card: 1, value: 2 });
  expect(typed(["."], { focused: 1 }).deed).toEqual({ kind: "half", card: 1 });
  expect(typed(["0"], { focused: 1 }).deed).toEqual({ kind: "rate", card: 1, value: null });
});

test("a letter alone goes to the card, and letters without a card do nothing", () => {
  expect(typed(["b"]).deed).toEqual({ kind: "go", card: 1 });
  expect(typed(["4", "c"])).toEqual({ deed: null, pending: null });
  expect(typed(["4", "d"], { cards: 4 }).deed).toEqual({ kind: "rate", card: 3, value: 4 });
});

test("skip and fail name their card too", () => {
  expect(typed(["s", "a"]).deed).toEqual({ kind: "skip", card: 0 });
  expect(typed(["f", "b"]).deed).toEqual({ kind: "fail", card: 1 });
});

test("Escape forgets what waits; Enter saves, U undoes, ? helps", () => {
  expect(typed(["4", "Escape"])).toEqual({ deed: null, pending: null });
  expect(typed(["Enter"]).deed).toEqual({ kind: "save" });
  expect(typed(["u"]).deed).toEqual({ kind: "undo" });
  expect(typed(["?"]).deed).toEqual({ kind: "help" });
  expect(deedOf({ key: "Tab", code: "Tab", shiftKey: false }, { pending: null, cards: 2, focused: null })).toBeNull();
});
