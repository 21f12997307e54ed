/** The ratings one by one, and what was recommended after each: mean and 90 % interval. */

import { areaY, axisX, axisY, dot, gridY, line } from "@observablehq/plot";
import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart, Frame } from "../figure/chart";
import { BELOW_PX, drawn, explained, type KeyEntry } from "../figure/drawing";
import type { Formats } from "../formats";
import { apiOf, inBrief, type Setting } from "../setting";
import { LABEL_OFFSET_PX } from "./axis";
import { looksOf } from "./looks";

/** A rating that counts, by its place among those of its mode: 1 is the first. */
export interface NumberedRating {
  order: number;
  rating: number;
  setting: Setting;
  recordedAt: string;
  rater: string | null;
}

export type Step = Schemas["ProgressStep"];

export function overTime(
  ratings: readonly NumberedRating[],
  steps: readonly Step[],
  apis: readonly string[],
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.overTime;
  const { rating, count, points } = formats;
  const first = steps[0];
  const last = steps.at(-1);
  const between = (step: Step) => words.interval(rating(step.interval.low), rating(step.interval.high));
  const sentence =
    first === undefined || last === undefined
      ? text.ratingsOnly(words.ratings(ratings.length, count(ratings.length)))
      : text.sentence(
          rating(first.mean),
          count(first.samples_seen),
          rating(last.mean),
          between(last),
          count(last.samples_seen),
        );

  const draw = (frame: Frame) => {
    const { palette, width } = frame;
    const lookOf = looksOf(apis, palette);
    const key: KeyEntry[] = [
      ...apis.map((api): KeyEntry => ({ label: text.rated(api), ...withoutDash(lookOf(api)), look: "dot" })),
      { label: text.mean, color: palette.ink, look: "line" },
      { label: text.band, color: palette.ink, look: "band" },
    ];
    const told = [
      ...steps.map((step) => ({
        x: step.samples_seen,
        y: step.mean,
        title: [
          text.afterRating(count(step.samples_seen)),
          inBrief(step.parameters, formats),
          `${text.mean}: ${rating(step.mean)} ${between(step)}`,
        ].join("\n"),
      })),
      ...ratings.map((one) => ({
        x: one.order,
        y: one.rating,
        title: [
          `${text.ratingNumber(count(one.order))}: ${formats.parameter(one.rating)}`,
          inBrief(one.setting, formats),
          [one.rater, formats.moment(one.recordedAt)].filter((part) => part !== null).join(" · "),
        ].join("\n"),
      })),
    ];
    const ends = [...ratings.map((one) => one.order), ...steps.map((step) => step.samples_seen)];
    const crowded = ratings.length > 150;
    return drawn(frame, sentence, {
      height: width < 500 ? 260 : 320,
      marginLeft: 30,
      marginRight: 12,
      marginTop: 12,
      marginBottom: BELOW_PX.label,
      key,
      x: { domain: [Math.min(...ends) - 0.5, Math.max(...ends) + 0.5] },
      y: { domain: [0.9, 5.1] },
      marks: [
        gridY([1, 2, 3, 4, 5], { stroke: palette.line, strokeOpacity: 1 }),
        axisY([1, 2, 3, 4, 5], { label: null, tickSize: 0, tickFormat: count }),
        axisX({
          label: text.order,
          labelAnchor: "center",
          labelArrow: "none",
          labelOffset: LABEL_OFFSET_PX,
          tickFormat: (at: number) => (Number.isInteger(at) ? count(at) : ""),
          ticks: Math.max(2, Math.floor(width / 80)),
        }),
        areaY(steps, {
          x: "samples_seen",
          y1: (step: Step) => step.interval.low,
          y2: (step: Step) => step.interval.high,
          fill: palette.ink,
          fillOpacity: 0.13,
        }),
        dot(ratings, {
          x: "order",
          y: "rating",
          r: crowded ? 2.5 : 4.5,
          symbol: (one: NumberedRating) => lookOf(apiOf(one.setting)).symbol,
          fill: (one: NumberedRating) => lookOf(apiOf(one.setting)).color,
          fillOpacity: crowded ? 0.5 : 0.8,
        }),
        line(steps, { x: "samples_seen", y: "mean", stroke: palette.card, strokeWidth: 5 }),
        line(steps, { x: "samples_seen", y: "mean", stroke: palette.ink, strokeWidth: 2.5 }),
        ...(steps.length === 1
          ? [dot(steps, { x: "samples_seen", y: "mean", r: 4, fill: palette.ink, stroke: palette.card })]
          : []),
        ...(frame.pointing ? [explained(told)] : []),
      ],
      symbol: { type: "identity" },
    } as Parameters<typeof drawn>[2]);
  };

  const stepAt = new Map(steps.map((step) => [step.samples_seen, step]));
  const ratedAt = new Map(ratings.map((one) => [one.order, one]));
  const orders = [...new Set([...stepAt.keys(), ...ratedAt.keys()])].sort((a, b) => a - b);
  return {
    name: "over-time",
    title: text.title,
    sentence,
    note: text.note,
    draw,
    table: {
      columns: [
        { title: text.order, number: count },
        { title: words.columns.when, time: formats.moment },
        { title: words.columns.rater },
        { title: words.columns.setting },
        { title: words.columns.rating, number: formats.parameter },
        { title: text.recommended },
        { title: words.columns.mean, number: points },
        { title: words.columns.low, number: points },
        { title: words.columns.high, number: points },
        { title: words.columns.gain, number: points },
      ],
      rows: orders.map((order) => {
        const rated = ratedAt.get(order);
        const step = stepAt.get(order);
        return [
          order,
          rated?.recordedAt ?? step?.recorded_at ?? null,
          rated?.rater ?? null,
          rated === undefined ? null : inBrief(rated.setting, formats),
          rated?.rating ?? null,
          step === undefined ? null : inBrief(step.parameters, formats),
          step?.mean ?? null,
          step?.interval.low ?? null,
          step?.interval.high ?? null,
          step?.expected_improvement ?? null,
        ];
      }),
    },
  };
}

function withoutDash({ color, symbol }: { color: string; symbol: string }) {
  return { color, symbol };
}
