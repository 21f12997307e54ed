/** An error, shown as what to do, and beneath it what the API found, in its own words. */

import { ApiError, ConnectionError } from "@picture-tuning/client";
import { key } from "./api";
import { useChoice } from "./choice";
import { NotFetchedError } from "./parts";
import type { Words } from "./words";

export interface Failure {
  /** What to do, in the page's language. */
  advice: string;
  /** What was found, in English; null where the advice says it all. */
  reason: string | null;
}

const alone = (advice: string): Failure => ({ advice, reason: null });

/** What a person can do about `error`. */
export function failureOf(error: unknown, words: Words): Failure {
  const said = words.problem;
  if (error instanceof ConnectionError) return alone(said.offline);
  if (error instanceof NotFetchedError) return alone(said.notFetched);
  if (error instanceof ApiError) return refused(error, words);
  if (error instanceof DOMException && ["NotReadableError", "NotFoundError"].includes(error.name))
    return alone(said.unreadable);
  return { advice: said.unexpected, reason: error instanceof Error ? error.message : String(error) };
}

function refused({ status, problem, retryAfter }: ApiError, words: Words): Failure {
  const said = words.problem;
  if (status === 429) return alone(said.throttled(Math.ceil(retryAfter ?? 1)));
  if (status === 401 || status === 403) return alone(key.get() === null ? words.key.title : words.key.wrong);
  // What stands before the API reached none.
  if (status === 502) return alone(said.offline);
  if (status === 503 || status === 504) return alone(said.unavailable);
  if (status >= 500) return alone(`${said.failed} ${problem.instance ?? "-"}`);
  return { advice: adviceOn(status, words), reason: problem.detail };
}

/** What to do about an answer that refuses a request, by its status. */
export function adviceOn(status: number, { problem }: Words): string {
  return problem.refusals[status] ?? problem.refused;
}

export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { words } = useChoice();
  if (error === null || error === undefined) return null;
  const { advice, reason } = failureOf(error, words);
  return (
    <div role="alert" class="problem">
      <p>{advice}</p>
      <Reason text={reason} />
      {retry ? (
        <button type="button" onClick={retry}>
          {words.problem.again}
        </button>
      ) : null}
    </div>
  );
}

/** What was found, which is English in either language of the page. */
export function Reason({ text }: { text: string | null }) {
  if (text === null) return null;
  return (
    <p class="reason" lang="en">
      {text}
    </p>
  );
}
