"""The surrogate: a Gaussian process over every API of a mode at once, and what it believes given the ratings.

Inputs are the mode's shared coordinates and the index of the API. A number is one column, in [0, 1] within today's
bounds; a choice is a column for each of the choices, all zero but its own (`tuning.spaces.Mode.axes`). Two settings
are alike as a Matern 5/2 kernel says, times 1 within an API and times the learned similarity across APIs. The prior
mean is the middle of the scale; people disagree, so noise is part of the model.

NumPy alone, so that a cold start stays cheap. Nothing is fitted here: hyperparameters come from `learning` by way of
the store, or are the priors' modes. They have a lengthscale per coordinate; the covariance takes one per column,
which `complete` makes of them (`ColumnHyperparameters`).

Source of the equations: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1 and
equation 4.17; the product with a matrix of task similarities: Bonilla et al., "Multi-task Gaussian Process
Prediction" (NIPS 2007), section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuning.model.cholesky import Cholesky
from tuning.observations import Setting
from tuning.spaces import CategoricalParameter, Mode
from tuning.studies import Hyperparameters

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

PRIOR_MEAN = 3.0  # the middle of the scale, expected on average over the space
# How many rating points below its middle the corners of a space are expected to be. Whoever declares a range has put
# what works inside it; half-way between, the corners are most of a space and seldom good.
FALL = 0.9
# Squared rating points.
LEVEL_VARIANCE = 0.10
API_LEVEL_VARIANCE = 0.05

FARTHEST = 100.0  # ranges from today's bounds beyond which all is alike: far past any influence, and exact in floats

_ABSENT = 0.5  # of an API that lacks a coordinate of the mode: constant, hence without influence


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A prior on a positive number: normal on its logarithm, with this median and deviation of the logarithm."""

    median: float
    deviation: float


# What a 1-to-5 scale says before any rating. The density is taken over the logarithm (over the logit for the
# similarity), as the fit is, so that the median is also the mode.
LENGTHSCALE_PRIOR = LogNormal(0.30, 0.25)
SIGNAL_VARIANCE_PRIOR = LogNormal(1.0, 0.40)
NOISE_VARIANCE_PRIOR = LogNormal(0.16, 0.35)
SIMILARITY_ODDS_PRIOR = LogNormal(1.0, 1.0)

# In the column of a choice that was made. Any two choices are then as far apart as the lengthscale that is expected, so
# that before any rating they correlate by about a half, as two APIs do.
CHOSEN = LENGTHSCALE_PRIOR.median / math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class ColumnHyperparameters:
    """`Hyperparameters` as `covariance` takes them: a lengthscale for each column of one mode's inputs, in order.

    Units are those of `Hyperparameters`. `complete` makes them.
    """

    lengthscales: tuple[float, ...]
    signal_variance: float
    noise_variance: float
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where settings lie: coordinates of shape (n, columns), trends and API indices of shape (n,). See `points_at`."""

    coordinates: Floats
    trends: Floats
    apis: Indices

    def __len__(self) -> int:
        return len(self.apis)

    def join(self, other: "Points") -> "Points":
        """These points, then the others."""
        return Points(
            np.concatenate([self.coordinates, other.coordinates]),
            np.concatenate([self.trends, other.trends]),
            np.concatenate([self.apis, other.apis]),
        )

    def take(self, indices: Indices) -> "Points":
        """The points of these indices."""
        return Points(self.coordinates[indices], self.trends[indices], self.apis[indices])


def points_at(mode: Mode, coordinates: Floats, apis: Indices) -> Points:
    """The points at these coordinates, with the trend of each: 1/3 amid the ranges, -2/3 in a corner, 0 on average.

    It is a third less the mean square of how far, from -1 to 1, the numbers lie from the middle of their ranges.
    Beyond the bounds it is that of the bound; choices have no middle and no part in it.
    """
    numbers = [axis.first for axis in mode.axes if not axis.choices]
    if not numbers:
        return Points(coordinates, np.zeros(len(apis)), apis)
    eccentricity = np.clip(2.0 * coordinates[:, numbers] - 1.0, -1.0, 1.0)
    return Points(coordinates, 1.0 / 3.0 - np.mean(eccentricity**2, axis=1), apis)


def locate(mode: Mode, settings: Sequence[Setting]) -> Points:
    """Where the settings lie; each must be one that the mode admits (see `tuning.model.pooling.admits`)."""
    names = [api.name for api in mode.apis]
    apis = np.array([names.index(setting.api) for setting in settings], dtype=np.intp)
    coordinates = np.tile(absent(mode), (len(settings), 1))
    for row, (setting, api) in zip(coordinates, zip(settings, apis, strict=True), strict=True):
        values = dict(setting.values)
        for parameter in mode.apis[api].parameters:
            axis, value = mode.find_axis(parameter.coordinate), values[parameter.name]
            if isinstance(parameter, CategoricalParameter):
                row[axis.column(str(value))] = CHOSEN
            else:
                row[axis.first] = parameter.scale(float(value))
    return points_at(mode, np.clip(coordinates, -FARTHEST, FARTHEST), apis)


def absent(mode: Mode) -> Floats:
    """The columns, shape (columns,), of an API that has none of the mode's coordinates: as far from any choice."""
    return np.array([0.0 if axis.choices else _ABSENT for axis in mode.axes for _ in range(axis.width)])


def prior_modes(mode: Mode) -> ColumnHyperparameters:
    """What the priors hold most likely, before any fit."""
    odds = SIMILARITY_ODDS_PRIOR.median
    return ColumnHyperparameters(
        (LENGTHSCALE_PRIOR.median,) * len(mode.columns),
        SIGNAL_VARIANCE_PRIOR.median,
        NOISE_VARIANCE_PRIOR.median,
        odds / (1.0 + odds),
    )


def complete(mode: Mode, learned: Hyperparameters | None) -> ColumnHyperparameters:
    """What was learned by coordinate, by column of the mode's inputs: those of one coordinate share its lengthscale.

    A coordinate that the mode has gained since, and everything if nothing was learned, is as the priors' modes say.
    """
    if learned is None:
        return prior_modes(mode)
    known = dict(learned.lengthscales)
    return ColumnHyperparameters(
        tuple(known.get(name, LENGTHSCALE_PRIOR.median) for name in mode.columns),
        learned.signal_variance,
        learned.noise_variance,
        learned.similarity,
    )


def prior_mean(points: Points) -> Floats:
    """What true ratings are expected before any is known, shape (len(points),)."""
    return PRIOR_MEAN + FALL * points.trends


def covariance(a: Points, b: Points, hyperparameters: ColumnHyperparameters) -> Floats:
    """Prior covariance of the true ratings at two sets of points, shape (len(a), len(b)), in squared rating points.

    Raises ValueError if the hyperparameters are those of another mode: for more or fewer columns than the points have.
    """
    lengthscales = np.array(hyperparameters.lengthscales)
    if not a.coordinates.shape[1:] == b.coordinates.shape[1:] == lengthscales.shape:
        raise ValueError(
            f"{len(lengthscales)} lengthscales do not fit points of {a.coordinates.shape[1]} and "
            f"{b.coordinates.shape[1]} columns"
        )
    scaled_a, scaled_b = a.coordinates / lengthscales, b.coordinates / lengthscales
    squared = scaled_a @ (-2.0 * scaled_b.T)
    squared += np.sum(scaled_a**2, axis=1)[:, None]
    squared += np.sum(scaled_b**2, axis=1)
    np.maximum(squared, 0.0, out=squared)
    root = np.sqrt(5.0 * squared)
    squared *= 5.0 / 3.0
    squared += root
    squared += 1.0
    squared *= np.exp(-root)
    same = a.apis[:, None] == b.apis
    squared *= np.where(
        same, hyperparameters.signal_variance, hyperparameters.signal_variance * hyperparameters.similarity
    )
    squared += level_covariance(a.trends, b.trends, same)
    return np.asarray(squared)


def level_covariance(trends_a: Floats, trends_b: Floats, same_api: NDArray[np.bool_]) -> Floats:
    """The part of the covariance that no rating teaches: of the general level, of the APIs' and of the fall.

    People are generous or harsh as a whole, an API is better or worse as a whole, and how much ratings fall towards
    the corners is not known either.
    """
    levels = np.where(same_api, LEVEL_VARIANCE + API_LEVEL_VARIANCE, LEVEL_VARIANCE)
    levels += np.outer(FALL * trends_a, FALL * trends_b)
    return levels


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """The posterior at some points: mean and variance of the true rating there, each of shape (n,).

    Holds what is needed to condition on a further rating at one of these points without starting anew.
    """

    points: Points
    mean: Floats
    variance: Floats
    _whitened: Floats
    hyperparameters: ColumnHyperparameters

    @property
    def deviation(self) -> Floats:
        """The posterior standard deviation of the true rating, shape (n,)."""
        return np.sqrt(self.variance)

    def covariance(self, indices: Indices) -> Floats:
        """The posterior covariance of the true ratings at all points and at those of the indices, shape (n, k)."""
        prior = covariance(self.points, self.points.take(indices), self.hyperparameters)
        return np.asarray(prior - self._whitened.T @ self._whitened[:, indices])

    def condition(self, index: int, rating: float) -> "Belief":
        """The belief after one more rating at the point of that index."""
        deviation = math.sqrt(self.variance[index] + self.hyperparameters.noise_variance)
        row = self.covariance(np.array([index]))[:, 0] / deviation
        mean = self.mean + (rating - self.mean[index]) / deviation * row
        variance = np.maximum(self.variance - row**2, 0.0)
        return replace(self, mean=mean, variance=variance, _whitened=np.vstack([self._whitened, row]))


class Surrogate:
    """The Gaussian process conditioned on ratings. Without ratings it is the prior."""

    __slots__ = ("_factor", "_points", "_weights", "hyperparameters", "rated_mean")

    def __init__(self, points: Points, ratings: Floats, counts: Floats, hyperparameters: ColumnHyperparameters) -> None:
        """Conditions on mean ratings of shape (n,), each of so many single ratings, at n points.

        `rated_mean`, shape (n,), is the posterior mean at these points.

        Raises ValueError if the kernel stays singular even with the largest jitter.
        """
        self.hyperparameters = hyperparameters
        self._points = points
        kernel = covariance(points, points, hyperparameters)
        self._factor = Cholesky(kernel, hyperparameters.noise_variance / counts)
        expected = prior_mean(points)
        self._weights = self._factor.solve(ratings - expected)
        self.rated_mean = expected + kernel @ self._weights

    def believe(self, points: Points, pending: Points | None = None) -> Belief:
        """The posterior at the points, as if each of the pending ones had had one more rating, just as expected.

        Such ratings move no mean, they only make it surer: the factor grows by their rows, the weights by zeros.
        """
        cross = covariance(self._points, points, self.hyperparameters)
        whitened = self._factor.whiten(cross)
        mean = prior_mean(points) + self._weights @ cross
        if pending is not None:
            known = self._factor.whiten(covariance(self._points, pending, self.hyperparameters))
            unknown = covariance(pending, pending, self.hyperparameters) - known.T @ known
            factor = Cholesky(unknown, np.full(len(pending), self.hyperparameters.noise_variance))
            rows = factor.whiten(covariance(pending, points, self.hyperparameters) - known.T @ whitened)
            whitened = np.vstack([whitened, rows])
        level = LEVEL_VARIANCE + API_LEVEL_VARIANCE + (FALL * points.trends) ** 2
        variance = self.hyperparameters.signal_variance + level - np.einsum("ij,ij->j", whitened, whitened)
        return Belief(points, mean, np.maximum(variance, 0.0), whitened, self.hyperparameters)
