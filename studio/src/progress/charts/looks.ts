/** How APIs are told apart in every chart: by colour, and by symbol and dashes for who does not see the colour. */

import type { Palette } from "../figure/palette";

export interface Look {
  color: string;
  symbol: string;
  /** As SVG's stroke-dasharray; undefined is a whole line. */
  dash: string | undefined;
}

const SYMBOLS = ["circle", "triangle", "square", "diamond", "wye", "star"];
const DASHES = [undefined, "7 4", "2 4", "10 3 2 3", "12 4", "4 2"];

/** The look of each API, in the search space's order. */
export function looksOf(apis: readonly string[], palette: Palette): (api: string) => Look {
  return (api) => {
    const at = Math.max(0, apis.indexOf(api)) % SYMBOLS.length;
    return { color: palette.apis[at] ?? palette.ink, symbol: SYMBOLS[at] ?? "circle", dash: DASHES[at] };
  };
}
