/** A parameter as an axis: numbers where they lie, choices side by side. */

import { axisX, axisY, type Markish } from "@observablehq/plot";
import { fitted } from "../figure/drawing";

export interface Axis {
  /** The choices by their places; null of a number. */
  choices: string[] | null;
  domain: [low: number, high: number];
  at(value: number | string): number;
  /** The axis below a chart of this width. */
  drawn(label: string, width: number, written: (value: unknown) => string): Markish;
  /** The axis left of a chart of this height. */
  upright(label: string, height: number, written: (value: unknown) => string): Markish;
}

/** From the plot to the middle of the label below it. */
export const LABEL_OFFSET_PX = 38;

export function axisOf(values: readonly (number | string)[]): Axis {
  const numbers = values.filter((value) => typeof value === "number");
  const choices = numbers.length === values.length ? null : [...new Set(values.map(String))];
  const common = { labelAnchor: "center", labelArrow: "none" } as const;
  const below = { ...common, labelOffset: LABEL_OFFSET_PX };
  const places = (written: (value: unknown) => string, ticks: number, room: number) =>
    choices === null
      ? { ticks, tickFormat: (value: number) => written(value) }
      : { ticks: choices.map((_, at) => at), tickFormat: (at: number) => fitted(choices[at] ?? "", room) };
  return {
    choices,
    domain: choices === null ? [Math.min(...numbers), Math.max(...numbers)] : [-0.5, choices.length - 0.5],
    at: (value) => (choices === null ? Number(value) : choices.indexOf(String(value))),
    drawn: (label, width, written) =>
      axisX({
        ...below,
        label: fitted(label, width - 40),
        ...places(written, Math.max(2, Math.floor(width / 70)), width / (choices?.length ?? 1)),
      }),
    upright: (label, height, written) =>
      axisY({ ...common, label, ...places(written, Math.max(2, Math.floor(height / 50)), 50) }),
  };
}
