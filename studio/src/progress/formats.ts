/** Numbers and times as the page's language and the browser's place write them. */

import { moment } from "../moments";
import { type Language, localeOf } from "../words";

export interface Formats {
  count(value: number): string;
  /** A rating to one decimal, as sentences say it. */
  rating(value: number): string;
  /** Rating points to two decimals, as tables have them. */
  points(value: number): string;
  /** Rating points with their sign. */
  signed(value: number): string;
  /** A share from 0 to 1 in whole per cent. */
  share(value: number): string;
  /** A parameter's value: a number with the decimals that it has, a choice as it is. */
  parameter(value: unknown): string;
  moment(iso: string): string;
  clock(time: Date): string;
}

const made = new Map<Language, Formats>();

/** The formats of a language, made once. */
export function formatsOf(language: Language): Formats {
  const before = made.get(language);
  if (before !== undefined) return before;
  const locale = localeOf(language, navigator.languages);
  const number = (options: Intl.NumberFormatOptions) => {
    const format = new Intl.NumberFormat(locale, options);
    return (value: number) => format.format(value);
  };
  const whole = number({ maximumFractionDigits: 0 });
  const exact = number({ maximumFractionDigits: 6 });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const formats: Formats = {
    count: whole,
    rating: number({ minimumFractionDigits: 1, maximumFractionDigits: 1 }),
    points: number({ minimumFractionDigits: 2, maximumFractionDigits: 2 }),
    signed: number({ minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" }),
    share: (value) => `${whole(100 * value)}\u00a0%`,
    parameter: (value) => (typeof value === "number" ? exact(value) : String(value)),
    moment: (iso) => moment(iso, locale),
    clock: (at) => clock.format(at),
  };
  made.set(language, formats);
  return formats;
}
