r"""Finds the caption decoder in a Keras file: which arrays are whose, and whether the model can be converted.

Supported is the merge architecture (Tanti, Gatt, Camilleri, 2018) in the form that Keras users train, of any widths,
vocabulary and longest caption, with layers that only matter in training (dropout and the like) anywhere:

    features -> BatchNormalization -> Dense relu -> BatchNormalization --\
                                                                          + Add -> Dense relu -> Dense softmax
    tokens -> Embedding, mask_zero -> LSTM -------------------------------/

Where the file describes its layers, the description is followed from the outputs to the inputs and every option that
would change a number is checked. Layers of weights alone are recognised by their shapes, and the options are assumed to
be Keras's defaults.

Refuses any other architecture, and says what was found. Masked padding is required: the mask makes the LSTM skip the
padding before a caption, so that one step per word from a state of zeros is exact; without it, it is not.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Final

from tools.captioner.decoder import Affine, DecoderWeights, Lstm, Normalization
from tools.captioner.errors import KerasFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tools.captioner.keras_files import KerasFile, Layer, LayerArrays, Model

    Floats = NDArray[np.float32]

__all__ = ["SUPPORTED", "CaptionDecoder", "find_decoder"]

SUPPORTED: Final = (
    "supported is: features -> BatchNormalization -> Dense relu -> BatchNormalization; tokens -> Embedding with "
    "mask_zero -> LSTM; their Add -> Dense relu -> Dense softmax"
)
_KERAS_EPSILON: Final = 1e-3
# They do something while a model learns, and nothing after.
_TRAINING_ONLY: Final = frozenset(
    {"ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D"}
)
_NORMALIZATION: Final = {"center": True, "scale": True}
_DENSE: Final = {"use_bias": True}
_EMBEDDING: Final = {"mask_zero": True}
_LSTM: Final = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "return_sequences": False,
    "go_backwards": False,
    "stateful": False,
}
_MATRIX: Final = 2


@dataclass(frozen=True, slots=True)
class CaptionDecoder:
    """A decoder found in a file.

    `inputs` are the names of its inputs, features and tokens, and `longest` is the most tokens that its input holds;
    both are None where the file does not say, as weights alone do not.
    """

    weights: DecoderWeights
    inputs: tuple[str, str] | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class _Roles:
    """The layers of the described decoder, by what they do in it."""

    features: "Layer"
    projection: "Layer"
    image: "Layer"
    embedding: "Layer"
    lstm: "Layer"
    hidden: "Layer"
    logits: "Layer"
    pictures: "Layer"
    tokens: "Layer"

    def names(self) -> tuple[str, ...]:
        """Return the names of the layers that have arrays, in the order of `DecoderWeights`."""
        layers = (self.features, self.projection, self.image, self.embedding, self.lstm, self.hidden, self.logits)
        return tuple(layer.name for layer in layers)


def find_decoder(model: "KerasFile", weights: "KerasFile | None" = None) -> CaptionDecoder:
    """Find the decoder in a model's file, or in one of weights alone; with both, the arrays are those of `weights`.

    Raises KerasFileError, which says what was found and what is supported.
    """
    roles = None if model.model is None else _follow(model.model)
    source = weights or model
    if roles is not None and weights is None and source.named:
        by_name = {layer.name: layer.arrays for layer in source.arrays}
        arranged = tuple(by_name.get(name, ()) for name in roles.names())
        found = _weights(arranged, _epsilons(roles))
    else:
        found = _arrange(source.arrays, _epsilons(roles))
    if found is None:
        raise KerasFileError(f"the arrays are not a caption decoder's: found {_shapes(source.arrays)}; {SUPPORTED}")
    if min(found.features.variance.min(), found.image.variance.min()) < 0:
        raise KerasFileError("a normalisation has a negative variance: the arrays are damaged")
    if roles is None:
        return CaptionDecoder(found, None, None)
    _compare_sizes(roles, found)
    return CaptionDecoder(found, (roles.pictures.name, roles.tokens.name), _longest(roles.tokens))


def _follow(model: "Model") -> _Roles:
    """Follow the description from the output to the inputs."""
    if model.kind not in {"Functional", "Model"}:
        raise KerasFileError(f"the model is a {model.kind}, of {_kinds(model.layers)}; {SUPPORTED}")
    layers = {layer.name: layer for layer in model.layers}
    if len(model.outputs) != 1:
        raise KerasFileError(f"the model has {len(model.outputs)} outputs instead of one; {SUPPORTED}")

    def arrive(name: str, kind: str, options: "Mapping[str, object]") -> "Layer":
        layer = layers[name]
        while layer.kind in _TRAINING_ONLY:
            layer = layers[_only(layer)]
        if layer.kind != kind:
            raise KerasFileError(
                f"{layer.name} is a {layer.kind} where a {kind} was looked for, in a model of {_kinds(model.layers)}; "
                f"{SUPPORTED}"
            )
        _require_options(layer, options)
        return layer

    try:
        logits = arrive(model.outputs[0], "Dense", {**_DENSE, "activation": "softmax"})
        hidden = arrive(_only(logits), "Dense", {**_DENSE, "activation": "relu"})
        merge = arrive(_only(hidden), "Add", {})
        if len(merge.inputs) != 2:  # noqa: PLR2004 - the two branches
            raise KerasFileError(f"{merge.name} adds {len(merge.inputs)} inputs instead of two; {SUPPORTED}")
        # In either order: the words' branch is the one that ends in the LSTM.
        ends = sorted(merge.inputs, key=lambda name: _behind(layers, name).kind == "LSTM")
        image = arrive(ends[0], "BatchNormalization", _NORMALIZATION)
        projection = arrive(_only(image), "Dense", {**_DENSE, "activation": "relu"})
        features = arrive(_only(projection), "BatchNormalization", _NORMALIZATION)
        pictures = arrive(_only(features), "InputLayer", {})
        lstm = arrive(ends[1], "LSTM", _LSTM)
        embedding = arrive(_only(lstm), "Embedding", _EMBEDDING)
        tokens = arrive(_only(embedding), "InputLayer", {})
    except KeyError as error:
        raise KerasFileError(f"a layer has the input {error}, which the model does not have") from error
    return _Roles(features, projection, image, embedding, lstm, hidden, logits, pictures, tokens)


def _behind(layers: "Mapping[str, Layer]", name: str) -> "Layer":
    layer = layers[name]
    while layer.kind in _TRAINING_ONLY:
        layer = layers[_only(layer)]
    return layer


def _only(layer: "Layer") -> str:
    if len(layer.inputs) != 1:
        raise KerasFileError(f"{layer.name} ({layer.kind}) has {len(layer.inputs)} inputs instead of one; {SUPPORTED}")
    return layer.inputs[0]


def _require_options(layer: "Layer", options: "Mapping[str, object]") -> None:
    for name, wanted in options.items():
        value = layer.options.get(name)
        # Some versions write a function's name alone, others as {"class_name": "function", "config": name}.
        if isinstance(value, dict):
            value = value.get("config")
        if value != wanted:
            raise KerasFileError(
                f"{layer.name} ({layer.kind}) has {name} {value!r}, and only {wanted!r} is supported: the conversion "
                "would not do the same"
            )


def _epsilons(roles: _Roles | None) -> tuple[float, float]:
    if roles is None:
        return _KERAS_EPSILON, _KERAS_EPSILON
    first, second = (layer.options.get("epsilon", _KERAS_EPSILON) for layer in (roles.features, roles.image))
    if not isinstance(first, float) or not isinstance(second, float) or min(first, second) <= 0:
        raise KerasFileError(f"the normalisations have the epsilons {first!r} and {second!r}, which must be positive")
    return first, second


def _longest(tokens: "Layer") -> int | None:
    shape = tokens.options.get("batch_shape", tokens.options.get("batch_input_shape"))
    match shape:
        case [_, int(longest)] if longest > 0:
            return longest
    return None


def _arrange(layers: "Sequence[LayerArrays]", epsilons: tuple[float, float]) -> DecoderWeights | None:
    """Find the one order of the layers in which their shapes fit; of several, the one that keeps the file's order."""
    by_kind: dict[str, list[tuple[Floats, ...]]] = {}
    for layer in layers:
        by_kind.setdefault(_kind(layer.arrays), []).append(layer.arrays)
    counts = {kind: len(found) for kind, found in by_kind.items()}
    if counts != {"BatchNormalization": 2, "Dense": 3, "Embedding": 1, "LSTM": 1}:
        return None
    (embedding,), (lstm,) = by_kind["Embedding"], by_kind["LSTM"]
    for features, image in permutations(by_kind["BatchNormalization"]):
        for projection, hidden, logits in permutations(by_kind["Dense"]):
            arranged = (features, projection, image, embedding, lstm, hidden, logits)
            if found := _weights(arranged, epsilons):
                return found
    return None


def _weights(arranged: "Sequence[tuple[Floats, ...]]", epsilons: tuple[float, float]) -> DecoderWeights | None:
    """Put the arrays in their places if they fit there and each other, else None."""
    kinds = ("BatchNormalization", "Dense", "BatchNormalization", "Embedding", "LSTM", "Dense", "Dense")
    if any(_kind(arrays) != kind for arrays, kind in zip(arranged, kinds, strict=True)):
        return None
    features, projection, image, embedding, lstm, hidden, logits = arranged
    found = DecoderWeights(
        features=_normalization(features, epsilons[0]),
        projection=Affine(*projection),
        image=_normalization(image, epsilons[1]),
        embedding=embedding[0],
        lstm=Lstm(*lstm),
        hidden=Affine(*hidden),
        logits=Affine(*logits),
    )
    units = len(found.image.mean)
    joints = (
        (len(found.features.mean), found.projection.kernel.shape[0]),
        (units, found.projection.kernel.shape[1]),
        (units, found.lstm.state_kernel.shape[0]),
        (found.embedding.shape[1], found.lstm.input_kernel.shape[0]),
        (units, found.hidden.kernel.shape[0]),
        (found.hidden.kernel.shape[1], found.logits.kernel.shape[0]),
        (found.embedding.shape[0], found.logits.kernel.shape[1]),
    )
    return found if all(given == taken for given, taken in joints) else None


def _normalization(arrays: "Sequence[Floats]", epsilon: float) -> Normalization:
    gamma, beta, mean, variance = arrays
    return Normalization(gamma, beta, mean, variance, epsilon)


def _kind(arrays: "Sequence[Floats]") -> str:
    """Return the layer that has arrays of these shapes; "" for none that a decoder has."""
    match [array.shape for array in arrays]:
        case [(a,), (b,), (c,), (d,)] if a == b == c == d:
            return "BatchNormalization"
        case [(_, out), (bias,)] if out == bias:
            return "Dense"
        case [(_, _)]:
            return "Embedding"
        case [(_, a), (units, b), (c,)] if a == b == c == 4 * units:
            return "LSTM"
    return ""


def _compare_sizes(roles: _Roles, found: DecoderWeights) -> None:
    sizes = (
        (roles.projection, "units", found.projection.kernel.shape[1]),
        (roles.embedding, "input_dim", found.embedding.shape[0]),
        (roles.embedding, "output_dim", found.embedding.shape[1]),
        (roles.lstm, "units", found.lstm.state_kernel.shape[0]),
        (roles.hidden, "units", found.hidden.kernel.shape[1]),
        (roles.logits, "units", found.logits.kernel.shape[1]),
    )
    for layer, option, size in sizes:
        if layer.options.get(option) != size:
            raise KerasFileError(
                f"{layer.name} ({layer.kind}) is described with {option} {layer.options.get(option)!r}, and its arrays "
                f"have {size}: the weights are of another model"
            )


def _kinds(layers: "Iterable[Layer]") -> str:
    return ", ".join(layer.kind for layer in layers) or "no layers"


def _shapes(layers: "Sequence[LayerArrays]") -> str:
    described = [f"{layer.name} {' '.join(str(list(array.shape)) for array in layer.arrays)}" for layer in layers]
    shown = 12
    return ", ".join(described[:shown]) + (f" and {len(described) - shown} more layers" if described[shown:] else "")
