"""The reward of a drawn caption: its effect on the corpus BLEU-4, its CIDEr-D, and whether it is a sentence.

BLEU is a figure of a whole corpus; for one sentence, most of its counts are zero. What a caption adds to it is its part
of the gradient: with the sums of matches m, of n-grams t, of lengths c and of reference lengths r over the corpus,

    log BLEU-4 = min(0, 1 - r / c) + 1/4 * (log m_1/t_1 + ... + log m_4/t_4),

so that a caption's counts are weighted by the derivatives of this by the sums. The corpus is the recently drawn
captions. Maximising the expected reward then maximises the BLEU of the corpus itself, brevity penalty included. CIDEr-D
(see `tools.captioner.cider`) rewards captions that fit their own pictures.

Neither minds "a man in a ball". So each triple of words that no reference has costs something, and so do a caption's
last four words if no reference ends with them, a caption without a verb, and somebody in a ball or the like (see
`tools.captioner.grammar`).

It does not compare captions of one picture with those of another, which is the baseline's task.
"""

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.cider import MAX_ORDER, Cider, count_ngrams
from tools.captioner.grammar import ORDER, has_verb, is_misplaced, sequences_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tools.captioner.cider import Caption, Ngram

__all__ = ["Rewards"]

_MEMORY: Final = 0.9
_FEWEST: Final = 0.01
_LAST_WORDS: Final = 4


class Rewards:
    """The references of a set of pictures, and the counts of the recently drawn captions.

    `means` [10] has these counts per caption: matches and n-grams of each order, length, and the length of the
    reference closest to it. It is empty before the first captions.
    """

    def __init__(
        self,
        references: "Sequence[Sequence[Caption]]",
        cider_weight: float,
        *,
        grammar_weight: float = 0.0,
        spell: "Callable[[Caption], Sequence[str]] | None" = None,
    ) -> None:
        """Count the references. `grammar_weight` is what each fault costs.

        `spell` gives a caption's words, without the end mark; without it, only sequences are faults.
        """
        self._cider = Cider(references)
        self._cider_weight = cider_weight
        self._grammar_weight = grammar_weight
        self._spell = spell
        self._seen = {sequence for picture in references for said in picture for sequence in sequences_of(said)}
        self._endings = {tuple(said[-_LAST_WORDS:]) for picture in references for said in picture}
        self._lengths = [[len(said) for said in picture] for picture in references]
        self._counts = [
            [_most([count_ngrams(said, order) for said in picture]) for order in range(1, MAX_ORDER + 1)]
            for picture in references
        ]
        self.means: NDArray[np.float64] = np.zeros(0)

    def weigh(self, pictures: "Sequence[int]", captions: "Sequence[Caption]") -> "NDArray[np.float64]":
        """Return the reward of each caption; caption i is of the picture pictures[i]."""
        counts = np.array([self._count(picture, said) for picture, said in zip(pictures, captions, strict=True)])
        mean = counts.mean(axis=0)
        self.means = _MEMORY * self.means + (1 - _MEMORY) * mean if self.means.size else mean
        matches, ngrams, (length, closest) = np.split(self.means, (MAX_ORDER, 2 * MAX_ORDER))
        # With no matches yet, this bounds the reward of the first match.
        slopes = np.concatenate([1 / np.maximum(matches, _FEWEST), -1 / np.maximum(ngrams, _FEWEST)]) / MAX_ORDER
        brevity = [closest / length**2, -1 / length] if length < closest else [0.0, 0.0]
        worth: np.ndarray = counts @ np.concatenate([slopes, brevity])
        if self._cider_weight:
            worth += self._cider_weight * np.array(list(map(self._cider.score, pictures, captions)))
        if self._grammar_weight:
            worth -= self._grammar_weight * np.array(list(map(self.count_faults, captions)))
        return worth

    def count_faults(self, caption: "Caption") -> int:
        """Count the triples that no reference has, an ending that none has, a missing verb, and somebody in a thing."""
        unseen = sum(sequence not in self._seen for sequence in sequences_of(caption, ORDER))
        foreign_end = tuple(caption[-_LAST_WORDS:]) not in self._endings
        if self._spell is None:
            return unseen + foreign_end
        said = self._spell(caption)
        return unseen + foreign_end + (not has_verb(said)) + is_misplaced(said)

    @property
    def bleu(self) -> float:
        """The corpus BLEU-4, 0 to 1, of the recently drawn captions."""
        if not self.means.all() or not self.means.size:
            return 0.0
        matches, ngrams, (length, closest) = np.split(self.means, (MAX_ORDER, 2 * MAX_ORDER))
        return math.exp(min(0.0, 1 - closest / length) + float(np.log(matches / ngrams).mean()))

    def _count(self, picture: int, caption: "Caption") -> list[float]:
        said = [count_ngrams(caption, order) for order in range(1, MAX_ORDER + 1)]
        matches = [
            sum(min(count, known.get(ngram, 0)) for ngram, count in counts.items())
            for counts, known in zip(said, self._counts[picture], strict=True)
        ]
        ngrams = [max(len(caption) + 1 - order, 0) for order in range(1, MAX_ORDER + 1)]
        closest = min(self._lengths[picture], key=lambda length: (abs(length - len(caption)), length))
        return [*matches, *ngrams, len(caption), closest]


def _most(counts: "Sequence[Counter[Ngram]]") -> "Counter[Ngram]":
    most = counts[0]
    for others in counts[1:]:
        most = most | others
    return most
