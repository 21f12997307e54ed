"""The Gaussian process, held against textbook algebra; and how ratings become its data."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from tuning.observations import Observation, Setting
from tuning.spaces import Api, Mode, RealParameter
from tuning.studies import Hyperparameters
from tuning.surrogate import PRIOR_MEAN, Points, Surrogate, complete, covariance, locate, pool, prior_modes

RateMany = Callable[[int], list[Observation]]


def test_covariance_is_matern_times_similarity(mode: Mode) -> None:
    hyperparameters = Hyperparameters((("strength", 0.2), ("guidance", 0.4), ("control_weight", 0.8)), 1.7, 0.1, 0.6)
    a = Points(np.array([[0.1, 0.2, 0.3]]), np.array([0]))
    b = Points(np.array([[0.3, 0.6, 0.7], [0.3, 0.6, 0.7], [0.1, 0.2, 0.3]]), np.array([0, 1, 1]))
    r = math.sqrt(1.0**2 + 1.0**2 + 0.5**2)
    matern = (1 + math.sqrt(5) * r + 5 / 3 * r * r) * math.exp(-math.sqrt(5) * r)
    expected = [[1.7 * matern, 1.7 * 0.6 * matern, 1.7 * 0.6]]
    assert covariance(a, b, hyperparameters) == pytest.approx(np.array(expected), abs=1e-12)


def test_the_posterior_is_the_one_of_the_textbook(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool(mode, rate_many(12))
    hyperparameters = prior_modes(mode)
    queries = locate(mode, [observation.setting for observation in rate_many(20)])
    belief = Surrogate(ratings.points, ratings.means, ratings.counts, hyperparameters).believe(queries)
    inverse = np.linalg.inv(
        covariance(ratings.points, ratings.points, hyperparameters) + hyperparameters.noise_variance * np.eye(12)
    )
    cross = covariance(ratings.points, queries, hyperparameters)
    mean = PRIOR_MEAN + cross.T @ inverse @ (ratings.means - PRIOR_MEAN)
    variance = hyperparameters.signal_variance - np.diag(cross.T @ inverse @ cross)
    assert belief.mean == pytest.approx(mean, abs=1e-8)
    assert belief.variance == pytest.approx(variance, abs=1e-8)


def test_conditioning_equals_starting_anew(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool(mode, rate_many(8))
    queries = locate(mode, [observation.setting for observation in rate_many(15)])
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, prior_modes(mode))
    stepwise = surrogate.believe(queries).condition(11, 1.5).condition(14, 4.5)
    more = Points(queries.coordinates[[11, 14]], queries.apis[[11, 14]])
    anew = Surrogate(
        ratings.points.join(more),
        np.append(ratings.means, [1.5, 4.5]),
        np.append(ratings.counts, [1.0, 1.0]),
        prior_modes(mode),
    ).believe(queries)
    assert stepwise.mean == pytest.approx(anew.mean, abs=1e-7)
    assert stepwise.variance == pytest.approx(anew.variance, abs=1e-7)


def test_without_ratings_the_belief_is_the_prior(mode: Mode, leonardo: Setting) -> None:
    nothing = pool(mode, [])
    belief = Surrogate(nothing.points, nothing.means, nothing.counts, prior_modes(mode)).believe(
        locate(mode, [leonardo])
    )
    assert belief.mean == pytest.approx([PRIOR_MEAN])
    assert belief.variance == pytest.approx([1.0])


def test_pooled_repeats_teach_what_single_ratings_teach(mode: Mode, rate_many: RateMany) -> None:
    observations = rate_many(6)
    repeated = [*observations, *(replace(o, rating=5.0) for o in observations[:3]), replace(observations[0], rating=1)]
    pooled = pool(mode, repeated)
    assert len(pooled) == 6
    assert pooled.counts.tolist() == [3, 2, 2, 1, 1, 1]
    assert pooled.total == 10
    queries = locate(mode, [observation.setting for observation in rate_many(10)])
    single = Surrogate(
        locate(mode, [o.setting for o in repeated]),
        np.array([o.rating for o in repeated]),
        np.ones(len(repeated)),
        prior_modes(mode),
    ).believe(queries)
    belief = Surrogate(pooled.points, pooled.means, pooled.counts, prior_modes(mode)).believe(queries)
    assert belief.mean == pytest.approx(single.mean, abs=1e-6)
    assert belief.variance == pytest.approx(single.variance, abs=1e-6)


def test_past_its_limit_the_model_keeps_the_best_and_the_newest(mode: Mode, now: datetime) -> None:
    def observe(step: int, rating: float) -> Observation:
        values = (("init_strength", 0.1 + step / 100), ("guidance_scale", 7.0), ("controlnet_weight", 0.8))
        return Observation(mode.name, Setting("leonardo", values), rating, now)

    observations = [observe(step, rating) for step, rating in enumerate([5, 1, 4, 1, 3, 1, 2, 1])]
    kept = pool(mode, observations, limit=4)
    assert kept.means.tolist() == [5, 4, 2, 1]
    assert kept.settings[-1] == observations[-1].setting


def test_what_was_rated_beyond_todays_bounds_still_teaches(mode: Mode, now: datetime) -> None:
    beyond = Setting("leonardo", (("init_strength", 0.9), ("guidance_scale", 4.0), ("controlnet_weight", 0.7)))
    gone = Setting("dalle", (("strength", 0.3),))
    renamed = Setting("leonardo", (("strength", 0.3), ("guidance_scale", 7.0), ("controlnet_weight", 0.7)))
    ratings = pool(mode, [Observation(mode.name, setting, 4.0, now) for setting in (beyond, gone, renamed)])
    assert ratings.settings == (beyond,)
    assert ratings.points.coordinates[0] == pytest.approx([2.0, -1 / 7, 0.0])


def test_apis_share_the_coordinates_they_name_and_no_others() -> None:
    strength = RealParameter("strength", "strength", 0.0, 1.0, 2)
    mode = Mode("m", (Api("a", (strength,)), Api("b", (strength, RealParameter("steps", "steps", 0.0, 10.0, 0)))))
    points = locate(mode, [Setting("a", (("strength", 0.25),)), Setting("b", (("strength", 0.25), ("steps", 10.0)))])
    assert points.coordinates.tolist() == [[0.25, 0.5], [0.25, 1.0]]
    assert points.apis.tolist() == [0, 1]


def test_hyperparameters_outlive_a_change_of_coordinates(mode: Mode) -> None:
    old = Hyperparameters((("guidance", 0.7), ("gone", 0.1)), 2.0, 0.2, 0.9, 40)
    completed = complete(mode, old)
    assert completed.lengthscales == (("strength", 0.30), ("guidance", 0.7), ("control_weight", 0.30))
    assert (completed.signal_variance, completed.noise_variance, completed.similarity) == (2.0, 0.2, 0.9)
    assert complete(mode, None) == prior_modes(mode)


def test_a_singular_kernel_is_survived(mode: Mode, leonardo: Setting) -> None:
    points = locate(mode, [leonardo] * 50)
    noiseless = replace(prior_modes(mode), noise_variance=1e-18)
    belief = Surrogate(points, np.full(50, 4.0), np.ones(50), noiseless).believe(points)
    assert belief.mean == pytest.approx(np.full(50, 4.0), abs=1e-3)
    assert np.isfinite(belief.deviation).all()
