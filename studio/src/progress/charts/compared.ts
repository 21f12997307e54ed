/** Modes or studies side by side: what each recommends, what is expected of it, and how far it is. */

import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart } from "../figure/chart";
import type { Formats } from "../formats";
import { inBrief } from "../setting";
import { intervals, type Row } from "./intervals";
import { ofRatings } from "./scales";

/** One of those compared; without `stats` too little is known of it to ask for them. */
export interface Compared {
  name: string;
  /** What else is to be known: that it is archived, what it is based on. */
  remarks: string[];
  ratings: number;
  stats: Schemas["ModeStats"] | null;
  /** Whether it is the one that the page shows. */
  current: boolean;
}

interface Titles {
  /** What files are called. */
  name: string;
  title: string;
  column: string;
}

export function compared(
  things: readonly Compared[],
  { name, title, column }: Titles,
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.compared;
  const { rating, points, count } = formats;
  const rows = things.map((thing) => {
    const {
      recommended_parameters: setting,
      recommended_mean: mean,
      recommended_interval: interval,
    } = thing.stats ?? {};
    const known = setting && typeof mean === "number" && interval ? { setting, mean, interval } : null;
    return { ...thing, known, rated: words.ratings(thing.ratings, count(thing.ratings)) };
  });
  const few = rows.filter((row) => row.known === null).map((row) => row.name);
  const leading = rows
    .filter((row) => row.known !== null)
    .sort((a, b) => (b.known?.mean ?? 0) - (a.known?.mean ?? 0))[0];
  const sentence =
    leading?.known == null
      ? text.nothing
      : text.sentence(
          leading.name,
          rating(leading.known.mean),
          words.interval(rating(leading.known.interval.low), rating(leading.known.interval.high)),
          count(rows.filter((row) => row.known !== null).length),
        );
  return {
    name,
    title,
    sentence,
    ...(few.length === 0 ? {} : { note: text.notDrawn(few.join(", ")) }),
    draw: (frame) =>
      intervals(
        frame,
        sentence,
        rows.flatMap(({ known, current, name: label, rated, remarks }): Row[] => {
          if (known === null) return [];
          const color = current ? frame.palette.accent : frame.palette.soft;
          const symbol = current ? "diamond" : "circle";
          return [
            {
              label: current ? text.current(label) : label,
              detail: [inBrief(known.setting, formats), rated, ...remarks].join(" · "),
              estimates: [{ value: known.mean, interval: known.interval, color, symbol }],
            },
          ];
        }),
        ofRatings(words, formats),
      ),
    table: {
      columns: [
        { title: column },
        { title: words.columns.ratings, number: count },
        { title: text.recommended },
        { title: words.columns.mean, number: points },
        { title: words.columns.low, number: points },
        { title: words.columns.high, number: points },
        { title: words.columns.gain, number: points },
        { title: text.state },
        { title: text.remarks },
      ],
      rows: rows.map((row) => [
        row.name,
        row.ratings,
        row.known === null ? null : inBrief(row.known.setting, formats),
        row.known?.mean ?? null,
        row.known?.interval.low ?? null,
        row.known?.interval.high ?? null,
        row.stats?.expected_improvement ?? null,
        row.known === null
          ? text.tooFew
          : row.stats?.improving
            ? text.improving
            : row.stats?.converged
              ? text.converged
              : text.still,
        row.remarks.join(", ") || null,
      ]),
    },
  };
}
