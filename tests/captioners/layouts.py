"""Caption models in the layouts that people train, with seeded weights and small sizes: what `convert` takes.

Each is built of the layers of a `keras` module that is given: Keras 3's, or Keras 2's, as TensorFlow's `tf_keras`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

FEATURES, UNITS, EMBEDDING, HIDDEN, LONGEST, TOKENS = 16, 8, 6, 10, 9, 26

Keras = Any
Tensor = Any


def inputs(keras: Keras, longest: int | None = LONGEST) -> tuple[Tensor, Tensor]:
    return keras.Input((FEATURES,), name="image"), keras.Input((longest,), name="text")


def merge(
    keras: Keras,
    *,
    norm: tuple[bool, bool] = (False, False),
    drop: float = 0.0,
    join: str = "Add",
    units: int = UNITS,
    embedding: int = UNITS,
    mask: bool = True,
    before: int = 1,
    behind: int = 1,
    words: Callable[[Keras, Tensor], Tensor] | None = None,
    longest: int | None = LONGEST,
) -> Any:
    """The merge model: `before` and `behind` are how many hidden layers stand on either side of the join."""
    layers = keras.layers
    image, text = inputs(keras, longest)
    x = layers.BatchNormalization()(image) if norm[0] else image
    x = layers.Dropout(drop)(x) if drop else x
    for number in range(before):
        x = layers.Dense(units if number == before - 1 else HIDDEN, activation="relu")(x)
    x = layers.BatchNormalization(epsilon=0.002)(x) if norm[1] else x
    y = layers.Embedding(TOKENS, embedding, mask_zero=mask)(text)
    y = layers.Dropout(drop)(y) if drop else y
    y = words(keras, y) if words else layers.LSTM(units)(y)
    z = getattr(layers, join)()([x, y])
    for _ in range(behind):
        z = layers.Dense(HIDDEN, activation="relu")(z)
    return keras.Model(inputs=[image, text], outputs=layers.Dense(TOKENS, activation="softmax")(z))


def stacked(keras: Keras, y: Tensor) -> Tensor:
    y = keras.layers.LSTM(UNITS, return_sequences=True)(y)
    return keras.layers.LSTM(UNITS)(keras.layers.Dropout(0.3)(y))


def bidirectional(keras: Keras, y: Tensor) -> Tensor:
    return keras.layers.Bidirectional(keras.layers.LSTM(UNITS // 2))(y)


def stacked_bidirectional(keras: Keras, y: Tensor) -> Tensor:
    layers = keras.layers
    y = layers.Bidirectional(layers.GRU(UNITS, return_sequences=True), merge_mode="sum")(y)
    return layers.LSTM(UNITS)(layers.TimeDistributed(layers.Dense(5, activation="tanh"))(y))


def par_inject(keras: Keras, *, mask: bool) -> Any:
    """The picture at every word, and a second recurrent layer over both."""
    layers = keras.layers
    image, text = inputs(keras)
    x = layers.RepeatVector(LONGEST)(layers.Dense(UNITS, activation="relu")(image))
    y = layers.LSTM(UNITS, return_sequences=True)(layers.Embedding(TOKENS, EMBEDDING, mask_zero=mask)(text))
    y = layers.TimeDistributed(layers.Dense(EMBEDDING))(y)
    z = layers.LSTM(UNITS)(layers.concatenate([x, y]))
    return keras.Model([image, text], layers.Activation("softmax")(layers.Dense(TOKENS)(z)))


def picture_first(keras: Keras) -> Any:
    """The picture as a position before the words, and added once more behind them."""
    layers = keras.layers
    image, text = inputs(keras)
    x = layers.Dense(UNITS, activation="relu")(image)
    y = layers.Embedding(TOKENS, UNITS)(text)
    z = layers.LSTM(UNITS)(layers.concatenate([layers.Reshape((1, UNITS))(x), y], axis=1))
    z = layers.Dense(HIDDEN, activation="relu")(layers.add([layers.Dropout(0.5)(z), x]))
    return keras.Model([image, text], layers.Dense(TOKENS, activation="softmax")(z))


def state_taken(keras: Keras) -> Any:
    """An LSTM that gives its state beside its output, which is the same."""
    layers = keras.layers
    image, text = inputs(keras)
    _, h, _ = layers.LSTM(UNITS, return_state=True)(layers.Embedding(TOKENS, EMBEDDING, mask_zero=True)(text))
    z = layers.add([layers.Dense(UNITS, activation="relu")(image), h])
    return keras.Model([image, text], layers.Dense(TOKENS, activation="softmax")(z))


def parts(keras: Keras) -> Any:
    """Sequential models that are called."""
    layers = keras.layers
    image, text = inputs(keras)
    picture_part = keras.Sequential(
        [layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(UNITS, activation="relu", name="to_units")],
        name="picture_part",
    )
    text_part = keras.Sequential(
        [
            layers.Embedding(TOKENS, EMBEDDING, mask_zero=True),
            layers.LSTM(UNITS, return_sequences=True),
            layers.Dropout(0.5),
            layers.LSTM(UNITS),
        ],
        name="text_part",
    )
    z = layers.add([picture_part(image), text_part(text)])
    return keras.Model([image, text], layers.Dense(TOKENS, activation="softmax", name="words")(z), name="captioner")


def sequential_outputs(keras: Keras) -> Any:
    """Sequential models that are joined by their outputs."""
    layers = keras.layers
    one = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(UNITS, activation="relu")])
    other = keras.Sequential([keras.Input((LONGEST,)), layers.Embedding(TOKENS, EMBEDDING), layers.LSTM(UNITS)])
    z = layers.Dense(HIDDEN, activation="relu")(layers.concatenate([one.outputs[0], other.outputs[0]]))
    return keras.Model([one.inputs[0], other.inputs[0]], layers.Dense(TOKENS, activation="softmax")(z))


def odd_options(keras: Keras) -> Any:
    """Every option that is taken and is not the default."""
    layers = keras.layers
    image, text = inputs(keras)
    x = layers.BatchNormalization(scale=False)(layers.Dense(UNITS, use_bias=False)(image))
    x = layers.LeakyReLU(0.2)(layers.LayerNormalization()(layers.Dense(UNITS, activation="elu")(x)))
    y = layers.Embedding(TOKENS, EMBEDDING, mask_zero=True)(text)
    y = layers.LSTM(UNITS, recurrent_activation="hard_sigmoid", return_sequences=True)(y)
    y = layers.LSTM(UNITS, activation="relu", use_bias=False)(layers.LayerNormalization()(y))
    z = layers.average([x, layers.BatchNormalization(center=False)(y)])
    z = layers.multiply([layers.Dense(HIDDEN, activation="selu")(z), layers.Dense(HIDDEN, activation="sigmoid")(z)])
    z = layers.ReLU()(layers.Dense(HIDDEN, activation="swish")(z))
    return keras.Model([image, text], layers.Dense(TOKENS)(z))  # logits


LAYOUTS: dict[str, Callable[[Keras], Any]] = {
    "norm": lambda keras: merge(keras, norm=(True, True), embedding=EMBEDDING),
    "norm_of_features": lambda keras: merge(keras, norm=(True, False)),
    "norm_behind": lambda keras: merge(keras, norm=(False, True)),
    "plain": merge,
    "dropout": lambda keras: merge(keras, drop=0.5),
    "glove": lambda keras: merge(keras, drop=0.4, embedding=EMBEDDING),
    "concatenate": lambda keras: merge(keras, join="Concatenate"),
    "no_hidden": lambda keras: merge(keras, behind=0),
    "two_hidden": lambda keras: merge(keras, behind=2),
    "two_before": lambda keras: merge(keras, before=2),
    "none_before": lambda keras: merge(keras, before=0, join="Concatenate"),
    "no_mask": lambda keras: merge(keras, mask=False),
    "no_mask_any_length": lambda keras: merge(keras, mask=False, longest=None),
    "any_length": lambda keras: merge(keras, longest=None),
    "gru": lambda keras: merge(keras, words=lambda keras, y: keras.layers.GRU(UNITS)(y)),
    "gru_reset_before": lambda keras: merge(
        keras, words=lambda keras, y: keras.layers.GRU(UNITS, reset_after=False)(y)
    ),
    "gru_no_mask": lambda keras: merge(keras, mask=False, words=lambda keras, y: keras.layers.GRU(UNITS)(y)),
    "simple_rnn": lambda keras: merge(keras, words=lambda keras, y: keras.layers.SimpleRNN(UNITS)(y)),
    "stacked": lambda keras: merge(keras, words=stacked),
    "stacked_no_mask": lambda keras: merge(keras, words=stacked, mask=False),
    "bidirectional": lambda keras: merge(keras, words=bidirectional),
    "bidirectional_no_mask": lambda keras: merge(keras, words=bidirectional, mask=False),
    "stacked_bidirectional": lambda keras: merge(keras, words=stacked_bidirectional),
    "par_inject": lambda keras: par_inject(keras, mask=True),
    "par_inject_no_mask": lambda keras: par_inject(keras, mask=False),
    "picture_first": picture_first,
    "state_taken": state_taken,
    "parts": parts,
    "sequential_outputs": sequential_outputs,
    "odd_options": odd_options,
}


def build(keras: Keras, layout: str) -> Any:
    """Build a layout with seeded weights, large enough to tell words apart."""
    model = LAYOUTS[layout](keras)
    rng = np.random.default_rng(len(layout))
    # An LSTM of relus has no bounds: with large weights, the last digit of a float32 decides.
    scale = 0.4 if layout == "odd_options" else 1.0
    for layer in all_layers(model):
        arrays = [rng.normal(0, scale, size=array.shape).astype(np.float32) for array in layer.get_weights()]
        if type(layer).__name__ == "BatchNormalization":
            arrays[-1] = np.abs(arrays[-1]) + np.float32(0.5)
        layer.set_weights(arrays)
    return model


def all_layers(model: Any) -> list[Any]:
    """The layers of a model and of its parts."""
    return [inner for layer in model.layers for inner in (all_layers(layer) if hasattr(layer, "layers") else [layer])]
