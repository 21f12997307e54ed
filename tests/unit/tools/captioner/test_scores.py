"""Scores of captions: BLEU as sacreBLEU has it, CIDEr-D over the set, loops as people see them."""

import pytest

from tools.captioner.cider import Cider
from tools.captioner.errors import DatasetError
from tools.captioner.scores import count_loops, count_repeated_bigrams, score_captions


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


@pytest.mark.parametrize(
    ("caption", "loops"),
    [
        ("a large large dog", True),
        ("a dog a dog runs", True),
        ("in the in the water", True),
        ("a man in a red hat and a woman in a blue hat", False),
        ("a dog", False),
        ("dog", False),
        ("", False),
    ],
)
def test_a_loop_is_a_word_or_a_pair_that_directly_follows_itself(caption: str, loops: bool) -> None:
    assert count_loops(words(caption)) == loops


def test_a_pair_of_words_said_twice_anywhere_is_counted_once_a_caption() -> None:
    assert count_repeated_bigrams(words("in a hat in a coat in a car", "in a hat in the car", "a")) == 1


def test_captions_without_references_are_refused() -> None:
    with pytest.raises(DatasetError, match="do not pair"):
        score_captions(words("a dog"), [])
    with pytest.raises(DatasetError, match="do not pair"):
        score_captions(words("a dog", "a cat"), [words("a dog"), []])
    with pytest.raises(DatasetError, match="do not pair"):
        score_captions([], [])


def test_bleu_counts_each_pictures_own_references_of_which_there_may_be_any_number() -> None:
    captions = words("a black dog runs", "a cat sleeps on a mat")
    references = [words("a dog runs fast", "the black dog runs"), words("a cat is on a mat")]
    scores = score_captions(captions, references)
    # By hand: 9 of 10 words; of the pairs "black dog", "dog runs" / "a cat", "on a", "a mat": 5 of 8; of the triples
    # "black dog runs" / "on a mat": 2 of 6; of the quadruples none. The lengths are those of the references.
    assert scores.bleu[0] == pytest.approx(9 / 10)
    assert scores.bleu[1] == pytest.approx((9 / 10 * 5 / 8) ** (1 / 2))
    assert scores.bleu[2] == pytest.approx((9 / 10 * 5 / 8 * 2 / 6) ** (1 / 3))
    assert scores.bleu[3] == 0
    assert scores.words == 5
    assert scores.cider == pytest.approx(
        (Cider(references).score(0, captions[0]) + Cider(references).score(1, captions[1])) / 2
    )


def test_bleu_punishes_brevity() -> None:
    (score, *_) = score_captions(words("a dog"), [words("a dog runs fast")]).bleu
    assert score == pytest.approx(2.718281828 ** (1 - 4 / 2))
