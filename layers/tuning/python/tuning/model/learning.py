"""Learning: fit the surrogate's hyperparameters to a study's ratings, with scikit-optimize.

The only importer of scikit-optimize. Importing this module costs more than a second of CPU; `tuning.update` does so
at the first fit or in `preload`, and nothing that only suggests ever does. It fits and returns; it stores nothing.

The fit maximizes the posterior of the hyperparameters θ given the ratings y at X:

    log p(θ | y) = -½ yᵀ K⁻¹ y - ½ log |K| - ½ sum of ((log θ_i - log median_i) / deviation_i)² + constant

The first two terms are the marginal likelihood, C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning"
(2006), equation 5.8, with the gradient of equation 5.9; y has the prior mean subtracted. The third are the priors
(`tuning.model.priors`). Pooling changes nothing: pooled ratings have exactly the likelihood, up to a constant, of the
single ratings that they stand for.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from sklearn.gaussian_process.kernels import Hyperparameter
from skopt.learning.gaussian_process.gpr import GaussianProcessRegressor
from skopt.learning.gaussian_process.kernels import Kernel

from tuning.model.arrays import Floats, Indices
from tuning.model.pooling import Ratings
from tuning.model.priors import (
    LENGTHSCALE_PRIOR,
    NOISE_VARIANCE_PRIOR,
    OWN_NOISE_VARIANCE_PRIOR,
    SIGNAL_VARIANCE_PRIOR,
    SIMILARITY_ODDS_PRIOR,
    TASK_SIMILARITY_ODDS_PRIOR,
    LogNormal,
    complete,
    level_covariance,
    level_variance,
    prior_mean,
)
from tuning.model.raters.judging import judge
from tuning.model.raters.panel import rounding_variance
from tuning.model.surrogate import covariance_of_rated, task_relation
from tuning.spaces import Mode
from tuning.study import Hyperparameters

TIME_BUDGET = 2.0  # seconds; past it the best hyperparameters found so far are taken

_SQRT5 = math.sqrt(5.0)
_RIDGE = 1e-10
# A hundredth of the log posterior is nothing beside what the ratings leave open; a third of the work is spared.
_TOLERANCES = {"ftol": 1e-6, "gtol": 1e-2}


class StudyKernel(Kernel):  # type: ignore[misc]
    """The covariance of `tuning.model.surrogate.covariance` as scikit-optimize takes it, with its gradient.

    An input is one rated setting, one row of columns + 3 numbers:

        x[:-3]  coordinates    x[-3]  trend    x[-2]  index of the API    x[-1]  number n of ratings pooled

    The first three are those of `tuning.model.encoding.Points`. Between two sets of inputs the kernel is the covariance
    of their true ratings. Of one set with itself it is that of the mean ratings, with noise variance / n added on the
    diagonal, or `noise_shape`, (n, n), in units of the noise variance, where errors are shared. All are in squared
    rating points.

    `owners`, shape (columns,), has the index of each column's coordinate: the columns of one coordinate, which are
    adjacent, share its lengthscale. `lengthscales` has shape (coordinates,), in shares of the range. `similarity_odds`
    is s / (1 - s) of the similarity s: as a positive number it is fitted by its logarithm like the others.

    `generations`, shape (n,), says in which study each of the rated settings was rated, and `task_similarity_odds` are
    those of the similarity of a study and the one that it is based on (`tuning.model.surrogate.covariance_of_rated`).
    Both concern one set with itself alone. Without generations the odds are not fitted.
    """

    def __init__(
        self,
        owners: Indices,
        lengthscales: Floats,
        signal_variance: float,
        noise_variance: float,
        similarity_odds: float,
        *,
        noise_shape: Floats | None = None,
        generations: Indices | None = None,
        task_similarity_odds: float = TASK_SIMILARITY_ODDS_PRIOR.median,
    ) -> None:
        self.owners = owners
        # A float where there is one coordinate: scikit-learn makes it that.
        self.lengthscales = lengthscales
        self.signal_variance = signal_variance
        self.noise_variance = noise_variance
        self.similarity_odds = similarity_odds
        self.noise_shape = noise_shape
        self.generations = generations
        self.task_similarity_odds = task_similarity_odds

    @property
    def hyperparameter_lengthscales(self) -> Hyperparameter:
        """The lengthscales as scikit-learn describes what it fits: one per coordinate, with bounds."""
        return _fitted("lengthscales", LENGTHSCALE_PRIOR, np.size(self.lengthscales))

    @property
    def hyperparameter_signal_variance(self) -> Hyperparameter:
        """The signal variance as scikit-learn describes what it fits."""
        return _fitted("signal_variance", SIGNAL_VARIANCE_PRIOR)

    @property
    def hyperparameter_noise_variance(self) -> Hyperparameter:
        """The noise variance as scikit-learn describes what it fits."""
        return _fitted("noise_variance", NOISE_VARIANCE_PRIOR)

    @property
    def hyperparameter_similarity_odds(self) -> Hyperparameter:
        """The odds of the similarity as scikit-learn describes what it fits."""
        return _fitted("similarity_odds", SIMILARITY_ODDS_PRIOR)

    @property
    def hyperparameter_task_similarity_odds(self) -> Hyperparameter:
        """The odds of the task similarity as scikit-learn describes what it fits; fixed where there is one task."""
        if self.generations is None:
            return Hyperparameter("task_similarity_odds", "numeric", "fixed")
        return _fitted("task_similarity_odds", TASK_SIMILARITY_ODDS_PRIOR)

    def __call__(
        self,
        X: Floats,  # noqa: N803 - scikit-learn's name
        Y: Floats | None = None,  # noqa: N803
        eval_gradient: bool = False,
    ) -> "Floats | tuple[Floats, Floats]":
        """Return the covariance of n inputs with m, shape (n, m), and with `eval_gradient` its derivatives.

        Without Y it is that of X with itself. The derivatives, shape (n, n, coordinates + 3 or 4), are by the
        logarithms of the hyperparameters in scikit-learn's order, alphabetical by name: lengthscales, noise variance,
        signal variance, odds of the similarity, and with generations those of the task similarity.
        """
        a, b = np.asarray(X), np.asarray(X if Y is None else Y)
        differences = (a[:, None, :-3] - b[None, :, :-3]) / np.atleast_1d(self.lengthscales)[self.owners]
        squares = differences**2
        squared = squares.sum(axis=2)
        root = _SQRT5 * np.sqrt(squared)
        decay = np.exp(-root)
        similarity = self.similarity_odds / (1.0 + self.similarity_odds)
        across = a[:, None, -2] != b[:, -2]
        scale = self.signal_variance * np.where(across, similarity, 1.0)
        signal = scale * (1.0 + root + (5.0 / 3.0) * squared) * decay
        noise: Floats | float = 0.0
        if Y is None:
            noise = self.noise_variance * (np.diag(1.0 / a[:, -1]) if self.noise_shape is None else self.noise_shape)
        level = level_covariance(a[:, -3], b[:, -3], ~across)
        task_level: Floats | float = 0.0
        steps, task_similarity = None, self.task_similarity_odds / (1.0 + self.task_similarity_odds)
        if Y is None and self.generations is not None:
            steps, task_level = task_relation(self.generations)
            related = task_similarity**steps
            scale, signal, level = related * scale, related * signal, related * level
        if not eval_gradient:
            return np.asarray(signal + level + task_level + noise)
        # d k / d log l_j = s² 5/3 (1 + √5 r) exp(-√5 r) (x_j - x'_j)² / l_j² of the Matern 5/2 kernel k.
        of_coordinates = np.add.reduceat(squares, np.flatnonzero(np.diff(self.owners, prepend=-1)), axis=2)
        by_lengthscale = ((5.0 / 3.0) * scale * (1.0 + root) * decay)[:, :, None] * of_coordinates
        by_odds = np.where(across, signal * (1.0 - similarity), 0.0)
        parts = [by_lengthscale, noise, signal, by_odds]
        if steps is not None:
            # d rho^n / d log(rho / (1 - rho)) = n (1 - rho) rho^n, n steps apart.
            parts.append(steps * (1.0 - task_similarity) * (signal + level))
        return np.asarray(signal + level + task_level + noise), np.dstack(parts)

    def diag(self, X: Floats) -> Floats:  # noqa: N803
        """Return the diagonal of the covariance of n inputs with themselves, shape (n,), noise included."""
        x = np.asarray(X)
        return np.asarray(self.signal_variance + level_variance(x[:, -3]) + self.noise_variance / x[:, -1])

    def is_stationary(self) -> bool:
        """Return False: the noise depends on how many ratings were pooled."""
        return False

    def _check_bounds_params(self) -> None:
        """Check nothing: the floor of the signal variance is meant to be reached; scikit-learn would warn of it."""


class StudyRegressor(GaussianProcessRegressor):  # type: ignore[misc]
    """scikit-optimize's regressor with log priors, exact pooling and a deadline; it maximizes the posterior.

    `scatter` is that of the pooled ratings about their means and `repeats` its degrees of freedom
    (`tuning.model.pooling.Ratings`, `tuning.model.raters.judging.Judgement`), `time_budget` is in seconds.
    """

    def __init__(
        self, kernel: StudyKernel, *, noise_prior: LogNormal, scatter: float, repeats: float, time_budget: float
    ) -> None:
        super().__init__(kernel=kernel, alpha=_RIDGE, optimizer=self._optimize)
        self.noise_prior = noise_prior
        self.scatter = scatter
        self.repeats = repeats
        self.time_budget = time_budget

    def log_marginal_likelihood(
        self, theta: Floats | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> "float | tuple[float, Floats]":
        """Return what scikit-learn maximizes: here `log_posterior`, not the marginal likelihood alone.

        `theta` has the logarithms of the hyperparameters; with None the value is that of the fit.
        """
        if theta is None:
            return float(self.log_marginal_likelihood_value_)
        value, gradient = self.log_posterior(theta, clone_kernel=clone_kernel)
        return (value, gradient) if eval_gradient else value

    def log_posterior(self, theta: Floats, *, clone_kernel: bool = True) -> tuple[float, Floats]:
        """Return the log posterior of the hyperparameters up to a constant, and its gradient by `theta`.

        `theta`, shape (coordinates + 3 or 4,), has their logarithms in the order of `StudyKernel.__call__`. The
        likelihood is that of the single ratings: that of the N means, and of the `scatter` of n ratings about them,

            -½ repeats log(noise variance) - ½ scatter / noise variance        repeats = n - N
        """
        value, gradient = super().log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=clone_kernel)
        noise = np.size(self.kernel.lengthscales)  # the place of the noise variance in theta
        medians, deviations = _priors(noise, len(theta), self.noise_prior)
        z = (theta - np.log(medians)) / deviations
        # What pooling hides: how far the single ratings of a setting lie from their mean, given the noise.
        surprise = self.scatter * math.exp(-theta[noise])
        gradient = gradient - z / deviations
        gradient[noise] += 0.5 * (surprise - self.repeats)
        return float(value - 0.5 * (self.repeats * theta[noise] + surprise) - 0.5 * float(z @ z)), gradient

    def _optimize(
        self, objective: Callable[[Floats], tuple[float, Floats]], initial: Floats, bounds: Floats
    ) -> tuple[Floats, float]:
        """Minimize by L-BFGS-B until it converges or time is up; return the best point seen and its value."""
        deadline = time.monotonic() + self.time_budget
        best, lowest = initial, math.inf

        def watched(theta: Floats) -> tuple[float, Floats]:
            nonlocal best, lowest
            if time.monotonic() > deadline and math.isfinite(lowest):
                raise _DeadlineError
            value, gradient = objective(theta)
            if value < lowest:
                best, lowest = theta.copy(), value
            return value, gradient

        with suppress(_DeadlineError):
            minimize(watched, initial, method="L-BFGS-B", jac=True, bounds=bounds, options=_TOLERANCES)
        return best, lowest


class _DeadlineError(Exception):
    """Ends an optimization whose time is up."""


def fit(
    mode: Mode, ratings: Ratings, start: Hyperparameters | None, *, time_budget: float = TIME_BUDGET
) -> Hyperparameters:
    """Find the hyperparameters most probable given the ratings, starting at `start` (None: at the priors' modes).

    It takes about `time_budget` seconds at most: one evaluation may overrun it. `ratings` must not be empty.

    Raises:
        ValueError: the ratings are not finite; validation lets none of these in.
        numpy.linalg.LinAlgError: the covariance is not positive definite at the hyperparameters found.
    """
    initial = complete(mode, start)
    points = ratings.points
    means, scatter, repeats, shape = ratings.means, ratings.scatter, float(np.sum(ratings.counts - 1.0)), None
    noise_prior = replace(
        NOISE_VARIANCE_PRIOR, median=NOISE_VARIANCE_PRIOR.median + float(rounding_variance(np.array(ratings.step)))
    )
    if ratings.panel is not None:
        # As the panel is understood at the hyperparameters so far; the noise of all of it is fitted as one.
        prior = covariance_of_rated(points, ratings.generations, initial)
        said = judge(ratings.panel, prior, prior_mean(points.trends), initial.noise_variance)
        means, scatter, repeats = said.means, said.scatter, said.freedom
        shape = said.noise / initial.noise_variance
        noise_prior = OWN_NOISE_VARIANCE_PRIOR
    kernel = StudyKernel(
        np.array([mode.coordinates.index(name) for name in mode.columns]),
        np.array([initial.lengthscales[axis.first] for axis in mode.axes]),
        min(max(initial.signal_variance, SIGNAL_VARIANCE_PRIOR.low), SIGNAL_VARIANCE_PRIOR.high),
        initial.noise_variance,
        initial.similarity / (1.0 - initial.similarity),
        noise_shape=shape,
        generations=ratings.generations,
        task_similarity_odds=initial.task_similarity / (1.0 - initial.task_similarity),
    )
    inputs = np.column_stack([points.coordinates, points.trends, points.apis, ratings.counts])
    regressor = StudyRegressor(
        kernel, noise_prior=noise_prior, scatter=scatter, repeats=repeats, time_budget=time_budget
    )
    regressor.fit(inputs, means - prior_mean(points.trends))
    fitted = regressor.kernel_
    odds, task_odds = float(fitted.similarity_odds), float(fitted.task_similarity_odds)
    return Hyperparameters(
        tuple(
            (name, float(value))
            for name, value in zip(mode.coordinates, np.atleast_1d(fitted.lengthscales), strict=True)
        ),
        float(fitted.signal_variance),
        float(fitted.noise_variance),
        odds / (1.0 + odds),
        ratings.total,
        None if ratings.generations is None else task_odds / (1.0 + task_odds),
    )


def _fitted(name: str, prior: LogNormal, count: int = 1) -> Hyperparameter:
    return Hyperparameter(name, "numeric", (prior.low, prior.high), count)


def _priors(dimensions: int, fitted: int, noise: LogNormal) -> tuple[Floats, Floats]:
    """Return the medians and the deviations of the logarithms of so many fitted ones, in the order of theta."""
    others = [noise, SIGNAL_VARIANCE_PRIOR, SIMILARITY_ODDS_PRIOR, TASK_SIMILARITY_ODDS_PRIOR]
    priors = [*[LENGTHSCALE_PRIOR] * dimensions, *others][:fitted]
    return np.array([prior.median for prior in priors]), np.array([prior.deviation for prior in priors])
