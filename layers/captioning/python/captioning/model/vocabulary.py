"""The vocabulary: the words of the decoder's tokens, how words become a sentence, and topics made of them.

This module refuses a vocabulary that no decoder can have been trained on: repeated or blank words, missing marks,
topics of words that it does not have.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from captioning.errors import BundleError
from captioning.model.topics import Topic, Topics
from storage.documents import DocumentError, Node, parse, quote

PADDING = 0

_WORD = re.compile(r"\S+")
_TOPIC = re.compile(r"\S+( \S+)?")
# The squares of rarities, and sums of them, are numbers far within those of a float.
_RARITIES = 1e-6, 1e6
# What is nothing but a name of padding, which tokenizers may have at a number of its own; "pad" is also a word.
_PADDINGS = frozenset({"<pad>", "[pad]", "<padding>", "_pad_"})

# A clitic or a closing mark joins the word before it; an opening bracket joins the word after it.
_JOINS_LEFT = re.compile(r" (?=(?:'\w|n't\b|[.,;:!?%)\]]))")
_JOINS_RIGHT = re.compile(r"(?<=[(\[]) ")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words by token, and the tokens of the marks. Token 0 is padding; `unknown` is None without such a mark.

    `topics` are in the order of the decoder's output of that name; without one, there are none.
    """

    words: tuple[str, ...]
    start: int
    end: int
    unknown: int | None
    topics: Topics = field(default_factory=dict)

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
    `unknown` among them or null. There must be at least one word beside these marks. It may have `topics`, each of them
    one or two of the words with a blank between them, and then `rarities`, a number from 1e-6 to 1e6 for each.

    Raises:
        BundleError: it is not of this form; the message names `file`.
    """
    try:
        return _vocabulary(parse(content).members({"words", "start", "end", "unknown"}, {"topics", "rarities"}))
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
    topics = _topics(document, tokens)
    vocabulary = Vocabulary(tuple(words), marks[1], marks[2], marks[3] if unknown.value is not None else None, topics)
    if len(words) == len({*marks, *vocabulary.paddings()}):
        document["words"].refuse("must have a word beside the marks")
    return vocabulary


def _topics(document: Mapping[str, Node], tokens: Mapping[str, int]) -> Topics:
    if not document.keys() & {"topics", "rarities"}:
        return {}
    for name, other in (("topics", "rarities"), ("rarities", "topics")):
        if name not in document:
            document[other].refuse(f"needs {name} beside it")
    listed = document["topics"].entries()
    topics: dict[tuple[int, ...], Topic] = {}
    for place, (topic, rarity) in enumerate(zip(listed, document["rarities"].entries(len(listed)), strict=True)):
        said = topic.text(_TOPIC).split(" ")
        if missing := [word for word in said if word not in tokens]:
            topic.refuse(f"must be made of the words, and {quote(missing[0])} is none of them")
        spelled = tuple(tokens[word] for word in said)
        if spelled in topics:
            topic.refuse(f"must be a topic of its own: {quote(topic.value)} occurs twice")
        topics[spelled] = Topic(place, rarity.number(*_RARITIES))
    return topics


def _mark(node: Node, tokens: Mapping[str, int]) -> int:
    token = tokens.get(node.text(), PADDING)
    if token == PADDING:
        node.refuse(f"must be one of the words, and not the first, which is padding: {quote(node.value)}")
    return token
