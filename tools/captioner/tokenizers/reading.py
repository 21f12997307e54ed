"""Reads the tokenizer that a caption model was trained with, without Keras: which word each token is.

It comes as a pickle, as JSON, or as a text of one word per line, packed or not (see `containers` and `pickled`), and
holds one of these:

    a Keras Tokenizer                       pickled, or what its `to_json` gives
    words to numbers, or numbers to words   {"startseq": 1, ...}, under any name, or beside each other
    a list or NumPy array of words          the vocabulary of a TextVectorization: padding first, "[UNK]" second
    a Tokenizer of Hugging Face's           if it knows whole words (WordLevel)

Number 0 is padding, whether or not it has a name.

Refuses, with the reason: characters or pieces of words in the place of words, numbers that are missing, double or
negative, words that are double, empty or have blanks in them, two directions that disagree.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tools.captioner.errors import TokenizerError
from tools.captioner.tokenizers.containers import NPY, decode_text, decode_western, read_content
from tools.captioner.tokenizers.directions import BY_NUMBER, require_agreement, require_same_words
from tools.captioner.tokenizers.numpy_values import InertArray, read_npy
from tools.captioner.tokenizers.pickled import InertTokenizer, PickleError, unpickle

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tokenizer", "read_tokenizer"]

_PADDING: Final = frozenset(
    {"", "pad", "<pad>", "[pad]", "_pad_", "<padding>", "padding", "<blank>", "<null>", "<zero>"}
)
_UNKNOWN: Final = "[UNK]"
# Under which names people keep them, beside other things; the first that is there is taken.
_NAMES: Final = (
    "tokenizer",
    "word_index",
    "word_to_index",
    "word_to_idx",
    "word_to_ix",
    "word2index",
    "word2idx",
    "word2id",
    "wordtoix",
    "wordtoidx",
    "stoi",
    "vocab",
    "vocabulary",
    *BY_NUMBER,
)
_KEPT: Final = (dict, list, tuple, InertTokenizer, InertArray)
_MAX_DEPTH: Final = 4
_MOST_BESIDE: Final = 3
_JSON: Final = ("{", "[", '"')
_ASK: Final = "give a mapping of words to numbers: json.dump(tokenizer.word_index, open('words.json', 'w'))"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The words in the order of their numbers, the first of which is 1, and what the tokenizer makes of others.

    `limit` is Keras's `num_words`: the tokenizer gave out no number as high. `unknown` is its `oov_token`. `assumed`
    says what the file left open, if anything.
    """

    words: tuple[str, ...]
    limit: int | None = None
    unknown: str | None = None
    assumed: str | None = None


def read_tokenizer(path: "Path") -> Tokenizer:
    """Read a tokenizer, of whichever kind the file holds. Raises TokenizerError."""
    content = read_content(path)
    try:
        text, assumed = _text(content)
        return replace(_tokenizer(_document(content, text)), assumed=assumed)
    except TokenizerError as error:
        raise TokenizerError(f"{path} {error}") from error
    except RecursionError as error:
        raise TokenizerError(f"{path} holds values in values, too deep for a tokenizer: {_ASK}") from error


def _text(content: bytes) -> tuple[str | None, str | None]:
    """Return the file's text, if it is one, and what was assumed of it."""
    text = decode_text(content)
    if text is not None or content.startswith(NPY):
        return text, None
    text = decode_western(content)
    if text is not None:
        return text, "its text is no Unicode, and was read as Latin-1 (Windows-1252)"
    if content.lstrip().startswith(tuple(start.encode() for start in _JSON)):
        raise TokenizerError(
            "looks like JSON, in neither UTF-8, UTF-16, UTF-32 nor, unmistakably, Latin-1: save it again with "
            "json.dump(..., open('words.json', 'w', encoding='utf-8'))"
        )
    return None, None


def _document(content: bytes, text: str | None) -> object:
    """Return what the file holds: of mappings, lists, texts, numbers, `InertTokenizer`s and `InertArray`s."""
    if content.startswith(NPY):
        return read_npy(content, unpickle)
    lines = [] if text is None else text.splitlines()
    # Padding is first, and its name may be empty; the next may be "[UNK]", which JSON could begin with.
    if len(lines) > 1 and _is_padding(lines[0]) and all(line.split() == [line] for line in lines[1:]):
        return lines
    if text is not None and text.lstrip().startswith(_JSON):
        return _parse_json(text)
    try:
        document = unpickle(content)
    except PickleError as error:
        raise TokenizerError(
            f"is neither JSON, nor a whole pickle ({error}), nor a text of one word per line, padding first: {_ASK}"
        ) from error
    return _parse_json(document) if isinstance(document, str) else document


def _parse_json(text: str) -> object:
    try:
        document: object = json.loads(text, object_pairs_hook=_members)
        # `json.dump(tokenizer.to_json())` wraps a text of JSON into JSON.
        return json.loads(document, object_pairs_hook=_members) if isinstance(document, str) else document
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"is not JSON: {error}") from error


def _members(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return the members of a JSON object; of a name that stands twice JSON's reader would drop one in silence."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise TokenizerError(f"says {name!r:.80} twice, with {found[name]!r:.40} and with {value!r:.40}")
        found[name] = value
    return found


def _tokenizer(document: object, depth: int = 0) -> Tokenizer:
    if depth > _MAX_DEPTH:
        raise TokenizerError(f"holds values in values, too deep for a tokenizer: {_ASK}")
    if isinstance(document, InertTokenizer):
        state = getattr(document, "state", None)
        if isinstance(state, dict):
            return _of_keras(state)
    elif isinstance(document, InertArray):
        return _tokenizer(document.content(), depth + 1)
    elif isinstance(document, dict):
        return _of_mapping(document, depth)
    elif isinstance(document, list | tuple) and document:
        if all(isinstance(entry, str) for entry in document):
            return _of_list([str(entry) for entry in document])
        # Such as (tokenizer, longest), or (word_to_index, index_to_word).
        inner = [entry for entry in document if isinstance(entry, _KEPT)]
        found = [_tokenizer(entry, depth + 1) for entry in inner[:_MOST_BESIDE]]
        require_same_words([one.words for one in found])
        # A Keras Tokenizer says more than the mapping beside it.
        said = {one for one in found if (one.limit, one.unknown) != (None, None)}
        if len(said) > 1:
            raise TokenizerError(f"holds Tokenizers that differ in num_words or oov_token: {_ASK}")
        if found:
            return said.pop() if said else found[0]
    raise TokenizerError(f"holds neither a Keras Tokenizer nor a mapping of words to numbers: {_ASK}")


def _of_mapping(document: Mapping[Any, object], depth: int) -> Tokenizer:
    match document:
        case {"class_name": "Tokenizer", "config": dict() as config}:
            return _of_keras(config)
        case {"model": {"type": str(kind), "vocab": vocabulary}}:
            if kind != "WordLevel":
                raise TokenizerError(
                    f"cuts words into pieces ({kind}): a caption decoder of words is what is supported"
                )
            return Tokenizer(_words(vocabulary))
        case {"word_index": dict() | str()}:
            return _of_keras(document)
    words = {word: text for word, text in document.items() if isinstance(text, str)}
    if words and len(words) == len(document):
        return Tokenizer(_words(_turned(words)))
    names = [name for name in _NAMES if isinstance(document.get(name), _KEPT)]
    if not names:
        return Tokenizer(_words(document))
    found = _tokenizer(document[names[0]], depth + 1)
    for name in names[1:]:
        if name in BY_NUMBER:
            require_agreement(found.words, names[0], document[name], name)
    return found


def _of_keras(state: Mapping[Any, object]) -> Tokenizer:
    if state.get("char_level"):
        raise TokenizerError("cuts captions into characters: a caption decoder of words is what is supported")
    limit, unknown = state.get("num_words"), state.get("oov_token")
    if not (limit is None or type(limit) is int) or not (unknown is None or isinstance(unknown, str)):
        raise TokenizerError("is damaged: num_words must be a whole number and oov_token a word")
    numbers, turned = (
        _parse_json(kept) if isinstance(kept, str) else kept
        for kept in (state.get("word_index"), state.get("index_word"))
    )
    words = _words(numbers)
    if turned:
        # Keras encodes captions by word_index alone; where that was cut, index_word may still have the rest.
        require_agreement(words, "word_index", turned, "index_word", more=True)
    return Tokenizer(words, limit, unknown)


def _of_list(entries: Sequence[str]) -> Tokenizer:
    first, *words = entries
    if not _is_padding(first):
        raise TokenizerError(
            f"is a list that begins with {first!r:.80}, and padding ('' or '<pad>') was looked for there, so that it "
            f"does not say whether it counts from 0 or from 1: {_ASK}"
        )
    if len(set(words)) < len(words):
        double = next(word for place, word in enumerate(words) if word in words[:place])
        raise TokenizerError(f"has the word {double!r:.80} twice")
    numbers = {word: number for number, word in enumerate(words, start=1)}
    unknown = _UNKNOWN if words[:1] == [_UNKNOWN] else None
    return Tokenizer(_words(numbers), unknown=unknown)


def _is_padding(word: str) -> bool:
    return word.strip().lower() in _PADDING


def _turned(words: Mapping[object, str]) -> dict[str, int]:
    """Return the numbers by the words, of words by number; JSON has the numbers as texts."""
    numbers: dict[str, int] = {}
    for number, word in words.items():
        if type(number) is not int and not (isinstance(number, str) and number.isdecimal()):
            raise TokenizerError(f"maps {number!r:.80} to {word!r:.80}, not a word to a number: {_ASK}")
        if word in numbers:
            raise TokenizerError(f"has the word {word!r:.80} twice, with the numbers {numbers[word]} and {number}")
        numbers[word] = int(number)
    return numbers


def _judge(word: str, number: int) -> None:
    if number < 0:
        raise TokenizerError(f"gives {word!r:.80} the number {number}, and numbers begin with 0")
    if number == 0:
        if not _is_padding(word):
            raise TokenizerError(
                f"gives {word!r:.80} the number 0, with which captions are padded: a captioner that says it cannot be "
                "converted; train with numbers from 1 on"
            )
    elif not word:
        raise TokenizerError(f"gives the number {number} to an empty word, which no caption could show")
    elif word.split() != [word]:
        raise TokenizerError(f"has the word {word!r:.80}, with blanks in it, so captions could not be told apart")


def _words(numbers: object) -> tuple[str, ...]:
    if not isinstance(numbers, dict) or not numbers:
        raise TokenizerError("has no words: word_index must map words to numbers, and is empty or no mapping")
    words: dict[int, str] = {}
    for word, number in numbers.items():
        if not isinstance(word, str) or type(number) is not int:
            raise TokenizerError(f"maps {word!r:.80} to {number!r:.80}, not a word to a number: {_ASK}")
        if number in words:
            raise TokenizerError(f"gives the number {number} to two words, {words[number]!r:.80} and {word!r:.80}")
        _judge(word, number)
        words[number] = str(word)
    highest = max(words)
    if absent := next((number for number in range(1, min(highest, len(words)) + 1) if number not in words), None):
        raise TokenizerError(
            f"has no word for the number {absent}, though its numbers go up to {highest}: its numbers have holes, and "
            "a decoder could say what has no word"
        )
    words.pop(0, None)
    if not words:
        raise TokenizerError("has no words beside padding")
    return tuple(words[number] for number in range(1, highest + 1))
