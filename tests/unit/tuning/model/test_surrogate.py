"""The Gaussian process, held against textbook algebra; and how ratings become its data."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tuning.model.encoding import encode, points_at
from tuning.model.pooling import pool
from tuning.model.priors import (
    API_LEVEL_VARIANCE,
    FALL,
    LEVEL_VARIANCE,
    PRIOR_MEAN,
    ColumnHyperparameters,
    complete,
    prior_mean,
    prior_modes,
)
from tuning.model.surrogate import Surrogate, covariance
from tuning.observations import Observation, Setting
from tuning.spaces import Api, CategoricalParameter, Mode, RealParameter
from tuning.study import Hyperparameters

RateMany = Callable[[int], list[Observation]]


def test_covariance_is_matern_times_similarity_and_what_is_unknown_of_the_levels(mode: Mode) -> None:
    hyperparameters = ColumnHyperparameters((0.2, 0.4, 0.8), 1.7, 0.1, 0.6)
    a = points_at(mode, np.array([[0.1, 0.2, 0.3]]), np.array([0]))
    b = points_at(mode, np.array([[0.3, 0.6, 0.7], [0.3, 0.6, 0.7], [0.1, 0.2, 0.3]]), np.array([0, 1, 1]))
    r = math.sqrt(1.0**2 + 1.0**2 + 0.5**2)
    matern = (1 + math.sqrt(5) * r + 5 / 3 * r * r) * math.exp(-math.sqrt(5) * r)
    here, there = 1 / 3 - (0.8**2 + 0.6**2 + 0.4**2) / 3, 1 / 3 - (0.4**2 + 0.2**2 + 0.4**2) / 3
    levels = LEVEL_VARIANCE + FALL**2 * np.array([here * there, here * there, here * here])
    levels += [API_LEVEL_VARIANCE, 0, 0]
    expected = np.array([[1.7 * matern, 1.7 * 0.6 * matern, 1.7 * 0.6]]) + levels
    assert covariance(a, b, hyperparameters) == pytest.approx(expected, abs=1e-12)


def test_before_any_rating_the_middle_is_expected_to_be_best_and_the_mean_is_the_scales(mode: Mode) -> None:
    axis = (np.arange(40) + 0.5) / 40
    cube = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    everywhere = prior_mean(points_at(mode, cube, np.zeros(len(cube), dtype=np.intp)).trends)
    assert everywhere.mean() == pytest.approx(PRIOR_MEAN, abs=1e-3)
    middle, corner, beyond = prior_mean(
        points_at(mode, np.array([[0.5] * 3, [0.0, 1.0, 1.0], [-9.0, 7.0, 1.0]]), np.zeros(3, dtype=np.intp)).trends
    )
    assert middle - corner == pytest.approx(FALL)
    assert beyond == corner


def test_choices_have_no_middle() -> None:
    mode = Mode("m", (Api("a", (CategoricalParameter("sampler", "sampler", ("heun", "euler")),)),))
    assert encode(mode, [Setting("a", (("sampler", "heun"),))]).trends.tolist() == [0.0]


def test_the_posterior_is_the_one_of_the_textbook(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool(mode, rate_many(12))
    hyperparameters = prior_modes(mode)
    queries = encode(mode, [observation.setting for observation in rate_many(20)])
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, hyperparameters)
    posterior = surrogate.posterior(queries)
    inverse = np.linalg.inv(
        covariance(ratings.points, ratings.points, hyperparameters) + hyperparameters.noise_variance * np.eye(12)
    )
    cross = covariance(ratings.points, queries, hyperparameters)
    mean = prior_mean(queries.trends) + cross.T @ inverse @ (ratings.means - prior_mean(ratings.points.trends))
    variance = np.diag(covariance(queries, queries, hyperparameters) - cross.T @ inverse @ cross)
    assert posterior.mean == pytest.approx(mean, abs=1e-8)
    assert surrogate.rated_mean == pytest.approx(surrogate.posterior(ratings.points).mean, abs=1e-6)
    assert posterior.variance == pytest.approx(variance, abs=1e-8)
    joint = covariance(queries, queries, hyperparameters) - cross.T @ inverse @ cross
    assert posterior.covariance(np.array([3, 7])) == pytest.approx(joint[:, [3, 7]], abs=1e-8)


def test_conditioning_equals_starting_anew(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool(mode, rate_many(8))
    queries = encode(mode, [observation.setting for observation in rate_many(15)])
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, prior_modes(mode))
    stepwise = surrogate.posterior(queries).condition(11, 1.5).condition(14, 4.5)
    more = queries.take(np.array([11, 14]))
    anew = Surrogate(
        ratings.points.join(more),
        np.append(ratings.means, [1.5, 4.5]),
        np.append(ratings.counts, [1.0, 1.0]),
        prior_modes(mode),
    ).posterior(queries)
    assert stepwise.mean == pytest.approx(anew.mean, abs=1e-7)
    assert stepwise.variance == pytest.approx(anew.variance, abs=1e-7)


@pytest.mark.parametrize("rated", [0, 1, 31, 40])
@pytest.mark.parametrize("outstanding", [1, 2, 33])
def test_what_is_pending_counts_as_rated_just_as_expected(
    mode: Mode, rate_many: RateMany, rated: int, outstanding: int
) -> None:
    ratings = pool(mode, rate_many(rated))
    everything = encode(mode, [observation.setting for observation in rate_many(120)])
    # Some of what is pending has been rated before, and some twice asked for.
    pending = everything.take(np.arange(outstanding) % 25)
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, prior_modes(mode))
    found = surrogate.posterior(everything, pending)
    expected = surrogate.posterior(pending).mean
    anew = Surrogate(
        ratings.points.join(pending),
        np.append(ratings.means, expected),
        np.append(ratings.counts, np.ones(outstanding)),
        prior_modes(mode),
    ).posterior(everything)
    assert found.mean == pytest.approx(anew.mean, abs=1e-9)
    assert found.variance == pytest.approx(anew.variance, abs=1e-9)
    some = np.array([0, 50, 119])
    assert found.covariance(some) == pytest.approx(anew.covariance(some), abs=1e-9)
    assert (found.variance < surrogate.posterior(everything).variance).all()
    assert found.condition(7, 2.0).mean == pytest.approx(anew.condition(7, 2.0).mean, abs=1e-9)


def test_without_ratings_the_posterior_is_the_prior(mode: Mode, leonardo: Setting) -> None:
    nothing = pool(mode, [])
    here = encode(mode, [leonardo])
    posterior = Surrogate(nothing.points, nothing.means, nothing.counts, prior_modes(mode)).posterior(here)
    assert posterior.mean == pytest.approx(prior_mean(here.trends))
    assert posterior.variance == pytest.approx(np.diag(covariance(here, here, prior_modes(mode))))


def test_apis_share_the_coordinates_they_name_and_no_others() -> None:
    strength = RealParameter("strength", "strength", 0.0, 1.0, 2)
    mode = Mode("m", (Api("a", (strength,)), Api("b", (strength, RealParameter("steps", "steps", 0.0, 10.0, 0)))))
    points = encode(mode, [Setting("a", (("strength", 0.25),)), Setting("b", (("strength", 0.25), ("steps", 10.0)))])
    assert points.coordinates.tolist() == [[0.25, 0.5], [0.25, 1.0]]
    assert points.apis.tolist() == [0, 1]


def test_hyperparameters_outlive_a_change_of_coordinates(mode: Mode) -> None:
    old = Hyperparameters((("guidance", 0.7), ("gone", 0.1)), 2.0, 0.2, 0.9, 40)
    completed = complete(mode, old)
    assert completed.lengthscales == (0.30, 0.7, 0.30)
    assert (completed.signal_variance, completed.noise_variance, completed.similarity) == (2.0, 0.2, 0.9)
    assert complete(mode, None) == prior_modes(mode)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_hyperparameters_of_another_modes_columns_are_refused(mode: Mode, leonardo: Setting, columns: int) -> None:
    points = encode(mode, [leonardo] * 2)
    other = replace(prior_modes(mode), lengthscales=(0.3,) * columns)
    with pytest.raises(ValueError, match=f"{columns} lengthscales do not fit points of 3 and 3 columns"):
        Surrogate(points, np.full(2, 4.0), np.ones(2), other)


def test_a_singular_kernel_is_survived(mode: Mode, leonardo: Setting) -> None:
    points = encode(mode, [leonardo] * 50)
    noiseless = replace(prior_modes(mode), noise_variance=1e-18)
    posterior = Surrogate(points, np.full(50, 4.0), np.ones(50), noiseless).posterior(points)
    assert posterior.mean == pytest.approx(np.full(50, 4.0), abs=1e-3)
    assert np.isfinite(posterior.deviation).all()
