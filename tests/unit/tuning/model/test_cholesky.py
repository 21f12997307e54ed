"""The Cholesky factor and its substitutions, held against SciPy's, near the edge of what floats can solve too."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thorough import examples
from tuning.model.arrays import Floats
from tuning.model.cholesky import JITTERS, Cholesky
from tuning.model.encoding import points_at
from tuning.model.priors import ColumnHyperparameters
from tuning.model.surrogate import Surrogate, covariance
from tuning.spaces import Mode
from tuning.validation.space_file import load_spaces

MODE: Mode = load_spaces().modes[0]
EPSILON = float(np.finfo(np.float64).eps)
SIZES = st.integers(0, 5) | st.sampled_from([31, 32, 33, 63, 64, 65, 97, 130])


@dataclass(frozen=True)
class System:
    """A covariance matrix, the noise on its diagonal, and right-hand sides of shape (n, k)."""

    matrix: Floats
    diagonal: Floats
    right: Floats


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Of settings that may all but coincide, with lengthscales, signals and noises beyond any that is ever fitted."""
    size, generator = draw(SIZES), np.random.default_rng(draw(st.integers(0, 2**32)))
    coordinates = generator.uniform(size=(size, 3))
    # Copies of the first, apart by next to nothing.
    near = generator.uniform(size=size) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    apart = 10.0 ** draw(st.integers(-16, -3))
    coordinates[near] = coordinates[:1] + apart * generator.normal(size=(int(near.sum()), 3))
    points = points_at(MODE, coordinates, generator.integers(0, 2, size))
    lengthscales = tuple(10.0 ** draw(st.floats(-3, 3)) for _ in range(3))
    signal, noise = 10.0 ** draw(st.floats(-3, 3)), 10.0 ** draw(st.floats(-8, 2))
    matrix = covariance(points, points, ColumnHyperparameters(lengthscales, signal, noise, draw(st.floats(0, 1))))
    counts = generator.integers(1, 50, size)
    return System(matrix, noise / counts, generator.normal(size=(size, draw(st.integers(1, 4)))))


@settings(deadline=None, max_examples=examples(150))
@given(systems())
def test_what_is_solved_fits_the_matrix_as_scipys_does(system: System) -> None:
    factor = Cholesky(system.matrix, system.diagonal)
    lower, size = factor.lower, len(system.matrix)
    bound = 4.0 * (size + 32) * EPSILON
    summed = system.matrix + np.diag(system.diagonal)
    # A covariance is symmetric but for rounding, and the lower triangle alone is read.
    off = np.abs(np.tril(lower @ lower.T - summed - np.array(JITTERS)[:, None, None] * np.eye(size)))
    assert np.array_equal(lower, np.tril(lower))
    assert off.max(axis=(1, 2), initial=0.0).min() <= bound * np.abs(summed).max(initial=0.0)

    whitened = factor.whiten(system.right)
    theirs = scipy.linalg.solve_triangular(lower, system.right, lower=True)
    assert whitened.shape == system.right.shape
    # How far it misses the right-hand side, in the unit of what rounding does on the way (Higham, section 14.2).
    inverse = scipy.linalg.solve_triangular(lower, np.eye(size), lower=True)
    rounding = bound * np.abs(lower) @ (np.abs(inverse) @ np.abs(system.right))
    assert (np.abs(lower @ whitened - system.right) <= rounding).all()
    assert np.abs(whitened - theirs).max(initial=0.0) <= 1e-9 * np.abs(theirs).max(initial=0.0)

    for right in (system.right, system.right[:, 0]):
        solved, theirs = factor.solve(right), scipy.linalg.cho_solve((lower, True), right)
        assert solved.shape == right.shape
        assert np.abs(solved - theirs).max(initial=0.0) <= 1e-9 * np.abs(theirs).max(initial=0.0)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 64, 200, 576])
def test_of_a_model_as_it_is_fitted_it_is_scipys_to_the_last_digits(size: int) -> None:
    generator = np.random.default_rng(size)
    points = points_at(MODE, generator.uniform(size=(size, 3)), generator.integers(0, 2, size))
    queries = points_at(MODE, generator.uniform(size=(300, 3)), generator.integers(0, 2, 300))
    hyperparameters = ColumnHyperparameters((0.2, 0.35, 0.6), 1.4, 0.05, 0.7)
    ratings, counts = generator.uniform(1, 5, size), generator.integers(1, 9, size).astype(np.float64)
    posterior = Surrogate(points, ratings, counts, hyperparameters).posterior(queries)

    kernel = covariance(points, points, hyperparameters) + np.diag(0.05 / counts + JITTERS[0])
    cross = covariance(points, queries, hyperparameters)
    lower = scipy.linalg.cholesky(kernel, lower=True)
    whitened = scipy.linalg.solve_triangular(lower, cross, lower=True)
    weights = scipy.linalg.cho_solve((lower, True), ratings - 3.0 - 0.9 * points.trends)
    assert np.abs(posterior.mean - (3.0 + 0.9 * queries.trends + cross.T @ weights)).max() < 1e-10
    prior = np.diag(covariance(queries, queries, hyperparameters))
    assert np.abs(posterior.variance - (prior - (whitened**2).sum(axis=0))).max() < 1e-11


def test_the_least_jitter_that_helps_is_taken() -> None:
    assert Cholesky(np.eye(2), np.zeros(2)).lower[0, 0] == pytest.approx(np.sqrt(1.0 + 1e-10), abs=1e-14)
    # Eigenvalues 2 + 1e-9 and -1e-9: the first jitter leaves it indefinite, the second does not.
    indefinite = np.array([[1.0, 1.0 + 1e-9], [1.0 + 1e-9, 1.0]])
    assert Cholesky(indefinite, np.zeros(2)).lower[0, 0] == pytest.approx(np.sqrt(1.0 + 1e-8), abs=1e-14)


def test_the_matrix_given_stays_as_it_is() -> None:
    matrix = np.eye(40)
    Cholesky(matrix, np.full(40, 0.3))
    assert np.array_equal(matrix, np.eye(40))


def test_a_matrix_that_no_jitter_makes_definite_is_refused() -> None:
    with pytest.raises(ValueError, match="singular"):
        Cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2))
