"""The rules by which a caption has a verb, and is put together as people put words together."""

import pytest

from tools.captioner.grammar import NOUNS_IN_ING, VERBS, has_verb, is_misplaced, is_verb, unseen_sequences


@pytest.mark.parametrize(
    ("caption", "verb"),
    [
        ("a dog runs through the grass", True),
        ("two dogs are in the snow", True),
        ("a man standing on a rock", True),
        ("people play", True),
        ("a man in a ball", False),
        ("a man in front of a building", False),
        ("a painting on a ceiling during the evening", False),
        ("the king of the ring", False),
        ("waves and flies", False),
        ("", False),
    ],
)
def test_a_verb_is_a_listed_form_or_a_word_in_ing_that_is_no_noun(caption: str, verb: bool) -> None:
    assert has_verb(caption.split()) is verb


def test_no_word_is_a_verb_and_none() -> None:
    assert not VERBS & NOUNS_IN_ING
    assert not any(map(is_verb, NOUNS_IN_ING))


def test_triples_that_no_reference_has_are_counted_caption_by_caption() -> None:
    references = [said.split() for said in ("a man throws a ball", "a boy in a red hat")]
    captions = [said.split() for said in ("a man throws a ball", "a man in a ball", "a boy in a red ball", "a boy")]
    # "a man in", "man in a", "in a ball"; "a red ball"; nothing so short has triples.
    assert unseen_sequences(captions, references) == [0, 3, 1, 0]


@pytest.mark.parametrize(
    ("caption", "misplaced"),
    [
        ("a man in a ball", True),
        ("a little girl in a red toy", True),
        ("a boy in a skateboard on the street", True),
        ("a boy in a toy car", False),
        ("a girl plays in a ball pit", False),
        ("a man with a ball", False),
        ("a man in a very large red ball", False),
        ("a dog in a", False),
        ("ball", False),
    ],
)
def test_nobody_is_in_a_ball_but_perhaps_in_what_it_describes(caption: str, misplaced: bool) -> None:
    assert is_misplaced(caption.split()) is misplaced
