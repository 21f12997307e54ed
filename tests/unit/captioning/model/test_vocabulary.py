"""Vocabularies: read strictly, and turned into sentences that a person would write."""

import json

import pytest

from captioning.errors import BundleError
from captioning.model.vocabulary import Vocabulary, parse_vocabulary

WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "dog", "'s"]
GOOD = {"words": WORDS, "start": "<start>", "end": "<end>", "unknown": "<unk>"}


def parsed(**changes: object) -> Vocabulary:
    return parse_vocabulary(json.dumps(GOOD | changes).encode(), file="vocabulary.json")


def test_a_words_place_is_its_token() -> None:
    vocabulary = parsed()
    assert vocabulary == Vocabulary(tuple(WORDS), start=1, end=2, unknown=3)
    assert vocabulary.barred().tolist() == [True, True, False, True, False, False, False]


def test_a_vocabulary_may_have_no_word_for_the_unknown() -> None:
    vocabulary = parsed(unknown=None)
    assert vocabulary.unknown is None
    assert vocabulary.barred().tolist() == [True, True, False, False, False, False, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": "abc"}, "words must be a list, not 'abc'"),
        ({"words": [*WORDS, 7]}, "words[7] must be a text, not 7"),
        ({"words": [*WORDS, ""]}, "words[7] must match"),
        ({"words": [*WORDS, "two words"]}, "words[7] must match"),
        ({"words": [*WORDS, "line\n"]}, "words[7] must match"),
        ({"words": [*WORDS, "dog"]}, "'dog' occurs twice"),
        ({"words": []}, "start must be one of the words"),
        ({"words": WORDS[:4]}, "a word beside the marks"),
        ({"words": [*WORDS[:4], "[PAD]"]}, "a word beside the marks"),
        ({"start": "<go>"}, "start must be"),
        ({"start": "<pad>"}, "not the first, which is padding"),
        ({"start": None}, "start must be"),
        ({"end": 2}, "end must be"),
        ({"end": ["<end>"]}, "end must be"),
        ({"end": "<start>"}, "must be another word"),
        ({"unknown": "<end>"}, "must be another word"),
        ({"unknown": "<nowhere>"}, "unknown must be"),
        ({"comment": ""}, "comment is not known; the fields are end, start, unknown, words"),
    ],
)
def test_a_wrong_vocabulary_is_refused_with_its_fault(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=r"vocabulary\.json: ") as caught:
        parsed(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, json.dumps(WORDS).encode()])
def test_what_is_no_vocabulary_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"vocabulary\.json: "):
        parse_vocabulary(content, file="vocabulary.json")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("a dog runs through the grass", "a dog runs through the grass"),
        ("a dog 's ball", "a dog's ball"),
        ("the dogs ' ball", "the dogs ' ball"),
        ("it is n't wet", "it isn't wet"),
        ("a man , a dog and a child", "a man, a dog and a child"),
        ("a sign ( in red ) says 50 % off !", "a sign (in red) says 50% off!"),
        ("a dog runs .", "a dog runs"),
        ("nine t-shirts", "nine t-shirts"),
    ],
)
def test_words_become_a_sentence(words: str, sentence: str) -> None:
    tokens = words.split()
    vocabulary = Vocabulary(tuple(dict.fromkeys(tokens)), 0, 0, None)
    assert vocabulary.detokenise(vocabulary.words.index(word) for word in tokens) == sentence
