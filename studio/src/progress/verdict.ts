/** The verdict of a mode: which setting to use, how sure that is, and whether more ratings would help. */

import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../words";
import type { Formats } from "./formats";
import { apiOf, inBrief, type Setting } from "./setting";

export type ModeStats = Schemas["ModeStats"];

/** Before so many ratings of a mode the model says nothing. */
export const INITIAL_RATINGS = 6;

/** Rating points; what is less is written as less, and not as nothing. */
const LEAST = 0.01;

export interface Verdict {
  /** Null before the model says anything. */
  setting: Setting | null;
  sentence: string;
  /** Whether it still improves, and what to do about it; null before there is a setting. */
  outlook: string | null;
  /** How many ratings the model still needs before it says anything. */
  missing: number;
}

/** @param archived whether the study takes no more ratings, so that nothing is to be done about it */
export function verdictOf(stats: ModeStats, archived: boolean, words: Words["progress"], formats: Formats): Verdict {
  const text = words.verdict;
  const { recommended_parameters: setting, recommended_mean: mean, recommended_interval: interval } = stats;
  const ratings = words.ratings(stats.samples_seen, formats.count(stats.samples_seen));
  if (setting === null || mean === null || interval === null) {
    const missing = Math.max(0, INITIAL_RATINGS - stats.samples_seen);
    const sentence =
      stats.samples_seen === 0 ? text.none(missing) : missing > 0 ? text.few(ratings, missing) : text.later(ratings);
    return { setting: null, sentence, outlook: null, missing };
  }
  const parts = [
    text.use(
      inBrief(setting, formats),
      formats.rating(mean),
      words.interval(formats.rating(interval.low), formats.rating(interval.high)),
    ),
    chanceOf(stats, apiOf(setting), words, formats),
    [ratings, gainOf(stats, words, formats)].filter((part) => part !== null).join(", "),
  ];
  return {
    setting,
    sentence: `${parts.filter((part) => part !== null).join("; ")}.`,
    outlook: outlookOf(stats, archived, words, formats),
    missing: 0,
  };
}

/** Which API probably has the best setting. Of a single one there is nothing to say. */
function chanceOf(stats: ModeStats, used: string, words: Words["progress"], formats: Formats): string | null {
  const ranked = Object.entries(stats.chances).sort((a, b) => b[1] - a[1]);
  const [best] = ranked;
  if (best === undefined || ranked.length < 2) return null;
  const [api, chance] = best;
  const share = words.chance(chance, formats.share(chance));
  return api === used ? words.verdict.best(api, share) : words.verdict.other(api, share);
}

function gainOf(stats: ModeStats, words: Words["progress"], formats: Formats): string | null {
  const gain = stats.expected_improvement;
  if (gain === null) return null;
  return gain < LEAST ? words.verdict.noGain(formats.points(LEAST)) : words.verdict.gain(formats.points(gain));
}

function outlookOf(stats: ModeStats, archived: boolean, words: Words["progress"], formats: Formats): string | null {
  const text = words.verdict;
  const spent = stats.convergence >= 1;
  if (stats.improving === null) return null;
  if (stats.improving) {
    const since =
      stats.gained !== null && stats.gained_since !== null && stats.gained >= LEAST
        ? text.gained(formats.count(stats.gained_since), formats.points(stats.gained))
        : null;
    const improving = archived ? text.wasImproving : spent ? text.improvingSpent : text.improving;
    return [improving, since].filter((part) => part !== null).join(" ");
  }
  if (spent) return text.spent;
  return stats.converged ? text.converged : text.stalled;
}
