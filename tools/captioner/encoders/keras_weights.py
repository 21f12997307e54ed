"""Puts the weights of a Keras file into a network of keras.applications, layer by layer.

The file is the one that Keras downloads, or what `model.save` or `save_weights` made of the network, with or without
its classifying top. A layer is known by its name, or, where the name is one that Keras counts up (conv2d_17), by its
place among those of its kind.

Refuses: files whose layers are not the network's, one for one, in names, sizes and options.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from tools.captioner.errors import KerasFileError

if TYPE_CHECKING:
    import numpy as np
    from keras import Model
    from keras.layers import Layer
    from numpy.typing import NDArray

    from tools.captioner.encoders.networks import EncoderNetwork
    from tools.captioner.keras.files import KerasFile, LayerArrays

    Floats = NDArray[np.float32]

__all__ = ["fill_network", "kernels_in"]

_KINDS: Final = frozenset({"conv2d", "batch_normalization", "separable_conv2d", "depthwise_conv2d", "dense"})
_MATRIX: Final = 2


def kernels_in(file: "KerasFile") -> int:
    """Count the arrays of four axes, which tell the networks from each other at a glance."""
    return sum(array.ndim == 4 for layer in file.arrays for array in layer.arrays)  # noqa: PLR2004


def fill_network(network: "Model", known: "EncoderNetwork", file: "KerasFile") -> None:
    """Give the network the file's weights. Raises KerasFileError, which says what does not fit."""
    layers = [layer for layer in network.layers if layer.weights]
    _compare_epsilons(layers, known, file)
    found = _match(layers, known, file)
    for layer in layers:
        stored = found[layer.name]
        wanted = [tuple(variable.shape) for variable in layer.weights]
        if [array.shape for array in stored.arrays] != wanted:
            raise KerasFileError(
                f"its layer {stored.name} has arrays of {[list(array.shape) for array in stored.arrays]}, and "
                f"{known.builder}'s {layer.name} has {[list(shape) for shape in wanted]}"
            )
        layer.set_weights(stored.arrays)


def _match(layers: "Sequence[Layer]", known: "EncoderNetwork", file: "KerasFile") -> "Mapping[str, LayerArrays]":
    """Return the stored layer for each of the network's."""
    stored = {one.name.rpartition("/")[2]: one for one in file.arrays}
    if not file.named:
        return _by_kind(layers, known, file)
    found = {}
    for layer in layers:
        if _counted(layer.name) is None:
            if layer.name not in stored:
                hint = (
                    f": the {known.width} features come from its classifying top: give the file with it, {known.file}"
                    if layer.name.startswith("fc")
                    else ""
                )
                some = ", ".join(list(stored)[:4]) or "none"
                raise KerasFileError(f"it has no layer {layer.name}, as {known.builder} has{hint}; it has {some} ...")
            found[layer.name] = stored[layer.name]
    ours, theirs = _queues([layer.name for layer in layers]), _queues(list(stored))
    for kind, names in ours.items():
        queue = theirs.get(kind, [])
        # What is over belongs to the classifying top, which comes last.
        if len(queue) < len(names):
            raise KerasFileError(f"it has {len(queue)} layers {kind}, and {known.builder} has {len(names)}")
        found |= {name: stored[other] for name, other in zip(names, queue, strict=False)}
    _refuse_others(found, known, file)
    return found


def _by_kind(layers: "Sequence[Layer]", known: "EncoderNetwork", file: "KerasFile") -> "Mapping[str, LayerArrays]":
    """Match the nth layer of a kind to the nth stored one: Keras 2 numbers them so, and leaves out their names."""
    queues = {kind: list(names) for kind, names in _queues([one.name for one in file.arrays]).items()}
    stored = {one.name: one for one in file.arrays}
    found = {}
    for layer in layers:
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)).lower()
        if not queues.get(kind):
            raise KerasFileError(f"it has too few layers {kind} to be {known.builder}")
        found[layer.name] = stored[queues[kind].pop(0)]
    _refuse_others(found, known, file)
    return found


def _refuse_others(found: "Mapping[str, LayerArrays]", known: "EncoderNetwork", file: "KerasFile") -> None:
    used = {id(one) for one in found.values()}
    # The classifying top is dense.
    others = [one.name for one in file.arrays if id(one) not in used and one.arrays[0].ndim != _MATRIX]
    if others:
        raise KerasFileError(f"it has the layers {', '.join(others[:4])}, which {known.builder} has not")


def _counted(name: str) -> tuple[str, int] | None:
    kind, _, number = name.rpartition("_")
    if number.isdigit() and kind in _KINDS:
        return kind, int(number)
    return (name, 0) if name in _KINDS else None


def _queues(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the counted names by kind, in the order of their numbers: that in which the network was written."""
    numbered: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if counted := _counted(name):
            numbered.setdefault(counted[0], []).append((counted[1], name))
    return {kind: [name for _, name in sorted(pairs)] for kind, pairs in numbered.items()}


def _compare_epsilons(layers: "Sequence[Layer]", known: "EncoderNetwork", file: "KerasFile") -> None:
    if file.model is None:
        return
    ours = {layer.epsilon for layer in layers if type(layer).__name__ == "BatchNormalization"}
    theirs = {layer.options.get("epsilon", 1e-3) for layer in file.model.layers if layer.kind == "BatchNormalization"}
    if theirs - ours:
        raise KerasFileError(
            f"its normalisations have the epsilons {sorted(map(str, theirs))}, and {known.builder}'s have "
            f"{sorted(map(str, ours))}"
        )
