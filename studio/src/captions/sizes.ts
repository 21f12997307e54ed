/** Sizes of files, as people where the browser is at home write them. */

import { useChoice } from "../choice";
import { localeOf } from "../words";

export function useSizes(): (bytes: number) => string {
  const { language } = useChoice();
  return (bytes) => {
    const [number, unit] = bytes < 1_000_000 ? [bytes / 1000, "kilobyte"] : [bytes / 1_000_000, "megabyte"];
    const digits = { maximumFractionDigits: number < 10 ? 1 : 0 };
    return new Intl.NumberFormat(localeOf(language, navigator.languages), { style: "unit", unit, ...digits }).format(
      number,
    );
  };
}
