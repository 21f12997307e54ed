"""NumPy's operations for `tools.captioner.network`, so that a decoder can be run without TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.captioner.network import Network


class NumpyOperations:
    def constant(self, array: Any) -> Any:
        return array

    def concatenate(self, arrays: Sequence[Any]) -> Any:
        return np.concatenate(arrays, axis=-1)

    def take(self, table: Any, tokens: Any) -> Any:
        return table[tokens]

    def where(self, mask: Any, yes: Any, no: Any) -> Any:
        return np.where(mask, yes, no)

    def zeros(self, like: Any, width: int) -> Any:
        return np.zeros((len(like), width), np.float32)

    def whole(self, numbers: Any) -> Any:
        return numbers.astype(np.int32)

    def number(self, tokens: Any) -> Any:
        return tokens.astype(np.float32)[:, np.newaxis]

    def total(self, array: Any) -> Any:
        return array.sum(axis=-1, keepdims=True)

    def root(self, array: Any) -> Any:
        return np.sqrt(array)

    def maximum(self, one: Any, other: Any) -> Any:
        return np.maximum(one, other)

    def minimum(self, one: Any, other: Any) -> Any:
        return np.minimum(one, other)

    def exp(self, array: Any) -> Any:
        return np.exp(array)

    def tanh(self, array: Any) -> Any:
        return np.tanh(array)

    def sigmoid(self, array: Any) -> Any:
        return 1 / (1 + np.exp(-array))


def probabilities(network: Network, features: Any, tokens: Any) -> Any:
    """What a decoder gives after one caption, one step per word, padding left out."""
    xp = NumpyOperations()
    image = network.project(xp, features[np.newaxis])
    h = c = np.zeros((1, network.state), np.float32)
    logits = np.zeros((1, network.tokens), np.float32)
    for token in tokens[tokens > 0]:
        logits, h, c = network.step(xp, np.array([token], np.int32), h, c, image)
    shifted = np.exp(logits[0] - logits.max())
    return shifted / shifted.sum()
