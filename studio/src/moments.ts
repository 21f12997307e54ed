/** Points in time in one form everywhere: the day with the time, as people where the browser is at home write them. */

const made = new Map<string, Intl.DateTimeFormat>();

/** An ISO 8601 time as a text. */
export function moment(iso: string, locale: string): string {
  let format = made.get(locale);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    made.set(locale, format);
  }
  return format.format(new Date(iso));
}
