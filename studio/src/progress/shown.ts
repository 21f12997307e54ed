/** What every part of the view is given: whose figures, and the statistics that all rest on. */

import { type Mode, useChoice } from "../choice";
import type { Words } from "../words";
import { type Formats, formatsOf } from "./formats";
import type { ModeStats } from "./verdict";

export interface Shown {
  study: string;
  mode: Mode;
  stats: ModeStats;
  /** Grows when the view is to be read anew. */
  round: number;
}

/** What charts are written with, in the page's language. */
export function useWriting(): { words: Words["progress"]; formats: Formats } {
  const { words, language } = useChoice();
  return { words: words.progress, formats: formatsOf(language) };
}
