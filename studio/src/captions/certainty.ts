/** How sure the model is of a caption, as a word. */

export type Certainty = "sure" | "fairly" | "unsure";

/** Of a bundle whose confidence is a mean of the words' probabilities: from these on, sure and fairly sure. */
export const SURE_FROM = 0.8;
export const FAIRLY_FROM = 0.5;
/** Of a bundle whose confidence is the probability that a caption is as good as a person's: more likely than not. */
export const LIKELY_FROM = 0.5;

/**
 * The word for a confidence of 0 to 1.
 *
 * Where the bundle says itself whether it is sure enough (`sure`), a caption of which it is not is never called
 * better; where it says nothing, two bounds decide.
 */
export function certaintyOf(confidence: number, sure?: boolean | null): Certainty {
  if (sure === false) return "unsure";
  if (sure === true) return confidence >= LIKELY_FROM ? "sure" : "fairly";
  return confidence >= SURE_FROM ? "sure" : confidence >= FAIRLY_FROM ? "fairly" : "unsure";
}
