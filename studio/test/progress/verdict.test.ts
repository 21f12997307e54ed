import { expect, test } from "vitest";
import { formatsOf } from "../../src/progress/formats";
import { verdictOf } from "../../src/progress/verdict";
import { type Language, WORDS } from "../../src/words";
import { DIFFUSION, fewRatings, modeStats } from "./study";

/** With plain spaces, as people compare texts. */
const plain = (text: string | null) => text?.replaceAll("\u00a0", " ") ?? null;

function said(stats = modeStats(), language: Language = "en", archived = false) {
  const { sentence, outlook, ...rest } = verdictOf(stats, archived, WORDS[language].progress, formatsOf(language));
  return { sentence: plain(sentence), outlook: plain(outlook), ...rest };
}

test("one sentence says what to use, what to expect, how sure it is and what is left to gain", () => {
  expect(said().sentence).toBe(
    "Use leonardo 0.31 / 9.7 / 0.91: expect 4.6 (4.3 to 4.9); leonardo is best with 93 %; " +
      "41 ratings, about 0.06 points left to gain.",
  );
  expect(said(modeStats(), "es").sentence).toBe(
    "Use leonardo 0,31 / 9,7 / 0,91: se espera un 4,6 (de 4,3 a 4,9); leonardo es la mejor con un 93 % de " +
      "probabilidad; 41 valoraciones, quedan unos 0,06 puntos por ganar.",
  );
});

test("an API that may hold the best setting in spite of the recommendation is named", () => {
  const stats = modeStats({ chances: { leonardo: 0.45, stablediffusion: 0.55 } });
  expect(said(stats).sentence).toContain("the best setting may still be one of stablediffusion, with 55 %");
  expect(said(stats, "es").sentence).toContain("puede ser una de stablediffusion, con un 55 % de probabilidad");
});

test("a chance is never written as certain or as none", () => {
  expect(said(modeStats({ chances: { leonardo: 1, stablediffusion: 0 } })).sentence).toContain("best with over 99 %");
  expect(said(modeStats({ chances: { leonardo: 1, stablediffusion: 0 } }), "es").sentence).toContain(
    "es la mejor con más del 99 % de probabilidad",
  );
});

test("of a single API there is no chance to tell", () => {
  expect(said(modeStats({ chances: { leonardo: 1 } })).sentence).not.toContain("best with");
});

test("next to nothing to gain is written as less and not as zero", () => {
  expect(said(modeStats({ expected_improvement: 0 })).sentence).toContain("less than 0.01 points left to gain");
  expect(said(modeStats({ expected_improvement: 0 }), "es").sentence).toContain("menos de 0,01 puntos por ganar");
});

test("whether it still improves follows from what the statistics say", () => {
  expect(said().outlook).toBe(
    "Still improving: further ratings are worth it. Since rating 30 the recommendation has become 0.15 points better.",
  );
  expect(said(modeStats({ gained: null, gained_since: null })).outlook).toBe(
    "Still improving: further ratings are worth it.",
  );
  expect(said(modeStats({ convergence: 1 })).outlook).toMatch(/^Still improving, though the budget/);
  expect(said(modeStats({ improving: false, converged: true })).outlook).toMatch(/^Done: further ratings would hardly/);
  expect(said(modeStats({ improving: false, converged: true, convergence: 1 })).outlook).toMatch(/^Done: the budget/);
  expect(said(modeStats({ improving: false })).outlook).toMatch(/or the raters disagree/);
  expect(said(modeStats({ improving: false }), "es").outlook).toMatch(/discrepan/);
});

test("nobody is asked to rate an archived study", () => {
  expect(said(modeStats(), "en", true).outlook).toMatch(/^It was still improving when it was archived/);
});

test("before six ratings it says how many are missing, in both numbers", () => {
  expect(said(fewRatings(0))).toMatchObject({ missing: 6, setting: null, outlook: null });
  expect(said(fewRatings(0)).sentence).toContain("After 6 ratings");
  expect(said(fewRatings(1)).sentence).toBe(
    "1 rating so far: 5 more are needed before the page can say which setting to use.",
  );
  expect(said(fewRatings(5)).sentence).toContain("5 ratings so far: 1 more is needed");
  expect(said(fewRatings(1), "es").sentence).toContain("1 valoración por ahora: faltan 5");
  expect(said(fewRatings(5), "es").sentence).toContain("5 valoraciones por ahora: falta 1 ");
});

test("enough ratings without a model ask for patience, and for none that are missing", () => {
  expect(said({ ...fewRatings(6) })).toMatchObject({ missing: 0 });
  expect(said({ ...fewRatings(6) }).sentence).toContain("the model says nothing yet");
});

test("the setting is handed on as it was answered", () => {
  expect(said(modeStats({ recommended_parameters: { ...DIFFUSION } })).setting).toEqual(DIFFUSION);
});
