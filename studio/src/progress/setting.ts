/** A setting in words: its API, and its parameters by name or in a row. */

import type { Formats } from "./formats";

/** An API and a value for each of its parameters, as the API answers it. */
export type Setting = Readonly<Record<string, unknown>>;

export function apiOf(setting: Setting): string {
  return String(setting.api);
}

/** The parameters and their values, in the search space's order. */
export function parametersOf(setting: Setting): [name: string, value: unknown][] {
  return Object.entries(setting).filter(([name, value]) => name !== "api" && value !== null && value !== undefined);
}

/** The value of a parameter that the setting has. */
export function valueIn(setting: Setting, name: string): number | string {
  return setting[name] as number | string;
}

/** `leonardo 0.31 / 9.7 / 0.91`; no line ends within the values. */
export function inBrief(setting: Setting, formats: Formats): string {
  const values = parametersOf(setting).map(([, value]) => formats.parameter(value));
  return `${apiOf(setting)} ${values.join("\u00a0/\u00a0")}`;
}
