/**
 * Parts of the page that are fetched when they are needed. While two versions of the page are deployed, one may ask the
 * other for a part that it does not have; the page then loads itself anew, once, if nobody loses anything by it.
 */

import { isAnythingUnsaved } from "./unsaved";

/** A part could not be fetched: the server is away, or has another version of the page. */
export class NotFetchedError extends Error {}

export async function fetchPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new NotFetchedError("a part of the page could not be fetched", { cause });
  }
}

const RELOADED = "studio.reloaded";
/** Two versions answer for some minutes: a page that comes back without the part so soon is not loaded again. */
const ONCE_IN_MS = 10 * 60 * 1000;

/** Whether the server answers, so that it has the page, though not this part of it. */
export async function serverAnswers(): Promise<boolean> {
  try {
    // Loading the page while the server is away would take from the person what is on the screen.
    return (await fetch(location.href, { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** Loads the page anew, unless it just did so or something would be lost; false if it does not. */
export function reloadOnce(): boolean {
  if (isAnythingUnsaved()) return false;
  try {
    const before = Number(sessionStorage.getItem(RELOADED));
    if (Date.now() - before < ONCE_IN_MS) return false;
    sessionStorage.setItem(RELOADED, String(Date.now()));
  } catch {
    // What cannot be remembered might be done for ever.
    return false;
  }
  location.reload();
  return true;
}
