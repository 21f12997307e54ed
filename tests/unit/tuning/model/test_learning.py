"""The fit: the same kernel as the surrogate's, right gradients, the exact likelihood of pooled ratings, a deadline."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tuning.model.arrays import Floats
from tuning.model.design import initial_design
from tuning.model.encoding import Points, encode
from tuning.model.learning import StudyKernel, StudyRegressor, fit
from tuning.model.pooling import Ratings, pool
from tuning.model.priors import NOISE_VARIANCE_PRIOR, complete, prior_mean, prior_modes
from tuning.model.surrogate import Surrogate, covariance, covariance_of_rated
from tuning.observations import Observation
from tuning.spaces import Mode
from tuning.study import Hyperparameters

RateMany = Callable[[int], list[Observation]]

HYPERPARAMETERS = Hyperparameters((("strength", 0.2), ("guidance", 0.35), ("control_weight", 0.6)), 1.4, 0.2, 0.7)


@pytest.fixture
def repeated(mode: Mode, rate_many: RateMany) -> list[Observation]:
    observations = rate_many(10)
    return [*observations, *(replace(o, rating=2.0) for o in observations[:4]), replace(observations[0], rating=3.5)]


def kernel() -> StudyKernel:
    return StudyKernel(np.arange(3), np.array([0.2, 0.35, 0.6]), 1.4, 0.2, 0.7 / 0.3)


def inputs(points: Points, counts: Floats) -> Floats:
    return np.column_stack([points.coordinates, points.trends, points.apis, counts])


def regressor(ratings: Ratings, of: StudyKernel | None = None) -> StudyRegressor:
    fitted = StudyRegressor(
        of or kernel(),
        noise_prior=NOISE_VARIANCE_PRIOR,
        scatter=ratings.scatter,
        repeats=ratings.total - len(ratings),
        time_budget=10.0,
    )
    fitted.fit(inputs(ratings.points, ratings.counts), ratings.means - prior_mean(ratings.points.trends))
    return fitted


def test_the_two_kernels_are_one(mode: Mode, rate_many: RateMany) -> None:
    a = encode(mode, [o.setting for o in rate_many(40)])
    b = encode(mode, [o.setting for o in rate_many(60)[40:]])
    ours = covariance(a, b, complete(mode, HYPERPARAMETERS))
    theirs = kernel()(inputs(a, np.ones(len(a))), inputs(b, np.ones(len(b))))
    assert np.abs(ours - theirs).max() < 1e-8
    counts = np.arange(1.0, 41.0)
    ours = covariance(a, a, complete(mode, HYPERPARAMETERS)) + np.diag(0.2 / counts)
    assert np.abs(ours - kernel()(inputs(a, counts))).max() < 1e-8
    assert kernel().diag(inputs(a, counts)) == pytest.approx(np.diag(ours), abs=1e-12)


def test_the_two_posteriors_are_one(mode: Mode, repeated: list[Observation], rate_many: RateMany) -> None:
    ratings = pool(mode, repeated)
    theirs = regressor(ratings)
    hyperparameters = fit(mode, ratings, HYPERPARAMETERS)
    queries = encode(mode, [o.setting for o in rate_many(30)])
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, complete(mode, hyperparameters))
    posterior = surrogate.posterior(queries)
    mean = prior_mean(queries.trends) + theirs.predict(inputs(queries, np.ones(len(queries))))
    assert np.abs(posterior.mean - mean).max() < 1e-6


def test_the_gradient_of_the_posterior_is_that_of_its_differences(mode: Mode, repeated: list[Observation]) -> None:
    fitted = regressor(pool(mode, repeated))
    theta = kernel().theta
    _, gradient = fitted.log_posterior(theta)
    for index, step in enumerate(1e-5 * np.eye(len(theta))):
        ahead, behind = (fitted.log_posterior(theta + sign * step)[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_gradient_of_related_tasks_is_that_of_its_differences(mode: Mode, repeated: list[Observation]) -> None:
    ratings = pool(mode, repeated)
    generations = np.arange(len(ratings)) % 3
    related = StudyKernel(
        np.arange(3),
        np.array([0.2, 0.35, 0.6]),
        1.4,
        0.2,
        0.7 / 0.3,
        generations=generations,
        task_similarity_odds=0.6 / 0.4,
    )
    here = inputs(ratings.points, ratings.counts)
    hyperparameters = complete(mode, replace(HYPERPARAMETERS, task_similarity=0.6))
    ours = covariance_of_rated(ratings.points, generations, hyperparameters) + np.diag(0.2 / ratings.counts)
    assert np.abs(ours - related(here)).max() < 1e-8
    assert len(related.theta) == len(kernel().theta) + 1
    _, gradient = related(here, eval_gradient=True)
    assert gradient.shape == (len(ratings), len(ratings), 7)
    for index, step in enumerate(1e-5 * np.eye(len(related.theta))):
        ahead, behind = (related.clone_with_theta(related.theta + sign * step)(here) for sign in (1, -1))
        assert gradient[:, :, index] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-6)
    fitted = regressor(ratings, related)
    _, slope = fitted.log_posterior(related.theta)
    for index, step in enumerate(1e-5 * np.eye(len(related.theta))):
        ahead, behind = (fitted.log_posterior(related.theta + sign * step)[0] for sign in (1, -1))
        assert slope[index] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-6)


def test_pooled_ratings_have_the_likelihood_of_single_ones(mode: Mode, repeated: list[Observation]) -> None:
    fitted = regressor(pool(mode, repeated))
    points = encode(mode, [o.setting for o in repeated])
    singles = np.array([o.rating for o in repeated]) - prior_mean(points.trends)

    def exact(noise: float, lengthscale: float) -> float:
        changed = replace(
            HYPERPARAMETERS,
            noise_variance=noise,
            lengthscales=tuple((name, lengthscale) for name, _ in HYPERPARAMETERS.lengthscales),
        )
        spread = covariance(points, points, complete(mode, changed)) + noise * np.eye(len(points))
        log_prior = -0.5 * (np.log(noise / 0.25) / 0.50) ** 2 - 1.5 * (np.log(lengthscale / 0.30) / 0.25) ** 2
        return float(multivariate_normal.logpdf(singles, np.zeros(len(points)), spread) + log_prior)

    def pooled(noise: float, lengthscale: float) -> float:
        theta = kernel().theta.copy()
        theta[:3], theta[3] = np.log(lengthscale), np.log(noise)
        return fitted.log_posterior(theta)[0]

    here, there = (0.1, 0.3), (0.6, 0.45)
    assert pooled(*here) - pooled(*there) == pytest.approx(exact(*here) - exact(*there), abs=1e-6)


def test_the_fit_is_at_least_as_probable_as_its_start(mode: Mode, repeated: list[Observation]) -> None:
    ratings = pool(mode, repeated)
    fitted = regressor(ratings)
    assert fitted.log_marginal_likelihood_value_ >= fitted.log_posterior(kernel().theta)[0]
    assert fitted.log_marginal_likelihood(kernel().theta) == fitted.log_posterior(kernel().theta)[0]
    assert fitted.log_marginal_likelihood() == fitted.log_marginal_likelihood_value_
    found = fit(mode, ratings, None)
    assert found.fitted_on == 15
    assert [name for name, _ in found.lengthscales] == ["strength", "guidance", "control_weight"]
    assert found.signal_variance >= 0.35


def test_raters_who_disagree_teach_more_noise(mode: Mode, now: datetime) -> None:
    settings = [setting for setting, _ in zip(initial_design(mode, "s"), range(6), strict=False)]

    def noise(low: float, high: float) -> float:
        ratings = [Observation(mode.name, s, rating, now) for s in settings for rating in (low, high) * 4]
        return fit(mode, pool(mode, ratings), None).noise_variance

    assert noise(1, 5) > 1.0
    assert noise(2.9, 3.1) < 0.1


def test_like_ratings_do_not_make_the_model_sure_that_all_is_alike(mode: Mode, rate_many: RateMany) -> None:
    alike = [replace(observation, rating=3.0) for observation in rate_many(40)]
    assert fit(mode, pool(mode, alike), None).signal_variance == pytest.approx(0.35)


def test_one_rating_leaves_the_priors_nearly_as_they_are(mode: Mode, rate_many: RateMany) -> None:
    found = fit(mode, pool(mode, rate_many(1)), None)
    assert found.noise_variance == pytest.approx(0.25, rel=0.5)
    assert found.similarity == pytest.approx(prior_modes(mode).similarity)


def test_a_fit_whose_time_is_up_still_answers(mode: Mode, rate_many: RateMany) -> None:
    ratings = pool(mode, rate_many(300))
    fit(mode, pool(mode, rate_many(5)), None)
    start = time.process_time()
    found = fit(mode, ratings, None, time_budget=0.0)
    assert time.process_time() - start < 2.0
    assert complete(mode, found).lengthscales == prior_modes(mode).lengthscales


def test_a_fit_is_of_as_many_ratings_as_the_study_has_though_the_model_takes_fewer(
    mode: Mode, rate_many: Callable[[int], list[Observation]]
) -> None:
    ratings = pool(mode, rate_many(40), limit=12)
    assert (len(ratings), ratings.total) == (12, 40)
    assert fit(mode, ratings, None).fitted_on == 40
