"""Gives the decoder's tokens their words, and finds the marks with which captions begin and end.

Refuses to guess: pairs of words that are nothing but marks go before the plain words "start" and "end", which captions
may contain; of two pairs, neither is taken. A tokenizer that does not fit the decoder is refused.
"""

from typing import TYPE_CHECKING, Final

from captioning.model.vocabulary import PADDING, Vocabulary
from tools.captioner.errors import TokenizerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.captioner.tokenizers.reading import Tokenizer

__all__ = ["MARKS", "PLAIN_MARKS", "choose_vocabulary"]

MARKS: Final = (
    ("startseq", "endseq"),
    ("<start>", "<end>"),
    ("<s>", "</s>"),
    ("<bos>", "<eos>"),
    ("<sos>", "<eos>"),
    ("[start]", "[end]"),
    ("[bos]", "[eos]"),
    ("[sos]", "[eos]"),
    ("<startseq>", "<endseq>"),
    ("<begin>", "<end>"),
)
PLAIN_MARKS: Final = (("start", "end"), ("bos", "eos"), ("sos", "eos"))
_GIVE: Final = "give the words that began and ended its captions with --start-word and --end-word"


def choose_vocabulary(
    tokenizer: "Tokenizer", tokens: int, start: str | None = None, end: str | None = None
) -> Vocabulary:
    """Give the decoder's `tokens` their words, padding at 0; the tokenizer's mark for unknown words is never said.

    Without `start` and `end`, the marks are the one pair of `MARKS` that the tokenizer has, in upper or lower case;
    else the one pair of `PLAIN_MARKS`. Raises TokenizerError.
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
    if len(numbers) <= len(words):
        double = next(word for number, word in enumerate(words, start=1) if numbers[word] != number)
        raise TokenizerError(f"the tokenizer has the word {double!r} twice")
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
    spellings: dict[str, list[str]] = {}
    for word in numbers:
        spellings.setdefault(word.lower(), []).append(word)
    for known in (MARKS, PLAIN_MARKS):
        pairs = [
            (first, last)
            for one, other in known
            for first in spellings.get(one, ())
            for last in spellings.get(other, ())
            if first.isupper() == last.isupper()
        ]
        if len(pairs) > 1:
            found = ", ".join(" and ".join(pair) for pair in pairs)
            raise TokenizerError(f"the tokenizer has several pairs that may be its marks, {found}: {_GIVE}")
        if pairs:
            return pairs[0]
    known_pairs = ", ".join(" and ".join(pair) for pair in (*MARKS, *PLAIN_MARKS))
    raise TokenizerError(f"the tokenizer has none of the marks {known_pairs}: {_GIVE}")
