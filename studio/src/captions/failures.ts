/** Why a picture has no caption, beside what the API says, and what to do about it. */

import { ApiError, ConnectionError } from "@picture-tuning/client";
import { advice } from "../problem";
import type { Words } from "../words";

/** The browser cannot read the file: a folder, or a file that was moved, changed or locked since. */
export class UnreadableError extends Error {}

/** The picture has more bytes than an upload may have. */
export class TooLargeError extends Error {
  constructor(readonly mostBytes: number) {
    super(`more than ${mostBytes} bytes`);
  }
}

/** A picture too large for the API whose format uploads do not take. */
export class UploadFormatError extends Error {}

/** The bucket refused the form; `code` is S3's. */
export class BucketError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The picture is uploaded and has had no caption for a long time. */
export class StillPendingError extends Error {}

export interface Failure {
  /** What to do, in the page's language. */
  advice: string;
  /** What the API found, in its own words, which are English; null where it said nothing more. */
  reason: string | null;
}

/** The API says what it found, and after it what to do, which the page says in its own language. */
function found(detail: string): string {
  const remedy = detail.lastIndexOf("; ");
  return remedy < 0 ? detail : detail.slice(0, remedy);
}

export function failureOf(error: unknown, words: Words): Failure {
  const said = words.captions.failures;
  const alone = (text: string): Failure => ({ advice: text, reason: null });
  if (error instanceof UnreadableError) return alone(said.unreadable);
  if (error instanceof TooLargeError) return alone(said.tooLarge(Math.floor(error.mostBytes / 2 ** 20)));
  if (error instanceof UploadFormatError) return alone(said.uploadFormat);
  if (error instanceof StillPendingError) return alone(said.stillPending);
  if (error instanceof ConnectionError) return alone(said.offline);
  if (error instanceof BucketError) {
    const expired = error.status === 403;
    return {
      advice: expired ? said.expired : said.bucket,
      reason: [error.code, error.message].filter(Boolean).join(": "),
    };
  }
  if (error instanceof ApiError) {
    const reason = found(error.problem.detail);
    if (error.status === 413) return { advice: said.tooMuch, reason };
    if (error.status === 415) return { advice: said.noPicture, reason };
    if (error.status === 404) return { advice: said.gone, reason };
    if (error.status === 422) return { advice: said.damaged, reason };
  }
  return alone(advice(error, words));
}
