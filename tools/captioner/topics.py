"""What people say of pictures, as something that can be learned from a picture at once: words, and pairs of words.

A pair ("red shirt", "brown dog", "plays guitar") says what belongs together. What is said too seldom is left out, and
so are articles, and pairs of words that only join others: captions that repeat nothing have no topics. (Fang et al.,
"From captions to visual concepts and back", 2015, section 3.)
"""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tensorflow import Tensor

__all__ = ["Topic", "cross_entropy", "list_topics", "share_of_captions", "usual_logits"]

Topic: TypeAlias = tuple[str, ...]
_LEAST_SAID: Final = {1: 10, 2: 25}
_LEAST_SHARE: Final = 1e-4
_ARTICLES: Final = frozenset({"a", "an", "the"})
_JOINING: Final = _ARTICLES | {"and", "are", "at", "in", "is", "of", "on", "to", "with"}


def list_topics(captions: "Sequence[Sequence[Sequence[str]]]") -> tuple[Topic, ...]:
    """List the words that 10 captions of all pictures have, and the pairs that 25 have, the most frequent first."""
    counts = Counter(topic for picture in captions for said in picture for topic in _topics_of(said))
    kept = [topic for topic, count in counts.items() if count >= _LEAST_SAID[len(topic)]]
    return tuple(sorted(kept, key=lambda topic: (-counts[topic], topic)))


def share_of_captions(
    captions: "Sequence[Sequence[Sequence[str]]]", topics: "Sequence[Topic]"
) -> "NDArray[np.float32]":
    """Return which share of each picture's captions has each topic: float32 [pictures, topics] in 0..1."""
    places = {topic: place for place, topic in enumerate(topics)}
    shares = np.zeros((len(captions), len(topics)), np.float32)
    for row, picture in enumerate(captions):
        for said in picture:
            for topic in _topics_of(said) & places.keys():
                shares[row, places[topic]] += 1 / len(picture)
    return shares


def usual_logits(shares: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return what a network begins with that knows no picture: the logits [topics] of the mean shares."""
    likely = np.clip(shares.mean(axis=0), _LEAST_SHARE, 1 - _LEAST_SHARE)
    logits: NDArray[np.float32] = np.log(likely / (1 - likely))
    return logits


def cross_entropy(shares: "Tensor", logits: "Tensor") -> "Tensor":
    """Return the cross-entropy of each topic's share, summed over topics, in nats per picture."""
    tf = require_tensorflow()
    return tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(shares, logits), axis=1))


def _topics_of(said: "Sequence[str]") -> set[Topic]:
    words = {(word,) for word in said if word not in _ARTICLES}
    return words | {pair for pair in pairwise(said) if not _JOINING.issuperset(pair)}
