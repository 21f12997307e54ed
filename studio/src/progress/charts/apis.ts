/** The APIs of a mode side by side: their chances, and what is expected of the best setting of each. */

import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart } from "../figure/chart";
import type { Formats } from "../formats";
import { inBrief, type Setting } from "../setting";
import { bars } from "./bars";
import { type Interval, ofMean } from "./certainty";
import type { Curve } from "./curve";
import { type Estimate, intervals } from "./intervals";
import { looksOf } from "./looks";
import { ofRatings } from "./scales";

type ModeStats = Schemas["ModeStats"];

export function chancesOf(
  chances: Readonly<Record<string, number>>,
  apis: readonly string[],
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.apis;
  const rows = Object.entries(chances).sort((a, b) => b[1] - a[1]);
  const sentence = text.chancesSentence(
    rows.map(([api, chance]) => text.chance(api, words.chance(chance, formats.share(chance)))).join("; "),
  );
  return {
    name: "chances",
    title: text.chancesTitle,
    sentence,
    note: text.chancesNote,
    draw: (frame) => {
      const lookOf = looksOf(apis, frame.palette);
      const drawn = rows.map(([api, chance]) => ({
        label: api,
        detail: words.chance(chance, formats.share(chance)),
        color: lookOf(api).color,
        share: chance,
      }));
      return bars(frame, sentence, drawn, formats.share);
    },
    table: {
      columns: [{ title: words.columns.api }, { title: text.chanceColumn, number: formats.share }],
      rows,
    },
  };
}

/** The best setting of an API, and what is expected of it. */
export interface BestOfApi {
  setting: Setting;
  mean: number;
  interval: Interval;
}

/**
 * The best setting of each API: of the recommended one as the statistics say it; of another as its curves say it,
 * which all go through that setting. A curve has points near it and not always at it, hence the highest of them.
 */
export function bestOfEach(stats: ModeStats, curves: readonly Curve[]): Map<string, BestOfApi> {
  const best = new Map<string, BestOfApi>();
  for (const { api, through, points } of curves) {
    for (const { mean, interval } of points) {
      if (mean > (best.get(api)?.mean ?? Number.NEGATIVE_INFINITY)) best.set(api, { setting: through, mean, interval });
    }
  }
  const { recommended_parameters: setting, recommended_mean: mean, recommended_interval: interval } = stats;
  if (setting !== null && mean !== null && interval !== null)
    best.set(String(setting.api), { setting, mean, interval });
  return best;
}

/**
 * @param ratings all ratings of each API; an API whose ratings were not all read is missing, and its mean has no interval
 */
export function apisCompared(
  stats: ModeStats,
  best: ReadonlyMap<string, BestOfApi>,
  ratings: ReadonlyMap<string, readonly number[]>,
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.apis;
  const { rating, count, points } = formats;
  const names = Object.keys(stats.apis);
  const rows = Object.entries(stats.apis).map(([api, { count: number, mean_rating: mean }]) => ({
    api,
    number,
    mean,
    meanInterval: mean === null ? null : ofMean(ratings.get(api) ?? []),
    best: best.get(api) ?? null,
  }));
  const said = (row: (typeof rows)[number]) => {
    const expected =
      row.best === null
        ? null
        : text.expected(
            inBrief(row.best.setting, formats),
            rating(row.best.mean),
            words.interval(rating(row.best.interval.low), rating(row.best.interval.high)),
          );
    const rated = words.ratings(row.number, count(row.number));
    const mean = row.mean === null ? rated : text.withMean(rated, rating(row.mean));
    return expected === null ? `${row.api}: ${mean}` : `${expected}; ${mean}`;
  };
  const sentence = `${rows.map(said).join(". ")}.`;
  return {
    name: "apis",
    title: text.title,
    sentence,
    note: text.note,
    draw: (frame) => {
      const lookOf = looksOf(names, frame.palette);
      const drawn = rows.map((row) => {
        const { color, symbol } = lookOf(row.api);
        const estimates: Estimate[] = [];
        if (row.best !== null) estimates.push({ value: row.best.mean, interval: row.best.interval, color, symbol });
        if (row.mean !== null)
          estimates.push({ value: row.mean, interval: row.meanInterval, color, symbol, hollow: true });
        const rated = words.ratings(row.number, count(row.number));
        return {
          label: row.api,
          detail:
            row.best === null ? rated : `${inBrief(row.best.setting, formats).slice(row.api.length + 1)} · ${rated}`,
          estimates,
        };
      });
      return intervals(frame, sentence, drawn, ofRatings(words, formats), [
        { label: text.bestKey, color: frame.palette.ink, look: "dot" },
        { label: text.meanKey, color: frame.palette.ink, look: "hollow" },
      ]);
    },
    table: {
      columns: [
        { title: words.columns.api },
        { title: words.columns.ratings, number: count },
        { title: text.meanKey, number: points },
        { title: `${text.meanKey}: ${words.columns.low}`, number: points },
        { title: `${text.meanKey}: ${words.columns.high}`, number: points },
        { title: text.bestKey },
        { title: words.columns.mean, number: points },
        { title: words.columns.low, number: points },
        { title: words.columns.high, number: points },
      ],
      rows: rows.map((row) => [
        row.api,
        row.number,
        row.mean,
        row.meanInterval?.low ?? null,
        row.meanInterval?.high ?? null,
        row.best === null ? null : inBrief(row.best.setting, formats),
        row.best?.mean ?? null,
        row.best?.interval.low ?? null,
        row.best?.interval.high ?? null,
      ]),
    },
  };
}
