/** Intervals of 90 %, as everywhere in the API. */

import type { Schemas } from "@picture-tuning/client";

export type Interval = Schemas["Interval"];

/** Of a normal distribution, in standard deviations: 90 % lie nearer to the mean. */
const QUANTILE = 1.645;

/** The interval of an estimate whose standard deviation is known. */
export function around(value: number, deviation: number): Interval {
  return { low: value - QUANTILE * deviation, high: value + QUANTILE * deviation };
}

/** The interval of the mean of ratings; null of fewer than two. */
export function ofMean(ratings: readonly number[]): Interval | null {
  if (ratings.length < 2) return null;
  const mean = ratings.reduce((sum, one) => sum + one, 0) / ratings.length;
  const variance = ratings.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (ratings.length - 1);
  const { low, high } = around(mean, Math.sqrt(variance / ratings.length));
  return { low: Math.max(1, low), high: Math.min(5, high) };
}
