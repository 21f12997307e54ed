"""Confidence: how sure the model is of a caption, as a number that means something.

A bundle may bring a `Calibration`, which was fitted on pictures that the decoder has not learned from: it turns what a
search tells of a caption, and the picture's features, into the probability that the caption is as good as a person's.
Without one, the confidence is the geometric mean of the words' probabilities, which ranks captions and does not measure
truth.

Only NumPy; this module knows neither pictures, words nor the runtime.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from captioning.model.decoding import Floats, Hypothesis


class Evidence(StrEnum):
    """What a search tells of one of its captions, and its picture; logarithms are natural.

    `MEAN` and `LOWEST` are those of the words' log-probabilities. `WORDS` is the logarithm of their number. `LEAD` is
    how far the caption's score is above that of the best of the others, negative for one that is not the first.
    `AGREEMENT`, 0 to 1, is how much of the caption the others say too: the mean of the overlaps, as words and pairs of
    words, weighted by the others' probabilities. Lead and agreement are missing where the search found nothing else.
    `SUPPORT` is how far the picture's topics support the caption; it is missing where the bundle has no topics.
    `PICTURE` is how good captions of pictures like this one are: the scalar product of its features and the
    calibration's `picture`.
    """

    MEAN = "mean"
    LOWEST = "lowest"
    WORDS = "words"
    LEAD = "lead"
    AGREEMENT = "agreement"
    SUPPORT = "support"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Factor:
    """The weight of a piece of evidence, and its mean over the pictures that the weights were fitted on."""

    weight: float
    mean: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression: the probability is 1 / (1 + exp(-(intercept + sum of weight * (evidence - mean)))).

    Evidence that is not given counts as the mean. `sure_from`, 0 to 1, is the probability below which the captioner is
    not sure. `picture` has one weight per feature, or none.
    """

    intercept: float
    factors: Mapping[Evidence, Factor]
    sure_from: float
    picture: tuple[float, ...] = ()

    def probability(self, found: Sequence[Hypothesis], place: int, features: Floats | None = None) -> float:
        """Return the probability that a caption of a search is as good as a person's, above 0 and below 1.

        `features` [features] are those of the picture.
        """
        given = evidence_of(found, place)
        if self.picture and features is not None:
            given[Evidence.PICTURE] = float(features @ np.asarray(self.picture, np.float32))
        logit = self.intercept + sum(
            factor.weight * (given[evidence] - factor.mean)
            for evidence, factor in self.factors.items()
            if evidence in given
        )
        return 1 / (1 + math.exp(-max(-_FARTHEST, min(_FARTHEST, logit))))


_FARTHEST = 30.0


def evidence_of(found: Sequence[Hypothesis], place: int) -> dict[Evidence, float]:
    """Return what a search that `found` these captions, best first, tells of the one at `place`."""
    caption = found[place]
    words = np.array(caption.log_probabilities)
    given = {
        Evidence.MEAN: float(words.mean()),
        Evidence.LOWEST: float(words.min()),
        Evidence.WORDS: math.log(len(words)),
    }
    if caption.support is not None:
        given[Evidence.SUPPORT] = caption.support
    others = [*found[:place], *found[place + 1 :]]
    if others:
        best = max(other.score for other in others)
        shares = np.exp([other.score - best for other in others])
        overlaps = [_overlap(caption.tokens, other.tokens) for other in others]
        given[Evidence.LEAD] = caption.score - best
        given[Evidence.AGREEMENT] = float(np.average(overlaps, weights=shares))
    return given


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the Dice coefficient (1945) of two captions' words and pairs of words, 0 to 1."""
    ours, theirs = ({*said, *pairwise(said)} for said in (one, other))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))
