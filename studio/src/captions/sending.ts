/** Sending a form with progress: of what is sent, only XMLHttpRequest tells. */

import { ConnectionError } from "@picture-tuning/client";

type Sending = (address: string, how: RequestInit) => Promise<Response>;

/** Makes what sends as `fetch` does, and tells the share that is sent, 0 to 1. */
export function sendingWithProgress(tell: (share: number) => void): Sending {
  return (address, { method = "GET", body, signal }) =>
    new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      signal?.addEventListener("abort", abort);
      request.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
      // An answer of these statuses can have no body.
      request.onload = () =>
        done(new Response([204, 205, 304].includes(request.status) ? null : request.responseText, request));
      request.onerror = () => failed(new ConnectionError(`no answer from ${address}`));
      request.onabort = () => failed(signal?.reason ?? new DOMException("stopped", "AbortError"));
      request.onloadend = () => signal?.removeEventListener("abort", abort);
      request.open(method, address);
      request.send(body as XMLHttpRequestBodyInit);
    });
}
