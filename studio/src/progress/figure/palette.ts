/** The colours of charts, as the style sheets have them at the moment. */

import { useEffect, useState } from "preact/hooks";

export interface Palette {
  ink: string;
  soft: string;
  line: string;
  /** What charts lie on. */
  card: string;
  accent: string;
  /** One per API, in the order of the search space. */
  apis: string[];
  /** From the lowest to the highest value of a map. */
  ramp: string[];
}

const APIS = ["--first", "--second", "--third", "--fourth", "--fifth", "--sixth"];
const RAMP = ["--ramp-low", "--ramp-middle", "--ramp-high"];

/** Reads the colours in force at `element`. Drawings have them as values, so that a saved file has them too. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim() || "currentColor";
  return {
    ink: color("--ink"),
    soft: color("--soft"),
    line: color("--line"),
    card: color("--card"),
    accent: color("--accent"),
    apis: APIS.map(color),
    ramp: RAMP.map(color),
  };
}

/** Whether the person's system is dark; follows it. Drawings are made anew when it changes. */
export function useDark(): boolean {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return dark;
}
