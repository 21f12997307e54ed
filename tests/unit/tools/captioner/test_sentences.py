"""What BLEU does not see of a set of captions."""

import pytest

from tools.captioner.sentences import is_misplaced, judge_sentences


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


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


def test_the_figures_are_those_of_captions_counted_by_hand() -> None:
    captions = words("a dog runs", "a dog runs", "a man in a ball", "a cat")
    references = [words("a dog runs", "a dog"), words("a dog"), words("a man throws a ball"), words("a cat sleeps")]
    judged = judge_sentences(captions, references, known=words("a dog runs", "a man in a hat"))
    assert judged.verbs == 2 / 4
    assert judged.reference_verbs == 3 / 5
    assert judged.foreign == 1 / 4  # "in a ball"
    assert judged.misplaced == 1
    assert judged.distinct == 3
    assert judged.repeated == 2 / 4
    assert judge_sentences(captions, references).foreign is None
