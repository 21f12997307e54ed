"""Reads the tensors of a TorchScript archive without torch.

An archive is a zip file: `<name>/data.pkl` holds the module tree as a pickle, `<name>/data/<key>` the raw numbers of
one tensor. A pickle is a program, so it is never simply loaded. First its instructions are listed and every one
outside a short list is refused. Then it is run by an unpickler that knows five names: the tensor storage, the function
that rebuilds a tensor, the list of integers, `OrderedDict`, and `__torch__.*`, which all become one inert class.
Nothing is imported, and nothing is read whose size was not checked first.

Refuses: names and instructions beyond those, tensors that are not contiguous float32, sizes over the limits, and
archives whose layers are not complete convolution groups.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from tools.captioner.errors import WeightsArchiveError
from tools.captioner.pickles import count_instructions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["MAX_ARCHIVE_BYTES", "MAX_PICKLE_BYTES", "ConvolutionGroup", "read_convolution_groups"]

MAX_ARCHIVE_BYTES: Final = 256 * 1024 * 1024
MAX_PICKLE_BYTES: Final = 1024 * 1024
MAX_ENTRIES: Final = 4096
# What torch writes for a tree of modules, and no more: without the opcodes of protocols 3 to 5, no instruction can ask
# for memory beyond the pickle's own length.
# fmt: off
_OPCODES: Final = frozenset({
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE",
    "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS",
    "APPEND", "APPENDS",
})
# fmt: on
_GROUP_KEYS: Final = ("weight", "beta", "mean", "var")
_KERNEL_AXES: Final = 4


@dataclass(frozen=True, slots=True)
class ConvolutionGroup:
    """One convolution with its batch normalisation.

    `kernel` is float32 [height, width, in, out], Keras's order; `beta`, `mean` and `variance` are float32 [out].
    """

    kernel: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    length: int


class _Unpickler(pickle._Unpickler):
    # The Python implementation on purpose: it keeps its memo in a dict, where the C one allocates an array as long as
    # the largest index that the pickle names.
    def __init__(self, archive: zipfile.ZipFile, entry: str, program: bytes) -> None:
        super().__init__(io.BytesIO(program))
        self._archive = archive
        self._folder = entry.removesuffix("data.pkl") + "data/"
        self._read_keys: set[str] = set()
        self.groups: list[ConvolutionGroup] = []

    def find_class(self, module: str, name: str) -> "Callable[..., Any]":
        if module.startswith("__torch__."):
            return self._inert_class()
        admitted: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch", "FloatStorage"): _Storage,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_tensor,
            ("torch.jit._pickle", "build_intlist"): list,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if (module, name) not in admitted:
            raise WeightsArchiveError(f"the archive asks for {module}.{name}, which a file of weights has no use for")
        return admitted[module, name]

    def persistent_load(self, reference: object) -> _Storage:
        match reference:
            case ("storage", kind, str(key), "cpu", int(length)) if kind is _Storage and key.isalnum():
                return _Storage(key, length)
        raise WeightsArchiveError(f"the archive refers to a storage in an unknown way: {str(reference)[:80]}")

    def _rebuild_tensor(
        self, storage: _Storage, offset: int, shape: "Sequence[int]", strides: "Sequence[int]", *_: object
    ) -> np.ndarray:
        raw = self._read(storage)
        contiguous = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        if offset != 0 or tuple(strides) != contiguous or int(np.prod(shape)) != storage.length:
            raise WeightsArchiveError(f"tensor {storage.key} is not one contiguous block")
        return np.frombuffer(raw, dtype="<f4").reshape(shape)

    def _read(self, storage: _Storage) -> bytes:
        if storage.key in self._read_keys:
            raise WeightsArchiveError(f"tensor {storage.key} is used twice, so that the tree may outgrow the archive")
        self._read_keys.add(storage.key)
        entry = self._archive.getinfo(self._folder + storage.key)
        if entry.file_size != 4 * storage.length:
            raise WeightsArchiveError(
                f"tensor {storage.key} has {entry.file_size} bytes, its description says {4 * storage.length}"
            )
        return self._archive.read(entry)

    def _inert_class(self) -> type:
        groups = self.groups

        class Module:
            __slots__ = ()

            def __setstate__(self, state: object) -> None:
                # Called once per module, in the order in which the archive lists the layers.
                if isinstance(state, dict) and "weight" in state:
                    groups.append(_convolution_group(state, len(groups)))

        return Module


def _convolution_group(state: dict[str, object], index: int) -> ConvolutionGroup:
    tensors = [state.get(key) for key in _GROUP_KEYS]
    if not all(isinstance(tensor, np.ndarray) for tensor in tensors):
        raise WeightsArchiveError(f"layer {index} of the archive lacks one of {', '.join(_GROUP_KEYS)}")
    weight, beta, mean, variance = cast("list[np.ndarray]", tensors)
    if weight.ndim != _KERNEL_AXES or any(vector.shape != weight.shape[:1] for vector in (beta, mean, variance)):
        raise WeightsArchiveError(f"layer {index} of the archive is not a convolution with its normalisation")
    if not all(np.isfinite(tensor).all() for tensor in (weight, beta, mean, variance)):
        raise WeightsArchiveError(f"layer {index} of the archive holds numbers that are not finite")
    return ConvolutionGroup(np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), beta, mean, variance)


def read_convolution_groups(path: Path) -> list[ConvolutionGroup]:
    """Read every convolution of a TorchScript archive, in the order of the module tree.

    Raises:
        WeightsArchiveError: the file is not such an archive, or asks for anything that a file of weights does not need.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entry = _pickle_entry(archive, path)
            program = archive.read(entry)
            if foreign := [name for name in count_instructions(program) if name not in _OPCODES]:
                raise WeightsArchiveError(f"the archive's module tree uses {foreign[0]}, which no tensor needs")
            unpickler = _Unpickler(archive, entry, program)
            unpickler.load()
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WeightsArchiveError(f"{path} cannot be read as a TorchScript archive: {error}") from error
    except (pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError, EOFError) as error:
        raise WeightsArchiveError(f"{path} holds a damaged module tree: {error}") from error
    if not unpickler.groups:
        raise WeightsArchiveError(f"{path} holds no convolution layers")
    return unpickler.groups


def _pickle_entry(archive: zipfile.ZipFile, path: Path) -> str:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_ARCHIVE_BYTES:
        raise WeightsArchiveError(f"{path} would unpack to over {MAX_ARCHIVE_BYTES} bytes or {MAX_ENTRIES} files")
    trees = [entry for entry in entries if entry.filename.count("/") == 1 and entry.filename.endswith("/data.pkl")]
    if len(trees) != 1:
        raise WeightsArchiveError(f"{path} is not a TorchScript archive: it holds {len(trees)} module trees, not 1")
    if trees[0].file_size > MAX_PICKLE_BYTES:
        raise WeightsArchiveError(f"{path} has a module tree of {trees[0].file_size} bytes, over {MAX_PICKLE_BYTES}")
    return trees[0].filename
