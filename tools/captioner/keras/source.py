"""The user's own model, run by TensorFlow: a conversion is compared with it.

A caption goes through the whole network anew for each word, padded to the length of the input as in training. The file
itself is loaded where an installed Keras can: Keras 3, or Keras 2 as `tf_keras` for what Keras 2 saved. Where none can,
the network is built again from the arrays, and `run_by` says which.

Refuses: inputs that it was not made for; nothing is converted here.
"""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from captioning.model.vocabulary import PADDING
from tools.captioner.network import (
    Activation,
    Bidirectional,
    Dense,
    Embedding,
    Input,
    Join,
    LayerNormalization,
    Lstm,
    Network,
    Normalization,
    Padding,
    Prepend,
    Recurrent,
    Repeat,
    SimpleRnn,
)
from tools.captioner.progress import announce
from tools.captioner.toolchain import require, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import ModuleType

    from keras import Model
    from numpy.typing import NDArray

    from tools.captioner.keras.architecture import CaptionDecoder
    from tools.captioner.network import Cell, Operation

    Floats = NDArray[np.float32]
    Tokens = NDArray[np.int32]

__all__ = ["SourceModel", "open_source"]

_NAMES: Final = ("features", "tokens")


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A caption model in TensorFlow.

    `length` is how many tokens a caption is padded to, and `padding` where; `features_mean` [F] is what its first
    normalisation has learned of the features, None without one.
    """

    run: "Callable[[Floats, Tokens], Floats]"
    length: int
    padding: Padding
    features_mean: "Floats | None"
    run_by: str

    def predict(self, features: "Floats", captions: "Sequence[Sequence[int]]") -> "Floats":
        """Return the next word's probabilities, float32 [B, V], after B captions of one picture, features [1, F]."""
        tokens = np.full((len(captions), self.length), PADDING, np.int32)
        for row, caption in enumerate(captions):
            start = self.length - len(caption) if self.padding is Padding.PRE else 0
            tokens[row, start : start + len(caption)] = caption
        return self.run(np.repeat(features, len(captions), axis=0), tokens)


def open_source(decoder: "CaptionDecoder", model: "Path | None", weights: "Path | None", length: int) -> SourceModel:
    """Open the files that `decoder` was found in. Raises ToolchainError without TensorFlow."""
    network, length = decoder.network, decoder.longest or decoder.network.length or length
    tf = require_tensorflow()
    loaded = _load(decoder, model, weights) if model is not None and decoder.inputs is not None else None
    if loaded is None:
        names, model_, how = _NAMES, _build(network, length), f"built again from its arrays, in {_name(tf.keras)}"
    else:
        names, (model_, by) = decoder.inputs or _NAMES, loaded
        how = f"loaded by {by}"

    # What Keras names is not what it takes: an input of a part goes by another name.
    def call(features: object, tokens: object) -> object:
        order = [name.partition(":")[0] for name in model_.input_names] if hasattr(model_, "input_names") else []
        given = dict(zip(names, (features, tokens), strict=True))
        return model_([given[name] for name in order] if set(order) == set(given) else given, training=False)

    run = tf.function(call, reduce_retracing=True, autograph=False)

    def predict(features: "Floats", tokens: "Tokens") -> "Floats":
        outputs = np.asarray(run(tf.constant(features), tf.constant(tokens)), np.float32)
        # One that ends in logits gives no probabilities itself.
        if np.allclose(outputs.sum(axis=-1), 1.0, atol=1e-3) and outputs.min() >= 0:
            return outputs
        return np.asarray(tf.nn.softmax(outputs))

    return SourceModel(
        predict,
        length,
        network.padding,
        network.features_mean,
        f"{how}, TensorFlow {tf.__version__}",
    )


def _name(keras: "ModuleType") -> str:
    return f"Keras {getattr(keras, '__version__', '2')}"


def _load(decoder: "CaptionDecoder", model: "Path", weights: "Path | None") -> "tuple[Model, str] | None":
    keras = require_tensorflow().keras
    if decoder.keras_version[:1] in {"1", "2"} and importlib.util.find_spec("tf_keras"):
        keras = require("tf_keras")
    by = _name(keras)
    if any("hard_sigmoid" in cell for cell in _gates(decoder.network)) and by[6] != decoder.keras_version[:1]:
        announce(f"{by} has another hard_sigmoid than the Keras that saved {model}: the network is built again")
        return None
    try:
        network: Model
        if model.suffix == ".json":
            network = keras.models.model_from_json(model.read_text(encoding="utf-8"))
        else:
            network = keras.models.load_model(str(model), compile=False)
        if weights is not None:
            network.load_weights(str(weights))
    except Exception as error:  # noqa: BLE001 - Keras raises whatever it trips over in a file of another version
        reason = (str(error).splitlines() or [""])[0]
        announce(f"{by} cannot load {model} ({reason:.100}): it is built again from its arrays")
        return None
    return network, by


def _gates(network: Network) -> "list[str]":
    cells = [
        cell
        for node in network.nodes
        for cell in (
            [node.operation.cell]
            if isinstance(node.operation, Recurrent)
            else [node.operation.forward]
            if isinstance(node.operation, Bidirectional)
            else []
        )
    ]
    return [cell.gate for cell in cells if not isinstance(cell, SimpleRnn)]


def _build(network: Network, length: int) -> "Model":
    """Build the network of Keras's own layers, whose mathematics is not ours."""
    keras = require_tensorflow().keras
    tokens = keras.Input((length,), name=_NAMES[1])
    features = keras.Input((network.features,), name=_NAMES[0])
    values: list[Any] = []
    learned: list[tuple[Any, list[Floats]]] = []
    for node in network.nodes:
        given = [values[place] for place in node.inputs]
        match node.operation:
            case Input():
                values.append(features)
            case Join(how=how):
                values.append(getattr(keras.layers, how.capitalize())()(given))
            case Prepend():
                frame = keras.layers.Reshape((1, node.width))(given[0])
                values.append(keras.layers.Concatenate(axis=1)([frame, given[1]]))
            case operation:
                layer, arrays = _layer_of(keras, operation, length)
                values.append(layer(given[0] if given else tokens))
                learned.append((layer, arrays))
    built: Model = keras.Model([features, tokens], keras.layers.Softmax()(values[-1]))
    for layer, arrays in learned:
        layer.set_weights(arrays)
    return built


def _layer_of(  # noqa: PLR0911 - one for each operation
    keras: "ModuleType", operation: "Operation", length: int
) -> "tuple[Any, list[Floats]]":
    """Return the layer of Keras's that an operation is, and its arrays."""
    layers = keras.layers
    match operation:
        case Embedding(table=table, masked=masked):
            return layers.Embedding(*table.shape, mask_zero=masked), [table]
        case Dense(kernel=kernel, bias=bias, activation=activation):
            return layers.Dense(kernel.shape[1], activation=_function(keras, activation)), [kernel, bias]
        case Activation(name=name, slope=slope):
            return layers.Activation(_function(keras, name)) if slope is None else layers.LeakyReLU(slope), []
        case Normalization(gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=epsilon):
            return layers.BatchNormalization(epsilon=epsilon), [gamma, beta, mean, variance]
        case LayerNormalization(gamma=gamma, beta=beta, epsilon=epsilon):
            return layers.LayerNormalization(epsilon=epsilon), [gamma, beta]
        case Repeat():
            return layers.RepeatVector(length), []
        case Recurrent(cell=cell, sequences=sequences, backward=backward):
            return _recurrent_of(keras, cell, return_sequences=sequences, go_backwards=backward)
        case Bidirectional(forward=forward, backward=backward_cell, sequences=sequences, how=how):
            there, arrays = _recurrent_of(keras, forward, return_sequences=sequences)
            back, more = _recurrent_of(keras, backward_cell, return_sequences=sequences, go_backwards=True)
            mode = {"concatenate": "concat", "add": "sum", "multiply": "mul", "average": "ave"}[how]
            return layers.Bidirectional(there, merge_mode=mode, backward_layer=back), [*arrays, *more]
    raise AssertionError("unreachable")


def _recurrent_of(keras: "ModuleType", cell: "Cell", **options: bool) -> "tuple[Any, list[Floats]]":
    layers = keras.layers
    functions: dict[str, Any] = {"activation": _function(keras, cell.activation)}
    arrays = [cell.input_kernel, cell.state_kernel]
    if isinstance(cell, SimpleRnn):
        return layers.SimpleRNN(cell.units, **functions, **options), [*arrays, cell.bias]
    functions["recurrent_activation"] = _function(keras, cell.gate)
    if isinstance(cell, Lstm):
        return layers.LSTM(cell.units, **functions, **options), [*arrays, cell.bias]
    made = layers.GRU(cell.units, reset_after=cell.reset_after, **functions, **options)
    return made, [*arrays, np.stack([cell.bias, cell.state_bias]) if cell.reset_after else cell.bias]


def _function(keras: "ModuleType", name: str) -> object:
    if name.startswith("hard_sigmoid"):
        slope = 0.2 if name.endswith("2") else 1 / 6
        return lambda x: keras.ops.clip(x * slope + 0.5, 0.0, 1.0)
    return name
