"""Reads the Keras Tokenizer that a caption model was trained with, without Keras: which word each token is.

It comes as a pickle (`tokenizer.pkl`), as Keras's `to_json`, or as a plain mapping of words to numbers in either form.
A pickle is a program, so it is never simply loaded. First its instructions are listed, and every one outside those that
hold data is refused. Then it is run by an unpickler that knows the Tokenizer under all the names that it has had, which
all become one inert class, and the containers that it is made of. Nothing is imported.

Refuses: whatever else a pickle asks for, files over 64 MiB, characters in the place of words, numbers with holes, words
with blanks in them, and a tokenizer that does not fit the decoder or whose start and end marks cannot be told.
"""

import io
import json
import pickle
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captioning.model.vocabulary import PADDING, Vocabulary
from tools.captioner.errors import TokenizerError
from tools.captioner.pickles import count_instructions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["MARKS", "MAX_TOKENIZER_BYTES", "Tokenizer", "choose_vocabulary", "read_tokenizer"]

MAX_TOKENIZER_BYTES: Final = 64 * 1024 * 1024
MARKS: Final = (("startseq", "endseq"), ("<start>", "<end>"), ("start", "end"))

# What pickle writes for mappings, texts and numbers, in any protocol; nothing in it can ask for memory beyond the
# pickle's own length.
# fmt: off
_INSTRUCTIONS: Final = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "MEMOIZE",
    "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "EMPTY_DICT", "DICT", "EMPTY_LIST", "LIST",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS",
})
# fmt: on
_TUPLES: Final = ("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
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


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The words in the order of their numbers, the first of which is 1, and what the tokenizer makes of others.

    `limit` is Keras's `num_words`: the tokenizer gave out no number as high. `unknown` is its `oov_token`.
    """

    words: tuple[str, ...]
    limit: int | None = None
    unknown: str | None = None


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer from a pickle or from JSON, whichever the file holds. Raises TokenizerError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOKENIZER_BYTES + 1)
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_TOKENIZER_BYTES:
        raise TokenizerError(f"{path} has over {MAX_TOKENIZER_BYTES} bytes, which no tokenizer needs")
    if content.lstrip()[:1] in {b"{", b'"'}:
        document = _parse_json(content, path)
    else:
        document = _unpickle(content, path)
        if isinstance(document, str):
            document = _parse_json(document, path)
    return _tokenizer(document, path)


def choose_vocabulary(
    tokenizer: Tokenizer, tokens: int, start: str | None = None, end: str | None = None
) -> Vocabulary:
    """Give the decoder's `tokens` their words, padding at 0; the tokenizer's mark for unknown words is never said.

    Without `start` and `end`, the marks are the pair of `MARKS` that the tokenizer has; of several pairs, the one with
    the smallest numbers: Keras counts, and the marks are in every caption. Raises TokenizerError.
    """
    words = tokenizer.words
    if len(words) >= tokens and tokenizer.limit in {tokens - 1, tokens}:
        words = words[: tokens - 1]
    if len(words) != tokens - 1:
        limit = "" if tokenizer.limit is None else f" (of which num_words admits those below {tokenizer.limit})"
        raise TokenizerError(
            f"the tokenizer has {len(words)} words{limit}, and the decoder has {tokens} tokens, of which one is "
            "padding: give the tokenizer that the model was trained with"
        )
    padding = "<pad>"
    while padding in words:
        padding = f"<{padding}>"
    numbers = {word: number for number, word in enumerate((padding, *words))}
    start, end = _choose_marks(numbers, start, end)
    unknown = None if tokenizer.unknown is None else numbers.get(tokenizer.unknown)
    if unknown in {numbers[start], numbers[end]}:
        raise TokenizerError(f"the tokenizer's mark for unknown words, {tokenizer.unknown!r}, is also its start or end")
    return Vocabulary((padding, *words), numbers[start], numbers[end], unknown)


def _choose_marks(numbers: "Mapping[str, int]", start: str | None, end: str | None) -> tuple[str, str]:
    if (start is None) != (end is None):
        raise TokenizerError("one mark is given without the other: give both --start-word and --end-word")
    if start is not None and end is not None:
        if absent := [mark for mark in (start, end) if numbers.get(mark, PADDING) == PADDING]:
            raise TokenizerError(f"the tokenizer does not know the mark {absent[0]!r}")
        if start == end:
            raise TokenizerError(f"start and end cannot both be {start!r}")
        return start, end
    pairs = [pair for pair in MARKS if all(mark in numbers for mark in pair)]
    if not pairs:
        known = ", ".join(" and ".join(pair) for pair in MARKS)
        raise TokenizerError(
            f"the tokenizer has none of the marks {known}: give the words that began and ended its captions with "
            "--start-word and --end-word"
        )
    return min(pairs, key=lambda pair: max(numbers[mark] for mark in pair))


class _InertTokenizer:
    """What an unpickled Tokenizer becomes: something that keeps its state, and does nothing."""

    __slots__ = ("state",)
    state: object

    def __setstate__(self, state: object) -> None:
        self.state = state


def _reconstruct(kind: object, base: object, state: object) -> _InertTokenizer:
    """Do what `copyreg._reconstructor` does in pickles of protocols 0 and 1, for the one class that may be made."""
    if kind is not _InertTokenizer or base is not object or state is not None:
        raise pickle.UnpicklingError("it rebuilds something that is not a Tokenizer")
    return _InertTokenizer()


class _Unpickler(pickle._Unpickler):
    # The Python implementation on purpose: it keeps its memo in a dict, where the C one allocates an array as long as
    # the largest index that the pickle names.
    def find_class(self, module: str, name: str) -> "Callable[..., Any]":
        if name == "Tokenizer" and module in _TOKENIZER_MODULES:
            return _InertTokenizer
        admitted: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("collections", "defaultdict"): defaultdict,
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
            raise TokenizerError(f"the pickle asks for {module}.{name}, which no Keras Tokenizer has a use for")
        return admitted[module, name]


def _unpickle(program: bytes, path: Path) -> object:
    try:
        instructions = count_instructions(program)
        if foreign := [name for name in instructions if name not in _INSTRUCTIONS]:
            raise TokenizerError(f"{path} is a pickle that uses {foreign[0]}, which no Keras Tokenizer needs")
        if sum(instructions[name] for name in _TUPLES) > _MAX_TUPLES:
            raise TokenizerError(
                f"{path} is a pickle of over {_MAX_TUPLES} tuples, and a Keras Tokenizer has a handful"
            )
        document: object = _Unpickler(io.BytesIO(program)).load()
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
        ArithmeticError,
    ) as error:
        raise TokenizerError(f"{path} is neither JSON nor a whole pickle: {error}") from error
    return document


def _parse_json(content: str | bytes, path: Path) -> object:
    try:
        document: object = json.loads(content)
        # `json.dump(tokenizer.to_json())` wraps a text of JSON into JSON.
        return json.loads(document) if isinstance(document, str) else document
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} is not JSON: {error}") from error


def _tokenizer(document: object, path: Path) -> Tokenizer:
    if isinstance(document, _InertTokenizer):
        document = getattr(document, "state", None)
    elif isinstance(document, dict) and document.get("class_name") == "Tokenizer":
        document = document.get("config")
    if not isinstance(document, dict):
        raise TokenizerError(f"{path} holds neither a Keras Tokenizer nor a mapping of words to numbers")
    if "word_index" not in document or isinstance(document["word_index"], int):
        return Tokenizer(_words(document, path))
    numbers = document["word_index"]
    if document.get("char_level"):
        raise TokenizerError(f"{path} cuts captions into characters: a caption decoder of words is what is supported")
    limit, unknown = document.get("num_words"), document.get("oov_token")
    if not (limit is None or type(limit) is int) or not (unknown is None or isinstance(unknown, str)):
        raise TokenizerError(f"{path}: num_words must be a whole number and oov_token a word")
    return Tokenizer(_words(_parse_json(numbers, path) if isinstance(numbers, str) else numbers, path), limit, unknown)


def _words(numbers: object, path: Path) -> tuple[str, ...]:
    if not isinstance(numbers, dict) or not numbers:
        raise TokenizerError(f"{path}: word_index must map words to numbers, and is empty or no mapping")
    for word, number in numbers.items():
        if not isinstance(word, str) or type(number) is not int:
            raise TokenizerError(f"{path}: word_index maps {word!r:.80} to {number!r:.80}, not a word to a number")
        if word.split() != [word]:
            raise TokenizerError(f"{path}: the word {word!r:.80} has blanks in it, so captions could not be told apart")
    words = {number: word for word, number in numbers.items()}
    # Fewer than the words if two share a number; a hole or a number under 1 leaves another without a word.
    if absent := next((number for number in range(1, len(numbers) + 1) if number not in words), None):
        raise TokenizerError(
            f"{path}: its numbers have holes: no word has the number {absent}, though there are {len(numbers)} words"
        )
    return tuple(words[number] for number in range(1, len(numbers) + 1))
