"""Holds words by number to numbers by word, which files keep beside each other.

Refuses, by the first entry that is not the same in both: neither direction can be the one that the model was trained
with and the other a mistake without anyone knowing which.
"""

from collections.abc import Sequence
from typing import Final

from tools.captioner.errors import TokenizerError
from tools.captioner.tokenizers.numpy_values import InertArray

__all__ = ["BY_NUMBER", "require_agreement", "require_same_words"]

# Under which names words by number are kept.
BY_NUMBER: Final = ("index_word", "index_to_word", "idx_to_word", "idx2word", "ixtoword", "itos")
_WAY_OUT: Final = (
    "give the one that the model was trained with, alone: json.dump({word: int(number) ...}, open('words.json', 'w'))"
)


def require_agreement(words: Sequence[str], name: str, turned: object, other: str, *, more: bool = False) -> None:
    """Hold `turned`, words by number, to `words`, whose numbers begin with 1. Number 0, padding, may be in one alone.

    `name` and `other` are what the file calls the two. With `more`, `turned` may have words beside those.

    Raises:
        TokenizerError: an entry is not the same in both, or `turned` is no mapping of numbers to words.
    """
    numbers = {word: number for number, word in enumerate(words, start=1)}
    found = _by_number(turned, other)
    for number, word in sorted(found.items()):
        if number == 0 and word not in numbers:
            continue
        if 0 < number <= len(words) and words[number - 1] == word:
            continue
        if more and number > len(words) and word not in numbers:
            continue
        here = numbers.get(word)
        said = f"the number {here}" if here is not None else "none"
        raise TokenizerError(
            f"contradicts itself: {other} has {word!r:.80} by the number {number}, and {name} gives it {said}: "
            f"{_WAY_OUT}"
        )
    for number, word in enumerate(words, start=1):
        if number not in found:
            raise TokenizerError(
                f"contradicts itself: {name} gives {word!r:.80} the number {number}, by which {other} has no word: "
                f"{_WAY_OUT}"
            )


def require_same_words(vocabularies: Sequence[Sequence[str]]) -> None:
    """Hold vocabularies that stand beside each other to the first. Raises TokenizerError."""
    for other in vocabularies[1:]:
        first = vocabularies[0]
        for number in range(1, max(len(first), len(other)) + 1):
            one, two = (repr(words[number - 1])[:80] if number <= len(words) else "no word" for words in (first, other))
            if one != two:
                raise TokenizerError(
                    f"holds {len(vocabularies)} vocabularies that differ: the number {number} is {one} in one and "
                    f"{two} in another: {_WAY_OUT}"
                )


def _by_number(turned: object, name: str) -> dict[int, str]:
    if isinstance(turned, InertArray):
        turned = turned.content()
    if isinstance(turned, list | tuple):
        # Before the words, whatever stands at 0 is padding.
        turned = dict(enumerate(("" if place == 0 and entry is None else entry) for place, entry in enumerate(turned)))
    if not isinstance(turned, dict):
        raise TokenizerError(f"has {name} beside the words, which is no mapping of numbers to words: {_WAY_OUT}")
    found: dict[int, str] = {}
    for number, word in turned.items():
        if not (type(number) is int or (isinstance(number, str) and number.isdecimal())) or not isinstance(word, str):
            raise TokenizerError(f"maps {number!r:.80} to {word!r:.80} in {name}, not a number to a word: {_WAY_OUT}")
        found[int(number)] = word
    return found
