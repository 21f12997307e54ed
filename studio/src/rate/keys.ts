/** What keys do in the view Rate: a number of stars and then a card's letter, and the like. */

/** What was pressed and waits for a card's letter. */
export type Pending = { kind: "stars"; value: number } | { kind: "skip" } | { kind: "fail" };

export type Deed =
  | { kind: "rate"; card: number; value: number | null }
  | { kind: "half"; card: number }
  | { kind: "skip" | "fail" | "go"; card: number }
  | { kind: "save" | "undo" | "help" };

export interface Stroke {
  key: string;
  code: string;
  shiftKey: boolean;
}

export interface Situation {
  pending: Pending | null;
  /** How many cards there are. */
  cards: number;
  /** The card whose stars have the focus. */
  focused: number | null;
}

const HALF = new Set([".", ",", "Decimal"]);

/** What a key does; null if it does nothing here. `pending` is what then waits for a letter. */
export function deedOf(
  stroke: Stroke,
  { pending, cards, focused }: Situation,
): { deed: Deed | null; pending: Pending | null } | null {
  const only = focused ?? (cards === 1 ? 0 : null);
  const stars = starsOf(stroke);
  if (stars !== null) {
    if (only !== null) return { deed: { kind: "rate", card: only, value: stars }, pending: null };
    return cards === 0 ? null : { deed: null, pending: { kind: "stars", value: stars } };
  }
  if (HALF.has(stroke.key)) {
    if (pending?.kind === "stars") return { deed: null, pending: { kind: "stars", value: withHalf(pending.value) } };
    return only === null ? null : { deed: { kind: "half", card: only }, pending: null };
  }
  const key = stroke.key.toLowerCase();
  const card = "abcd".indexOf(key);
  if (key.length === 1 && card >= 0 && card < cards) {
    if (pending === null) return { deed: { kind: "go", card }, pending: null };
    if (pending.kind === "stars") return { deed: { kind: "rate", card, value: pending.value }, pending: null };
    return { deed: { kind: pending.kind, card }, pending: null };
  }
  if (key === "s" || key === "f") {
    const kind = key === "s" ? "skip" : "fail";
    if (only !== null) return { deed: { kind, card: only }, pending: null };
    return cards === 0 ? null : { deed: null, pending: { kind } };
  }
  if (key === "0" && only !== null) return { deed: { kind: "rate", card: only, value: null }, pending: null };
  if (key === "enter") return { deed: { kind: "save" }, pending: null };
  if (key === "u") return { deed: { kind: "undo" }, pending: null };
  if (key === "?") return { deed: { kind: "help" }, pending: null };
  if (key === "escape" && pending !== null) return { deed: null, pending: null };
  return null;
}

/** A half more, or less where there is one. */
export const withHalf = (value: number): number => (Number.isInteger(value) ? Math.min(value + 0.5, 5) : value - 0.5);

/** 1 to 5 for a digit, a half more with Shift; null for other keys. */
function starsOf({ key, code, shiftKey }: Stroke): number | null {
  if (/^[1-5]$/.test(key)) return Number(key);
  // Shift makes another sign of a digit; on French keyboards it is the digit that needs Shift, and has no half so.
  const digit = /^Digit([1-5])$/.exec(code);
  if (digit === null || key.length !== 1) return null;
  return Math.min(Number(digit[1]) + (shiftKey ? 0.5 : 0), 5);
}
