/** How sure the model is: a word, and the number for who wants it. */

import { useChoice } from "../choice";
import { localeOf } from "../words";
import type { Said } from "./captioning";
import { certaintyOf } from "./certainty";

export function Confidence({ said }: { said: Pick<Said, "confidence" | "sure"> }) {
  const { language, words } = useChoice();
  const certainty = certaintyOf(said.confidence, said.sure);
  const number = new Intl.NumberFormat(localeOf(language, navigator.languages), {
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
  });
  const hint = said.sure == null ? words.captions.confidenceHint : words.captions.likelihoodHint;
  return (
    <span class={`confidence ${certainty}`} title={hint}>
      {words.captions.certainty[certainty]} <small>{words.captions.confidence(number.format(said.confidence))}</small>
    </span>
  );
}
