"""Reads pickles of tokenizers and vocabularies without trusting them, of any protocol, of Python 2 and 3.

A pickle is a program, so it is never simply loaded. First its instructions are listed, and every one outside those that
hold data is refused. Then it is run by an unpickler that knows the Tokenizer under all the names that it has had, which
all become one inert class, the containers that it is made of, and NumPy's whole numbers, texts and arrays of them,
which become Python's. Nothing is imported.

Refuses: whatever else a pickle asks for.
"""

import io
import pickle
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, ClassVar, Final

from tools.captioner.errors import TokenizerError
from tools.captioner.pickles import count_instructions
from tools.captioner.tokenizers.numpy_values import FUNCTIONS, WRITE_NUMBERS, OldText

__all__ = ["InertTokenizer", "PickleError", "unpickle"]

# What pickle writes for mappings, texts and numbers, in any protocol; nothing in it can ask for memory beyond the
# pickle's own length.
# fmt: off
_INSTRUCTIONS: Final = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "MEMOIZE",
    "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BYTEARRAY8",
    "EMPTY_DICT", "DICT", "EMPTY_LIST", "LIST",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS",
})
# fmt: on
# A million of them, one in the other and the last a key, overflow the interpreter's stack when it is hashed.
_MAX_TUPLES: Final = 1000
_TOKENIZER_MODULES: Final = frozenset(
    {
        "keras.legacy.preprocessing.text",
        "keras.preprocessing.text",
        "keras.src.legacy.preprocessing.text",
        "keras.src.preprocessing.text",
        "keras_preprocessing.text",
        "tensorflow.contrib.keras.python.keras.preprocessing.text",
        "tensorflow.keras.preprocessing.text",
        "tensorflow.python.keras._impl.keras.preprocessing.text",
        "tensorflow.python.keras.preprocessing.text",
        "tf_keras.preprocessing.text",
        "tf_keras.src.preprocessing.text",
    }
)


class PickleError(ValueError):
    """The bytes are no whole pickle."""


class InertTokenizer:
    """What an unpickled Tokenizer becomes: something that keeps its state, and does nothing."""

    __slots__ = ("state",)
    state: object

    def __setstate__(self, state: object) -> None:
        self.state = state


def unpickle(program: bytes) -> object:
    """Run a pickle that holds data alone: mappings, lists, texts, numbers and Tokenizers.

    Raises:
        PickleError: it is no whole pickle.
        TokenizerError: it asks for something else; the text says for what.
    """
    try:
        instructions = count_instructions(program)
        if foreign := [name for name in instructions if name not in _INSTRUCTIONS]:
            raise TokenizerError(f"is a pickle that uses {foreign[0]}, which no tokenizer needs: {WRITE_NUMBERS}")
        document: object = _Unpickler(io.BytesIO(program), encoding="latin-1").load()
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
        ArithmeticError,
    ) as error:
        raise PickleError(str(error)) from error
    return document


def _encode(text: object, encoding: object) -> bytes:
    """Do what `_codecs.encode` does, by which Python 3 writes bytes in protocols 0 to 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("it encodes something that is not bytes")
    return text.encode("latin-1")


def _reconstruct(kind: object, base: object, state: object) -> InertTokenizer:
    """Do what `copyreg._reconstructor` does in pickles of protocols 0 and 1, for the one class that may be made."""
    if kind is not InertTokenizer or base is not object or state is not None:
        raise pickle.UnpicklingError("it rebuilds something that is not a Tokenizer")
    return InertTokenizer()


class _Unpickler(pickle._Unpickler):
    # The Python implementation on purpose: it keeps its memo in a dict, where the C one allocates an array as long as
    # the largest index that the pickle names.
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[object]
    nested = 0

    def find_class(self, module: str, name: str) -> "Callable[..., Any]":
        if name == "Tokenizer" and module in _TOKENIZER_MODULES:
            return InertTokenizer
        admitted: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "Counter"): Counter,
            ("collections", "OrderedDict"): OrderedDict,
            ("collections", "defaultdict"): defaultdict,
            **FUNCTIONS,
            ("_codecs", "encode"): _encode,
            ("builtins", "int"): int,
            ("builtins", "object"): object,
            ("copyreg", "_reconstructor"): _reconstruct,
            # The same in protocols 0 to 2, which speak of Python 2.
            ("__builtin__", "int"): int,
            ("__builtin__", "long"): int,
            ("__builtin__", "object"): object,
            ("copy_reg", "_reconstructor"): _reconstruct,
        }
        if (module, name) not in admitted:
            raise TokenizerError(
                f"is a pickle that asks for {module}.{name}, which no tokenizer that can be read has a use for: "
                f"{WRITE_NUMBERS}"
            )
        return admitted[module, name]

    def see_tuple(self) -> None:
        """Count the tuples that hold others: one that holds none is as deep as any of NumPy's numbers needs."""
        made = self.stack[-1]
        if isinstance(made, tuple) and any(isinstance(entry, tuple) for entry in made):
            self.nested += 1
            if self.nested > _MAX_TUPLES:
                raise TokenizerError(f"is a pickle of over {_MAX_TUPLES} tuples in tuples, and a tokenizer has none")

    def _decode_string(self, value: bytes) -> OldText:
        """Return a text of Python 2; pickle's own way of this name decides by `encoding`."""
        try:
            text = OldText(value.decode("utf-8"))
        except UnicodeDecodeError:
            text = OldText(value.decode("latin-1"))
        text.content = value
        return text


def _watched(build: Callable[[Any], None]) -> Callable[[Any], None]:
    def built(unpickler: _Unpickler) -> None:
        build(unpickler)
        unpickler.see_tuple()

    return built


for _opcode in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _Unpickler.dispatch[_opcode[0]] = _watched(_Unpickler.dispatch[_opcode[0]])
