/** The pictures that a person gave, and what is done with each: a few at a time, in the order in which they came. */

import { useEffect, useState } from "preact/hooks";
import type { Captioning, Found, Options, Step } from "./captioning";

/** How many pictures are captioned at a time. */
export const AT_ONCE = 2;

export type Stage = { at: "waiting" } | Step | { at: "captioned"; found: Found } | { at: "failed"; error: unknown };

export interface Picture {
  readonly id: number;
  readonly file: File;
  /** The address by which the page shows it. */
  readonly address: string;
  readonly options: Options;
  readonly stage: Stage;
}

/** It outlives the view, so that a look at another view loses nothing. */
export class Work {
  #pictures: readonly Picture[] = [];
  readonly #told = new Set<() => void>();
  readonly #running = new Map<number, AbortController>();
  #next = 1;

  constructor(
    private readonly caption: Captioning,
    private readonly atOnce = AT_ONCE,
  ) {}

  /** The newest first. */
  get pictures(): readonly Picture[] {
    return this.#pictures;
  }

  /** Calls `told` after each change; returns what ends that. */
  subscribe(told: () => void): () => void {
    this.#told.add(told);
    return () => this.#told.delete(told);
  }

  add(files: readonly File[], options: Options): void {
    const added = files.map((file) => ({
      id: this.#next++,
      file,
      address: URL.createObjectURL(file),
      options,
      stage: { at: "waiting" } as const,
    }));
    this.#change([...added.reverse(), ...this.#pictures]);
  }

  /** Captions a picture once more. */
  again(id: number, options: Options): void {
    if (!this.#running.has(id)) this.#set(id, { options, stage: { at: "waiting" } });
  }

  remove(id: number): void {
    this.#running.get(id)?.abort();
    const gone = this.#pictures.find((one) => one.id === id);
    if (gone === undefined) return;
    URL.revokeObjectURL(gone.address);
    this.#change(this.#pictures.filter((one) => one.id !== id));
  }

  clear(): void {
    for (const { id } of this.#pictures) this.remove(id);
  }

  #set(id: number, change: Partial<Picture>): void {
    this.#change(this.#pictures.map((one) => (one.id === id ? { ...one, ...change } : one)));
  }

  #change(pictures: readonly Picture[]): void {
    this.#pictures = pictures;
    this.#start();
    for (const told of this.#told) told();
  }

  /** Begins with the pictures that have waited longest, as far as there is room. */
  #start(): void {
    const waiting = this.#pictures.filter((one) => one.stage.at === "waiting" && !this.#running.has(one.id));
    for (const picture of waiting.reverse()) {
      // A picture that tells of its first step at once has started others by then.
      if (this.#running.size >= this.atOnce) return;
      if (!this.#running.has(picture.id)) void this.#run(picture);
    }
  }

  async #run({ id, file, options }: Picture): Promise<void> {
    const stopping = new AbortController();
    this.#running.set(id, stopping);
    let stage: Stage;
    try {
      const tell = (step: Step) => stopping.signal.aborted || this.#set(id, { stage: step });
      stage = { at: "captioned", found: await this.caption(file, options, tell, stopping.signal) };
    } catch (error) {
      stage = { at: "failed", error };
    }
    this.#running.delete(id);
    this.#set(id, { stage });
  }
}

/** The pictures of `work`, as they are now. */
export function usePictures(work: Work): readonly Picture[] {
  const [pictures, setPictures] = useState(work.pictures);
  useEffect(() => {
    const look = () => setPictures(work.pictures);
    look();
    return work.subscribe(look);
  }, [work]);
  return pictures;
}
