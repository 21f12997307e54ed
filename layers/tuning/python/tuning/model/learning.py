"""Learning: fits the surrogate's hyperparameters to a study's ratings, with scikit-optimize.

The only importer of scikit-optimize. Importing this module costs more than a second of CPU; `tuning.update` does so
at the first fit or in `preload`, and nothing that only suggests ever does. It fits and returns; it stores nothing.

The fit is a maximum a posteriori: the marginal likelihood (Rasmussen and Williams, "Gaussian Processes for Machine
Learning" (2006), equations 5.8 and 5.9) times priors on the logarithms of the hyperparameters. Pooling changes
nothing: pooled ratings have exactly the likelihood, up to a constant, of the single ratings that they stand for.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from scipy.optimize import minimize
from sklearn.gaussian_process.kernels import Hyperparameter
from skopt.learning.gaussian_process.gpr import GaussianProcessRegressor
from skopt.learning.gaussian_process.kernels import Kernel

from tuning.model.pooling import Ratings
from tuning.model.surrogate import (
    API_LEVEL_VARIANCE,
    FALL,
    LENGTHSCALE_PRIOR,
    LEVEL_VARIANCE,
    NOISE_VARIANCE_PRIOR,
    SIGNAL_VARIANCE_PRIOR,
    SIMILARITY_ODDS_PRIOR,
    Floats,
    Indices,
    complete,
    level_covariance,
    prior_mean,
)
from tuning.spaces import Mode
from tuning.studies import Hyperparameters

TIME_BUDGET = 2.0  # seconds; past it the best hyperparameters found so far are taken

_SQRT5 = math.sqrt(5.0)
_LENGTHSCALE_BOUNDS = (0.03, 3.0)
# The floor keeps the model from declaring the whole space flat after a few like ratings.
_SIGNAL_VARIANCE_BOUNDS = (0.5, 20.0)
_NOISE_VARIANCE_BOUNDS = (0.01, 4.0)
_SIMILARITY_ODDS_BOUNDS = (0.01, 100.0)
_RIDGE = 1e-10
# A hundredth of the log posterior is nothing beside what the ratings leave open; a third of the work is spared.
_TOLERANCES = {"ftol": 1e-6, "gtol": 1e-2}


class StudyKernel(Kernel):  # type: ignore[misc]
    """The covariance of `tuning.model.surrogate` as a scikit-optimize kernel, with its gradient in log hyperparameters.

    Inputs have shape (n, columns + 3): coordinates, trend, API's index, and how many ratings were pooled. `owners` has
    for each column the index of its coordinate and hence lengthscale; the columns of a coordinate are adjacent. Of a
    set of inputs with itself the noise of the pooled ratings is part; between two sets it is not. The similarity enters
    by its odds, so that its logarithm, like everything that the regressor fits, is unbounded.
    """

    def __init__(
        self,
        owners: Indices,
        lengthscales: Floats,
        signal_variance: float,
        noise_variance: float,
        similarity_odds: float,
    ) -> None:
        self.owners = owners
        # A float where there is one coordinate: scikit-learn makes it that.
        self.lengthscales = lengthscales
        self.signal_variance = signal_variance
        self.noise_variance = noise_variance
        self.similarity_odds = similarity_odds

    @property
    def hyperparameter_lengthscales(self) -> Hyperparameter:
        return Hyperparameter("lengthscales", "numeric", _LENGTHSCALE_BOUNDS, np.size(self.lengthscales))

    @property
    def hyperparameter_signal_variance(self) -> Hyperparameter:
        return Hyperparameter("signal_variance", "numeric", _SIGNAL_VARIANCE_BOUNDS)

    @property
    def hyperparameter_noise_variance(self) -> Hyperparameter:
        return Hyperparameter("noise_variance", "numeric", _NOISE_VARIANCE_BOUNDS)

    @property
    def hyperparameter_similarity_odds(self) -> Hyperparameter:
        return Hyperparameter("similarity_odds", "numeric", _SIMILARITY_ODDS_BOUNDS)

    def __call__(
        self,
        X: Floats,  # noqa: N803 - scikit-learn's name
        Y: Floats | None = None,  # noqa: N803
        eval_gradient: bool = False,
    ) -> "Floats | tuple[Floats, Floats]":
        """The covariance, shape (len(X), len(Y)); with `eval_gradient` also its derivatives, (n, n, coordinates + 3).

        Derivatives are by the logarithms of the hyperparameters in alphabetical order, scikit-learn's order of theta.
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
        noise = np.diag(self.noise_variance / a[:, -1]) if Y is None else 0.0
        level = level_covariance(a[:, -3], b[:, -3], ~across)
        if not eval_gradient:
            return np.asarray(signal + level + noise)
        # d/d(log l) of Matern 5/2 is 5/3 (1 + root) exp(-root) times the coordinate's scaled square.
        of_coordinates = np.add.reduceat(squares, np.flatnonzero(np.diff(self.owners, prepend=-1)), axis=2)
        by_lengthscale = ((5.0 / 3.0) * scale * (1.0 + root) * decay)[:, :, None] * of_coordinates
        by_odds = np.where(across, signal * (1.0 - similarity), 0.0)
        gradient = np.dstack([by_lengthscale, noise, signal, by_odds])
        return np.asarray(signal + level + noise), gradient

    def diag(self, X: Floats) -> Floats:  # noqa: N803
        """The diagonal of the covariance of X with itself, shape (n,), noise included."""
        x = np.asarray(X)
        level = LEVEL_VARIANCE + API_LEVEL_VARIANCE + (FALL * x[:, -3]) ** 2
        return np.asarray(self.signal_variance + level + self.noise_variance / x[:, -1])

    def is_stationary(self) -> bool:
        """Not so: the noise depends on how many ratings were pooled."""
        return False

    def _check_bounds_params(self) -> None:
        """The floor of the signal variance is meant to be reached; scikit-learn would warn of it."""


class StudyRegressor(GaussianProcessRegressor):  # type: ignore[misc]
    """scikit-optimize's regressor with log priors, exact pooling and a deadline; it maximizes the posterior."""

    def __init__(self, kernel: StudyKernel, *, scatter: float, time_budget: float) -> None:
        super().__init__(kernel=kernel, alpha=_RIDGE, optimizer=self._optimize)
        self.scatter = scatter
        self.time_budget = time_budget

    def log_marginal_likelihood(
        self, theta: Floats | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> "float | tuple[float, Floats]":
        """What scikit-learn maximizes: here the log posterior, not the marginal likelihood alone."""
        if theta is None:
            return float(self.log_marginal_likelihood_value_)
        value, gradient = self.log_posterior(theta, clone_kernel=clone_kernel)
        return (value, gradient) if eval_gradient else value

    def log_posterior(self, theta: Floats, *, clone_kernel: bool = True) -> tuple[float, Floats]:
        """Marginal likelihood of the single ratings plus log priors, up to a constant, and its gradient by theta."""
        value, gradient = super().log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=clone_kernel)
        medians, deviations = _priors(len(theta) - 3)
        z = (theta - np.log(medians)) / deviations
        # What pooling hides: how far the single ratings of a setting lie from their mean, given the noise.
        repeats = float(np.sum(self.X_train_[:, -1] - 1.0))
        surprise = self.scatter * math.exp(-theta[-3])
        gradient = gradient - z / deviations
        gradient[-3] += 0.5 * (surprise - repeats)
        return float(value - 0.5 * (repeats * theta[-3] + surprise) - 0.5 * float(z @ z)), gradient

    def _optimize(
        self, objective: Callable[[Floats], tuple[float, Floats]], initial: Floats, bounds: Floats
    ) -> tuple[Floats, float]:
        """L-BFGS-B until it converges or time is up; then the best point seen."""
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
    """The hyperparameters most probable given the ratings, searched from `start` (None: from the priors' modes).

    Takes about `time_budget` seconds at most: one evaluation may overrun it. `ratings` must not be empty.

    Raises ValueError or numpy's LinAlgError if the ratings admit no fit; they are none that validation lets in.
    """
    initial = complete(mode, start)
    low, high = _SIGNAL_VARIANCE_BOUNDS
    kernel = StudyKernel(
        np.array([mode.coordinates.index(name) for name in mode.columns]),
        np.array([initial.lengthscales[axis.first] for axis in mode.axes]),
        min(max(initial.signal_variance, low), high),
        initial.noise_variance,
        initial.similarity / (1.0 - initial.similarity),
    )
    points = ratings.points
    inputs = np.column_stack([points.coordinates, points.trends, points.apis, ratings.counts])
    regressor = StudyRegressor(kernel, scatter=ratings.scatter, time_budget=time_budget)
    regressor.fit(inputs, ratings.means - prior_mean(points))
    fitted = regressor.kernel_
    odds = float(fitted.similarity_odds)
    return Hyperparameters(
        tuple(
            (name, float(value))
            for name, value in zip(mode.coordinates, np.atleast_1d(fitted.lengthscales), strict=True)
        ),
        float(fitted.signal_variance),
        float(fitted.noise_variance),
        odds / (1.0 + odds),
        ratings.total,
    )


def _priors(dimensions: int) -> tuple[Floats, Floats]:
    """Medians and log deviations in the order of theta: alphabetical by name, as scikit-learn sorts."""
    priors = [LENGTHSCALE_PRIOR] * dimensions + [NOISE_VARIANCE_PRIOR, SIGNAL_VARIANCE_PRIOR, SIMILARITY_ODDS_PRIOR]
    return np.array([prior.median for prior in priors]), np.array([prior.deviation for prior in priors])
