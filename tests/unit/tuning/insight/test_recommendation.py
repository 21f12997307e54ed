"""The recommendation on the scale on which people rate."""

from dataclasses import replace

import pytest

from tests.unit.tuning.insight.conftest import Study
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation, recommend
from tuning.observations import Setting
from tuning.spaces import Mode
from tuning.study import ModeStudy


def of(mode: Mode, study: ModeStudy) -> Recommendation:
    known = Knowledge.of(mode, study)
    assert known is not None
    return recommend(known)


@pytest.mark.parametrize("rating", [1.0, 5.0])
def test_sixteen_like_ratings_at_an_end_of_the_scale_are_not_beyond_it(rating: float, mode: Mode, study: Study) -> None:
    found = of(mode, study(16, lambda _: 100 * (rating - 3)))

    assert 1.0 <= found.interval[0] <= found.mean <= found.interval[1] <= 5.0
    assert 0.0 <= found.expected_improvement <= 5.0 - found.mean
    if rating == 5.0:
        assert found.mean > 4.8
        assert found.expected_improvement < 0.1


def test_one_setting_rated_five_again_and_again_leaves_nothing_to_gain(mode: Mode, study: Study) -> None:
    once = study(1).observations[0]
    known = replace(study(1), observations=(replace(once, rating=5.0),) * 16)

    assert of(mode, known).mean <= 5.0
    assert of(mode, known).expected_improvement <= 5.0 - of(mode, known).mean


def test_more_ratings_make_the_interval_narrower(mode: Mode, study: Study) -> None:
    few, many = of(mode, study(12)), of(mode, study(120))

    assert many.interval[1] - many.interval[0] < few.interval[1] - few.interval[0]
    assert many.interval[0] < 4.5 < many.interval[1]


def test_without_a_rating_that_the_mode_admits_nothing_is_known(mode: Mode, study: Study) -> None:
    known = study(3)
    gone = tuple(replace(one, setting=Setting("dalle", (("p", 1.0),))) for one in known.observations)

    assert Knowledge.of(mode, replace(known, observations=gone)) is None
    assert Knowledge.of(mode, study(0)) is None
