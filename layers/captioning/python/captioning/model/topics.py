"""Topics: words and pairs of words that people say of pictures, and how far they support a caption.

The decoder says which word comes next. Beside it a bundle may bring a network that tells from a picture's features
which share of people's captions has each topic. It learned in another way than the decoder and errs elsewhere, so that
the caption that it supports best is, among those of one search, better than the most probable one.

    support = (sum of share * rarity^2) / (sum of rarity^2)^(1/2), both over the topics that the caption has

A topic's rarity is its inverse document frequency. The support is then what the cosine of words and pairs between the
caption and one of people's is expected to be, but for the length of theirs, which is the same for all captions of a
picture. (CIDEr, by Vedantam, Zitnick, Parikh, "CIDEr: consensus-based image description evaluation", 2015, is the mean
of such cosines.)

Only NumPy; this module knows neither pictures, words nor the runtime.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from captioning.model.decoding import Floats, Hypothesis


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's place in the network's output, and its rarity, from 1e-6 to 1e6."""

    place: int
    rarity: float


Topics = Mapping[tuple[int, ...], Topic]
"""Topics by their tokens, one or two."""


def rank_by_support(found: Sequence[Hypothesis], topics: Topics, shares: Floats, weight: float) -> list[Hypothesis]:
    """Return the captions of a search with their supports, which count `weight` in their scores; best first.

    `shares` [topics], 0 to 1, are the picture's.
    """
    weighed = []
    for hypothesis in found:
        support = support_of(hypothesis.tokens, topics, shares)
        weighed.append(replace(hypothesis, support=support, score=hypothesis.score + weight * support))
    return sorted(weighed, key=lambda hypothesis: -hypothesis.score)


def support_of(tokens: Sequence[int], topics: Topics, shares: Floats) -> float:
    """Return how far the shares [topics] support a caption; 0 for one that has no topic. See the module."""
    said = {*((token,) for token in tokens), *pairwise(tokens)}
    found = [topics[topic] for topic in said & topics.keys()]
    if not found:
        return 0.0
    squares = [topic.rarity**2 for topic in found]
    supported = math.fsum(float(shares[topic.place]) * square for topic, square in zip(found, squares, strict=True))
    return supported / math.sqrt(math.fsum(squares))
