r"""Recognises a decoder by the shapes of its arrays, where a file has weights alone and no description.

Only the one form in which shapes tell everything but the options, which are then assumed to be those of the tutorials:

    features -> [BatchNormalization] -> Dense relu -> [BatchNormalization] --\
                                                                              + Add -> [Dense relu] -> Dense softmax
    tokens -> Embedding, mask_zero -> LSTM or GRU ---------------------------/

Refuses everything else, and asks for the description: `model.to_json()` says what shapes do not.
"""

from itertools import permutations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tools.captioner.errors import KerasFileError
from tools.captioner.keras.arrays import describe_arrays
from tools.captioner.keras.description import Layer, LayerCall, Model, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tools.captioner.keras.files import LayerArrays

    Floats = NDArray[np.float32]

__all__ = ["ASSUMED", "describe_by_shapes"]

ASSUMED: Final = (
    "recognised by the shapes of its arrays; assumed are an Add, relu before and behind it, mask_zero, and Keras's "
    "defaults for everything else"
)
_ASK: Final = (
    "weights alone do not say how their layers are joined: write model.to_json() into a file and give it with --model, "
    "beside --weights"
)


class _Arrangement(NamedTuple):
    """Who stands where: the normalisations about the projection of the features, and what follows the Add."""

    before: "LayerArrays | None"
    projection: "LayerArrays"
    after: "LayerArrays | None"
    rest: "Sequence[LayerArrays]"


def describe_by_shapes(layers: "Sequence[LayerArrays]") -> Model:
    """Return the description that a decoder of these arrays has. Raises KerasFileError."""
    by_kind: dict[str, list[LayerArrays]] = {}
    for layer in layers:
        by_kind.setdefault(_kind([array.shape for array in layer.arrays]), []).append(layer)
    cells = [*by_kind.pop("LSTM", ()), *by_kind.pop("GRU", ())]
    normalizations, dense = by_kind.pop("BatchNormalization", []), by_kind.pop("Dense", [])
    embeddings = by_kind.pop("Embedding", [])
    if not by_kind and len(cells) == len(embeddings) == 1 and len(dense) in {2, 3} and len(normalizations) <= 2:  # noqa: PLR2004
        for chosen in _arrangements(normalizations, dense, embeddings[0], cells[0]):
            return _describe(embeddings[0], cells[0], chosen)
    raise KerasFileError(
        f"the arrays are not a caption decoder's that is known: found {describe_arrays(layers)}; {_ASK}"
    )


def _kind(shapes: "Sequence[tuple[int, ...]]") -> str:
    match shapes:
        case [(a,), (b,), (c,), (d,)] if a == b == c == d:
            return "BatchNormalization"
        case [(_, out), (bias,)] if out == bias:
            return "Dense"
        case [(_, _)]:
            return "Embedding"
        case [(_, a), (units, b), (c,)] if a == b == c == 4 * units:
            return "LSTM"
        case [(_, a), (units, b), (2, c) | (c,)] if a == b == c == 3 * units:
            return "GRU"
    return ""


def _arrangements(
    normalizations: "Sequence[LayerArrays]",
    dense: "Sequence[LayerArrays]",
    embedding: "LayerArrays",
    cell: "LayerArrays",
) -> "Iterator[_Arrangement]":
    """Yield who may stand where, what keeps the file's order first: before, projection, after, and what follows."""
    table, kernel = embedding.arrays[0], cell.arrays[1]
    if table.shape[1] != cell.arrays[0].shape[0]:
        return
    for projection, *rest in permutations(dense):
        width, units = projection.arrays[0].shape
        widths = [units, *(one.arrays[0].shape[1] for one in rest)]
        chained = all(one.arrays[0].shape[0] == taken for one, taken in zip(rest, widths, strict=False))
        if units != kernel.shape[0] or not chained or widths[-1] != table.shape[0]:
            continue
        for before, after in permutations([*normalizations, None, None], 2):
            used = [one for one in (before, after) if one is not None]
            fits = (before is None or len(before.arrays[0]) == width) and (
                after is None or len(after.arrays[0]) == units
            )
            if len(used) == len(normalizations) and fits:
                yield _Arrangement(before, projection, after, rest)


def _describe(embedding: "LayerArrays", cell: "LayerArrays", chosen: _Arrangement) -> Model:
    before, projection, after, rest = chosen
    layers: list[Layer] = []

    def add(name: str, kind: str, options: "Mapping[str, Any]", *inputs: str) -> str:
        calls = (LayerCall(tuple(map(Sender, inputs))),) if inputs else ()
        layers.append(Layer(name, kind, {"name": name, **options}, calls))
        return name

    def dense(one: "LayerArrays", activation: str, taken: str) -> str:
        return add(one.name, "Dense", {"units": one.arrays[0].shape[1], "activation": activation}, taken)

    picture = add("<features>", "InputLayer", {"batch_shape": [None, projection.arrays[0].shape[0]]})
    words = add("<tokens>", "InputLayer", {"batch_shape": [None, None]})
    if before is not None:
        picture = add(before.name, "BatchNormalization", {}, picture)
    picture = dense(projection, "relu", picture)
    if after is not None:
        picture = add(after.name, "BatchNormalization", {}, picture)
    rows, columns = embedding.arrays[0].shape
    table = {"input_dim": rows, "output_dim": columns, "mask_zero": True}
    words = add(embedding.name, "Embedding", table, words)
    kind = _kind([array.shape for array in cell.arrays])
    options = {"units": cell.arrays[1].shape[0], "reset_after": cell.arrays[2].ndim > 1}
    words = add(cell.name, kind, options, words)
    last = add("<add>", "Add", {}, picture, words)
    for one in rest[:-1]:
        last = dense(one, "relu", last)
    last = dense(rest[-1], "softmax", last)
    return Model("Functional", tuple(layers), (), (Sender(last),))
