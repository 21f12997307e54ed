/** What the model expects along one parameter, through the best setting of each API, with the ratings near by. */

import { areaY, axisY, dot, gridY, line, ruleX } from "@observablehq/plot";
import type { Schemas } from "@picture-tuning/client";
import type { Words } from "../../words";
import type { Chart, Frame } from "../figure/chart";
import { BELOW_PX, drawn, explained, type KeyEntry } from "../figure/drawing";
import type { Formats } from "../formats";
import { valueIn } from "../setting";
import { axisOf } from "./axis";
import { looksOf } from "./looks";

export type Curve = Schemas["Curve"];

interface Point {
  api: string;
  x: number;
  value: number | string;
  mean: number;
  low: number;
  high: number;
}

interface Nearby {
  api: string;
  x: number;
  mean: number;
  ratings: number;
  nearness: number;
}

/**
 * @param curves one per API, all of the same coordinate, which the APIs may call differently
 * @param recommended the API of the recommended setting
 */
export function alongParameter(
  curves: readonly Curve[],
  recommended: string,
  apis: readonly string[],
  words: Words["progress"],
  formats: Formats,
): Chart {
  const text = words.along;
  const { rating, points: exact, parameter, count } = formats;
  const names = [...new Set(curves.map(nameOf))];
  const name = names.join(" · ");
  const axis = axisOf(curves.flatMap((curve) => curve.points.map((point) => first(point.values))));
  const points = curves.flatMap((curve) =>
    curve.points.map((point): Point => {
      const value = first(point.values);
      return { api: curve.api, x: axis.at(value), value, mean: point.mean, ...point.interval };
    }),
  );
  const nearby = curves.flatMap((curve) =>
    curve.rated.map(
      (one): Nearby => ({
        api: curve.api,
        x: axis.at(valueIn(one.parameters, nameOf(curve))),
        mean: one.mean_rating,
        ratings: one.ratings,
        nearness: one.nearness,
      }),
    ),
  );
  const highestOfEach = curves.map((curve) => {
    const best = highest(points.filter((point) => point.api === curve.api));
    return text.highest(
      curve.api,
      parameter(best.value),
      rating(best.mean),
      words.interval(rating(best.low), rating(best.high)),
    );
  });
  const sentence = text.sentence(highestOfEach.join("; "));

  const draw = (frame: Frame) => {
    const { palette, width } = frame;
    const lookOf = looksOf(apis, palette);
    const key: KeyEntry[] = [
      ...curves.map((curve): KeyEntry => {
        const { color, symbol, dash } = lookOf(curve.api);
        return axis.choices === null
          ? { label: curve.api, color, look: "line", ...(dash === undefined ? {} : { dash }) }
          : { label: curve.api, color, look: "dot", symbol };
      }),
      { label: words.recommended, color: palette.ink, look: "dot", symbol: "diamond" },
    ];
    const through = curves
      .filter((curve) => curve.api === recommended)
      .map((curve) => {
        const x = axis.at(valueIn(curve.through, nameOf(curve)));
        return {
          x,
          mean: closest(
            points.filter((point) => point.api === curve.api),
            x,
          ).mean,
        };
      });
    const told = [
      ...points.map((point) => ({
        x: point.x,
        y: point.mean,
        title: [
          point.api,
          `${name}: ${parameter(point.value)}`,
          `${words.columns.mean}: ${exact(point.mean)} ${words.interval(exact(point.low), exact(point.high))}`,
        ].join("\n"),
      })),
      ...nearby.map((one) => ({
        x: one.x,
        y: one.mean,
        title: `${one.api}\n${words.ratings(one.ratings, count(one.ratings))}: ${exact(one.mean)}`,
      })),
    ];
    const lines = curves.flatMap((curve) => {
      const { color, symbol, dash } = lookOf(curve.api);
      const own = points.filter((point) => point.api === curve.api);
      if (axis.choices !== null)
        return [
          ruleX(own, { x: "x", y1: "low", y2: "high", stroke: color, strokeWidth: 6, strokeOpacity: 0.25 }),
          dot(own, { x: "x", y: "mean", r: 5, symbol, fill: color } as object),
        ];
      return [
        areaY(own, { x: "x", y1: "low", y2: "high", fill: color, fillOpacity: 0.14 }),
        line(own, {
          x: "x",
          y: "mean",
          stroke: color,
          strokeWidth: 2.5,
          ...(dash === undefined ? {} : { strokeDasharray: dash }),
        }),
      ];
    });
    return drawn(frame, sentence, {
      height: 240,
      marginLeft: 26,
      marginRight: 12,
      marginTop: 10,
      marginBottom: BELOW_PX.label,
      key,
      x: { domain: axis.domain },
      y: { domain: [0.9, 5.1] },
      marks: [
        gridY([1, 2, 3, 4, 5], { stroke: palette.line, strokeOpacity: 1 }),
        axisY([1, 2, 3, 4, 5], { label: null, tickSize: 0, tickFormat: count }),
        axis.drawn(name, width, parameter),
        ruleX(through, { x: "x", stroke: palette.ink, strokeDasharray: "3 3" }),
        ...lines,
        dot(nearby, {
          x: "x",
          y: "mean",
          r: (one: Nearby) => 2.5 + 1.5 * Math.sqrt(one.ratings),
          symbol: (one: Nearby) => lookOf(one.api).symbol,
          stroke: (one: Nearby) => lookOf(one.api).color,
          strokeWidth: 1.5,
          strokeOpacity: (one: Nearby) => Math.max(0.25, one.nearness ** 2),
          fill: palette.card,
          fillOpacity: 0.6,
        } as object),
        dot(through, { x: "x", y: "mean", r: 7, symbol: "diamond", fill: palette.ink, stroke: palette.card }),
        ...(frame.pointing ? [explained(told)] : []),
      ],
    });
  };

  return {
    name: `along-${nameOf(curves[0] as Curve)}`,
    title: text.title(name),
    sentence,
    draw,
    table: {
      columns: [
        { title: words.columns.api },
        { title: name, number: parameter },
        { title: words.columns.mean, number: exact },
        { title: words.columns.low, number: exact },
        { title: words.columns.high, number: exact },
      ],
      rows: points.map((point) => [point.api, point.value, point.mean, point.low, point.high]),
    },
  };
}

function nameOf(curve: Curve): string {
  return String(curve.parameters[0]);
}

function first(values: readonly (number | string)[]): number | string {
  return values[0] ?? 0;
}

function highest(points: readonly Point[]): Point {
  return points.reduce((best, point) => (point.mean > best.mean ? point : best));
}

function closest(points: readonly Point[], x: number): Point {
  return points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best));
}
