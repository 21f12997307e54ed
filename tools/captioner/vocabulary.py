"""Words: how a caption becomes tokens, and which tokens the decoder may say.

Words are lower case, without punctuation, not stemmed. Training and scores use the same words, so that a score never
depends on a comma.
"""

import json
import string
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.model.vocabulary import PADDING, Vocabulary
from tools.captioner.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["END", "PADDING", "START", "UNKNOWN", "build_vocabulary", "encode_caption", "to_json", "tokenize"]

START: Final = 1
END: Final = 2
UNKNOWN: Final = 3
_MARKS: Final = ("<pad>", "<start>", "<end>", "<unk>")
_TO_WORDS: Final = str.maketrans({**dict.fromkeys(string.punctuation, ""), "-": " "})


def tokenize(caption: str) -> tuple[str, ...]:
    """Split a caption into lower-case words: punctuation deleted, hyphens split, single letters other than "a" dropped.

    The single letters are what Flickr8k's spaced apostrophes ("the dog 's ball") leave behind.
    """
    words = caption.lower().translate(_TO_WORDS).split()
    return tuple(word for word in words if len(word) > 1 or word == "a" or word.isdigit())


def build_vocabulary(captions: "Iterable[Sequence[str]]", min_count: int) -> Vocabulary:
    """Keep the words said at least `min_count` times, most frequent first, ties in alphabetical order.

    Raises DatasetError when no word is left.
    """
    counts = Counter(word for caption in captions for word in caption)
    kept = sorted(
        (word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word)
    )
    if not kept:
        raise DatasetError(f"no word of the training captions is said {min_count} times or more")
    return Vocabulary((*_MARKS, *kept), START, END, UNKNOWN)


def encode_caption(caption: "Iterable[str]", vocabulary: Vocabulary) -> "NDArray[np.int32]":
    """Return a caption's tokens between the two marks, int32 [words + 2]; a cut word becomes the unknown mark."""
    tokens = {word: token for token, word in enumerate(vocabulary.words)}
    return np.array([START, *(tokens.get(word, UNKNOWN) for word in caption), END], dtype=np.int32)


def to_json(vocabulary: Vocabulary) -> str:
    """Write the bundle's `vocabulary.json`; what has no topics is written as before there were any."""
    words = vocabulary.words
    unknown = None if vocabulary.unknown is None else words[vocabulary.unknown]
    marks = {"start": words[vocabulary.start], "end": words[vocabulary.end], "unknown": unknown}
    document: dict[str, object] = {"words": words, **marks}
    if vocabulary.topics:
        document["topics"] = [" ".join(words[token] for token in topic) for topic in vocabulary.topics]
        document["rarities"] = [topic.rarity for topic in vocabulary.topics.values()]
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
