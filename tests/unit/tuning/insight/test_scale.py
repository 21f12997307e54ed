"""What a normal posterior says on a scale from 1 to 5."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.insight.scale import INTERVAL, expected_rating, interval_of

MEANS = st.floats(-20, 20)
DEVIATIONS = st.floats(0, 10)


@pytest.mark.parametrize(("mean", "deviation"), [(3.0, 0.4), (4.9, 0.3), (5.12, 0.15), (1.1, 2.0), (7.0, 1.0)])
def test_the_expected_rating_is_that_of_draws_held_to_the_scale(mean: float, deviation: float) -> None:
    draws = np.clip(np.random.default_rng(1).normal(mean, deviation, 400_000), 1, 5)
    low, high = interval_of(np.array(mean), np.array(deviation))

    assert float(expected_rating(np.array(mean), np.array(deviation))) == pytest.approx(draws.mean(), abs=0.005)
    assert (float(low), float(high)) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])), abs=0.02)
    assert np.mean((low <= draws) & (draws <= high)) >= INTERVAL - 0.005


@given(MEANS, DEVIATIONS)
def test_everything_lies_on_the_scale_and_the_mean_within_its_interval(mean: float, deviation: float) -> None:
    expected = float(expected_rating(np.array(mean), np.array(deviation)))
    low, high = map(float, interval_of(np.array(mean), np.array(deviation)))

    assert 1.0 <= low <= high <= 5.0
    assert 1.0 <= expected <= 5.0
    assert low <= expected <= high


def test_far_from_the_ends_nothing_is_changed() -> None:
    mean, deviation = np.array([3.0, 2.8]), np.array([0.1, 0.2])
    low, high = interval_of(mean, deviation)

    assert expected_rating(mean, deviation) == pytest.approx(mean, abs=1e-9)
    # The model's own error is part of the interval: .06 points, as a standard deviation.
    assert (high - low) / np.sqrt(deviation**2 + 0.06**2) == pytest.approx(np.full(2, 2 * 1.6449), abs=1e-3)


def test_what_the_model_knows_exactly_has_the_interval_of_the_models_own_error() -> None:
    assert [float(end) for end in interval_of(np.array(4.0), np.array(0.0))] == pytest.approx([3.901, 4.099], abs=1e-3)
    assert float(expected_rating(np.array(4.0), np.array(0.0))) == pytest.approx(4.0)
