r"""The caption decoder: the merge architecture, for training in Keras and for serving in TensorFlow Lite.

The picture does not enter the LSTM. It is projected once, and added to the LSTM's state of each word (Tanti,
Gatt, Camilleri, "Where to put the image in an image caption generator", 2018):

    features 2048 -> BatchNorm -> Dense 256 relu -> BatchNorm ---\
                                                                  + -> Dense 256 relu -> Dense vocabulary
    token -> Embedding 256 -> LSTM 256 --------------------------/

The conversion changes no number: the converted decoder is float32, and is compared with the network that it came from.
"""

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    from keras import Model
    from numpy.typing import NDArray
    from tensorflow import Tensor

    Floats = NDArray[np.float32]

__all__ = [
    "UNITS",
    "Affine",
    "DecoderWeights",
    "Lstm",
    "Normalization",
    "build_decoder",
    "convert_decoder",
    "convert_weights",
    "weights_of",
]

UNITS: Final = 256


@dataclass(frozen=True, slots=True)
class Normalization:
    """A batch normalisation as it runs once trained, over float32 [N]."""

    gamma: "Floats"
    beta: "Floats"
    mean: "Floats"
    variance: "Floats"
    epsilon: float

    def as_affine(self) -> "tuple[Floats, Floats]":
        """Return the equivalent scale and shift, [N] each."""
        scale = self.gamma / np.sqrt(self.variance + self.epsilon)
        return scale, self.beta - self.mean * scale


@dataclass(frozen=True, slots=True)
class Affine:
    """A dense layer without its activation: `kernel` [in, out], `bias` [out]."""

    kernel: "Floats"
    bias: "Floats"


@dataclass(frozen=True, slots=True)
class Lstm:
    """An LSTM of U units over inputs of E: [E, 4U], [U, 4U] and [4U], the gates in Keras's order."""

    input_kernel: "Floats"
    state_kernel: "Floats"
    bias: "Floats"


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """All that a merge decoder has learned, for features of F, U units and V tokens.

    `features` [F], `projection` [F, U], `image` [U], `embedding` [V, E], `hidden` [U, H], `logits` [H, V].
    """

    features: Normalization
    projection: Affine
    image: Normalization
    embedding: "Floats"
    lstm: Lstm
    hidden: Affine
    logits: Affine


def build_decoder(vocabulary_size: int, feature_width: int, dropout: float, seed: int) -> "Model":
    """Build the network for whole captions: features [batch, width], tokens int32 [batch, words] -> logits.

    The logits, float32 [batch, words, vocabulary], are those of each word's successor. Captions are padded at their
    ends: a state never depends on what follows it, so no mask is needed. Raises ToolchainError without TensorFlow.
    """
    keras = require_tensorflow().keras
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    features = keras.Input((feature_width,), name="features")
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    image = layers.BatchNormalization(name="features_normalization")(features)
    image = layers.Dropout(dropout)(image)
    image = layers.Dense(UNITS, activation="relu", name="projection")(image)
    image = layers.BatchNormalization(name="projection_normalization")(image)
    words = layers.Embedding(vocabulary_size, UNITS, name="embedding")(tokens)
    words = layers.Dropout(dropout)(words)
    words = layers.LSTM(UNITS, return_sequences=True, name="lstm")(words)
    words = layers.Dropout(dropout)(words)
    merged = layers.Add(name="merge")([words, layers.Reshape((1, UNITS))(image)])
    merged = layers.Dense(UNITS, activation="relu", name="hidden")(merged)
    merged = layers.Dropout(dropout)(merged)
    logits = layers.Dense(vocabulary_size, name="logits")(merged)
    return keras.Model([features, tokens], logits, name="decoder")


def convert_decoder(network: "Model") -> bytes:
    """Convert a trained decoder to TensorFlow Lite; see `convert_weights`."""
    return convert_weights(weights_of(network))


def weights_of(network: "Model") -> DecoderWeights:
    """Take the weights out of a network that `build_decoder` built."""

    def arrays_of(name: str) -> "list[Floats]":
        arrays: list[Floats] = network.get_layer(name).get_weights()
        return arrays

    def normalization(name: str) -> Normalization:
        gamma, beta, mean, variance = arrays_of(name)
        return Normalization(gamma, beta, mean, variance, network.get_layer(name).epsilon)

    return DecoderWeights(
        features=normalization("features_normalization"),
        projection=Affine(*arrays_of("projection")),
        image=normalization("projection_normalization"),
        embedding=arrays_of("embedding")[0],
        lstm=Lstm(*arrays_of("lstm")),
        hidden=Affine(*arrays_of("hidden")),
        logits=Affine(*arrays_of("logits")),
    )


def convert_weights(weights: DecoderWeights) -> bytes:
    """Convert a decoder to TensorFlow Lite, float32, with the two signatures of the bundle.

    They are `project(features [1, F]) -> image [1, U]`, once per picture, and
    `step(token int32 [B], h [B, U], c [B, U], image [1, U]) -> logits [B, V], h, c`, once per word, for B captions.

    The step is an LSTM with a forget gate (Gers, Schmidhuber, Cummins, "Learning to forget", 2000), written out with
    Keras's order of the gates: input, forget, candidate, output. The weights are constants and not Keras's variables: a
    Keras 3 function that refers to variables converts without complaint to a model that holds no weights.
    """
    tf = require_tensorflow()
    features_scale, features_shift = weights.features.as_affine()
    image_scale, image_shift = weights.image.as_affine()
    projection, lstm, hidden, logits = weights.projection, weights.lstm, weights.hidden, weights.logits

    def project(features: "Tensor") -> "dict[str, Tensor]":
        normalized = features * features_scale + features_shift
        image = tf.nn.relu(normalized @ projection.kernel + projection.bias)
        return {"image": image * image_scale + image_shift}

    def step(token: "Tensor", h: "Tensor", c: "Tensor", image: "Tensor") -> "dict[str, Tensor]":
        gates = tf.gather(weights.embedding, token) @ lstm.input_kernel + h @ lstm.state_kernel + lstm.bias
        admit, forget, candidate, expose = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(forget) * c + tf.sigmoid(admit) * tf.tanh(candidate)
        h = tf.sigmoid(expose) * tf.tanh(c)
        merged = tf.nn.relu((h + image) @ hidden.kernel + hidden.bias)
        return {"logits": merged @ logits.kernel + logits.bias, "h": h, "c": c}

    width, units = projection.kernel.shape
    inputs = {
        "features": tf.TensorSpec([1, width], tf.float32),
        "token": tf.TensorSpec([None], tf.int32),
        "h": tf.TensorSpec([None, units], tf.float32),
        "c": tf.TensorSpec([None, units], tf.float32),
        "image": tf.TensorSpec([1, units], tf.float32),
    }
    decoder = tf.Module()
    decoder.project = tf.function(project, input_signature=[inputs["features"]])
    decoder.step = tf.function(step, input_signature=[inputs[name] for name in ("token", "h", "c", "image")])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(decoder, folder, signatures={"project": decoder.project, "step": decoder.step})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["project", "step"])
        return bytes(converter.convert())
