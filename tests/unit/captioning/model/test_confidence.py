"""Confidence as a probability: what a search tells of a caption, and what a bundle's calibration makes of it."""

from math import exp, log

import numpy as np
import pytest

from captioning.model.confidence import Calibration, Evidence, Factor, evidence_of
from captioning.model.decoding import Hypothesis

FIRST = Hypothesis((5, 6, 7), (log(0.5), log(0.25), log(0.5)), -1.0, ended=True)
SECOND = Hypothesis((5, 6), (log(0.5), log(0.25)), -2.0, ended=True)
THIRD = Hypothesis((8, 9), (log(0.1), log(0.1)), -3.0, ended=True)
FOUND = [FIRST, SECOND, THIRD]


def test_the_evidence_is_what_the_search_found() -> None:
    given = evidence_of(FOUND, 0)
    assert given[Evidence.MEAN] == pytest.approx(log(0.0625) / 3)
    assert given[Evidence.LOWEST] == pytest.approx(log(0.25))
    assert given[Evidence.WORDS] == pytest.approx(log(3))
    assert given[Evidence.LEAD] == pytest.approx(1.0)
    # Of the first's five words and pairs, the second has 5, 6 and (5, 6), which are all of its own; the third none.
    overlap = 2 * 3 / (5 + 3)
    assert given[Evidence.AGREEMENT] == pytest.approx(overlap / (1 + exp(-1)))


def test_a_caption_that_is_not_the_first_is_behind() -> None:
    assert evidence_of(FOUND, 1)[Evidence.LEAD] == pytest.approx(-1.0)
    assert evidence_of(FOUND, 2)[Evidence.AGREEMENT] == 0


def test_a_search_that_found_one_caption_has_no_lead_and_no_agreement() -> None:
    assert set(evidence_of([FIRST], 0)) == {Evidence.MEAN, Evidence.LOWEST, Evidence.WORDS}


def test_the_probability_is_logistic_and_missing_evidence_counts_as_the_mean() -> None:
    factors = {Evidence.WORDS: Factor(2.0, log(2)), Evidence.LEAD: Factor(0.5, 0.25)}
    calibration = Calibration(-1.0, factors, 0.4)
    logit = -1.0 + 2.0 * (log(3) - log(2)) + 0.5 * (1.0 - 0.25)
    assert calibration.probability(FOUND, 0) == pytest.approx(1 / (1 + exp(-logit)))
    alone = -1.0 + 2.0 * (log(3) - log(2))
    assert calibration.probability([FIRST], 0) == pytest.approx(1 / (1 + exp(-alone)))


def test_the_pictures_features_are_evidence_where_the_calibration_weighs_them() -> None:
    factors = {Evidence.WORDS: Factor(2.0, log(2)), Evidence.PICTURE: Factor(3.0, 0.5)}
    calibration = Calibration(-1.0, factors, 0.4, (0.25, -0.5, 0.0))
    words = -1.0 + 2.0 * (log(3) - log(2))
    features = np.array([4.0, 1.0, 7.0], np.float32)
    with_them = words + 3.0 * (4.0 * 0.25 - 0.5 - 0.5)
    assert calibration.probability(FOUND, 0, features) == pytest.approx(1 / (1 + exp(-with_them)))
    assert calibration.probability(FOUND, 0) == pytest.approx(1 / (1 + exp(-words)))
    without = Calibration(-1.0, {Evidence.WORDS: Factor(2.0, log(2))}, 0.4)
    assert without.probability(FOUND, 0, features) == pytest.approx(1 / (1 + exp(-words)))


def test_more_of_what_speaks_for_a_caption_is_never_less_probable() -> None:
    calibration = Calibration(0.0, {Evidence.LEAD: Factor(1.5, 0.0)}, 0.5)
    leads = [calibration.probability([FIRST, Hypothesis((8,), (-1.0,), score, ended=True)], 0) for score in (-3, -2, 0)]
    assert leads == sorted(leads, reverse=True)
    assert len(set(leads)) == 3


@pytest.mark.parametrize("intercept", [-1e6, 1e6])
def test_no_evidence_makes_a_caption_certain_or_impossible(intercept: float) -> None:
    assert 0 < Calibration(intercept, {}, 0.5).probability(FOUND, 0) < 1
