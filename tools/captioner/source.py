"""The user's own model, run by TensorFlow: a conversion is compared with it.

A caption goes through the whole network anew for each word, padded in front to the length of the input. The file
itself is loaded where the installed Keras can; where it cannot, as Keras 3 cannot load what Keras 2.14 saved, the
network is built again from the arrays, and `run_by` says which.

Refuses: inputs that it was not made for; nothing is converted here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.vocabulary import PADDING
from tools.captioner.progress import announce
from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from keras import Model
    from numpy.typing import NDArray

    from tools.captioner.architecture import CaptionDecoder
    from tools.captioner.decoder import DecoderWeights, Normalization

    Floats = NDArray[np.float32]
    Tokens = NDArray[np.int32]

__all__ = ["SourceModel", "open_source"]

_NAMES: Final = ("features", "tokens")


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A caption model in TensorFlow.

    `length` is how many tokens a caption is padded to, and `features_mean` [F] what its first normalisation has learned
    of the features.
    """

    run: "Callable[[Floats, Tokens], Floats]"
    length: int
    features_mean: "Floats"
    run_by: str

    def predict(self, features: "Floats", captions: "Sequence[Sequence[int]]") -> "Floats":
        """Return the next word's probabilities, float32 [B, V], after B captions of one picture, features [1, F]."""
        tokens = np.full((len(captions), self.length), PADDING, np.int32)
        for row, caption in enumerate(captions):
            tokens[row, self.length - len(caption) :] = caption
        return self.run(np.repeat(features, len(captions), axis=0), tokens)


def open_source(decoder: "CaptionDecoder", model: "Path | None", weights: "Path | None", length: int) -> SourceModel:
    """Open the files that `decoder` was found in. Raises ToolchainError without TensorFlow."""
    tf = require_tensorflow()
    by = f"TensorFlow {tf.__version__}, Keras {getattr(tf.keras, '__version__', '2')}"
    loaded = _load(model, weights) if model is not None and decoder.inputs is not None else None
    if loaded is None:
        names, network, how = _NAMES, _build(decoder.weights, length), "built again from its arrays, in"
    else:
        names, network, how = decoder.inputs or _NAMES, loaded, "loaded by"

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(features: object, tokens: object) -> object:
        return network(dict(zip(names, (features, tokens), strict=True)), training=False)

    def predict(features: "Floats", tokens: "Tokens") -> "Floats":
        return np.asarray(run(tf.constant(features), tf.constant(tokens)))

    return SourceModel(predict, decoder.longest or length, decoder.weights.features.mean, f"{how} {by}")


def _load(model: "Path", weights: "Path | None") -> "Model | None":
    keras = require_tensorflow().keras
    try:
        network: Model = keras.models.load_model(str(model), compile=False)
        if weights is not None:
            network.load_weights(str(weights))
    except Exception as error:  # noqa: BLE001 - Keras raises whatever it trips over in a file of another version
        reason = (str(error).splitlines() or [""])[0]
        announce(f"the installed Keras cannot load {model} ({reason:.100}): it is built again from its arrays")
        return None
    return network


def _build(weights: "DecoderWeights", length: int) -> "Model":
    keras = require_tensorflow().keras
    layers = keras.layers
    features = keras.Input((len(weights.features.mean),), name=_NAMES[0])
    tokens = keras.Input((length,), name=_NAMES[1])
    image = layers.BatchNormalization(epsilon=weights.features.epsilon, name="features_normalization")(features)
    image = layers.Dense(weights.projection.kernel.shape[1], activation="relu", name="projection")(image)
    image = layers.BatchNormalization(epsilon=weights.image.epsilon, name="image_normalization")(image)
    words = layers.Embedding(*weights.embedding.shape, mask_zero=True, name="embedding")(tokens)
    words = layers.LSTM(weights.lstm.state_kernel.shape[0], name="lstm")(words)
    merged = layers.Add(name="merge")([image, words])
    merged = layers.Dense(weights.hidden.kernel.shape[1], activation="relu", name="hidden")(merged)
    words = layers.Dense(weights.logits.kernel.shape[1], activation="softmax", name="probabilities")(merged)
    network: Model = keras.Model([features, tokens], words)

    def arrays_of(normalization: "Normalization") -> "list[Floats]":
        return [normalization.gamma, normalization.beta, normalization.mean, normalization.variance]

    for name, arrays in (
        ("features_normalization", arrays_of(weights.features)),
        ("projection", [weights.projection.kernel, weights.projection.bias]),
        ("image_normalization", arrays_of(weights.image)),
        ("embedding", [weights.embedding]),
        ("lstm", [weights.lstm.input_kernel, weights.lstm.state_kernel, weights.lstm.bias]),
        ("hidden", [weights.hidden.kernel, weights.hidden.bias]),
        ("probabilities", [weights.logits.kernel, weights.logits.bias]),
    ):
        network.get_layer(name).set_weights(arrays)
    return network
