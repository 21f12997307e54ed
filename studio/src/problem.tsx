/** An error of the API, shown as what to do. */

import { ApiError, ConnectionError } from "@picture-tuning/client";
import { key } from "./api";
import { useChoice } from "./choice";
import type { Words } from "./words";

/** What a person can do about `error`. The API's own text, which is English, where only it knows. */
export function advice(error: unknown, words: Words): string {
  if (error instanceof ConnectionError) return words.problem.offline;
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 429) return words.problem.throttled(Math.ceil(error.retryAfter ?? 1));
  if (error.status === 503 || error.status === 504) return words.problem.unavailable;
  if (error.status >= 500) return `${words.problem.failed} ${error.problem.instance ?? "-"}`;
  if (error.status === 401 || error.status === 403) return key.get() === null ? words.key.title : words.key.wrong;
  return error.problem.detail;
}

export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { words } = useChoice();
  if (error === null || error === undefined) return null;
  const text = advice(error, words);
  const said = error instanceof ApiError ? error.problem.detail : null;
  return (
    <div role="alert" class="problem">
      <p lang={text === said ? "en" : undefined}>{text}</p>
      {retry ? (
        <button type="button" onClick={retry}>
          {words.problem.again}
        </button>
      ) : null}
    </div>
  );
}
