"""Whether a confidence can be believed: who is as good as people, and how far it is from what comes true."""

import numpy as np
import pytest

from tools.captioner.cider import Cider
from tools.captioner.errors import DatasetError
from tools.captioner.trust import area_under_curve, as_good_as_people, bins_of, judge_trust, typical_score


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


REFERENCES = [
    words("a dog runs on grass", "a brown dog runs fast", "the dog is on the grass"),
    words("a cat sleeps on a mat", "the cat sleeps", "a cat lies on a red mat"),
    words("two men play a guitar", "a man plays", "musicians on a stage"),
]


def test_people_are_judged_against_the_others_of_their_picture_only() -> None:
    cider = Cider(REFERENCES)
    scores = cider.score_references()
    by_hand = []
    for picture, said in enumerate(REFERENCES):
        for place, caption in enumerate(said):
            # All references are weighted by the whole corpus: the mean over all three, less what it has of itself.
            with_itself = 3 * cider.score(picture, caption)
            alone = Cider.__new__(Cider)
            alone.__dict__.update(cider.__dict__)
            alone._vectors = [[[order[place]] for order in cider._vectors[picture]]]
            alone._lengths = [[len(caption)]]
            by_hand.append((with_itself - alone.score(0, caption)) / 2)
    np.testing.assert_allclose(scores, by_hand)
    assert typical_score(REFERENCES) == pytest.approx(np.median(by_hand))


def test_a_caption_is_as_good_as_a_persons_from_the_typical_score_on() -> None:
    captions = words("a brown dog runs on the grass", "a man in a ball", "a man plays a guitar")
    good = as_good_as_people(captions, REFERENCES)
    scores = [Cider(REFERENCES).score(picture, caption) for picture, caption in enumerate(captions)]
    assert good.tolist() == [score >= typical_score(REFERENCES) for score in scores]
    assert good[0]
    assert not good[1]


def test_a_picture_with_a_single_reference_says_nothing_of_people() -> None:
    with pytest.raises(DatasetError, match="two captions or more"):
        typical_score([words("a dog")])


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    confidences = [0.05, 0.05, 0.95, 0.95, 0.95, 0.95, 1.0, 0.55]
    came_true = np.array([False, True, True, True, True, False, True, True])
    # .05 against 1/2, .96 against 4/5, .55 against 1.
    assert [one.captions for one in bins_of(confidences, came_true)] == [2, 1, 5]
    error = (2 * 0.45 + 1 * 0.45 + 5 * 0.16) / 8
    assert judge_trust(confidences, came_true).calibration_error == pytest.approx(error)
    assert judge_trust(confidences, came_true).as_good == 6 / 8


def test_what_comes_true_as_often_as_it_says_has_no_error() -> None:
    confidences = [0.25] * 4 + [0.75] * 4
    came_true = np.array([True, False, False, False, True, True, True, False])
    assert judge_trust(confidences, came_true).calibration_error == pytest.approx(0)


def test_the_area_is_the_chance_that_the_good_one_has_the_higher_confidence() -> None:
    came_true = np.array([True, True, False, False])
    assert area_under_curve([0.9, 0.8, 0.2, 0.1], came_true) == 1
    assert area_under_curve([0.1, 0.2, 0.8, 0.9], came_true) == 0
    assert area_under_curve([0.5, 0.5, 0.5, 0.5], came_true) == 0.5
    assert area_under_curve([0.9, 0.3, 0.5, 0.3], came_true) == (1 + 1 + 0 + 0.5) / 4
    assert area_under_curve([0.9, 0.3], np.array([True, True])) is None
