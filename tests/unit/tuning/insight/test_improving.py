"""Whether a mode has converged, and whether it is still improving."""

from dataclasses import replace

import pytest

from tests.unit.tuning.insight.conftest import Study
from tuning.insight.improving import Improvement, has_converged, judge_improvement
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation, recommend
from tuning.observations import Setting
from tuning.spaces import Mode
from tuning.study import ModeStudy


def of(mode: Mode, study: ModeStudy) -> Improvement:
    known = Knowledge.of(mode, study)
    assert known is not None
    return judge_improvement(known, recommend(known))


def recommended(expected_improvement: float) -> Recommendation:
    return Recommendation("structure", Setting("leonardo", ()), 4.0, 0.2, (3.7, 4.3), True, expected_improvement)


@pytest.mark.parametrize(
    ("ratings", "expected", "converged"),
    [(0, None, False), (5, None, False), (20, 0.05, False), (20, 0.049, True), (49, 0.3, False), (50, 0.3, True)],
)
def test_a_mode_has_converged_by_its_budget_or_by_what_is_expected(
    ratings: int, expected: float | None, converged: bool
) -> None:
    assert has_converged(ratings, None if expected is None else recommended(expected)) is converged


def test_a_young_study_is_improving(mode: Mode, study: Study) -> None:
    assert of(mode, study(10)) == Improvement(True)


def test_ratings_that_found_something_better_are_an_improvement(mode: Mode, study: Study) -> None:
    dull, found = study(20, lambda _: 2.5), study(12, lambda _: 2.5, seed=2)
    best = [replace(one, setting=dull.observations[0].setting, rating=4.5) for one in found.observations]
    judged = of(mode, replace(dull, observations=(*dull.observations, *best)))

    assert judged.since == 20
    assert judged.gained is not None
    assert judged.gained > 0.5
    assert judged.improving


def test_ratings_that_changed_nothing_are_none(mode: Mode, study: Study) -> None:
    known = study(40)
    again = known.observations[:15]
    judged = of(mode, replace(known, observations=(*known.observations, *again)))

    assert judged.since == 40
    assert judged.gained == pytest.approx(0.0, abs=0.05)
    assert judged.expected_then is not None
    assert not judged.improving


def test_where_nothing_is_expected_nothing_improves(mode: Mode, study: Study) -> None:
    known = Knowledge.of(mode, study(10))
    assert known is not None
    assert not judge_improvement(known, recommended(0.01)).improving


@pytest.mark.parametrize(("ratings", "since"), [(16, None), (19, None), (20, 10), (29, 10), (30, 20), (57, 40)])
def test_it_looks_back_ten_to_nineteen_ratings(ratings: int, since: int | None, mode: Mode, study: Study) -> None:
    assert of(mode, study(ratings)).since == since
