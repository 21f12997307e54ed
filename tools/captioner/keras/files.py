"""Reads what Keras 2 and 3 save, without Keras: the layers' arrays and, where there is one, the layers' description.

No one TensorFlow reads all of these files, so each is taken for what it is, a tree of named arrays or a description:

    .keras                    a zip: metadata.json, config.json (the layers), model.weights.h5 (the arrays)
    .weights.h5               HDF5: layers/<kind>_<n>/vars/<index>; the recurrent cell's in layers/<kind>_<n>/cell/vars
                              (Keras 2.14: _layer_checkpoint_dependencies in the place of layers)
    .h5, of a whole model     HDF5: model_weights/<layer>/<variable>, and the layers as JSON in an attribute
    .h5, of weights           HDF5: the same without model_weights and without the description
    .json                     the layers alone, as `model.to_json()` gives them

Refuses: files that are none of these, by what they are if that is known; files that are damaged, that hold over 640 MiB
of arrays or 100,000 parts, arrays that are not finite floating-point numbers, and whatever HDF5 can refer to outside
the file (external and soft links, external and virtual storage). Nothing in a file is run: a lambda in it is read as
the text that it is.
"""

import json
import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.errors import KerasFileError
from tools.captioner.foreign_files import recognise, recognise_folder
from tools.captioner.keras.description import Model, parse_model
from tools.captioner.keras.groups import names_by_group
from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    import h5py
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    _Layers = tuple[tuple["LayerArrays", ...], bool]

__all__ = ["MAX_ARRAY_BYTES", "KerasFile", "LayerArrays", "is_hdf5", "read_keras_file"]

# VGG16, the largest of the encoders, has 528 MiB.
MAX_ARRAY_BYTES: Final = 640 * 1024 * 1024
MAX_CONFIG_BYTES: Final = 16 * 1024 * 1024
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 16

_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_SNIFFED: Final = 4096
_WEIGHTS: Final = "model.weights.h5"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
# The layers of a part stand in it as the parts stand in the model.
_VARIABLE: Final = re.compile(
    r"(?P<layer>(?:layers|_layer_checkpoint_dependencies)/[^/]+(?:/(?:layers|_layer_checkpoint_dependencies)/[^/]+)*)"
    r"/(?P<variable>(?:.+/)?vars/\d+)"
)
_OF_KERAS_3: Final = ("__keras_tensor__", "DTypePolicy")
_NOT_LAYERS: Final = ("optimizer/", "metrics/", "_metrics/", "compile_metrics/", "optimizer_weights/")


@dataclass(frozen=True, slots=True)
class LayerArrays:
    """The arrays of one layer, float32, in the order in which Keras lists a layer's variables.

    `name` is the layer's name, or where the file does not tell it, its kind with a number; that of a layer in a part is
    `part/layer`. `variables` are the arrays' names. The older form has a part's arrays all under the part's name.
    """

    name: str
    arrays: "tuple[Floats, ...]"
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A file that Keras saved; `model` is None in one of weights alone, and `arrays` is empty in a description alone.

    `arrays` has the layers with arrays, those of one kind in the model's order; `named` is whether their names are the
    layers' own. `keras_version` is as the file has it, such as "3.15.0" or "2.2.4-tf"; "" if it does not say.
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
    if path.is_dir():
        raise KerasFileError(recognise_folder(path))
    try:
        with path.open("rb") as file:
            beginning = file.read(_SNIFFED)
            file.seek(0)
            if is_hdf5(beginning):
                return _read_hdf5(file)
            if beginning.lstrip().startswith(b"{"):
                return _read_description(file)
            if zipfile.is_zipfile(file) and not recognise(beginning, file):
                return _read_zip(file)
            known = recognise(beginning, file)
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    except OSError as error:
        raise KerasFileError(f"{path} cannot be read: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, RecursionError) as error:
        # What h5py and zipfile raise over damage, and what malformed descriptions lead to.
        raise KerasFileError(f"{path} is damaged: {error}") from error
    raise KerasFileError(
        f"{path} is {known}"
        if known
        else f"{path} is neither a zip file (.keras) nor HDF5 (.h5), so Keras did not "
        "write it so: save the model with model.save('model.keras')"
    )


def _read_description(file: "BinaryIO") -> KerasFile:
    content = file.read(MAX_CONFIG_BYTES + 1)
    if len(content) > MAX_CONFIG_BYTES:
        raise KerasFileError(f"the description has over {MAX_CONFIG_BYTES} bytes")
    document = json.loads(content)
    if not isinstance(document, dict) or not {"class_name", "config"} <= document.keys():
        raise KerasFileError(
            "this is JSON, and not a model's description as `model.to_json()` gives it; if it is the tokenizer, "
            "name it with --tokenizer"
        )
    version = str(document.get("keras_version", ""))
    # Keras 3 does not write its version here. What it writes, and no Keras before it, tells.
    if not version and any(f'"{name}"'.encode() in content for name in _OF_KERAS_3):
        version = "3"
    return KerasFile(version, parse_model(document), (), named=True)


def _read_zip(file: "BinaryIO") -> KerasFile:
    try:
        with zipfile.ZipFile(file) as archive:
            config = json.loads(_entry(archive, _CONFIG, MAX_CONFIG_BYTES))
            version = json.loads(_entry(archive, _METADATA, MAX_CONFIG_BYTES)).get("keras_version")
            weights = _entry(archive, _WEIGHTS, MAX_ARRAY_BYTES)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise KerasFileError(f"the zip file is damaged: {error}") from error
    model = parse_model(config)
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
        model = None if config is None else parse_model(json.loads(config))
        if "layer_names" in listing.attrs or "layer_names0" in listing.attrs:
            layers = tuple(
                LayerArrays(layer, tuple(_array(datasets, f"{root}{layer}/{name}") for name in names), tuple(names))
                for layer in _texts(listing, "layer_names")
                if (names := _texts(listing[layer], "weight_names"))
            )
            named = True
        else:
            layers, named = _numbered_layers(tree, datasets, model)
        version = _text(listing.attrs.get("keras_version", ""))
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
    groups: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(datasets, key=_natural_order):
        if match := _VARIABLE.fullmatch(path):
            groups.setdefault(match["layer"], []).append((match["variable"], path))
    described = names_by_group(model) if model else {}
    layers = []
    named = True
    for group, variables in groups.items():
        parts, names = group.split("/")[1::2], []
        for depth in range(len(parts)):
            way = tuple(parts[: depth + 1])
            inner = "/".join(group.split("/")[: 2 * depth + 2]) + "/vars"
            # Keras 3 writes the name beside the numbers; Keras 2 does not.
            name = tree[inner].attrs.get("name") if inner in tree else None
            name = described.get(way) if name is None else name
            named = named and name is not None
            names.append(parts[depth] if name is None else _text(name))
        # Keras lists a bidirectional layer's forward arrays first.
        ordered = sorted(variables, key=lambda variable: "backward_layer" in variable[0])
        arrays = tuple(_array(datasets, path) for _, path in ordered)
        layers.append(LayerArrays("/".join(names), arrays, tuple(variable for variable, _ in ordered)))
    return tuple(layers), named


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
