/** Ratings as stars. */

/** Every rating that can be chosen: whole and half stars from 1 to 5. */
export const RATINGS: readonly number[] = Array.from({ length: 9 }, (_, index) => 1 + index / 2);

/** Stars of a rating to a half, and the number: `★★★★½ 4.5`. A rating between halves keeps its number. */
export function starsOf(rating: number, locale: string): string {
  const halves = Math.round(rating * 2);
  return `${"★".repeat(Math.floor(halves / 2))}${halves % 2 ? "½" : ""} ${rating.toLocaleString(locale, { maximumFractionDigits: 2 })}`;
}
