/**
 * What somebody is rating: sets of cards, one desk per study, mode and what is fixed. The browser keeps it, so that a
 * half-done set survives a reload, and all tabs show the same.
 */

import { newKey, type Schemas } from "@picture-tuning/client";
import type { Mode } from "../choice";
import { mayBeUnsaved } from "../unsaved";
import { forget, isObject, keep, kept, keptNames } from "./kept";

export type Parameters = Schemas["Suggestions"]["suggestions"][number];
export type Fixed = NonNullable<Schemas["SuggestRequest"]["fixed"]>;

/** A suggestion, and what the person says of it. */
export interface Card {
  /** The suggestion's id. */
  id: string;
  parameters: Parameters;
  /** 1 to 5 in halves; null while there is none. */
  rating: number | null;
  comment: string;
  /** Why there is no picture to rate, as far as it is typed; null of what did not fail. */
  failed: string | null;
  /** Where the enhanced picture is, if an address was given in place of a file. */
  address: string | null;
}

/** The picture that was enhanced. Its `id` goes with the ratings; the picture itself stays here. */
export interface Original {
  id: string;
  name: string;
  address: string | null;
  /** Whether it is that of the next sets too. */
  goesOn: boolean;
}

/** Cards that are saved together. */
export interface RatingSet {
  /** The idempotency key of its ratings, made once: however often they are sent, they are recorded once. */
  key: string;
  study: string;
  mode: Mode;
  /** When the suggestions were asked for, in ms since 1970. */
  asked: number;
  cards: Card[];
  original: Original | null;
}

export interface Desk {
  current: RatingSet | null;
  /** Sets that an undone one was put before. */
  waiting: RatingSet[];
  /** What was saved last, which can be undone. */
  last: RatingSet | null;
}

export interface DeskName {
  study: string;
  mode: Mode;
  /** As it stands in the address; null where the model chooses. */
  fixed: string | null;
}

/** A suggestion is reserved for so long. */
export const RESERVED_MS = 24 * 3600 * 1000;

export const EMPTY: Desk = { current: null, waiting: [], last: null };

const DESK = "studio.rate.desk/";

export const nameOf = ({ study, mode, fixed }: DeskName): string =>
  `${DESK}${study}/${mode}${fixed === null ? "" : `/${fixed}`}`;

/** Desks that the browser does not keep: they last as long as the page. */
const unkept = new Map<string, Desk>();
mayBeUnsaved(() => unkept.size > 0);

export function readDesk(name: string): Desk {
  const found = unkept.get(name) ?? kept<unknown>(name);
  return isDesk(found) ? found : EMPTY;
}

function isDesk(value: unknown): value is Desk {
  if (!isObject(value) || !Array.isArray(value.waiting)) return false;
  return (
    [value.current, value.last].every((one) => one === null || isRatingSet(one)) && value.waiting.every(isRatingSet)
  );
}

export function isRatingSet(value: unknown): value is RatingSet {
  if (!isObject(value) || !Array.isArray(value.cards)) return false;
  const isNamed = [value.key, value.study, value.mode].every((one) => typeof one === "string");
  const isCard = (one: unknown) =>
    isObject(one) && typeof one.id === "string" && isObject(one.parameters) && typeof one.comment === "string";
  const hasOriginal = value.original === null || (isObject(value.original) && typeof value.original.id === "string");
  return isNamed && hasOriginal && value.cards.every(isCard);
}

/** Puts a desk away; false if it is lost with the page. One with nothing on it leaves nothing behind. */
export function writeDesk(name: string, desk: Desk): boolean {
  if (isEmpty(desk)) {
    forget(name);
    unkept.delete(name);
    return true;
  }
  const isKept = keep(name, desk);
  if (isKept) unkept.delete(name);
  else unkept.set(name, desk);
  return isKept;
}

const isEmpty = ({ current, waiting, last }: Desk): boolean =>
  current === null && waiting.length === 0 && last === null;

/**
 * Forgets the desks of settings that were asked for once (`fixed`), whose sets were saved more than a day ago, and those
 * with nothing on them, which earlier releases have left. `shown` stays.
 */
export function tidyDesks(shown: string): void {
  for (const name of keptNames(DESK)) {
    const desk = kept<unknown>(name);
    // What another release has left there, that release reads.
    if (!isDesk(desk)) continue;
    const { current, waiting, last } = desk;
    const isOver = current === null && waiting.length === 0;
    // A study and a mode have no slash.
    const isOfOneSetting = name.slice(DESK.length).split("/").length > 2;
    const isOld = last === null || Date.now() - last.asked > RESERVED_MS;
    if (isEmpty(desk) || (isOver && isOfOneSetting && isOld && name !== shown)) forget(name);
  }
}

/** The ids of every picture that a desk may still show. */
export function shownPictures(): Set<string> {
  const ids = new Set<string>();
  for (const name of new Set([...keptNames(DESK), ...unkept.keys()])) {
    const { current, waiting, last } = readDesk(name);
    for (const set of [current, last, ...waiting]) {
      if (set === null) continue;
      for (const card of set.cards) ids.add(card.id);
      if (set.original !== null) ids.add(set.original.id);
    }
  }
  return ids;
}

/** Makes a set of suggestions. */
export function setOf(
  of: { study: string; mode: Mode },
  given: readonly { id: string; parameters: Parameters }[],
  original: Original | null,
): RatingSet {
  return { ...of, key: newKey(), asked: Date.now(), cards: given.map(cardOf), original };
}

export function cardOf({ id, parameters }: { id: string; parameters: Parameters }): Card {
  return { id, parameters, rating: null, comment: "", failed: null, address: null };
}

/** What the card says as the API takes it: stars, or why there are none; null while it says neither. */
export function outcomeOf({ rating, failed }: Card): { rating: number } | { failed: string } | null {
  if (failed !== null) return failed.trim() === "" ? null : { failed: failed.trim() };
  return rating === null ? null : { rating };
}

/** How many cards have stars, and how many failed. */
export interface Tally {
  ratings: number;
  failures: number;
}

export function tallyOf(cards: readonly Card[]): Tally {
  const outcomes = cards.map(outcomeOf).filter((one) => one !== null);
  const ratings = outcomes.filter((one) => "rating" in one).length;
  return { ratings, failures: outcomes.length - ratings };
}

/** Whether the card says something that can be sent. */
export const isDone = (card: Card): boolean => outcomeOf(card) !== null;

/** Whether the person has done anything with the card. */
export const isTouched = (card: Card): boolean =>
  card.rating !== null || card.failed !== null || card.comment !== "" || card.address !== null;

/** The setting that an address of this page asks for; null where it asks for none that is well formed. */
export function fixedOf(text: string): Fixed | null {
  try {
    const value: Fixed | null = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
