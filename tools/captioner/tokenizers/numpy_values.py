"""What NumPy's values in a file become without NumPy's own reader: Python's numbers and texts, and lists of them.

NumPy pickles numbers, texts and arrays by calls of its functions; those that hold words are done here by functions of
ours, which check what they are given. `.npy` files are arrays with a header, or such pickles behind it.

Refuses: every type but whole numbers, texts and objects, and arrays whose bytes are not as many as their shape says.
"""

import io
import math
import pickle
from collections.abc import Callable
from typing import Final

import numpy as np

from tools.captioner.errors import TokenizerError

__all__ = ["FUNCTIONS", "WRITE_NUMBERS", "InertArray", "OldText", "read_npy"]

_NOT_NUMPYS: Final = "a value of NumPy's is not as NumPy writes it"
WRITE_NUMBERS: Final = (
    "write the words' numbers themselves: json.dump({word: int(number) ...}, open('words.json', 'w'))"
)
# A pickle may repeat what it said once: each repetition must stay small.
_MAX_SCALAR_BYTES: Final = 4096
_MAX_DIGITS: Final = 9


class OldText(str):
    """A text of Python 2, which was bytes, and may have been meant as such."""

    __slots__ = ("content",)
    content: bytes


class _InertDtype:
    """What `numpy.dtype` becomes: its code, such as "i8", and its order of bytes."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        self.code = str(code)
        self.order = "big" if self.code[:1] == ">" else "little"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        # (version, order, ...): other than the order, whole numbers and texts have nothing in it.
        self.order = "big" if state[1] == ">" else "little"

    @property
    def kind(self) -> str:
        return self.code.lstrip("<>|=")[:1]

    @property
    def size(self) -> int:
        """The bytes of a value; 0 if it has no size of its own."""
        digits = self.code.lstrip("<>|=")[1:]
        return int(digits) * (4 if self.kind == "U" else 1) if len(digits) <= _MAX_DIGITS and digits.isdecimal() else 0

    def read(self, raw: bytes) -> int | str:
        """Return a value. Raises TokenizerError for other types than whole numbers and texts."""
        if self.kind in {"i", "u"}:
            return int.from_bytes(raw, "big" if self.order == "big" else "little", signed=self.kind == "i")
        if self.kind == "U":
            return raw.decode(f"utf-32-{self.order[0]}e").rstrip("\0")
        if self.kind == "S":
            return raw.rstrip(b"\0").decode("utf-8")
        raise TokenizerError(
            f"is a pickle of NumPy values of the type {self.code:.20}, and whole numbers were looked for, or words"
        )


class InertArray:
    """What an array becomes. It is taken apart when it is read, and not by each call in the pickle that repeats it."""

    __slots__ = ("state",)
    state: object

    def __setstate__(self, state: object) -> None:
        self.state = state

    def content(self) -> object:
        """Return the values in a list, where the array has one dimension; its one value, where it has none.

        Raises:
            TokenizerError: it has more dimensions, other values than numbers, texts and objects, or is damaged.
        """
        match getattr(self, "state", None):
            case (int(), tuple() as shape, _InertDtype() as dtype, bool() | int(), raw):
                if len(shape) > 1:
                    raise TokenizerError(f"is an array of {len(shape)} dimensions, and a list of words has one")
                values = _split(dtype, raw)
                if shape == (len(values),):
                    return values
                if shape == () and len(values) == 1:
                    return values[0]
        raise TokenizerError(f"holds an array that is not as NumPy writes it: {WRITE_NUMBERS}")


def _split(dtype: _InertDtype, raw: object) -> list[object]:
    if dtype.kind == "O" and isinstance(raw, list):
        return raw
    content = raw.content if isinstance(raw, OldText) else raw
    size = dtype.size
    if not isinstance(content, bytes | bytearray) or not size or len(content) % size:
        raise TokenizerError(f"holds an array that is not as NumPy writes it: {WRITE_NUMBERS}")
    try:
        return [dtype.read(bytes(content[place : place + size])) for place in range(0, len(content), size)]
    except UnicodeDecodeError as error:
        raise TokenizerError(f"holds an array of texts that are not UTF-8: {WRITE_NUMBERS}") from error


def _scalar(dtype: object, content: object) -> int | str:
    """Do what `numpy.core.multiarray.scalar` does, for whole numbers and texts."""
    raw = content.content if isinstance(content, OldText) else content
    if not isinstance(dtype, _InertDtype) or not isinstance(raw, bytes) or len(raw) > _MAX_SCALAR_BYTES:
        raise pickle.UnpicklingError(_NOT_NUMPYS)
    return dtype.read(raw)


def _reconstruct(kind: object, shape: object, code: object) -> InertArray:
    """Do what `numpy.core.multiarray._reconstruct` does: make the array that its state then fills."""
    if kind is not InertArray or shape != (0,) or not isinstance(code, bytes | str):
        raise pickle.UnpicklingError(_NOT_NUMPYS)
    return InertArray()


def _frombuffer(raw: object, dtype: object, shape: object, order: object) -> InertArray:
    """Do what `numpy.core.numeric._frombuffer` does, by which arrays are pickled in protocol 5."""
    array = InertArray()
    array.__setstate__((1, shape, dtype, order == "F", raw))
    return array


# By module and name, of NumPy 1 and 2.
FUNCTIONS: Final[dict[tuple[str, str], Callable[..., object]]] = {
    ("numpy", "dtype"): _InertDtype,
    ("numpy", "ndarray"): InertArray,
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


def read_npy(content: bytes, unpickle: Callable[[bytes], object]) -> object:
    """Return what a `.npy` file holds; arrays of objects are read by `unpickle`. Raises TokenizerError."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    except ValueError as error:
        raise TokenizerError(f"is a NumPy array (.npy), and damaged: {error!s:.200}") from error
    rest = content[stream.tell() :]
    if dtype.hasobject:
        return unpickle(rest)
    if dtype.kind not in {"U", "S"}:
        raise TokenizerError(f"is a NumPy array (.npy) of the type {dtype.str}, and words were looked for")
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise TokenizerError("is a NumPy array (.npy), and cut off")
    array = InertArray()
    array.__setstate__((1, shape, _InertDtype(dtype.str), 0, rest))
    return array
