/** Pictures: captioned in one request, or, where they are too large for one, uploaded and asked about until they are. */

import { type Api, answered, type Schemas } from "./api.js";
import { PendingError, UploadError } from "./errors.js";
import { type Patience, retryAfter, waited } from "./retrying.js";

/** Bytes of a picture that the API takes in a request, deployed; what is larger is uploaded. */
export const LARGEST_REQUEST = 4_500_000;

const TYPES: Record<Schemas["MediaType"], RegExp> = {
  "image/jpeg": /\.jpe?g$/i,
  "image/png": /\.png$/i,
  "image/gif": /\.gif$/i,
  "image/webp": /\.webp$/i,
  "image/avif": /\.avif$/i,
  "image/bmp": /\.bmp$/i,
  "image/tiff": /\.tiff?$/i,
};
const ASKED_AT_MOST_S = 300;

export interface Decoding {
  beam_width?: number;
  length_penalty?: number;
  alternatives?: number;
}

/**
 * Captions a picture in one request.
 *
 * @throws ApiError 413 if it is larger than `LARGEST_REQUEST`: `uploadPicture` takes it.
 */
export function captionPicture(
  api: Api,
  picture: Blob,
  {
    filename = nameOf(picture),
    signal,
    ...query
  }: Decoding & { filename?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Schemas["CaptionedPicture"]> {
  return answered(
    api.POST("/generate-caption/", {
      params: { query },
      // The document's type of a file is a text; what is sent is the form.
      body: { file: filename },
      bodySerializer: () => form({}, picture, filename),
      ...(signal && { signal }),
    }),
  );
}

/**
 * Uploads a picture past the API, straight to the storage, and returns its key, by which `captionOfUpload` asks.
 *
 * @throws ApiError if the API presigns no upload of such a picture.
 * @throws UploadError if the storage refuses it; it is sent once.
 */
export async function uploadPicture(
  api: Api,
  picture: Blob,
  options: {
    filename?: string | undefined;
    fetch?: (address: string, how: RequestInit) => Promise<Response>;
    signal?: AbortSignal;
  } = {},
): Promise<string> {
  const { filename = nameOf(picture), fetch = globalThis.fetch, signal } = options;
  const body = { content_type: mediaType(picture, filename), filename };
  const presigned = await answered(api.POST("/uploads", { body, ...(signal && { signal }) }));
  const sent = { method: "POST", body: form(presigned.fields, picture, filename), ...(signal && { signal }) };
  const answer = await fetch(presigned.url, sent);
  if (!answer.ok) throw new UploadError(answer.status, await answer.text());
  return presigned.key;
}

/**
 * Asks for the caption of an uploaded picture until there is one, as rarely as the API wishes.
 *
 * @throws ApiError 422 if it cannot be captioned, with the reason; 404 if nothing was uploaded, or it was deleted.
 * @throws PendingError after five minutes (`atMost` seconds): the picture still waits.
 */
export async function captionOfUpload(
  api: Api,
  key: string,
  options: Pick<Patience, "wait"> & { signal?: AbortSignal; atMost?: number } = {},
): Promise<Schemas["UploadCaption"]> {
  const { signal, wait = waited, atMost = ASKED_AT_MOST_S } = options;
  let waitedFor = 0;
  for (;;) {
    const sent = api.GET("/captions/{key}", { params: { path: { key } }, ...(signal && { signal }) });
    const found = await answered(sent);
    if (found.status === "captioned") return found;
    // Never at once: a wait of nothing would come to no end.
    const seconds = Math.max(1, retryAfter((await sent).response.headers) ?? 1);
    waitedFor += seconds;
    if (waitedFor > atMost) throw new PendingError(key);
    await wait(1000 * seconds, signal);
  }
}

/** Captions a picture of any size that the API takes: in a request, or by an upload. */
export async function captionOf(
  api: Api,
  picture: Blob,
  options: { filename?: string; signal?: AbortSignal } = {},
): Promise<{ caption: string; confidence: number; model_version: string }> {
  if (picture.size <= LARGEST_REQUEST) return captionPicture(api, picture, options);
  const signal = options.signal && { signal: options.signal };
  return captionOfUpload(api, await uploadPicture(api, picture, options), { ...signal });
}

function form(fields: Record<string, string>, picture: Blob, filename: string): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.append(name, value);
  // S3 reads no field that comes after the file.
  made.append("file", picture, filename);
  return made;
}

function nameOf(picture: Blob): string {
  return "name" in picture && typeof picture.name === "string" ? picture.name : "picture";
}

/** The media type that a picture says or its name has; JPEG if neither does: the server looks at the bytes. */
function mediaType(picture: Blob, filename: string): Schemas["MediaType"] {
  const types = Object.keys(TYPES) as Schemas["MediaType"][];
  return (
    types.find((type) => type === picture.type) ?? types.find((type) => TYPES[type].test(filename)) ?? "image/jpeg"
  );
}
