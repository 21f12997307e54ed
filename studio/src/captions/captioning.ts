/** Captioning one picture: in a request, or, if it is too large for the API, by an upload to the bucket. */

import { type Api, captionOfUpload, captionPicture, LARGEST_REQUEST, uploadPicture } from "@picture-tuning/client";
import { withKey } from "../loading";
import { TooLargeError, UnreadableError } from "./failures";
import { sendingWithProgress } from "./sending";

/** How many captions of a picture are asked for. */
export const ALTERNATIVES = 3;
/** The most bytes of an upload. The bucket refuses more, but only once all of them are sent. */
export const LARGEST_UPLOAD = 10 * 2 ** 20;
/** The longest wait for the caption of an upload. */
export const PATIENCE_S = 15 * 60;

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
  sending?: typeof sendingWithProgress;
  /** Waits so many milliseconds; tests give their own. */
  wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

/** Makes what captions a picture by the API. */
export function captioningBy({ api, sending = sendingWithProgress, wait }: Connections): Captioning {
  async function direct(file: File, { beamWidth }: Options, signal: AbortSignal): Promise<Found> {
    // Of a beam there are no more captions than it is wide.
    const decoding =
      beamWidth === null
        ? { alternatives: ALTERNATIVES }
        : { alternatives: Math.min(ALTERNATIVES, beamWidth), beam_width: beamWidth };
    const found = await withKey(() => captionPicture(api, file, { ...decoding, signal }));
    const [, ...others] = found.alternatives ?? [];
    return { ...said(found), modelVersion: found.model_version, others: others.map(said), beamWidth, uploaded: false };
  }

  async function byUpload(file: File, tell: (step: Step) => void, signal: AbortSignal): Promise<Found> {
    if (file.size > LARGEST_UPLOAD) throw new TooLargeError(LARGEST_UPLOAD);
    tell({ at: "uploading", share: 0 });
    const fetch = sending((share) => tell({ at: "uploading", share }));
    const key = await withKey(() => uploadPicture(api, file, { filename: nameInKey(file.name), fetch, signal }));
    tell({ at: "pending" });
    const waiting = { signal, atMost: PATIENCE_S, ...(wait && { wait }) };
    const found = await withKey(() => captionOfUpload(api, key, waiting));
    return { ...said(found), modelVersion: found.model_version, others: [], beamWidth: null, uploaded: true };
  }

  return async (file, options, tell, signal) => {
    const readable = await file
      .slice(0, 1)
      .arrayBuffer()
      .then(
        () => true,
        () => false,
      );
    if (!readable) throw new UnreadableError();
    if (file.size > LARGEST_REQUEST) return byUpload(file, tell, signal);
    tell({ at: "captioning" });
    return direct(file, options, signal);
  };
}

function said({ caption, confidence, sure }: { caption: string; confidence: number; sure?: boolean | null }): Said {
  return { caption, confidence, sure: sure ?? null };
}

/** A file's name as the end of a key: another where the API does not take it, such as one that begins with a dot. */
export function nameInKey(name: string): string {
  const fits = new TextEncoder().encode(name).length <= 200;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a key must not have
  const clean = name !== "" && !name.startsWith(".") && !/[/\\\x00-\x1f\x7f-\x9f]/.test(name);
  if (fits && clean && !name.includes("$" + "{filename}")) return name;
  const ending = /\.[A-Za-z0-9]{1,8}$/.exec(name)?.[0] ?? "";
  return `picture${ending.toLowerCase()}`;
}
