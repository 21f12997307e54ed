/** Captioning one picture: in a request, or, if it is too large for the API, by an upload to the bucket. */

import { type Api, ApiError, answered, retryAfter } from "@picture-tuning/client";
import { withKey } from "../loading";
import { StillPendingError, TooLargeError, UnreadableError, UploadFormatError } from "./failures";
import { type PresignedForm, postForm } from "./upload-form";

/** Above this size a picture is uploaded: Lambda takes 6 MB, and a picture in base64 is a third larger. */
export const DIRECT_BYTES = 4_500_000;
/** How many captions of a picture are asked for. */
export const ALTERNATIVES = 3;
/** The longest wait for the caption of an upload. */
const PATIENCE_S = 15 * 60;
const ATTEMPTS = 4;
const LONGEST_WAIT_S = 30;

export interface Options {
  /** How many partial captions go on after each word; null is the bundle's own number. */
  beamWidth: number | null;
}

export interface Said {
  caption: string;
  confidence: number;
  /** Whether it is as good as a person's, where the bundle says so. */
  sure: boolean | null;
}

export interface Found extends Said {
  modelVersion: string;
  /** The other captions, best first; none of an upload. */
  others: Said[];
  /** The beam width that was asked for; null is the bundle's own. */
  beamWidth: number | null;
  uploaded: boolean;
}

/** What is being done with a picture. */
export type Step = { at: "captioning" } | { at: "uploading"; share: number } | { at: "pending" };

export type Captioning = (
  file: File,
  options: Options,
  tell: (step: Step) => void,
  signal: AbortSignal,
) => Promise<Found>;

export interface Connections {
  api: Api;
  post?: typeof postForm;
  /** Waits so many seconds; tests give their own. */
  wait?: (seconds: number, signal: AbortSignal) => Promise<void>;
}

type Answered = { caption: string; confidence: number; sure?: boolean | null };

/** Makes what captions a picture by the API. */
export function captioningBy({ api, post = postForm, wait = pause }: Connections): Captioning {
  /** Sends again what the API is too busy for: a picture that is captioned twice costs time and harms nothing. */
  async function patiently<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await withKey(send);
      } catch (error) {
        const busy = error instanceof ApiError && [429, 503].includes(error.status) ? (error.retryAfter ?? 1) : null;
        if (busy === null || busy > LONGEST_WAIT_S || attempt === ATTEMPTS) throw error;
        await wait(busy, signal);
      }
    }
  }

  async function direct(file: File, { beamWidth }: Options, signal: AbortSignal): Promise<Found> {
    // Of a beam there are no more captions than it is wide.
    const query =
      beamWidth === null
        ? { alternatives: ALTERNATIVES }
        : { alternatives: Math.min(ALTERNATIVES, beamWidth), beam_width: beamWidth };
    const answer = await patiently(
      () =>
        answered(
          api.POST("/generate-caption/", {
            params: { query },
            body: { file: file.name },
            bodySerializer: () => {
              const form = new FormData();
              form.append("file", file, file.name);
              return form;
            },
            signal,
          }),
        ),
      signal,
    );
    const [, ...others] = answer.alternatives ?? [];
    return {
      ...said(answer),
      modelVersion: answer.model_version,
      others: others.map(said),
      beamWidth,
      uploaded: false,
    };
  }

  async function byUpload(file: File, tell: (step: Step) => void, signal: AbortSignal): Promise<Found> {
    const type = mediaTypeOf(file);
    if (type === null) throw new UploadFormatError();
    tell({ at: "uploading", share: 0 });
    const name = nameInKey(file.name);
    const body = { content_type: type, ...(name === null ? {} : { filename: name }) };
    const form = await patiently(() => answered(api.POST("/uploads", { body, signal })), signal);
    if (file.size > form.max_bytes) throw new TooLargeError(form.max_bytes);
    await post(form as PresignedForm, file, (share) => tell({ at: "uploading", share }), signal);
    tell({ at: "pending" });
    let waited = 0;
    while (waited < PATIENCE_S) {
      const sent = await patiently(() => outcome(form.key, signal), signal);
      if ("caption" in sent.body) {
        const { body } = sent;
        return { ...said(body), modelVersion: body.model_version, others: [], beamWidth: null, uploaded: true };
      }
      waited += sent.again;
      await wait(sent.again, signal);
    }
    throw new StillPendingError();
  }

  async function outcome(key: string, signal: AbortSignal) {
    const sent = api.GET("/captions/{key}", {
      params: { path: { key } },
      // Its slashes are the path's.
      pathSerializer: (path) => path.replace("{key}", key.split("/").map(encodeURIComponent).join("/")),
      signal,
    });
    const body = (await answered(sent)) as { status: string } | (Answered & { model_version: string; status: string });
    return { body, again: Math.max(1, retryAfter((await sent).response.headers) ?? 1) };
  }

  return async (file, options, tell, signal) => {
    await file
      .slice(0, 1)
      .arrayBuffer()
      .catch(() => {
        throw new UnreadableError();
      });
    if (file.size > DIRECT_BYTES) return byUpload(file, tell, signal);
    tell({ at: "captioning" });
    return direct(file, options, signal);
  };
}

function said({ caption, confidence, sure }: Answered): Said {
  return { caption, confidence, sure: sure ?? null };
}

const BY_ENDING = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  jfif: "image/jpeg",
  png: "image/png",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  tif: "image/tiff",
  tiff: "image/tiff",
} as const;

export type MediaType = (typeof BY_ENDING)[keyof typeof BY_ENDING];

/** The media type to upload a file as; null for a format that uploads do not take. Browsers do not know every type. */
export function mediaTypeOf(file: { name: string; type: string }): MediaType | null {
  const known = Object.values(BY_ENDING).find((type) => type === file.type.toLowerCase());
  const ending = file.name.toLowerCase().split(".").pop() ?? "";
  return known ?? BY_ENDING[ending as keyof typeof BY_ENDING] ?? null;
}

/** A file's name as the end of a key; null if it cannot be one. */
export function nameInKey(name: string): string | null {
  const fits = new TextEncoder().encode(name).length <= 200;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a key must not have
  const clean = name !== "" && !name.startsWith(".") && !/[/\\\x00-\x1f\x7f-\x9f]/.test(name);
  return fits && clean && !name.includes("$" + "{filename}") ? name : null;
}

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        failed(signal.reason);
      },
      { once: true },
    );
  });
}
