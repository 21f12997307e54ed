"""Reads what Keras 2 and 3 save, without Keras: the layers' arrays and, where there is one, the layers' description.

No one TensorFlow reads all of these files, so each is taken for what it is, a tree of named arrays:

    .keras                    a zip: metadata.json, config.json (the layers), model.weights.h5 (the arrays)
    .weights.h5               HDF5: layers/<kind>_<n>/vars/<index>; the recurrent cell's in layers/<kind>_<n>/cell/vars
                              (Keras 2.14: _layer_checkpoint_dependencies in the place of layers)
    .h5, of a whole model     HDF5: model_weights/<layer>/<variable>, and the layers as JSON in an attribute
    .h5, of weights           HDF5: the same without model_weights and without the description

Refuses: files that are none of these, that are damaged, that hold over 512 MiB of arrays or 100,000 parts, arrays
that are not finite floating-point numbers, and whatever HDF5 can refer to outside the file (external and soft
links, external and virtual storage). Nothing in a file is run: a lambda in it is read as the text that it is.
"""

import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from tools.captioner.errors import KerasFileError
from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, BinaryIO

    import h5py
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    _Layers = tuple[tuple["LayerArrays", ...], bool]

__all__ = ["MAX_ARRAY_BYTES", "KerasFile", "Layer", "LayerArrays", "Model", "is_hdf5", "read_keras_file"]

MAX_ARRAY_BYTES: Final = 512 * 1024 * 1024
MAX_CONFIG_BYTES: Final = 16 * 1024 * 1024
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 16

_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_WEIGHTS: Final = "model.weights.h5"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_VARIABLE: Final = re.compile(r"(?P<layer>[^/]+/[^/]+)/(?:.+/)?vars/\d+")
_NOT_LAYERS: Final = ("optimizer/", "metrics/", "_metrics/", "compile_metrics/", "optimizer_weights/")


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """The arrays of one layer, float32, in the order in which Keras lists a layer's variables.

    `name` is the layer's name, or where the file does not tell it, its kind with a number.
    """

    name: str
    arrays: "tuple[Floats, ...]"


@dataclass(frozen=True, slots=True)
class Layer:
    """What the description says of one layer: its class, its options as Keras writes them, its inputs."""

    name: str
    kind: str
    options: Mapping[str, object]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The description of a model: its class, its layers in Keras's order, the names of those that give its outputs."""

    kind: str
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A file that Keras saved; `model` is None in one of weights alone.

    `arrays` has the layers with arrays, those of one kind in the model's order; `named` is whether their names are the
    layers' own.
    """

    keras_version: str
    model: Model | None
    arrays: tuple[LayerArrays, ...]
    named: bool


def is_hdf5(content: bytes) -> bool:
    """Whether a file that begins like this is HDF5."""
    return content.startswith(_HDF5)


def read_keras_file(path: "Path") -> KerasFile:
    """Read a file that Keras saved, by what is in it and not by its name.

    Raises KerasFileError, which names the file, or ToolchainError without h5py.
    """
    try:
        with path.open("rb") as file:
            if is_hdf5(file.read(len(_HDF5))):
                file.seek(0)
                return _read_hdf5(file)
            if zipfile.is_zipfile(file):
                return _read_zip(file)
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    except OSError as error:
        raise KerasFileError(f"{path} cannot be read: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, RecursionError) as error:
        # What h5py and zipfile raise over damage, and what malformed descriptions lead to.
        raise KerasFileError(f"{path} is damaged: {error}") from error
    raise KerasFileError(f"{path} is neither a zip file (.keras) nor HDF5 (.h5), so Keras did not write it so")


def _read_zip(file: "BinaryIO") -> KerasFile:
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(_entry(archive, _CONFIG, MAX_CONFIG_BYTES))
            version = json.loads(_entry(archive, _METADATA, MAX_CONFIG_BYTES)).get("keras_version")
            weights = _entry(archive, _WEIGHTS, MAX_ARRAY_BYTES)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise KerasFileError(f"the zip file is damaged: {error}") from error
    model = _model(config)
    with require("h5py").File(BytesIO(weights), "r") as tree:
        layers, named = _numbered_layers(tree, _datasets(tree), model)
    return KerasFile(str(version), model, layers, named)


def _entry(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        found = ", ".join(archive.namelist()[:5]) or "nothing"
        raise KerasFileError(f"the zip file holds no {name}, so Keras did not write it; it holds {found}") from None
    if entry.file_size > limit:
        raise KerasFileError(f"{name} would unpack to {entry.file_size} bytes, over {limit}")
    return archive.read(entry)


def _read_hdf5(file: "BinaryIO") -> KerasFile:
    with require("h5py").File(file, "r") as tree:
        datasets = _datasets(tree)
        root = "model_weights/" if "model_weights" in tree else ""
        listing = tree["model_weights"] if root else tree
        config = tree.attrs.get("model_config")
        model = None if config is None else _model(json.loads(config))
        if "layer_names" in listing.attrs or "layer_names0" in listing.attrs:
            layers = tuple(
                LayerArrays(layer, tuple(_array(datasets, f"{root}{layer}/{name}") for name in names))
                for layer in _texts(listing, "layer_names")
                if (names := _texts(listing[layer], "weight_names"))
            )
            version, named = _text(listing.attrs.get("keras_version", "1 or 2")), True
        else:
            layers, named = _numbered_layers(tree, datasets, model)
            version = "2 or 3"
    if not layers:
        raise KerasFileError("the HDF5 file holds no layers, so Keras did not write it")
    return KerasFile(version, model, layers, named)


def _datasets(tree: "h5py.File") -> "dict[str, h5py.Dataset]":
    """Return the arrays of a file by path, unread; only those that are really inside the file."""
    h5py = require("h5py")
    found = {}
    nodes = [("", tree, 0)]
    seen = total = 0
    while nodes:
        prefix, group, depth = nodes.pop()
        for name in group:
            seen += 1
            path = f"{prefix}{name}"
            if seen > MAX_NODES or depth > MAX_DEPTH:
                raise KerasFileError(f"the HDF5 file has over {MAX_NODES} parts or {MAX_DEPTH} levels")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise KerasFileError(f"{path} is a link, which Keras does not write")
            if (path + "/").startswith(_NOT_LAYERS):
                continue
            node = group[name]
            if isinstance(node, h5py.Group):
                nodes.append((path + "/", node, depth + 1))
            elif isinstance(node, h5py.Dataset):
                if node.external is not None or node.is_virtual:
                    raise KerasFileError(f"{path} keeps its numbers outside the file, which Keras does not do")
                total += node.size * max(node.dtype.itemsize, np.dtype(np.float32).itemsize)
                found[path] = node
    if total > MAX_ARRAY_BYTES:
        raise KerasFileError(f"the arrays would take {total} bytes, over {MAX_ARRAY_BYTES}")
    return found


def _array(datasets: "Mapping[str, h5py.Dataset]", path: str) -> "Floats":
    dataset = datasets.get(path)
    if dataset is None:
        raise KerasFileError(f"the array {path} is missing")
    if dataset.dtype.kind != "f":
        raise KerasFileError(f"the array {path} is of {dataset.dtype}; floating-point numbers are supported")
    array = np.asarray(dataset[()], np.float32)
    if not np.isfinite(array).all():
        raise KerasFileError(f"the array {path} holds numbers that are not finite")
    return array


def _numbered_layers(tree: "h5py.File", datasets: "Mapping[str, h5py.Dataset]", model: Model | None) -> "_Layers":
    """Return the layers of the newer form, in which groups are numbered by kind in the model's order."""
    groups: dict[str, list[str]] = {}
    for path in sorted(datasets, key=_natural_order):
        if match := _VARIABLE.fullmatch(path):
            groups.setdefault(match["layer"], []).append(path)
    described = _names_by_group(model) if model else {}
    layers = []
    named = True
    for group, paths in groups.items():
        numbered = group.rpartition("/")[2]
        # Keras 3 writes the name beside the numbers; Keras 2 does not.
        name = tree[f"{group}/vars"].attrs.get("name", described.get(numbered))
        named = named and name is not None
        arrays = tuple(_array(datasets, path) for path in paths)
        layers.append(LayerArrays(numbered if name is None else _text(name), arrays))
    return tuple(layers), named


def _names_by_group(model: Model) -> dict[str, str]:
    counts: Counter[str] = Counter()
    names = {}
    for layer in model.layers:
        # How Keras makes a group's name of a class's: BatchNormalization, batch_normalization.
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer.kind)).lower()
        names[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer.name
        counts[kind] += 1
    return names


def _natural_order(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def _texts(node: "h5py.Group", name: str) -> list[str]:
    """Return an attribute that lists names; Keras cuts a long one into numbered pieces."""
    if name in node.attrs:
        pieces = [node.attrs[name]]
    else:
        pieces = [node.attrs[f"{name}{number}"] for number in range(len(node.attrs)) if f"{name}{number}" in node.attrs]
    return [_text(text) for piece in pieces for text in piece]


def _text(text: object) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def _model(config: object) -> Model:
    """Return the description of a model, as Keras serialises it. Raises what a malformed one leads to."""
    document = cast("dict[str, Any]", config)
    content = document["config"]
    # The first versions of Sequential have a bare list.
    listed = content.get("layers", []) if isinstance(content, dict) else content
    layers = tuple(
        Layer(
            str(layer.get("name", layer["config"].get("name"))),
            str(layer["class_name"]),
            dict(layer["config"]),
            tuple(_senders(layer.get("inbound_nodes", []))),
        )
        for layer in listed
    )
    outputs = content.get("output_layers", []) if isinstance(content, dict) else []
    return Model(str(document["class_name"]), layers, tuple(_senders(outputs)))


def _senders(nodes: object) -> "Iterator[str]":
    """Return the names of the layers whose outputs are listed.

    An output is [name, node, tensor, ...] in Keras 2, `keras_history` in 3.

    Options, such as a mask, are no inputs.
    """
    match nodes:
        case [str(name), int(), int(), *_]:
            yield name
        case list():
            for node in nodes:
                yield from _senders(node)
        case {"keras_history": [str(name), *_]}:
            yield name
        case {"args": inner} | {"class_name": "__keras_tensor__", "config": inner}:
            yield from _senders(inner)
