/** Shares of one, as bars with their names above them. */

import { axisX, gridX, rect, text } from "@observablehq/plot";
import type { Frame } from "../figure/chart";
import { BELOW_PX, drawn, fitted, type KeyEntry } from "../figure/drawing";

export interface Bar {
  label: string;
  /** Said behind the name. */
  detail: string;
  color: string;
  /** From 0 to 1. */
  share: number;
  /** A share that includes the first; it is drawn around it. */
  whole?: number;
}

const ROW_PX = 46;
/** Names begin at the edge, left of where the scale does. */
const INDENT_PX = 22;

export function bars(
  frame: Frame,
  sentence: string,
  rows: readonly Bar[],
  written: (share: number) => string,
  { key = [], reach = 1 }: { key?: KeyEntry[]; reach?: number } = {},
): SVGSVGElement {
  const { palette, width } = frame;
  const placed = rows.map((row, at) => ({ ...row, at }));
  type Row = (typeof placed)[number];
  const room = (row: Row) => width - 24 - 6.7 * row.detail.length - 12;
  const step = reach > 0.5 ? 0.25 : 0.1;
  const steps = Math.max(1, Math.ceil(reach / step - 1e-9));
  const ticks = Array.from({ length: steps + 1 }, (_, at) => at * step);
  const end = steps * step;
  return drawn(frame, sentence, {
    height: ROW_PX * rows.length + BELOW_PX.ticks,
    marginLeft: INDENT_PX,
    marginRight: INDENT_PX,
    marginTop: 0,
    marginBottom: BELOW_PX.ticks,
    key,
    x: { domain: [0, end] },
    y: { domain: [rows.length, 0], axis: null },
    marks: [
      gridX(ticks, { stroke: palette.line, strokeOpacity: 1 }),
      axisX(ticks, { label: null, tickSize: 0, tickFormat: written }),
      rect(
        placed.filter((row) => row.whole !== undefined),
        {
          x1: 0,
          x2: (row: Row) => row.whole,
          y1: (row: Row) => row.at + 0.45,
          y2: (row: Row) => row.at + 0.9,
          stroke: (row: Row) => row.color,
          strokeWidth: 1.5,
          fill: (row: Row) => row.color,
          fillOpacity: 0.15,
        } as object,
      ),
      rect(placed, {
        x1: 0,
        x2: "share",
        y1: (row: Row) => row.at + (row.whole === undefined ? 0.45 : 0.54),
        y2: (row: Row) => row.at + (row.whole === undefined ? 0.9 : 0.81),
        fill: (row: Row) => row.color,
      } as object),
      text(placed, {
        x: 0,
        y: (row: Row) => row.at + 0.24,
        text: (row: Row) => fitted(row.label, room(row)),
        textAnchor: "start",
        dx: 2 - INDENT_PX,
        fontWeight: 600,
        stroke: palette.card,
        strokeWidth: 4,
        fill: palette.ink,
      }),
      text(placed, {
        x: end,
        y: (row: Row) => row.at + 0.24,
        dx: INDENT_PX - 4,
        text: "detail",
        textAnchor: "end",
        stroke: palette.card,
        strokeWidth: 4,
        fill: palette.soft,
      }),
    ],
  });
}
