/** Which entries a table shows, and in what order. */

import type { Entry } from "./entries";

export type Column = "time" | "api" | "stars" | "rater" | "picture";

export interface Order {
  column: Column;
  descending: boolean;
}

export interface Filter {
  api: string | null;
  /** Null for any; the empty string for entries without a name. */
  rater: string | null;
  picture: string;
  least: number;
  most: number;
  withdrawn: "hide" | "show" | "only";
}

export const EVERYTHING: Filter = { api: null, rater: null, picture: "", least: 1, most: 5, withdrawn: "show" };

export function matches(entry: Entry, filter: Filter): boolean {
  if (filter.api !== null && apiOf(entry) !== filter.api) return false;
  if (filter.rater !== null && (entry.rater ?? "") !== filter.rater) return false;
  if (filter.picture !== "" && !(entry.picture ?? "").toLowerCase().includes(filter.picture.toLowerCase()))
    return false;
  if (filter.withdrawn === "hide" && entry.withdrawn) return false;
  if (filter.withdrawn === "only" && !entry.withdrawn) return false;
  const everyRating = filter.least <= 1 && filter.most >= 5;
  if (entry.rating === null) return everyRating;
  return everyRating || (entry.rating >= filter.least && entry.rating <= filter.most);
}

/** The entries in order; those that are equal keep the order in which they came. What has no value comes last. */
export function inOrder(entries: readonly Entry[], { column, descending }: Order): Entry[] {
  const sign = descending ? -1 : 1;
  return [...entries].sort((one, other) => {
    const [a, b] = [keyOf(one, column), keyOf(other, column)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return a < b ? -sign : a > b ? sign : 0;
  });
}

export function apiOf(entry: Entry): string {
  return String(entry.parameters.api);
}

/** The parameters of an entry without its API, in the order of the space. */
export function parametersOf(entry: Entry): [name: string, value: unknown][] {
  return Object.entries(entry.parameters).filter(([name]) => name !== "api");
}

function keyOf(entry: Entry, column: Column): string | number | null {
  switch (column) {
    case "time":
      return Date.parse(entry.recorded_at);
    case "api":
      return apiOf(entry);
    case "stars":
      return entry.rating;
    case "rater":
      return entry.rater;
    case "picture":
      return entry.picture;
  }
}
