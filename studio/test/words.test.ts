import { expect, test } from "vitest";
import { localeOf, preferred, WORDS } from "../src/words";

test("the first language that the page speaks is taken", () => {
  expect(preferred(["de-DE", "es-MX", "en"])).toBe("es");
  expect(preferred(["fr"])).toBe("en");
  expect(preferred([])).toBe("en");
});

test("numbers and dates are written as where the browser is at home", () => {
  expect(localeOf("es", ["de", "es-MX", "es"])).toBe("es-MX");
  expect(localeOf("en", ["es"])).toBe("en");
});

/** Every text of a dictionary by its path. */
function texts(words: object, path = ""): [string, string][] {
  return Object.entries(words).flatMap(([name, value]): [string, string][] => {
    const here = `${path}/${name}`;
    if (typeof value === "string") return [[here, value]];
    if (typeof value === "function") return [[here, String(value(3, 4, 5, 6))]];
    return texts(value as object, here);
  });
}

test("every text is there in both languages", () => {
  const en = new Map(texts(WORDS.en));
  const es = new Map(texts(WORDS.es));
  expect([...es.keys()]).toEqual([...en.keys()]);
  for (const [path, text] of [...en, ...es]) expect(text.trim(), path).not.toBe("");
});

test("one mode with enough ratings is not called the highest of its kind", () => {
  for (const { progress } of [WORDS.en, WORDS.es]) {
    expect(progress.compared.sentence("structure", "4.1", "(3.2 to 5.0)", "1")).not.toMatch(/highest|más alta/);
    expect(progress.compared.sentence("structure", "4.1", "(3.2 to 5.0)", "2")).toMatch(/highest|más alta/);
  }
});
