/** Why a picture has no caption, beside what the API says, what to do about it, and whether to try again helps. */

import { ApiError, ConnectionError, PendingError, UploadError } from "@picture-tuning/client";
import { type Failure, failureOf } from "../problem";
import type { Words } from "../words";

/** The browser cannot read the file: a folder, or a file that was moved, changed or locked since. */
export class UnreadableError extends Error {}

/** The picture has more bytes than an upload may have. */
export class TooLargeError extends Error {
  constructor(readonly mostBytes: number) {
    super(`more than ${mostBytes} bytes`);
  }
}

export interface PictureFailure extends Failure {
  /** Whether the same file may get a caption another time. */
  mayPass: boolean;
}

/** The API says what it found, and after it what to do, which the page says in its own language. */
function found(detail: string): string {
  const remedy = detail.lastIndexOf("; ");
  return remedy < 0 ? detail : detail.slice(0, remedy);
}

/** What the bucket said: S3 answers in XML, with a code and a message. */
function bucketSaid({ status, answer }: UploadError): { code: string; reason: string } {
  const text = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(answer)?.[1];
  const code = text("Code") ?? `status ${status}`;
  return { code, reason: [code, text("Message")].filter(Boolean).join(": ") };
}

export function pictureFailureOf(error: unknown, words: Words): PictureFailure {
  const said = words.captions.failures;
  const passing = (advice: string, reason: string | null = null) => ({ advice, reason, mayPass: true });
  const lasting = (advice: string, reason: string | null = null) => ({ advice, reason, mayPass: false });
  if (error instanceof UnreadableError) return lasting(words.problem.unreadable);
  if (error instanceof TooLargeError) return lasting(said.tooLarge(Math.floor(error.mostBytes / 2 ** 20)));
  if (error instanceof PendingError) return passing(said.stillPending);
  if (error instanceof ConnectionError) return passing(said.offline);
  if (error instanceof UploadError) {
    const { code, reason } = bucketSaid(error);
    if (error.status === 413 || code === "EntityTooLarge") return lasting(said.tooMuch, reason);
    return passing(error.status === 403 ? said.expired : said.bucket, reason);
  }
  if (error instanceof ApiError) {
    const reason = found(error.problem.detail);
    if (error.status === 413) return lasting(said.tooMuch, reason);
    if (error.status === 415) return lasting(said.noPicture, reason);
    if (error.status === 404) return passing(said.gone, reason);
    if (error.status === 422) return lasting(said.damaged, reason);
  }
  const isMalformed = error instanceof ApiError && error.status === 400;
  return { ...failureOf(error, words), mayPass: !isMalformed };
}
