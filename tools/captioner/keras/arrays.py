"""Gives the arrays of a file to the layers of a description: by the layers' names, else in Keras's order.

Refuses: fewer or other arrays than the layers have. What belongs to whom is never guessed by size.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.captioner.errors import KerasFileError
from tools.captioner.keras.groups import names_by_group
from tools.captioner.keras.layers import arrays_of_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tools.captioner.keras.description import Model
    from tools.captioner.keras.files import KerasFile, LayerArrays
    from tools.captioner.keras.layers import Shape

    Floats = NDArray[np.float32]

__all__ = ["assign_arrays", "describe_arrays"]


def assign_arrays(model: "Model", file: "KerasFile") -> "Mapping[str, Sequence[Floats]]":
    """Return the arrays of every layer that has some, by the layer's name in the flat graph.

    Raises KerasFileError.
    """
    layers = list(_layers_with_arrays(model))
    by_name = {stored.name: stored for stored in file.arrays} if file.named else _by_group(model, file)
    found: dict[str, Sequence[Floats]] = {}
    for name, _, _, shapes in layers:
        arrays = _named(by_name, name)
        if len(arrays) != len(shapes) or len(by_name) != len(file.arrays):
            return _in_order(layers, file)
        found[name] = arrays
    for name, kind, options, shapes in layers:
        _compare(name, kind, options, shapes, found[name])
    return found


def _layers_with_arrays(
    model: "Model", path: str = ""
) -> "Iterator[tuple[str, str, Mapping[str, Any], tuple[Shape, ...]]]":
    """Yield name, class, options and the shapes of the arrays, in the model's order."""
    for layer in model.layers:
        if layer.part is not None:
            yield from _layers_with_arrays(layer.part, f"{path}{layer.name}/")
        elif shapes := arrays_of_kind(layer.kind, layer.options):
            yield f"{path}{layer.name}", layer.kind, layer.options, shapes


def _by_group(model: "Model", file: "KerasFile") -> "Mapping[str, LayerArrays]":
    """Return what is stored under numbered classes by the layers' names; less than all, if of another model."""
    names = names_by_group(model)
    found = {}
    for stored in file.arrays:
        way = tuple(stored.name.split("/"))
        told = [names.get(way[: depth + 1]) for depth in range(len(way))]
        if all(told):
            found["/".join(map(str, told))] = stored
    return found


def _named(by_name: "Mapping[str, LayerArrays]", name: str) -> "Sequence[Floats]":
    if name in by_name:
        return by_name[name].arrays
    # The older form keeps a part's arrays under the part's name, each with its layer's name in its own.
    part, _, layer = name.partition("/")
    stored = by_name.get(part)
    if not layer or stored is None:
        return ()
    last = layer.rpartition("/")[2]
    own = zip(stored.arrays, stored.variables, strict=True)
    return [array for array, variable in own if last in variable.split("/")[:-1]]


def _in_order(
    layers: "Sequence[tuple[str, str, Mapping[str, Any], tuple[Shape, ...]]]", file: "KerasFile"
) -> "Mapping[str, Sequence[Floats]]":
    """Match the nth layer with so many arrays of so many axes to the nth stored one, as Keras's loader counts."""
    stored: dict[tuple[int, ...], list[LayerArrays]] = {}
    for one in file.arrays:
        stored.setdefault(tuple(array.ndim for array in one.arrays), []).append(one)
    found = {}
    for name, kind, options, shapes in layers:
        queue = stored.get(tuple(map(len, shapes)), [])
        if not queue:
            raise KerasFileError(
                f"the arrays are not a caption decoder's that the description has: found none for {name} ({kind}) "
                f"among {describe_arrays(file.arrays)}; give the weights of this model"
            )
        found[name] = queue.pop(0).arrays
        _compare(name, kind, options, shapes, found[name])
    if left := [one for queue in stored.values() for one in queue]:
        raise KerasFileError(
            f"the weights are of another model: the description has no layer for {describe_arrays(left)}"
        )
    return found


def _compare(
    name: str, kind: str, options: "Mapping[str, Any]", shapes: "tuple[Shape, ...]", arrays: "Sequence[Floats]"
) -> None:
    for shape, array in zip(shapes, arrays, strict=True):
        fits = len(shape) == array.ndim and all(
            wanted is None or wanted == size for wanted, size in zip(shape, array.shape, strict=True)
        )
        if not fits:
            sizes = {option: options[option] for option in ("units", "input_dim", "output_dim") if option in options}
            said = " and ".join(f"{option} {size}" for option, size in sizes.items()) or "other sizes"
            raise KerasFileError(
                f"{name} ({kind}) is described with {said}, and its arrays have "
                f"{' '.join(str(list(array.shape)) for array in arrays)}: the weights are of another model"
            )


def describe_arrays(layers: "Sequence[LayerArrays]") -> str:
    """Say which arrays there are, of the first dozen layers."""
    described = [f"{layer.name} {' '.join(str(list(array.shape)) for array in layer.arrays)}" for layer in layers]
    shown = 12
    return ", ".join(described[:shown]) + (f" and {len(described) - shown} more layers" if described[shown:] else "")
