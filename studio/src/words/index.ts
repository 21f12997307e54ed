/** The languages of the page, and which one a browser asks for. */

import { en, type Words } from "./en";
import { es } from "./es";

export type { Words } from "./en";
export type Language = "en" | "es";

export const WORDS: Record<Language, Words> = { en, es };

/** The first of the browser's languages that the page speaks; English if it speaks none. */
export function preferred(languages: readonly string[]): Language {
  for (const language of languages) {
    const short = language.toLowerCase().split("-")[0];
    if (short === "en" || short === "es") return short;
  }
  return "en";
}

/** The locale for numbers and dates: the browser's own of this language, `es-MX`, say; else the language itself. */
export function localeOf(language: Language, languages: readonly string[]): string {
  return languages.find((one) => one.toLowerCase().split("-")[0] === language) ?? language;
}
