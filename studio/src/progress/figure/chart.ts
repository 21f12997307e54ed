/** What a chart is to the page: a drawing, a sentence that says what it shows, and its numbers. */

import type { Palette } from "./palette";
import type { Table } from "./table";

export interface Frame {
  /** In CSS pixels. */
  width: number;
  palette: Palette;
  /** Whether what lies under the pointer is explained; files are drawn without. */
  pointing: boolean;
}

export interface Chart {
  /** What files are called, without their ending: `over-time`. */
  name: string;
  title: string;
  /** What the chart shows, for who sees it and who does not. */
  sentence: string;
  /** How to read it, where that needs saying. */
  note?: string;
  draw(frame: Frame): SVGSVGElement;
  table: Table;
}
