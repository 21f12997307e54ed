"""The vocabulary: the words of the decoder's tokens, and how words become a sentence.

This module refuses a vocabulary that no decoder can have been trained on: repeated or blank words, missing marks.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.errors import BundleError
from storage.documents import DocumentError, Node, parse, quote

PADDING = 0

_WORD = re.compile(r"\S+")
# What is nothing but a name of padding, which tokenizers may have at a number of its own; "pad" is also a word.
_PADDINGS = frozenset({"<pad>", "[pad]", "<padding>", "_pad_"})

# A clitic or a closing mark joins the word before it; an opening bracket joins the word after it.
_JOINS_LEFT = re.compile(r" (?=(?:'\w|n't\b|[.,;:!?%)\]]))")
_JOINS_RIGHT = re.compile(r"(?<=[(\[]) ")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words by token, and the tokens of the marks. Token 0 is padding; `unknown` is None without such a mark."""

    words: tuple[str, ...]
    start: int
    end: int
    unknown: int | None

    def paddings(self) -> list[int]:
        """Return the tokens beside 0 whose words are nothing but names of padding, such as "<pad>"."""
        marks = {PADDING, self.start, self.end}
        return [token for token, word in enumerate(self.words) if word.lower() in _PADDINGS and token not in marks]

    def barred(self) -> NDArray[np.bool_]:
        """Mark the tokens that are not part of a caption, bool [V]: padding by any name, start and unknown."""
        marks = np.zeros(len(self.words), np.bool_)
        marks[[PADDING, self.start, *self.paddings(), *([] if self.unknown is None else [self.unknown])]] = True
        return marks

    def detokenise(self, tokens: Iterable[int]) -> str:
        """Write the words as a sentence in the vocabulary's own case, without a final full stop.

        "dog", "'s", "ball" becomes "dog's ball".

        Raises:
            IndexError: a token is outside the vocabulary.
        """
        sentence = " ".join(self.words[token] for token in tokens)
        sentence = _JOINS_RIGHT.sub("", _JOINS_LEFT.sub("", sentence))
        return sentence.rstrip(" .")


def parse_vocabulary(content: bytes, *, file: str) -> Vocabulary:
    """Read a bundle's `vocabulary.json`.

    It is a JSON object with `words` (unique, without blanks, padding first), `start` and `end` among them, and
    `unknown` among them or null. There must be at least one word beside these marks.

    Raises:
        BundleError: it is not of this form; the message names `file`.
    """
    try:
        return _vocabulary(parse(content).members({"words", "start", "end", "unknown"}))
    except DocumentError as error:
        raise BundleError(file, str(error)) from error


def _vocabulary(document: Mapping[str, Node]) -> Vocabulary:
    listed = document["words"].entries()
    words = [word.text(_WORD) for word in listed]
    tokens = {word: token for token, word in enumerate(words)}
    for token, word in enumerate(words):
        if tokens[word] != token:
            listed[token].refuse(f"must be a word of its own: {quote(word)} occurs twice")
    start, end, unknown = document["start"], document["end"], document["unknown"]
    marks = [PADDING, _mark(start, tokens), _mark(end, tokens)]
    if unknown.value is not None:
        marks.append(_mark(unknown, tokens))
    if len(set(marks)) < len(marks):
        end.refuse("must be another word than start, and unknown another than both")
    vocabulary = Vocabulary(tuple(words), marks[1], marks[2], marks[3] if unknown.value is not None else None)
    if len(words) == len({*marks, *vocabulary.paddings()}):
        document["words"].refuse("must have a word beside the marks")
    return vocabulary


def _mark(node: Node, tokens: Mapping[str, int]) -> int:
    token = tokens.get(node.text(), PADDING)
    if token == PADDING:
        node.refuse(f"must be one of the words, and not the first, which is padding: {quote(node.value)}")
    return token
