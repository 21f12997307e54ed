/** Why a picture has no caption, beside what the API says, and what to do about it. */

import { ApiError, ConnectionError, PendingError, UploadError } from "@picture-tuning/client";
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

/** What the bucket said: S3 answers in XML, with a code and a message. */
function bucketSaid({ status, answer }: UploadError): string {
  const text = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(answer)?.[1];
  return [text("Code") ?? `status ${status}`, text("Message")].filter(Boolean).join(": ");
}

export function failureOf(error: unknown, words: Words): Failure {
  const said = words.captions.failures;
  const alone = (text: string): Failure => ({ advice: text, reason: null });
  if (error instanceof UnreadableError) return alone(said.unreadable);
  if (error instanceof TooLargeError) return alone(said.tooLarge(Math.floor(error.mostBytes / 2 ** 20)));
  if (error instanceof PendingError) return alone(said.stillPending);
  if (error instanceof ConnectionError) return alone(said.offline);
  if (error instanceof UploadError) {
    return { advice: error.status === 403 ? said.expired : said.bucket, reason: bucketSaid(error) };
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
