/** The scale that ratings have in every chart that lays them out sideways. */

import type { Words } from "../../words";
import type { Formats } from "../formats";
import type { Scale } from "./intervals";

export function ofRatings(words: Words["progress"], formats: Formats): Scale {
  return { domain: [1, 5], ticks: [1, 2, 3, 4, 5], label: words.ratingAxis, written: formats.count };
}
