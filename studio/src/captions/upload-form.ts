/** Posting a presigned form to the bucket, with progress: of what is sent, only XMLHttpRequest tells. */

import { ConnectionError } from "@picture-tuning/client";
import { BucketError } from "./failures";

export interface PresignedForm {
  url: string;
  fields: Record<string, string>;
}

/**
 * Posts `file` with the form's fields before it, as S3 wants it. `tell` is given the share that is sent, 0 to 1.
 *
 * @throws BucketError where the bucket refuses it.
 * @throws ConnectionError where no answer arrives.
 */
export function postForm(
  { url, fields }: PresignedForm,
  file: File,
  tell: (share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file);
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    request.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) done();
      else failed(refusal(request.status, request.responseText));
    };
    request.onerror = () => failed(new ConnectionError(`no answer from ${new URL(url).host}`));
    request.onabort = () => failed(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.open("POST", url);
    request.send(form);
  });
}

/** What S3's answer says, an XML document with a code and a message. */
export function refusal(status: number, answer: string): BucketError {
  const text = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(answer)?.[1] ?? "";
  return new BucketError(status, text("Code") || `status ${status}`, text("Message"));
}
