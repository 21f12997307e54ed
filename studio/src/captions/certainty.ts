/** How sure the model is of a caption, as a word. */

export type Certainty = "sure" | "fairly" | "unsure";

/** From this confidence on a caption is called sure. */
export const SURE_FROM = 0.8;
/** From this confidence on it is called fairly sure; below, not sure. */
export const FAIRLY_FROM = 0.5;

/**
 * The word for a confidence of 0 to 1.
 *
 * A bundle may say itself whether a caption is as good as a person's (`sure`): then a caption is never called better
 * than that, nor worse. Where it says nothing, the two bounds decide.
 */
export function certaintyOf(confidence: number, sure?: boolean | null): Certainty {
  if (sure === false) return "unsure";
  if (confidence >= SURE_FROM) return "sure";
  return sure === true || confidence >= FAIRLY_FROM ? "fairly" : "unsure";
}
