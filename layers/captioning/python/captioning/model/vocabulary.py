"""The vocabulary: the words of the decoder's tokens, and how words become a sentence.

This module refuses a vocabulary that no decoder can have been trained on: repeated or blank words, missing marks.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioning.errors import BundleError

PADDING = 0

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

    def barred(self) -> NDArray[np.bool_]:
        """Mark the tokens that are not part of a caption, bool [V]: padding, start and unknown."""
        marks = np.zeros(len(self.words), np.bool_)
        marks[[PADDING, self.start, *([] if self.unknown is None else [self.unknown])]] = True
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
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(file, f"not JSON: {error}") from error
    if not isinstance(document, dict) or set(document) != {"words", "start", "end", "unknown"}:
        raise BundleError(file, "must be an object with the keys words, start, end and unknown")
    words = document["words"]
    if not isinstance(words, list) or not all(isinstance(word, str) and word.split() == [word] for word in words):
        raise BundleError(file, "words must be a list of words, each without blanks")
    tokens = {word: token for token, word in enumerate(words)}
    if len(tokens) != len(words):
        repeated = next(word for token, word in enumerate(words) if tokens[word] != token)
        raise BundleError(file, f"the word {repeated!r} occurs twice")
    start, end = (_mark(document[name], name, tokens, file=file) for name in ("start", "end"))
    unknown = None if document["unknown"] is None else _mark(document["unknown"], "unknown", tokens, file=file)
    if start == end or unknown in {start, end}:
        raise BundleError(file, "start, end and unknown must be different words")
    if len(words) <= len({PADDING, start, end, unknown} - {None}):
        raise BundleError(file, "there is no word beside the marks")
    return Vocabulary(tuple(words), start, end, unknown)


def _mark(mark: object, name: str, tokens: Mapping[str, int], *, file: str) -> int:
    token = tokens.get(mark, PADDING) if isinstance(mark, str) else PADDING
    if token == PADDING:
        raise BundleError(file, f"{name} must be one of the words, and not the first, which is padding: {mark!r}")
    return token
