"""What is known of each rater."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.tuning.insight.conftest import Study
from tuning.insight.knowledge import Knowledge
from tuning.insight.people import RaterProfile, profiles
from tuning.model.raters.judging import MAX_LEARNED
from tuning.observations import Observation
from tuning.spaces import Mode
from tuning.study import ModeStudy


def of(mode: Mode, study: ModeStudy) -> dict[str, RaterProfile]:
    known = Knowledge.of(mode, study)
    assert known is not None
    return {one.rater: one for one in profiles(known)}


def told(study: ModeStudy, observations: Sequence[Observation]) -> ModeStudy:
    return replace(study, observations=tuple(observations))


def test_where_nobody_is_named_there_are_no_raters(mode: Mode, study: Study) -> None:
    assert of(mode, study(20)) == {}


def test_pictures_alone_make_no_raters(mode: Mode, study: Study) -> None:
    known = study(20)
    assert of(mode, told(known, [replace(one, picture="p") for one in known.observations])) == {}


def test_who_rates_a_point_lower_than_all_others_is_found_harsh(mode: Mode, study: Study) -> None:
    known = study(60, raters=3)
    harsh = [
        replace(one, rating=max(one.rating - 1, 1.0)) if one.rater == "rater 1" else one for one in known.observations
    ]
    found = of(mode, told(known, harsh))

    assert [one.ratings for one in found.values()] == [20, 20, 20]
    assert found["rater 1"].leniency < -0.35
    assert all(found[name].leniency > 0 for name in ("rater 0", "rater 2"))


def test_who_scatters_more_is_found_less_reliable(mode: Mode, study: Study) -> None:
    known, rng = study(90, raters=3), np.random.default_rng(3)
    noisy = [
        replace(one, rating=float(np.clip(one.rating + rng.normal(0, 1), 1, 5))) if one.rater == "rater 2" else one
        for one in known.observations
    ]
    found = of(mode, told(known, noisy))

    assert found["rater 2"].reliability > 1.3 * max(found["rater 0"].reliability, found["rater 1"].reliability)


def test_deviations_are_the_priors_at_first_and_fall_with_ratings(mode: Mode, study: Study) -> None:
    few, many = of(mode, study(8, raters=2))["rater 0"], of(mode, study(80, raters=2))["rater 0"]

    for name in ("leniency_deviation", "slope_deviation", "reliability_deviation"):
        assert 0.0 < getattr(many, name) < getattr(few, name)
    assert few.slope_deviation <= 0.14 + 1e-9
    # Of a reliability it is a share, which is that of the prior's sixteen ratings and the rater's own.
    assert few.reliability_deviation / few.reliability == pytest.approx((2 * (16 + 4)) ** -0.5)
    assert many.reliability_deviation / many.reliability == pytest.approx((2 * (16 + 40)) ** -0.5)


@pytest.mark.parametrize("ratings", [120, 160])
def test_a_reliability_rests_on_no_more_settings_than_habits_are_learned_of(
    ratings: int, mode: Mode, study: Study
) -> None:
    found = of(mode, study(ratings, raters=2))["rater 0"]

    # Each of the two rated half of these settings.
    assert found.ratings == ratings / 2
    assert found.reliability_deviation / found.reliability == pytest.approx((2 * (16 + MAX_LEARNED / 2)) ** -0.5)


def test_those_who_rated_most_come_first_and_a_single_rating_is_told_with_its_doubt(mode: Mode, study: Study) -> None:
    known = study(21, raters=2)
    guest = replace(known.observations[0], rater="guest", rating=5.0)
    found = of(mode, told(known, (*known.observations, guest)))

    assert [(one.rater, one.ratings) for one in found.values()] == [("rater 0", 11), ("rater 1", 10), ("guest", 1)]
    assert found["guest"].leniency_deviation > found["rater 0"].leniency_deviation


@pytest.mark.parametrize("rating", [3.0, 5.0])
def test_one_who_always_says_the_same_is_described_in_numbers(rating: float, mode: Mode, study: Study) -> None:
    known = study(30, raters=1)
    found = of(mode, told(known, [replace(one, rating=rating) for one in known.observations]))["rater 0"]

    numbers = [found.leniency, found.leniency_deviation, found.slope, found.slope_deviation]
    assert np.isfinite([*numbers, found.reliability, found.reliability_deviation]).all()
