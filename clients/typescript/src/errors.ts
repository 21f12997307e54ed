/** What goes wrong, as callers meet it: an answer that is a problem (RFC 9457), or no answer at all. */

import type { components } from "./schema.js";

export type Problem = components["schemas"]["ProblemDetails"];

/** The API answered with an error. `problem.detail` says what is wrong and what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly problem: Problem,
    /** Seconds to wait before trying again, where the answer said so. */
    readonly retryAfter: number | null,
  ) {
    super(problem.detail);
  }
}

/** No answer arrived: the network or the server is down. What was sent may have been done. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The storage refused an upload. `answer` is what it said: XML where it is S3, a problem on one machine. */
export class UploadError extends Error {
  override readonly name = "UploadError";

  constructor(
    readonly status: number,
    readonly answer: string,
  ) {
    super(`the upload was refused with ${status}: ${answer.slice(0, 500)}`);
  }
}

/** An uploaded picture still waits for its caption: ask for `key` again later. */
export class PendingError extends Error {
  override readonly name = "PendingError";

  constructor(readonly key: string) {
    super(`${key} is not captioned yet; ask again later`);
  }
}
