/** Sending again what may be sent again, as long as the server asks to. */

import { ConnectionError } from "./errors.js";

/** The gateway let the request through to nothing, so that it can do no harm to send any request again. */
const THROTTLED = 429;
/** The request may have been done: the function failed, its storage was out of reach, or no answer came in time. */
const UNSURE = new Set([502, 503, 504]);
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 30;

export type Fetch = (request: Request) => Promise<Response>;

export interface Patience {
  /** How often a request is sent at most. */
  attempts?: number;
  /** The longest single wait, in seconds: an answer that asks for more is given to the caller. */
  longestWait?: number;
  /** Waits so many milliseconds, or until the caller gives up; tests give their own. */
  wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** A number from 0 to 1, which spreads the waits of many callers; tests give their own. */
  chance?: () => number;
}

/**
 * Returns `fetch` with retries: after 429 of any request, and after 502, 503, 504 and lost connections of one that does
 * the same when it is sent twice. It waits as long as `Retry-After` asks, and up to a quarter longer, so that many
 * callers do not come back at once; without it 1, 2, 4 s, of which up to a half is left to chance.
 */
export function patient(fetch: Fetch, patience: Patience = {}): Fetch {
  const attempts = patience.attempts ?? ATTEMPTS;
  const longest = patience.longestWait ?? LONGEST_WAIT_S;
  const wait = patience.wait ?? waited;
  const chance = patience.chance ?? Math.random;

  return async (request) => {
    for (let attempt = 1; ; attempt++) {
      let answer: Response | null = null;
      try {
        answer = await fetch(request.clone());
      } catch (error) {
        if (request.signal.aborted) throw error;
        if (attempt >= attempts || !isRepeatable(request))
          throw new ConnectionError(`no answer from ${request.url}`, { cause: error });
      }
      const asked = answer === null ? null : retryAfter(answer.headers);
      if (answer !== null) {
        const again = answer.status === THROTTLED || (UNSURE.has(answer.status) && isRepeatable(request));
        if (!again || attempt >= attempts || (asked !== null && asked > longest)) return answer;
        await answer.body?.cancel();
      }
      const backoff = Math.min(2 ** (attempt - 1) * (1 - chance() / 2), longest);
      await wait(1000 * (asked === null ? backoff : asked * (1 + chance() / 4)), request.signal);
    }
  };
}

/** The seconds that `Retry-After` asks for, given as a number or a date; null if it is absent or neither. */
export function retryAfter(headers: Headers, now: number = Date.now()): number | null {
  const value = headers.get("Retry-After");
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}

/** Waits so many milliseconds; rejects with the signal's reason as soon as the caller gives up. */
export function waited(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    if (signal?.aborted) return failed(signal.reason);
    const giveUp = () => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      done();
    }, milliseconds);
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}

/**
 * Requests that record nothing twice. Of the suggestions that a lost answer had, nobody knows, and they are pending for
 * a day; no rating is harmed by that. Ratings and corrections are repeated by their idempotency key alone.
 */
const HARMLESS: readonly (readonly [method: string, path: RegExp])[] = [
  ["POST", /\/ml\/suggest_parameters\/?$/],
  ["POST", /\/generate-caption\/?$/],
  ["POST", /\/uploads\/?$/],
  ["DELETE", /\/ml\/suggestions\/[^/]+\/?$/],
  ["PATCH", /\/ml\/studies\/[^/]+\/?$/],
];

/** Whether sending the request twice does what sending it once does. */
function isRepeatable(request: Request): boolean {
  if (["GET", "HEAD", "OPTIONS"].includes(request.method) || request.headers.has("Idempotency-Key")) return true;
  const path = new URL(request.url).pathname;
  return HARMLESS.some(([method, pattern]) => method === request.method && pattern.test(path));
}
