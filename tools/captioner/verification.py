"""Holds converted models to what they were converted from.

Refuses to pass on a model that differs by more than the stated bounds.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.interpreter import Decoder
from tools.captioner.errors import BundleError
from tools.captioner.pictures import cosines
from tools.captioner.progress import progress
from tools.captioner.vocabulary import encode_caption

if TYPE_CHECKING:
    from pathlib import Path

    from keras import Model
    from numpy.typing import NDArray

    from captioning.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset, Features

__all__ = ["MAX_PROBABILITY_DIFFERENCE", "MIN_COSINE", "verify_decoder", "verify_encoder"]

MIN_COSINE: Final = 0.99
MAX_PROBABILITY_DIFFERENCE: Final = 1e-5


def verify_encoder(ours: "Features", theirs: "Features") -> tuple[float, float]:
    """Compare features with those of a trusted encoder: the median and the smallest cosine.

    Raises BundleError when the smallest is under 0.99, which is what a wrong layer or a wrong resize looks like.
    """
    similarities = cosines(ours, theirs)
    median, smallest = float(np.median(similarities)), float(similarities.min())
    if not smallest >= MIN_COSINE:
        name = ours.names[int(similarities.argmin())]
        raise BundleError(
            f"the encoder's features of {name} have a cosine of {smallest:.4f} to those given, under {MIN_COSINE}"
        )
    return median, smallest


def verify_decoder(
    network: "Model", decoder: "Path", dataset: "Dataset", vocabulary: "Vocabulary", pictures: int
) -> float:
    """Compare the converted decoder, word by word, with the network that saw whole captions: the largest difference.

    It is one of probabilities, over the first caption of the first `pictures` pictures. Raises BundleError over 1e-5.
    """
    converted = Decoder(decoder)
    largest = 0.0
    for row in progress(range(min(pictures, len(dataset.names))), "verifying the decoder"):
        features = dataset.features[row : row + 1]
        tokens = encode_caption(dataset.captions[row][0], vocabulary)[:-1]
        expected = _softmax(np.asarray(network([features, tokens[np.newaxis]], training=False))[0])
        image = converted.project(features)
        h = c = np.zeros((1, converted.state), np.float32)
        for token, probabilities in zip(tokens, expected, strict=True):
            logits, h, c = converted.step(np.array([token], np.int32), h, c, image)
            largest = max(largest, float(np.abs(_softmax(logits)[0] - probabilities).max()))
    if not largest <= MAX_PROBABILITY_DIFFERENCE:
        raise BundleError(f"the converted decoder's probabilities differ by {largest:.1e} from the network's")
    return largest


def _softmax(logits: "NDArray[np.float32]") -> "NDArray[np.float64]":
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities
