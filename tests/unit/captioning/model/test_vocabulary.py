"""Vocabularies: read strictly, and turned into sentences that a person would write."""

import json

import pytest

from captioning.errors import BundleError
from captioning.model.topics import Topic
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
        ({"topics": ["a"]}, "topics needs rarities beside it"),
        ({"rarities": [1.0]}, "rarities needs topics beside it"),
        ({"topics": "a", "rarities": [1.0]}, "topics must be a list"),
        ({"topics": ["a", "dog"], "rarities": [1.0]}, "rarities must have 2 entries, not 1"),
        ({"topics": ["a", 7], "rarities": [1.0, 1.0]}, "topics[1] must be a text, not 7"),
        ({"topics": ["a dog a"], "rarities": [1.0]}, "topics[0] must match"),
        ({"topics": ["a "], "rarities": [1.0]}, "topics[0] must match"),
        ({"topics": [""], "rarities": [1.0]}, "topics[0] must match"),
        ({"topics": ["a cat"], "rarities": [1.0]}, "topics[0] must be made of the words, and 'cat' is none of them"),
        ({"topics": ["a dog", "a dog"], "rarities": [1.0, 1.0]}, "'a dog' occurs twice"),
        *(({"topics": ["a"], "rarities": [wrong]}, "rarities[0] must be a number") for wrong in ("1", None, True)),
        *(
            ({"topics": ["a"], "rarities": [wrong]}, "rarities[0] must lie within 1e-06 to 1e+06")
            for wrong in (0, -1.0, 1e-320, 9e-7, 1.1e6, 1e160, 1e308)
        ),
        *(
            ({"topics": ["a"], "rarities": [wrong]}, "rarities[0] must be a finite number")
            for wrong in (float("nan"), float("inf"), 10**400)
        ),
        ({"comment": ""}, "comment is not known; the fields are end, rarities, start, topics, unknown, words"),
    ],
)
def test_a_wrong_vocabulary_is_refused_with_its_fault(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=r"vocabulary\.json: ") as caught:
        parsed(**changes)
    assert message in str(caught.value)


def test_topics_are_words_and_pairs_of_words_in_the_order_of_their_shares() -> None:
    vocabulary = parsed(topics=["dog", "a dog"], rarities=[2, 0.5])
    assert dict(vocabulary.topics) == {(5,): Topic(0, 2.0), (4, 5): Topic(1, 0.5)}
    assert list(vocabulary.topics) == [(5,), (4, 5)]
    assert parsed(topics=[], rarities=[]).topics == parsed().topics == {}


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
