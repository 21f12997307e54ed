"""What captions are worth: CIDEr-D by hand, and the slope of the corpus BLEU by sacreBLEU."""

import math

import numpy as np
import pytest

from tools.captioner.cider import Cider
from tools.captioner.rewards import Rewards
from tools.captioner.scores import score_captions


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


REFERENCES = [words("a b c d"), words("e f g h")]


@pytest.mark.parametrize(
    ("caption", "score"),
    [
        ("a b c d", 10.0),
        ("e f g h", 0.0),
        # Half of the words, a third of the pairs, nothing longer.
        ("a b x y", 10 * (1 / 2 + 1 / 3) / 4),
        # Four times the one word: clipped to once, over its full length.
        ("a a a a", 10 * (1 / 4) / 2 / 4),
        # One word too long: cosines of 4 to 1 matches in vectors of 4 to 1 and 5 to 2 equal weights.
        (
            "a b c d x",
            10 * sum(n / math.sqrt(n * (n + 1)) for n in (4, 3, 2, 1)) / 4 * math.exp(-1 / 72),
        ),
        ("", 0.0),
    ],
)
def test_cider_is_what_the_paper_says(caption: str, score: float) -> None:
    assert Cider(REFERENCES).score(0, caption.split()) == pytest.approx(score)


def test_what_people_say_of_every_picture_counts_for_nothing() -> None:
    cider = Cider([words("a dog"), words("a cat")])
    assert cider.score(0, ["a"]) == 0
    assert cider.score(0, ["dog"]) > 0


def test_a_picture_with_several_references_scores_their_mean() -> None:
    cider = Cider([words("a b c d", "i j k l"), words("e f g h")])
    assert cider.score(0, ["a", "b", "c", "d"]) == pytest.approx(5.0)


CAPTIONS = words("a dog runs on the grass", "the cat sleeps", "a man in a red hat is on the street", "a b")
SAID = [
    words("a dog runs over the grass", "the brown dog runs on the grass"),
    words("the cat sleeps on a mat", "a cat is asleep"),
    words("a man in a red hat walks", "a man is on the street"),
    words("the boy jumps", "a b c d e"),
]


@pytest.mark.parametrize("short", [False, True], ids=["long enough", "too short"])
def test_a_caption_is_worth_what_one_more_of_it_does_to_the_bleu_of_the_corpus(short: bool) -> None:
    captions = CAPTIONS if not short else [caption[:5] for caption in CAPTIONS]
    copies = 100
    worth = Rewards(SAID, cider_weight=0.0).weigh(range(4), captions)

    def log_bleu(more: list[int]) -> float:
        rows = [*range(4), *more]
        corpus = [captions[row] for row in range(4)] * (copies - 1) + [captions[row] for row in rows]
        references = SAID * (copies - 1) + [SAID[row] for row in rows]
        return math.log(score_captions(corpus, references).bleu[3])

    before = log_bleu([])
    for row in range(4):
        assert (log_bleu([row]) - before) * copies * 4 == pytest.approx(worth[row], abs=0.1)


def test_cider_is_added_by_its_weight() -> None:
    plain, both = (Rewards(SAID, cider_weight=weight).weigh(range(4), CAPTIONS) for weight in (0.0, 0.5))
    cider = Cider(SAID)
    np.testing.assert_allclose(both - plain, [0.5 * cider.score(row, said) for row, said in enumerate(CAPTIONS)])


def test_the_corpus_is_what_was_said_of_late() -> None:
    rewards = Rewards(SAID, cider_weight=0.0)
    assert rewards.bleu == 0
    rewards.weigh(range(4), CAPTIONS)
    early = rewards.bleu
    assert early == pytest.approx(score_captions(CAPTIONS, SAID).bleu[3])
    perfect = [said[0] for said in SAID]
    for _ in range(60):
        rewards.weigh(range(4), perfect)
    assert rewards.bleu == pytest.approx(score_captions(perfect, SAID).bleu[3], abs=5e-3)


def test_captions_in_which_nothing_matches_are_worth_something_finite() -> None:
    assert np.isfinite(Rewards(SAID, 0.3).weigh([0, 1], [["x"], ["y", "z"]])).all()


def test_what_is_no_sentence_costs_its_faults() -> None:
    plain = Rewards(SAID, cider_weight=0.0).weigh([0, 0, 3], captions := words("a dog runs", "a dog on a dog", "a b c"))
    strict = Rewards(SAID, cider_weight=0.0, grammar_weight=0.4, spell=lambda said: [str(word) for word in said])
    # Of "a dog on a dog" no triple was said, nor is it how anybody ends, nor has it a verb; "a b c" only lacks one.
    assert [strict.count_faults(caption) for caption in captions] == [1, 5, 2]
    np.testing.assert_allclose(plain - strict.weigh([0, 0, 3], captions), [0.4, 2.0, 0.8])
    assert Rewards(SAID, cider_weight=0.0, grammar_weight=0.4).count_faults(("a", "b", "c")) == 1
    # Said by somebody, and yet nobody is in a ball.
    (inside,) = words("a dog is in a ball")
    assert (
        Rewards(
            [[inside]], cider_weight=0.0, grammar_weight=0.4, spell=lambda said: [str(word) for word in said]
        ).count_faults(inside)
        == 1
    )
