"""Compares converted models with their sources.

It refuses a model that differs by more than the stated bounds.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.captioner import decode
from captioning.model.bundle import Quantization
from captioning.model.decoding import search
from captioning.model.interpreter import Decoder, Encoder
from tools.captioner.errors import UnfitBundleError
from tools.captioner.pictures import cosines, read_sample
from tools.captioner.progress import progress
from tools.captioner.toolchain import require_tensorflow
from tools.captioner.vocabulary import encode_caption

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keras import Model
    from numpy.typing import NDArray

    from captioning.model.bundle import Bundle
    from captioning.model.vocabulary import Vocabulary
    from tools.captioner.dataset import Dataset, Features
    from tools.captioner.keras.source import SourceModel
    from tools.captioner.topic_network import TopicNetwork

    Floats = NDArray[np.float32]

__all__ = [
    "MAX_PROBABILITY_DIFFERENCE",
    "MIN_COSINE",
    "Verification",
    "verify_captions",
    "verify_decoder",
    "verify_encoder",
    "verify_topics",
]

MIN_COSINE: Final = 0.99
# An 8-bit encoder beside its own float32, over drawn pictures as well; another last pool gives .95.
_MIN_COSINE_DYNAMIC: Final = 0.97
MAX_PROBABILITY_DIFFERENCE: Final = 1e-5
# Of a decoder with 8-bit kernels; the default one differs by .02.
_MAX_DYNAMIC_DIFFERENCE: Final = 0.1
_BEAM_WIDTH: Final = 5


def verify_encoder(ours: "Features", theirs: "Features") -> tuple[float, float]:
    """Compare features with those of a trusted encoder: the median and the smallest cosine.

    Raises:
        UnfitBundleError: the smallest is under 0.99, as after a wrong layer or a wrong resize.
    """
    similarities = cosines(ours, theirs)
    median, smallest = float(np.median(similarities)), float(similarities.min())
    if not smallest >= MIN_COSINE:
        name = ours.names[int(similarities.argmin())]
        raise UnfitBundleError(
            f"the encoder's features of {name} have a cosine of {smallest:.4f} to those given, under {MIN_COSINE}"
        )
    return median, smallest


def verify_decoder(
    members: "Sequence[tuple[Model, float]]",
    decoder: "Path",
    dataset: "Dataset",
    vocabulary: "Vocabulary",
    *,
    pictures: int,
    quantization: Quantization = Quantization.NONE,
) -> float:
    """Compare the converted decoder, word by word, with the networks that saw whole captions: the largest difference.

    It is the largest of probabilities, over the first caption of the first `pictures` pictures. `members` are the
    networks whose product the decoder is, and their weights.

    Raises:
        UnfitBundleError: it is over 1e-5, or over .1 with 8-bit kernels.
    """
    most = MAX_PROBABILITY_DIFFERENCE if quantization is Quantization.NONE else _MAX_DYNAMIC_DIFFERENCE
    converted = Decoder(decoder)
    largest = 0.0
    for row in progress(range(min(pictures, len(dataset.names))), "verifying the decoder"):
        features = dataset.features[row : row + 1]
        tokens = encode_caption(dataset.captions[row][0], vocabulary)[:-1]
        logits_of = [np.asarray(network([features, tokens[np.newaxis]], training=False))[0] for network, _ in members]
        expected = _softmax(sum(weight * logits for (_, weight), logits in zip(members, logits_of, strict=True)))
        image = converted.project(features)
        h = c = np.zeros((1, converted.state), np.float32)
        for token, probabilities in zip(tokens, expected, strict=True):
            logits, h, c = converted.step(np.array([token], np.int32), h, c, image)
            largest = max(largest, float(np.abs(_softmax(logits)[0] - probabilities).max()))
    if not largest <= most:
        raise UnfitBundleError(f"the converted decoder's probabilities differ by {largest:.1e} from the network's")
    return largest


def verify_topics(
    network: "TopicNetwork", decoder: "Path", dataset: "Dataset", *, pictures: int, quantization: Quantization
) -> float:
    """Compare the converted shares of the first pictures with those of the network: the largest difference.

    Raises:
        UnfitBundleError: it is over 1e-5, or over .1 with 8-bit kernels.
    """
    most = MAX_PROBABILITY_DIFFERENCE if quantization is Quantization.NONE else _MAX_DYNAMIC_DIFFERENCE
    converted, features = Decoder(decoder), dataset.features[:pictures]
    ours = np.concatenate([converted.shares(row[np.newaxis]) for row in features])
    largest = float(np.abs(ours - network.shares(features)).max())
    if not largest <= most:
        raise UnfitBundleError(f"the converted decoder's shares of topics differ by {largest:.1e}")
    return largest


@dataclass(frozen=True, slots=True)
class Verification:
    """A comparison of a converted bundle with its source, over `pictures` pictures.

    `steps` words were compared; `largest_probability_difference` is over all of them and the whole vocabulary.
    `greedy` and `beam` count the pictures whose captions are the same words when both decoders are given the source
    encoder's features; `greedy_served` and `beam_served` those that are the same from the picture on, by the converted
    encoder. `cosine_minimum` is between the two encoders' features. `features_correlation` is between the mean of the
    source encoder's features and the mean that the decoder's first normalisation learned: over eight photographs some
    .4 and rising with their number for the encoder that it was trained on, and under .2 for another. It is None without
    eight photographs, and for a decoder without such a normalisation: then nothing tells whose features it learned on.
    """

    source: str
    pictures: int
    steps: int
    largest_probability_difference: float
    greedy: int
    beam: int
    greedy_served: int
    beam_served: int
    cosine_minimum: float
    features_correlation: float | None

    def summary(self, quantization: Quantization) -> str:
        """Return the figures in a line."""
        bits = "with the 8-bit encoder" if quantization is Quantization.DYNAMIC else "from the picture on"
        return (
            f"over {self.pictures} pictures and {self.steps} steps: probabilities within "
            f"{self.largest_probability_difference:.1e}; greedy captions identical for {self.greedy} and beam captions "
            f"for {self.beam}; {bits}, {self.greedy_served} of {self.pictures} greedy captions stayed the same, and "
            f"{self.beam_served} beam captions; features' cosine at least {self.cosine_minimum:.5f}"
        )


def verify_captions(
    source: "SourceModel", network: "Model", bundle: "Bundle", pictures: "Sequence[Path]", *, photographs: bool
) -> Verification:
    """Compare a bundle with the source decoder and the encoder's network, word by word and caption by caption.

    Captions are decoded by the manifest's options and by a beam of 5, in both models by the same rules. `photographs`
    is whether the pictures are enough, and of the kind, to tell whose features the decoder was trained on. Raises
    UnfitBundleError when probabilities differ by over 1e-5 or a caption by a word; with a float32 encoder also when one
    differs from the picture on, with an 8-bit one when features have a cosine under 0.97. Raises DatasetError for
    a file that is not a picture.
    """
    tf = require_tensorflow()
    encoder, decoder = Encoder(bundle.encoder), Decoder(bundle.decoder)
    encode = tf.function(lambda pixels: network(pixels, training=False))
    by_manifest = bundle.manifest.decoding
    decodings = (by_manifest, replace(by_manifest, beam_width=_BEAM_WIDTH, length_penalty=1.0))
    same = np.zeros((2, len(decodings)), np.int64)
    steps, largest, cosine = 0, 0.0, 1.0
    total = np.zeros(encoder.features)
    for path in progress(pictures, "comparing captions"):
        pixels = read_sample(path, bundle.manifest.input)
        theirs, ours = np.asarray(encode(tf.constant(pixels))), encoder.encode(pixels)
        total += theirs[0]
        cosine = min(cosine, float(np.vdot(theirs, ours) / (np.linalg.norm(theirs) * np.linalg.norm(ours))))
        for column, decoding in enumerate(decodings):
            both = _Lockstep(source, decoder, theirs, decoding.beam_width)
            vocabulary = bundle.vocabulary
            expected = search(
                both.step, start=vocabulary.start, end=vocabulary.end, barred=vocabulary.barred(), decoding=decoding
            )[0].tokens
            for row, features in enumerate((theirs, ours)):
                same[row, column] += decode(decoder, vocabulary, features, decoding)[0].tokens == expected
            steps, largest = steps + both.steps, max(largest, both.largest)
    (greedy, beam), (greedy_served, beam_served) = same.tolist()
    verification = Verification(
        source=source.run_by,
        pictures=len(pictures),
        steps=steps,
        largest_probability_difference=largest,
        greedy=greedy,
        beam=beam,
        greedy_served=greedy_served,
        beam_served=beam_served,
        cosine_minimum=cosine,
        features_correlation=(
            _correlate(total, source.features_mean) if photographs and source.features_mean is not None else None
        ),
    )
    _judge(verification, bundle.manifest.encoder_quantization)
    return verification


def _correlate(ours: "NDArray[np.float64]", theirs: "Floats") -> float:
    return float(np.corrcoef(ours, theirs)[0, 1])


def _judge(verification: Verification, quantization: Quantization) -> None:
    if not verification.largest_probability_difference <= MAX_PROBABILITY_DIFFERENCE:
        raise UnfitBundleError(
            f"the converted model does not do what its source does: {verification.summary(quantization)}"
        )
    counts = [verification.greedy, verification.beam]
    if quantization is Quantization.NONE:
        counts += [verification.greedy_served, verification.beam_served]
    if min(counts) < verification.pictures or not verification.cosine_minimum >= _MIN_COSINE_DYNAMIC:
        raise UnfitBundleError(
            f"the converted model does not caption as its source does: {verification.summary(quantization)}"
        )


class _Lockstep:
    """Steps the source and the converted decoder through the same words, and gives the source's answers."""

    def __init__(self, source: "SourceModel", decoder: Decoder, features: "Floats", width: int) -> None:
        self.steps = 0
        self.largest = 0.0
        self._source, self._decoder, self._features = source, decoder, features
        self._image = decoder.project(features)
        self._captions: list[list[int]] = [[] for _ in range(width)]
        self._h = self._c = np.zeros((width, decoder.state), np.float32)

    def step(self, tokens: "NDArray[np.int32]", parents: "NDArray[np.intp]") -> "Floats":
        self._captions = [[*self._captions[parent], int(token)] for token, parent in zip(tokens, parents, strict=True)]
        expected = self._source.predict(self._features, self._captions)
        logits, self._h, self._c = self._decoder.step(tokens, self._h[parents], self._c[parents], self._image)
        self.largest = max(self.largest, float(np.abs(_softmax(logits) - expected).max()))
        self.steps += len(set(map(tuple, self._captions)))
        return np.log(np.maximum(expected, np.finfo(np.float32).tiny))


def _softmax(logits: "NDArray[np.float32]") -> "NDArray[np.float64]":
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities
