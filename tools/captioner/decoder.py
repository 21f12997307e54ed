"""The caption decoder: the merge architecture, for training in Keras and for serving in TensorFlow Lite.

The picture does not enter the LSTM. It is projected once, and meets the LSTM's state of each word in a sum (Tanti,
Gatt, Camilleri, "Where to put the image in an image caption generator", 2018):

    features 2048 -> BatchNorm -> Dense 256 relu -> BatchNorm ---\\
                                                                  + -> Dense 256 relu -> Dense vocabulary
    token -> Embedding 256 -> LSTM 256 --------------------------/

Refuses: to change a number on the way. The converted decoder is float32 and is held to the network that it came from.
"""

import tempfile
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.toolchain import require_tensorflow

if TYPE_CHECKING:
    from keras import Model
    from keras.layers import Layer
    from numpy.typing import NDArray
    from tensorflow import Tensor

    Floats = NDArray[np.float32]

__all__ = ["UNITS", "build_decoder", "convert_decoder"]

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
    """Convert a trained decoder to TensorFlow Lite, float32, with the two signatures of the bundle:

    `project(features [1, 2048]) -> image [1, 256]`, once a picture, and
    `step(token int32 [B], h [B, 256], c [B, 256], image [1, 256]) -> logits [B, V], h, c`, once a word, for B captions.

    The step is an LSTM with a forget gate (Gers, Schmidhuber, Cummins, "Learning to forget", 2000), written out with
    Keras's order of the gates: input, forget, candidate, output. The weights are constants and not Keras's variables: a
    Keras 3 function that refers to variables converts without complaint to a model that holds no weights.
    """
    tf = require_tensorflow()
    feature_width = network.get_layer("projection").kernel.shape[0]
    features_scale, features_shift = _as_affine(network.get_layer("features_normalization"))
    image_scale, image_shift = _as_affine(network.get_layer("projection_normalization"))
    projection_kernel, projection_bias = network.get_layer("projection").get_weights()
    (embedding,) = network.get_layer("embedding").get_weights()
    input_kernel, state_kernel, gates_bias = network.get_layer("lstm").get_weights()
    hidden_kernel, hidden_bias = network.get_layer("hidden").get_weights()
    logits_kernel, logits_bias = network.get_layer("logits").get_weights()

    def project(features: "Tensor") -> "dict[str, Tensor]":
        normalized = features * features_scale + features_shift
        image = tf.nn.relu(normalized @ projection_kernel + projection_bias)
        return {"image": image * image_scale + image_shift}

    def step(token: "Tensor", h: "Tensor", c: "Tensor", image: "Tensor") -> "dict[str, Tensor]":
        gates = tf.gather(embedding, token) @ input_kernel + h @ state_kernel + gates_bias
        admit, forget, candidate, expose = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(forget) * c + tf.sigmoid(admit) * tf.tanh(candidate)
        h = tf.sigmoid(expose) * tf.tanh(c)
        hidden = tf.nn.relu((h + image) @ hidden_kernel + hidden_bias)
        return {"logits": hidden @ logits_kernel + logits_bias, "h": h, "c": c}

    inputs = {
        "features": tf.TensorSpec([1, feature_width], tf.float32),
        "token": tf.TensorSpec([None], tf.int32),
        "h": tf.TensorSpec([None, UNITS], tf.float32),
        "c": tf.TensorSpec([None, UNITS], tf.float32),
        "image": tf.TensorSpec([1, UNITS], tf.float32),
    }
    decoder = tf.Module()
    decoder.project = tf.function(project, input_signature=[inputs["features"]])
    decoder.step = tf.function(step, input_signature=[inputs[name] for name in ("token", "h", "c", "image")])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(decoder, folder, signatures={"project": decoder.project, "step": decoder.step})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["project", "step"])
        return bytes(converter.convert())


def _as_affine(normalization: "Layer") -> "tuple[Floats, Floats]":
    gamma, beta, mean, variance = normalization.get_weights()
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return scale, beta - mean * scale
