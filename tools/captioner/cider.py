"""CIDEr-D: how well a caption says what people say of this picture and of few others.

Vedantam, Zitnick, Parikh, "CIDEr: consensus-based image description evaluation" (2015), sections 3 and 5: the mean,
over sequences of one to four words, of the cosine between tf-idf vectors of the caption and of each reference, with
counts clipped to the reference's, a Gaussian penalty on the difference in length, and the usual factor of 10.

Words are not stemmed, as in BLEU: they are those of `tools.captioner.vocabulary`.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    Caption: TypeAlias = Sequence[Hashable]
    Ngram: TypeAlias = tuple[Hashable, ...]

__all__ = ["MAX_ORDER", "Cider", "count_ngrams"]

MAX_ORDER: Final = 4
_LENGTH_DEVIATION: Final = 6.0
_SCALE: Final = 10.0


def count_ngrams(caption: "Caption", order: int) -> "Counter[Ngram]":
    """Count the sequences of `order` words of a caption."""
    return Counter(zip(*(caption[start:] for start in range(order)), strict=False))


@dataclass(frozen=True, slots=True)
class _Vector:
    """One reference's sequences of one length, weighted; `norm` is the vector's length."""

    weights: "dict[Ngram, float]"
    norm: float


class Cider:
    """The references of a set of pictures, ready to score captions of the same pictures against them."""

    def __init__(self, references: "Sequence[Sequence[Caption]]") -> None:
        """Weigh the references: a sequence of words counts more, the fewer pictures' references have it."""
        self._rarest = math.log(len(references))
        self._lengths = [[len(said) for said in picture] for picture in references]
        counts = [
            [[count_ngrams(said, order) for said in picture] for order in range(1, MAX_ORDER + 1)]
            for picture in references
        ]
        pictures = Counter(ngram for orders in counts for order in orders for ngram in set().union(*order))
        self._rarity = {ngram: self._rarest - math.log(count) for ngram, count in pictures.items()}
        self._vectors = [[[self._weigh(said) for said in order] for order in orders] for orders in counts]

    def score(self, picture: int, caption: "Caption") -> float:
        """Score a caption of the picture of that number: 0 is nothing in common, 10 the same as every reference."""
        said = [self._weigh(count_ngrams(caption, order)) for order in range(1, MAX_ORDER + 1)]
        likenesses = self._likenesses(picture, said, len(caption))
        return sum(likenesses) / len(likenesses)

    def score_references(self) -> list[float]:
        """Score each reference against the others of its picture, picture by picture; there must be others."""
        scores = []
        for picture, lengths in enumerate(self._lengths):
            for place, length in enumerate(lengths):
                likenesses = self._likenesses(picture, [order[place] for order in self._vectors[picture]], length)
                others = likenesses[:place] + likenesses[place + 1 :]
                scores.append(sum(others) / len(others))
        return scores

    def _likenesses(self, picture: int, said: "Sequence[_Vector]", words: int) -> list[float]:
        """Score a caption of so many words, one vector for each length of sequence, against each reference, 0 to 10."""
        totals = [0.0] * len(self._lengths[picture])
        for caption, vectors in zip(said, self._vectors[picture], strict=True):
            for place, vector in enumerate(vectors):
                totals[place] += _likeness(caption, vector)
        damping = [math.exp(-((words - length) ** 2) / (2 * _LENGTH_DEVIATION**2)) for length in self._lengths[picture]]
        return [_SCALE * total * factor / MAX_ORDER for total, factor in zip(totals, damping, strict=True)]

    def _weigh(self, counts: "Counter[Ngram]") -> _Vector:
        weights = {ngram: count * self._rarity.get(ngram, self._rarest) for ngram, count in counts.items()}
        return _Vector(weights, math.sqrt(sum(weight**2 for weight in weights.values())))


def _likeness(said: _Vector, reference: _Vector) -> float:
    """Return the cosine of two vectors, the first one's weights clipped to the second's."""
    if not said.norm or not reference.norm:
        return 0.0
    known = reference.weights
    shared = sum(min(weight, known[ngram]) * known[ngram] for ngram, weight in said.weights.items() if ngram in known)
    return shared / (said.norm * reference.norm)
