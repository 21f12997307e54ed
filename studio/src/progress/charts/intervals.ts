/** Estimates with their intervals, one per row, the rows' names above them. */

import { axisX, dot, gridX, ruleX, ruleY, text } from "@observablehq/plot";
import type { Frame } from "../figure/chart";
import { BELOW_PX, drawn, fitted, type KeyEntry } from "../figure/drawing";
import { LABEL_OFFSET_PX } from "./axis";

export interface Estimate {
  value: number;
  /** Null where how sure it is is not known. */
  interval: { low: number; high: number } | null;
  color: string;
  symbol: string;
  /** A second estimate of a row is drawn hollow and thin, so that the two are not mistaken for each other. */
  hollow?: boolean;
}

export interface Row {
  label: string;
  /** Said below the name. */
  detail: string;
  estimates: Estimate[];
}

export interface Scale {
  domain: [low: number, high: number];
  ticks: number[];
  label: string;
  written: (value: number) => string;
  /** What values are compared with. */
  reference?: number;
}

const ROW_PX = 64;
/** Names begin at the edge, left of where the scale does. */
const INDENT_PX = 22;

export function intervals(
  frame: Frame,
  sentence: string,
  rows: readonly Row[],
  scale: Scale,
  key: KeyEntry[] = [],
): SVGSVGElement {
  const { palette, width } = frame;
  const [low, high] = scale.domain;
  const within = (value: number) => Math.min(high, Math.max(low, value));
  const estimates = rows.flatMap((row, at) =>
    row.estimates.map((one, place) => {
      // Two of a row lie above each other.
      const y = at + 0.78 + (row.estimates.length > 1 ? (place - (row.estimates.length - 1) / 2) * 0.2 : 0);
      return { ...one, y };
    }),
  );
  type Placed = (typeof estimates)[number];
  const bounded = estimates.filter((one) => one.interval !== null);
  const named = rows.map((row, at) => ({ ...row, at }));
  const about = (part: "label" | "detail", y: number, style: object) =>
    text(named, {
      x: low,
      y: (row: { at: number }) => row.at + y,
      text: (row: Row) => fitted(row[part], width - 30),
      textAnchor: "start",
      dx: 2 - INDENT_PX,
      stroke: palette.card,
      strokeWidth: 4,
      ...style,
    });
  return drawn(frame, sentence, {
    height: ROW_PX * rows.length + BELOW_PX.label,
    marginLeft: INDENT_PX,
    marginRight: 22,
    marginTop: 0,
    marginBottom: BELOW_PX.label,
    key,
    x: { domain: scale.domain },
    y: { domain: [rows.length, 0], axis: null },
    marks: [
      gridX(scale.ticks, { stroke: palette.line, strokeOpacity: 1 }),
      axisX(scale.ticks, {
        label: scale.label,
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: LABEL_OFFSET_PX,
        tickSize: 0,
        tickFormat: scale.written,
      }),
      ...(scale.reference === undefined
        ? []
        : [ruleX([scale.reference], { stroke: palette.soft, strokeDasharray: "4 3", strokeWidth: 1.5 })]),
      ruleY(bounded, {
        x1: (one: Placed) => within(one.interval?.low ?? one.value),
        x2: (one: Placed) => within(one.interval?.high ?? one.value),
        y: "y",
        stroke: (one: Placed) => one.color,
        strokeWidth: (one: Placed) => (one.hollow ? 1.5 : 5),
        strokeOpacity: (one: Placed) => (one.hollow ? 1 : 0.35),
        strokeLinecap: "round",
      } as object),
      dot(estimates, {
        x: (one: Placed) => within(one.value),
        y: "y",
        r: (one: Placed) => (one.hollow ? 4.5 : 6),
        symbol: (one: Placed) => one.symbol,
        fill: (one: Placed) => (one.hollow ? palette.card : one.color),
        stroke: (one: Placed) => one.color,
        strokeWidth: 1.75,
      } as object),
      about("label", 0.2, { fontWeight: 600, fill: palette.ink }),
      about("detail", 0.47, { fill: palette.soft }),
    ],
  });
}
