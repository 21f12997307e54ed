r"""The caption decoder: the merge architecture, for training in Keras, and any `Network`, for TensorFlow Lite.

The picture does not enter the LSTM. It is projected once, and added to the LSTM's state of each word (Tanti,
Gatt, Camilleri, "Where to put the image in an image caption generator", 2018):

    features 2048 -> BatchNorm -> Dense 256 relu -> BatchNorm ---\
                                                                  + -> Dense 256 relu -> Dense vocabulary
    token -> Embedding 256 -> LSTM 256 --------------------------/

The conversion changes no number: the converted decoder is float32, and is compared with the network that it came from.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from captioning.model.bundle import Quantization
from tools.captioner.network import (
    Dense,
    Domain,
    Embedding,
    Input,
    Join,
    Lstm,
    Network,
    NetworkNode,
    Normalization,
    Recurrent,
)
from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    import numpy as np
    from keras import Model
    from numpy.typing import NDArray
    from tensorflow import Tensor

    from tools.captioner.topic_network import TopicNetwork

    Floats = NDArray[np.float32]

__all__ = ["UNITS", "build_decoder", "convert_decoder", "convert_network", "network_of"]

UNITS: Final = 256


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
    """Convert a trained decoder to TensorFlow Lite; see `convert_network`."""
    return convert_network(network_of(network))


def network_of(network: "Model") -> Network:
    """Take the decoder out of a network that `build_decoder` built."""

    def arrays_of(name: str) -> "list[Floats]":
        arrays: list[Floats] = network.get_layer(name).get_weights()
        return arrays

    def normalization(name: str) -> Normalization:
        gamma, beta, mean, variance = arrays_of(name)
        return Normalization(gamma, beta, mean, variance, network.get_layer(name).epsilon)

    def dense(name: str, activation: str) -> Dense:
        kernel, bias = arrays_of(name)
        return Dense(kernel, bias, activation)

    (table,), (input_kernel, state_kernel, bias) = arrays_of("embedding"), arrays_of("lstm")
    width, (tokens, embedded) = len(normalization("features_normalization").mean), table.shape
    picture, words, caption = Domain
    return Network(
        (
            NetworkNode("features", Input(width), (), picture, width),
            NetworkNode("features_normalization", normalization("features_normalization"), (0,), picture, width),
            NetworkNode("projection", dense("projection", "relu"), (1,), picture, UNITS),
            NetworkNode("projection_normalization", normalization("projection_normalization"), (2,), picture, UNITS),
            # Captions are padded at their ends in training: padding is never before a word.
            NetworkNode("embedding", Embedding(table, masked=True), (), words, embedded, masked=True),
            NetworkNode("lstm", Recurrent(Lstm(input_kernel, state_kernel, bias)), (4,), caption, UNITS),
            NetworkNode("merge", Join("add"), (5, 3), caption, UNITS),
            NetworkNode("hidden", dense("hidden", "relu"), (6,), caption, UNITS),
            NetworkNode("logits", dense("logits", "linear"), (7,), caption, tokens),
        ),
        length=0,
    )


def convert_network(
    network: Network, quantization: Quantization = Quantization.NONE, topics: "TopicNetwork | None" = None
) -> bytes:
    """Convert a decoder to TensorFlow Lite, in float32 or with 8-bit kernels, with the signatures of the bundle.

    They are `project(features [1, F]) -> image [1, I]`, once per picture,
    `step(token int32 [B], h [B, S], c [B, S], image [1, I]) -> logits [B, V], h, c`, once per word, for B captions, and
    with a network that knows topics `topics(features [1, F]) -> shares [1, T]`.

    The weights are constants and not Keras's variables: a Keras 3 function that refers to variables converts without
    complaint to a model that holds no weights. Raises ToolchainError without TensorFlow.
    """
    tf = require_tensorflow()

    def project(features: "Tensor") -> "dict[str, Tensor]":
        # Through an operation of its own: the runtime refuses an output that is an input.
        return {"image": network.project(_TensorflowOperations(tf), features) + 0.0}

    def step(token: "Tensor", h: "Tensor", c: "Tensor", image: "Tensor") -> "dict[str, Tensor]":
        logits, h, c = network.step(_TensorflowOperations(tf), token, h, c, image)
        return {"logits": logits, "h": h, "c": c + 0.0}

    def share(known: "TopicNetwork", features: "Tensor") -> "dict[str, Tensor]":
        hidden = tf.nn.relu(tf.matmul(features, tf.constant(known.hidden_kernel)) + tf.constant(known.hidden_bias))
        return {"shares": tf.sigmoid(tf.matmul(hidden, tf.constant(known.kernel)) + tf.constant(known.bias))}

    with tempfile.TemporaryDirectory() as folder:
        image = sum(network.seen_widths)
        inputs = {
            "features": tf.TensorSpec([1, network.features], tf.float32),
            "token": tf.TensorSpec([None], tf.int32),
            "h": tf.TensorSpec([None, network.state], tf.float32),
            "c": tf.TensorSpec([None, network.state], tf.float32),
            "image": tf.TensorSpec([1, image], tf.float32),
        }
        decoder = tf.Module()
        stepped = [inputs[name] for name in ("token", "h", "c", "image")]
        decoder.project = tf.function(project, input_signature=[inputs["features"]], autograph=False)
        decoder.step = tf.function(step, input_signature=stepped, autograph=False)
        signatures = {"project": decoder.project, "step": decoder.step}
        if topics is not None:
            decoder.topics = tf.function(partial(share, topics), input_signature=[inputs["features"]], autograph=False)
            signatures["topics"] = decoder.topics
        tf.saved_model.save(decoder, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        if quantization is Quantization.DYNAMIC:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())


class _TensorflowOperations:
    """TensorFlow's `tools.captioner.network.Operations`, for one function that is traced."""

    def __init__(self, tensorflow: Any) -> None:
        self._tf = tensorflow
        # An array that many positions share becomes one constant; the array is kept, so that its address is.
        self._constants: dict[object, tuple[object, object]] = {}

    def constant(self, array: "Floats") -> Any:
        key = (array.ctypes.data, array.shape, array.strides)
        if key not in self._constants:
            self._constants[key] = (array, self._tf.constant(array))
        return self._constants[key][1]

    def concatenate(self, arrays: Sequence[Any]) -> Any:
        return self._tf.concat(list(arrays), axis=-1)

    def take(self, table: Any, tokens: Any) -> Any:
        return self._tf.gather(table, tokens)

    def where(self, mask: Any, yes: Any, no: Any) -> Any:
        return self._tf.where(mask, yes, no)

    def zeros(self, like: Any, width: int) -> Any:
        return self._tf.zeros([self._tf.shape(like)[0], width])

    def whole(self, numbers: Any) -> Any:
        return self._tf.cast(numbers, self._tf.int32)

    def number(self, tokens: Any) -> Any:
        return self._tf.cast(tokens, self._tf.float32)[:, self._tf.newaxis]

    def total(self, array: Any) -> Any:
        return self._tf.reduce_sum(array, axis=-1, keepdims=True)

    def root(self, array: Any) -> Any:
        return self._tf.sqrt(array)

    def maximum(self, one: Any, other: Any) -> Any:
        return self._tf.maximum(one, other)

    def minimum(self, one: Any, other: Any) -> Any:
        return self._tf.minimum(one, other)

    def exp(self, array: Any) -> Any:
        return self._tf.exp(array)

    def tanh(self, array: Any) -> Any:
        return self._tf.tanh(array)

    def sigmoid(self, array: Any) -> Any:
        return self._tf.sigmoid(array)
