/** Sending again what may be sent again, as long as the server asks to. */

import { ConnectionError } from "./errors";

const RETRIED = new Set([429, 502, 503, 504]);
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 30;

export type Fetch = (request: Request) => Promise<Response>;

export interface Patience {
  /** How often a request is sent at most. */
  attempts?: number;
  /** The longest single wait, in seconds: an answer that asks for more is given to the caller. */
  longestWait?: number;
  /** Waits so many milliseconds; tests give their own. */
  wait?: (milliseconds: number) => Promise<void>;
  /** A number from 0 to 1, which spreads the waits of many callers; tests give their own. */
  chance?: () => number;
}

/** Returns `fetch` with retries: after 429, 502, 503, 504 and lost connections, with Retry-After heeded. */
export function patient(fetch: Fetch, patience: Patience = {}): Fetch {
  const attempts = patience.attempts ?? ATTEMPTS;
  const longest = patience.longestWait ?? LONGEST_WAIT_S;
  const wait = patience.wait ?? ((ms: number) => new Promise((done) => setTimeout(done, ms)));
  const chance = patience.chance ?? Math.random;

  return async (request) => {
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= attempts || !isRepeatable(request);
      let answer: Response | null = null;
      try {
        answer = await fetch(request.clone());
      } catch (error) {
        if (request.signal.aborted) throw error;
        if (last) throw new ConnectionError(`no answer from ${request.url}`, { cause: error });
      }
      if (answer !== null && (last || !RETRIED.has(answer.status))) return answer;
      const asked = answer === null ? null : retryAfter(answer.headers);
      if (answer !== null && asked !== null && asked > longest) return answer;
      await answer?.body?.cancel();
      const backoff = 2 ** (attempt - 1) * (0.5 + chance() / 2);
      await wait(1000 * (asked === null ? Math.min(backoff, longest) : asked));
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

/** Whether sending the request twice does what sending it once does. */
function isRepeatable(request: Request): boolean {
  return ["GET", "HEAD", "OPTIONS", "PUT"].includes(request.method) || request.headers.has("Idempotency-Key");
}
