"""The normal distribution and what is made of it, held against SciPy's, far into the tails too."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr, ndtri, roots_hermitenorm

from tuning.model import acquisition, normal
from tuning.model.acquisition import expected_improvement
from tuning.model.arrays import Floats

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)


@given(arrays.arrays(np.float64, SHAPES, elements=st.floats(-45, 45)))
def test_probabilities_are_scipys_in_any_shape_and_in_both_tails(z: Floats) -> None:
    found = normal.cdf(z)
    assert found.shape == z.shape
    # Relative: in the lower tail too, down to where floats end.
    assert found == pytest.approx(ndtr(z), rel=1e-12, abs=1e-305)
    assert normal.cdf(-z) + found == pytest.approx(np.ones(z.shape), abs=1e-15)


@given(st.floats(-37, 0))
def test_the_lower_tail_keeps_its_digits(z: float) -> None:
    assert math.log(normal.cdf(np.array([z]))[0]) == pytest.approx(float(log_ndtr(z)), rel=1e-14, abs=1e-13)


@pytest.mark.parametrize("z", [-1e150, -40.0, 40.0, 1e150, -math.inf, math.inf])
def test_beyond_the_tails_it_is_sure(z: float) -> None:
    assert normal.cdf(np.array([z]))[0] == (z > 0)
    assert normal.density(np.array([z]))[0] == 0.0


def test_what_is_no_number_stays_so() -> None:
    assert np.isnan(normal.cdf(np.array([math.nan]))).all()


@given(arrays.arrays(np.float64, SHAPES, elements=st.floats(1e-300, 1.0, exclude_max=True)))
def test_quantiles_are_scipys_and_undo_probabilities(probability: Floats) -> None:
    found = normal.quantile(probability)
    assert found.shape == probability.shape
    assert found == pytest.approx(ndtri(probability), rel=1e-13, abs=1e-15)
    assert normal.cdf(found) == pytest.approx(probability, rel=1e-11)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 1.1])
def test_what_is_no_probability_has_no_quantile(probability: float) -> None:
    with pytest.raises(ValueError, match=r"0\.0 < p < 1\.0"):
        normal.quantile(np.array([0.5, probability]))


@given(st.floats(-37, 37), st.floats(1e-6, 1e6))
def test_the_expected_improvement_is_its_integral_wherever_it_can_be_told_from_nothing(
    z: float, deviation: float
) -> None:
    found = float(expected_improvement(np.array([z * deviation]), np.array([deviation]), 0.0)[0])
    # The mean excess over 0: t φ(t - z), less φ(z) in the tail so that the integral is not lost.
    if z < 0:
        width = 1.0 / max(-z, 1.0)
        tail, _ = quad(lambda t: t * math.exp(t * z - t * t / 2.0), 0.0, 40.0 * width, epsabs=0.0, epsrel=1e-12)
        logarithm = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi) + math.log(tail)
    else:
        logarithm = math.log(z * ndtr(z) + math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))
    assert math.log(found / deviation) == pytest.approx(logarithm, abs=1e-9)


@given(arrays.arrays(np.float64, 30, elements=st.floats(-1e6, 1e6)), st.floats(0, 1e3))
def test_expected_improvement_is_never_negative_and_never_less_for_a_better_mean(
    means: Floats, deviation: float
) -> None:
    means = np.sort(means)
    found = expected_improvement(means, np.full(30, deviation), 3.0)
    assert np.isfinite(found).all()
    assert (found >= np.maximum(means - 3.0, 0.0) * (1.0 - 1e-12)).all()
    assert (np.diff(found) >= -1e-12 * np.abs(found[1:])).all()


def test_the_quadrature_is_gauss_and_hermites() -> None:
    nodes, weights = roots_hermitenorm(11)
    assert pytest.approx(nodes, abs=1e-13) == acquisition._NODES
    assert pytest.approx(weights / math.sqrt(2.0 * math.pi), rel=1e-11) == acquisition._WEIGHTS
    assert acquisition._WEIGHTS.sum() == pytest.approx(1.0, abs=1e-15)
