/** A small study as the API answers it, for tests of what is made of it. */

import type { Schemas } from "@picture-tuning/client";

export const LEONARDO = { api: "leonardo", init_strength: 0.31, guidance_scale: 9.7, controlnet_weight: 0.91 } as const;
export const DIFFUSION = {
  api: "stablediffusion",
  strength: 0.28,
  guidance_scale: 8.4,
  controlnet_conditioning_scale: 0.87,
} as const;

/** The one of the sentence that the page is made for. */
export function modeStats(change: Partial<Schemas["ModeStats"]> = {}): Schemas["ModeStats"] {
  return {
    samples_seen: 41,
    convergence: 0.82,
    best_parameters: { ...DIFFUSION },
    best_rating: 5,
    expected_improvement: 0.06,
    recommended_parameters: { ...LEONARDO },
    recommended_mean: 4.61,
    recommended_deviation: 0.18,
    recommended_interval: { low: 4.32, high: 4.91 },
    recommended_rated: false,
    apis: { leonardo: { count: 30, mean_rating: 4.1 }, stablediffusion: { count: 11, mean_rating: 3.5 } },
    converged: false,
    improving: true,
    gained: 0.15,
    gained_since: 30,
    chances: { leonardo: 0.93, stablediffusion: 0.07 },
    importance: {
      leonardo: {
        spread: 0.41,
        parameters: {
          init_strength: { first: 0.34, total: 0.4 },
          guidance_scale: { first: 0.41, total: 0.46 },
          controlnet_weight: { first: 0.1, total: 0.12 },
        },
      },
      stablediffusion: {
        spread: 0.22,
        parameters: {
          strength: { first: 0.3, total: 0.4 },
          guidance_scale: { first: 0.2, total: 0.3 },
          controlnet_conditioning_scale: { first: 0.1, total: 0.2 },
        },
      },
    },
    raters: [rater("ana", 0.47), rater("bo", -0.6)],
    raters_total: 2,
    ...change,
  };
}

/** A mode of which the model says nothing yet. */
export function fewRatings(ratings: number): Schemas["ModeStats"] {
  return modeStats({
    samples_seen: ratings,
    convergence: ratings / 50,
    best_parameters: ratings === 0 ? null : { ...DIFFUSION },
    best_rating: ratings === 0 ? null : 5,
    expected_improvement: null,
    recommended_parameters: null,
    recommended_mean: null,
    recommended_deviation: null,
    recommended_interval: null,
    recommended_rated: null,
    improving: null,
    gained: null,
    gained_since: null,
    chances: {},
    importance: {},
    raters: [],
    raters_total: 0,
  });
}

export function rater(
  name: string,
  leniency: number,
  change: Partial<Schemas["RaterStats"]> = {},
): Schemas["RaterStats"] {
  return {
    rater: name,
    ratings: 14,
    leniency,
    leniency_deviation: 0.2,
    slope: 1,
    slope_deviation: 0.14,
    reliability: 0.3,
    reliability_deviation: 0.04,
    ...change,
  };
}

export function allStats(mode: Schemas["ModeStats"] = modeStats()): Schemas["Stats"] {
  const { raters, raters_total, chances, importance, gained, gained_since, ...common } = mode;
  return {
    ...common,
    recommended_mode: mode.recommended_parameters === null ? null : "structure",
    modes: { structure: mode, surfaces: fewRatings(3) },
  };
}

/** A curve with its top in the middle of so many values. */
export function curve(
  api: Schemas["Curve"]["api"],
  parameters: string[],
  values: (number | string)[][],
  through: Schemas["Curve"]["through"],
  top = 4.6,
): Schemas["Curve"] {
  const middle = (values.length - 1) / 2;
  return {
    api,
    parameters,
    through,
    points: values.map((one, at) => {
      const mean = top - Math.abs(at - middle) / 10;
      return { values: one, mean, deviation: 0.2, interval: { low: mean - 0.3, high: Math.min(5, mean + 0.3) } };
    }),
    rated: [{ parameters: { ...through }, ratings: 2, mean_rating: 4.5, nearness: 0.9 }],
  };
}

export function rated(id: number, change: Partial<Schemas["Rated"]> = {}): Schemas["Rated"] {
  return {
    id: `kitchens-${id}`,
    study: "kitchens",
    mode: "structure",
    parameters: { ...(id % 2 ? LEONARDO : DIFFUSION) },
    rating: 4,
    failed: null,
    recorded_at: `2026-11-26T14:${String(id % 60).padStart(2, "0")}:00Z`,
    suggestion_id: null,
    rater: "ana",
    picture: null,
    comment: null,
    revision: 1,
    withdrawn: false,
    revised_at: null,
    reviser: null,
    earlier: null,
    ...change,
  };
}

export function step(ratings: number, mean = 4.4): Schemas["ProgressStep"] {
  return {
    samples_seen: ratings,
    recorded_at: "2026-11-26T15:00:00Z",
    best_rating: 5,
    parameters: { ...LEONARDO },
    mean,
    deviation: 0.3,
    interval: { low: mean - 0.5, high: Math.min(5, mean + 0.5) },
    expected_improvement: 0.2,
  };
}

export function described(
  name: string,
  change: Partial<Schemas["StudyDescription"]> = {},
): Schemas["StudyDescription"] {
  return {
    name,
    created_at: "2026-11-01T00:00:00Z",
    based_on: null,
    note: null,
    archived_at: null,
    samples_seen: 41,
    counts: { structure: 41, surfaces: 3 },
    best: null,
    last_activity: "2026-11-26T15:00:00Z",
    ...change,
  };
}
