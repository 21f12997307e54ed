/** How each person rates: how much higher than most, and how steadily. */

import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart } from "../figure/chart";
import type { Formats } from "../formats";
import { around } from "./certainty";
import { intervals, type Row } from "./intervals";

type Rater = Schemas["RaterStats"];

/** More are in the table alone. */
const DRAWN = 20;

export function lenience(raters: readonly Rater[], words: Words["progress"], formats: Formats): Chart {
  const text = words.raters;
  const { signed, count, points } = formats;
  const rows = raters.map((one) => ({ ...one, interval: around(one.leniency, one.leniency_deviation) }));
  // Where the interval holds 0, nothing is known for sure.
  const strictest = lowest(
    rows.filter((one) => one.interval.high < 0),
    (one) => one.leniency,
  );
  const mildest = lowest(
    rows.filter((one) => one.interval.low > 0),
    (one) => -one.leniency,
  );
  const said = [
    strictest && text.strict(strictest.rater, points(-strictest.leniency)),
    mildest && text.lenient(mildest.rater, points(mildest.leniency)),
  ].filter((part) => part !== undefined);
  const sentence = said.length > 0 ? said.join(" ") : text.alike;
  const reach = Math.max(
    0.5,
    Math.ceil(4 * Math.max(...rows.flatMap(({ interval }) => [-interval.low, interval.high]))) / 4,
  );
  return {
    name: "leniency",
    title: text.leniencyTitle,
    sentence,
    note: text.leniencyNote,
    draw: (frame) =>
      intervals(
        frame,
        sentence,
        rows.slice(0, DRAWN).map(
          (one): Row => ({
            label: one.rater,
            detail: `${signed(one.leniency)} · ${words.ratings(one.ratings, count(one.ratings))}`,
            estimates: [{ value: one.leniency, interval: one.interval, color: frame.palette.accent, symbol: "circle" }],
          }),
        ),
        {
          domain: [-reach, reach],
          ticks: [-reach, -reach / 2, 0, reach / 2, reach],
          label: text.leniencyAxis,
          written: signed,
          reference: 0,
        },
      ),
    table: {
      columns: [
        { title: words.columns.rater },
        { title: words.columns.ratings, number: count },
        { title: text.leniency, number: signed },
        { title: words.columns.low, number: signed },
        { title: words.columns.high, number: signed },
        { title: text.slope, number: points },
        { title: text.slopeDeviation, number: points },
      ],
      rows: rows.map((one) => [
        one.rater,
        one.ratings,
        one.leniency,
        one.interval.low,
        one.interval.high,
        one.slope,
        one.slope_deviation,
      ]),
    },
  };
}

export function reliability(raters: readonly Rater[], words: Words["progress"], formats: Formats): Chart {
  const text = words.raters;
  const { count, points } = formats;
  const rows = raters.map((one) => {
    const { low, high } = around(one.reliability, one.reliability_deviation);
    return { ...one, interval: { low: Math.max(0, low), high } };
  });
  const steadiest = lowest(rows, (one) => one.reliability);
  const wildest = lowest(rows, (one) => -one.reliability);
  const sentence =
    steadiest === undefined || wildest === undefined
      ? ""
      : rows.length === 1
        ? text.one(steadiest.rater, points(steadiest.reliability))
        : // Where the intervals meet, nobody is steadier for sure.
          steadiest.interval.high >= wildest.interval.low
          ? text.alikeSteady(points(rows.reduce((sum, one) => sum + one.reliability, 0) / rows.length))
          : text.steady(steadiest.rater, points(steadiest.reliability), wildest.rater, points(wildest.reliability));
  const reach = Math.max(1, Math.ceil(2 * Math.max(...rows.map(({ interval }) => interval.high))) / 2);
  return {
    name: "reliability",
    title: text.reliabilityTitle,
    sentence,
    note: text.reliabilityNote,
    draw: (frame) =>
      intervals(
        frame,
        sentence,
        rows.slice(0, DRAWN).map(
          (one): Row => ({
            label: one.rater,
            detail: `${points(one.reliability)} · ${words.ratings(one.ratings, count(one.ratings))}`,
            estimates: [
              { value: one.reliability, interval: one.interval, color: frame.palette.accent, symbol: "circle" },
            ],
          }),
        ),
        {
          domain: [0, reach],
          ticks: [0, reach / 4, reach / 2, (3 * reach) / 4, reach],
          label: text.reliabilityAxis,
          written: points,
        },
      ),
    table: {
      columns: [
        { title: words.columns.rater },
        { title: words.columns.ratings, number: count },
        { title: text.reliability, number: points },
        { title: words.columns.low, number: points },
        { title: words.columns.high, number: points },
      ],
      rows: rows.map((one) => [one.rater, one.ratings, one.reliability, one.interval.low, one.interval.high]),
    },
  };
}

function lowest<T>(rows: readonly T[], of: (row: T) => number): T | undefined {
  return rows.reduce<T | undefined>((best, row) => (best === undefined || of(row) < of(best) ? row : best), undefined);
}
