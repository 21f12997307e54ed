/** Values of parameters as people of a place write them. */

/** A number with the decimals that it has; anything else as it is. */
export function written(value: unknown, locale: string): string {
  return typeof value === "number" ? value.toLocaleString(locale, { maximumFractionDigits: 6 }) : String(value);
}
