/** What the model expects of one API over two of its parameters. */

import { axisX, dot, text as label, plot, rect } from "@observablehq/plot";
import type { Words } from "../../words";
import type { Chart, Frame } from "../figure/chart";
import { BELOW_PX, bare, drawn, explained } from "../figure/drawing";
import type { Formats } from "../formats";
import { type Setting, valueIn } from "../setting";
import { type Axis, axisOf } from "./axis";
import type { Curve } from "./curve";

/** What a map's colours stand for. */
export type Layer = "mean" | "deviation";

interface Cell {
  x: number;
  y: number;
  values: [number | string, number | string];
  mean: number;
  low: number;
  high: number;
  deviation: number;
}

export function overTwo(curve: Curve, layer: Layer, words: Words["progress"], formats: Formats): Chart {
  const text = words.map;
  const { points: exact, parameter, rating } = formats;
  const [across = "", up = ""] = curve.parameters.map(String);
  const axes: [Axis, Axis] = [
    axisOf(curve.points.map(({ values }) => values[0] ?? 0)),
    axisOf(curve.points.map(({ values }) => values[1] ?? 0)),
  ];
  const cells = curve.points.map((point): Cell => {
    const [x = 0, y = 0] = point.values;
    return {
      x: axes[0].at(x),
      y: axes[1].at(y),
      values: [x, y],
      mean: point.mean,
      deviation: point.deviation,
      ...point.interval,
    };
  });
  const columns = boundsOf(cells.map(({ x }) => x));
  const rows = boundsOf(cells.map(({ y }) => y));
  const shades = cells.map((cell) => cell[layer]);
  const [least, most] = [Math.min(...shades), Math.max(...shades)];
  const top = cells.reduce((best, cell) => (cell[layer] > best[layer] ? cell : best));
  const at = [parameter(top.values[0]), parameter(top.values[1])] as const;
  const sentence =
    layer === "mean"
      ? text.sentence(curve.api, across, up, rating(least), rating(most), ...at)
      : text.unsure(curve.api, across, up, exact(least), exact(most), ...at);

  const draw = (frame: Frame) => {
    const { palette, width } = frame;
    // A map without differences has one shade.
    const color = {
      domain: least < most ? [least, most] : [least, least + 1],
      range: palette.ramp,
      interpolate: "lab" as const,
    };
    const height = Math.round(Math.min(460, Math.max(260, 0.72 * width)));
    const place = (setting: Setting) => ({
      x: axes[0].at(valueIn(setting, across)),
      y: axes[1].at(valueIn(setting, up)),
    });
    const rated = curve.rated.map((one) => ({ ...one, ...place(one.parameters) }));
    const told = cells.map((cell) => ({
      x: cell.x,
      y: cell.y,
      title: [
        `${across}: ${parameter(cell.values[0])}`,
        `${up}: ${parameter(cell.values[1])}`,
        `${words.columns.mean}: ${exact(cell.mean)} ${words.interval(exact(cell.low), exact(cell.high))}`,
        `${words.columns.deviation}: ${exact(cell.deviation)}`,
      ].join("\n"),
    }));
    return drawn(frame, sentence, {
      height,
      marginLeft: 56,
      marginRight: 12,
      marginTop: 8,
      marginBottom: BELOW_PX.label,
      key: [
        { label: text.best(curve.api), color: palette.ink, look: "dot", symbol: "diamond" },
        { label: text.rated, color: palette.ink, look: "hollow" },
      ],
      above: rampOf(frame, color, text.layers[layer], exact),
      x: { domain: columns.domain },
      y: { domain: rows.domain },
      color,
      marks: [
        rect(cells, {
          x1: (cell: Cell) => columns.of(cell.x)[0],
          x2: (cell: Cell) => columns.of(cell.x)[1],
          y1: (cell: Cell) => rows.of(cell.y)[0],
          y2: (cell: Cell) => rows.of(cell.y)[1],
          fill: layer,
          // Half a pixel over its neighbours: no seams between cells.
          inset: -0.5,
          shapeRendering: "crispEdges",
        }),
        axes[0].drawn(across, width, parameter),
        axes[1].upright(up, height, parameter),
        dot(rated, {
          x: "x",
          y: "y",
          r: (one: { ratings: number }) => 3 + 1.5 * Math.sqrt(one.ratings),
          fill: palette.card,
          stroke: palette.ink,
          strokeWidth: 1.25,
          fillOpacity: 0.85,
        }),
        dot([place(curve.through)], {
          x: "x",
          y: "y",
          r: 9,
          symbol: "diamond",
          fill: palette.ink,
          stroke: palette.card,
          strokeWidth: 2,
        }),
        ...(frame.pointing ? [explained(told)] : []),
      ],
    });
  };

  return {
    name: `map-${layer}-${curve.api}-${across}-${up}`,
    title: text.titles[layer](curve.api),
    sentence,
    note: text.note,
    draw,
    table: {
      columns: [
        { title: across, number: parameter },
        { title: up, number: parameter },
        { title: words.columns.mean, number: exact },
        { title: words.columns.low, number: exact },
        { title: words.columns.high, number: exact },
        { title: words.columns.deviation, number: exact },
      ],
      rows: cells.map((cell) => [...cell.values, cell.mean, cell.low, cell.high, cell.deviation]),
    },
  };
}

const SHADES = 48;
const RAMP_PX = 260;

/** The colours and what they stand for, from the least to the most. */
function rampOf(
  { width, palette }: Frame,
  color: { domain: number[]; range: string[]; interpolate: "lab" },
  meaning: string,
  written: (value: number) => string,
): SVGSVGElement {
  const [least = 0, most = 1] = color.domain;
  const step = (most - least) / SHADES;
  const shades = Array.from({ length: SHADES }, (_, at) => least + at * step);
  return bare(
    plot({
      className: "plot",
      width: Math.min(RAMP_PX, width),
      height: 58,
      marginTop: 18,
      marginBottom: 24,
      marginLeft: 12,
      marginRight: 16,
      x: { domain: [least, most] },
      y: { axis: null },
      color,
      marks: [
        rect(shades, {
          x1: (value: number) => value,
          x2: (value: number) => value + step,
          fill: (value: number) => value + step / 2,
          insetLeft: -0.25,
          insetRight: -0.25,
        }),
        axisX([least, (least + most) / 2, most], { tickSize: 4, tickFormat: written, label: null, color: palette.ink }),
        label([meaning], { frameAnchor: "top-left", dx: -1, dy: -16, text: (one: string) => one, fill: palette.soft }),
      ],
    }),
  );
}

interface Bounds {
  domain: [low: number, high: number];
  /** From where to where the cell of a value goes. */
  of(value: number): [low: number, high: number];
}

/** Cells meet halfway between their values, which need not be evenly spaced: they lie on the search space's grid. */
function boundsOf(values: readonly number[]): Bounds {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const [first = 0, second = first + 1] = sorted;
  const last = sorted.at(-1) ?? first;
  const edges = [
    first - (second - first) / 2,
    ...sorted.slice(1).map((value, at) => (value + (sorted[at] ?? value)) / 2),
    last + (last - (sorted.at(-2) ?? last - 1)) / 2,
  ];
  const at = new Map(sorted.map((value, place) => [value, place]));
  const edge = (place: number) => edges[place] ?? last;
  return {
    domain: [edge(0), edge(sorted.length)],
    of: (value) => [edge(at.get(value) ?? 0), edge((at.get(value) ?? 0) + 1)],
  };
}
