/** Observable Plot as the page uses it: no styles of its own, the page's colours, a key above the drawing. */

import { dot, type Markish, type PlotOptions, plot, pointer, rect, ruleY, text, tip } from "@observablehq/plot";
import type { Frame } from "./chart";

const FONT_PX = 12;
/** Room below a plot: for the ticks of its axis, and for a label below them. */
export const BELOW_PX = { ticks: 26, label: 46 };
/** The mean width of a character of the page's typeface at this size. */
const CHARACTER_PX = 6.7;

/** Sizes and opacities are those that marks say, and not relative to each other. */
const AS_GIVEN = { r: { type: "identity" }, opacity: { type: "identity" } } as const;

/** What an entry of the key looks like: as the marks that it explains. */
export interface KeyEntry {
  label: string;
  color: string;
  look: "dot" | "hollow" | "line" | "band" | "bar";
  symbol?: string;
  dash?: string;
}

export interface Drawing extends PlotOptions {
  height: number;
  key?: KeyEntry[];
  /** What stands between the key and the plot: a scale of colours. */
  above?: SVGSVGElement;
}

/** Draws a plot of the frame's width, with its key, and names it for screen readers. */
export function drawn(
  { width, palette }: Frame,
  sentence: string,
  { key = [], above, ...options }: Drawing,
): SVGSVGElement {
  const svg = bare(plot({ ...AS_GIVEN, width, className: "plot", ...options }));
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", sentence);
  svg.setAttribute("font-size", String(FONT_PX));
  svg.setAttribute("fill", palette.ink);
  svg.setAttribute("color", palette.ink);
  if (above !== undefined) crown(svg, above);
  if (key.length > 0) crown(svg, keyOf(key, width));
  return svg;
}

/** Puts another drawing on top of one, which keeps its own coordinates: what points at it still does. */
function crown(svg: SVGSVGElement, above: SVGSVGElement): void {
  // It is written in the size of the one below.
  above.removeAttribute("font-size");
  above.removeAttribute("fill");
  const heightOf = (one: SVGSVGElement) => Number(one.getAttribute("height"));
  const [, top = 0] = (svg.getAttribute("viewBox") ?? "").split(" ").map(Number);
  const whole = heightOf(svg) + heightOf(above);
  above.setAttribute("y", String(top - heightOf(above)));
  svg.prepend(above);
  svg.setAttribute("height", String(whole));
  svg.setAttribute("viewBox", `0 ${top - heightOf(above)} ${svg.getAttribute("width")} ${whole}`);
}

/**
 * Plot puts a style element into what it draws, which the page's policy forbids; progress.css has the same rules. It
 * names its groups to screen readers, for which a chart is one image: the names become ordinary data.
 */
export function bare(drawing: SVGElement | HTMLElement): SVGSVGElement {
  for (const style of drawing.querySelectorAll("style")) style.remove();
  for (const group of drawing.querySelectorAll("[aria-label]")) {
    group.setAttribute("data-mark", group.getAttribute("aria-label") ?? "");
    group.removeAttribute("aria-label");
  }
  return drawing as SVGSVGElement;
}

/** What lies under the pointer, in the lines of its `title`. */
export function explained(told: readonly { x: number; y: number; title: string }[]): Markish {
  const under = pointer({
    x: "x",
    y: "y",
    title: "title",
    lineWidth: 40,
    lineHeight: 1.3,
    fontSize: 12,
    ariaLabel: null,
  });
  return tip(told, under as Parameters<typeof tip>[1]);
}

/** The text, shortened to so many pixels. */
export function fitted(label: string, width: number): string {
  const room = Math.max(4, Math.floor(width / CHARACTER_PX));
  return label.length <= room ? label : `${label.slice(0, room - 1)}…`;
}

const ROW_PX = 20;
const SAMPLE_PX = 22;

function keyOf(entries: KeyEntry[], width: number): SVGSVGElement {
  let x = 0;
  let row = 0;
  const placed = entries.map((entry) => {
    const takes = SAMPLE_PX + CHARACTER_PX * entry.label.length + 16;
    if (x > 0 && x + takes > width) {
      x = 0;
      row += 1;
    }
    const at = { ...entry, x, y: row * ROW_PX + ROW_PX / 2 };
    x += takes;
    return at;
  });
  const height = (row + 1) * ROW_PX + 4;
  const middle = (entry: { x: number }) => entry.x + 9;
  const marks = placed.map((entry) => {
    const { color, look, symbol = "circle", dash, x: left, y } = entry;
    if (look === "dot" || look === "hollow") {
      const paint = look === "dot" ? { fill: color } : { stroke: color, strokeWidth: 1.75 };
      return dot([entry], { x: middle, y: "y", r: 5, symbol, ...paint } as Parameters<typeof dot>[1]);
    }
    if (look === "line")
      return ruleY([entry], {
        x1: left,
        x2: left + 18,
        y,
        stroke: color,
        strokeWidth: 2.5,
        ...(dash === undefined ? {} : { strokeDasharray: dash }),
      });
    const half = look === "band" ? 6 : 5;
    return rect([entry], {
      x1: left,
      x2: left + 18,
      y1: y - half,
      y2: y + half,
      fill: color,
      fillOpacity: look === "band" ? 0.2 : 1,
    });
  });
  const labels = text(placed, {
    x: (entry: { x: number }) => entry.x + SAMPLE_PX,
    y: "y",
    text: "label",
    textAnchor: "start",
  });
  return bare(
    plot({
      className: "plot",
      width,
      height,
      margin: 0,
      axis: null,
      x: { type: "identity" },
      y: { type: "identity" },
      marks: [...marks, labels],
    }),
  );
}
