"""The surrogate: a Gaussian process over every API of a mode at once, and what it believes given the ratings.

Inputs are the mode's shared coordinates and the index of the API. A number is one column, in [0, 1] within today's
bounds; a choice is a column for each of the choices, all zero but its own (`tuning.spaces.Mode.axes`). Two settings
are alike as a Matern 5/2 kernel says, times 1 within an API and times the learned similarity across APIs. The prior
mean is the middle of the scale; people disagree, so noise is part of the model.

NumPy and SciPy's linear algebra alone, so that a cold start stays cheap. Nothing is fitted here: hyperparameters come
from `tuning.learning` by way of the store, or are the priors' modes.

Source of the equations: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1 and
equation 4.17; the product with a matrix of task similarities: Bonilla et al., "Multi-task Gaussian Process
Prediction" (NIPS 2007), section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from tuning.observations import Observation, Setting
from tuning.spaces import CategoricalParameter, Mode
from tuning.studies import Hyperparameters

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

PRIOR_MEAN = 3.0  # the middle of the scale
MAX_POINTS = 500  # distinct settings that the model holds; see `pool`

FARTHEST = 100.0  # ranges from today's bounds beyond which all is alike: far past any influence, and exact in floats

_ABSENT = 0.5  # of an API that lacks a coordinate of the mode: constant, hence without influence
_SQRT5 = math.sqrt(5.0)
_JITTERS = (1e-10, 1e-8, 1e-6, 1e-4)  # added to the diagonal, in turn, should rounding make the kernel singular


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


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Where settings lie: coordinates of shape (n, columns) and API indices of shape (n,)."""

    coordinates: Floats
    apis: Indices

    def __len__(self) -> int:
        return len(self.apis)

    def join(self, other: "Points") -> "Points":
        """These points, then the others."""
        return Points(np.concatenate([self.coordinates, other.coordinates]), np.concatenate([self.apis, other.apis]))


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Pooled ratings: distinct settings, the mean rating of each, how often each was rated; all of length n.

    `scatter` is the sum of squared deviations of the single ratings from their setting's mean.
    """

    settings: tuple[Setting, ...]
    points: Points
    means: Floats
    counts: Floats
    scatter: float

    def __len__(self) -> int:
        return len(self.settings)

    @property
    def total(self) -> int:
        """How many single ratings were pooled."""
        return int(self.counts.sum())


def locate(mode: Mode, settings: Sequence[Setting]) -> Points:
    """Where the settings lie; each must be of the mode's APIs with exactly their parameters (see `admits`)."""
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
    return Points(np.clip(coordinates, -FARTHEST, FARTHEST), apis)


def absent(mode: Mode) -> Floats:
    """The columns, shape (columns,), of an API that has none of the mode's coordinates: as far from any choice."""
    return np.array([0.0 if axis.choices else _ABSENT for axis in mode.axes for _ in range(axis.width)])


def admits(mode: Mode, setting: Setting) -> bool:
    """Whether the model can place the setting: its API is in the mode and has exactly these parameters, of these kinds.

    Bounds do not matter here: what was rated under narrower or wider bounds still teaches. So does a choice that the
    API no longer offers, if another API of the mode does; one that nobody offers is nowhere.
    """
    api = mode.find_api(setting.api)
    values = dict(setting.values)
    if api is None or values.keys() != {parameter.name for parameter in api.parameters}:
        return False
    for parameter in api.parameters:
        value = values[parameter.name]
        if isinstance(parameter, CategoricalParameter):
            if value not in mode.find_axis(parameter.coordinate).choices:
                return False
        elif isinstance(value, str):
            return False
    return True


def pool(mode: Mode, observations: Sequence[Observation], *, limit: int = MAX_POINTS) -> Ratings:
    """Pools repeated ratings of one setting into its mean, in order of first rating.

    Observations that the mode no longer admits are passed over. Past `limit` distinct settings the model keeps the
    better-rated half of the limit and, of the rest, the most recently rated, so that its cost stays bounded.
    """
    groups: dict[Setting, list[float]] = {}
    recency: dict[Setting, int] = {}
    for index, observation in enumerate(observations):
        if admits(mode, observation.setting):
            groups.setdefault(observation.setting, []).append(observation.rating)
            recency[observation.setting] = index
    means = {setting: math.fsum(ratings) / len(ratings) for setting, ratings in groups.items()}
    if len(groups) > limit:
        best_first = sorted(groups, key=lambda setting: (-means[setting], -recency[setting]))
        rest = sorted(best_first[limit // 2 :], key=lambda setting: -recency[setting])
        kept = {*best_first[: limit // 2], *rest[: limit - limit // 2]}
        groups = {setting: ratings for setting, ratings in groups.items() if setting in kept}
    settings = tuple(groups)
    scatter = math.fsum((rating - means[s]) ** 2 for s, ratings in groups.items() for rating in ratings)
    return Ratings(
        settings,
        locate(mode, settings),
        np.array([means[setting] for setting in settings]),
        np.array([float(len(groups[setting])) for setting in settings]),
        scatter,
    )


def prior_modes(mode: Mode) -> Hyperparameters:
    """The hyperparameters that the priors hold most likely, before any fit; a lengthscale for each column."""
    odds = SIMILARITY_ODDS_PRIOR.median
    return Hyperparameters(
        tuple((name, LENGTHSCALE_PRIOR.median) for name in mode.columns),
        SIGNAL_VARIANCE_PRIOR.median,
        NOISE_VARIANCE_PRIOR.median,
        odds / (1.0 + odds),
    )


def complete(mode: Mode, learned: Hyperparameters | None) -> Hyperparameters:
    """The learned hyperparameters, with the priors' modes for whatever the mode has gained since they were learned.

    A lengthscale for each column of the mode's inputs, in order, as `covariance` needs them: those of one coordinate
    are equal.
    """
    modes = prior_modes(mode)
    if learned is None:
        return modes
    known = dict(learned.lengthscales)
    return replace(learned, lengthscales=tuple((name, known.get(name, prior)) for name, prior in modes.lengthscales))


def covariance(a: Points, b: Points, hyperparameters: Hyperparameters) -> Floats:
    """Prior covariance of the true ratings at two sets of points, shape (len(a), len(b)), in squared rating points."""
    lengthscales = np.array([lengthscale for _, lengthscale in hyperparameters.lengthscales])
    scaled_a, scaled_b = a.coordinates / lengthscales, b.coordinates / lengthscales
    squared = np.maximum(
        np.sum(scaled_a**2, axis=1)[:, None] + np.sum(scaled_b**2, axis=1) - 2.0 * (scaled_a @ scaled_b.T), 0.0
    )
    root = _SQRT5 * np.sqrt(squared)
    matern = (1.0 + root + (5.0 / 3.0) * squared) * np.exp(-root)
    similarity = np.where(a.apis[:, None] == b.apis, 1.0, hyperparameters.similarity)
    return np.asarray(hyperparameters.signal_variance * similarity * matern)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """The posterior at some points: mean and variance of the true rating there, each of shape (n,).

    Holds what is needed to condition on a further rating at one of these points without starting anew.
    """

    points: Points
    mean: Floats
    variance: Floats
    _whitened: Floats
    hyperparameters: Hyperparameters

    @property
    def deviation(self) -> Floats:
        """The posterior standard deviation of the true rating, shape (n,)."""
        return np.sqrt(self.variance)

    def condition(self, index: int, rating: float) -> "Belief":
        """The belief after one more rating at the point of that index."""
        here = Points(self.points.coordinates[index : index + 1], self.points.apis[index : index + 1])
        prior = covariance(here, self.points, self.hyperparameters)[0]
        joint = prior - self._whitened[:, index] @ self._whitened
        row = joint / math.sqrt(self.variance[index] + self.hyperparameters.noise_variance)
        gain = (rating - self.mean[index]) / math.sqrt(self.variance[index] + self.hyperparameters.noise_variance)
        variance = np.maximum(self.variance - row**2, 0.0)
        return replace(self, mean=self.mean + gain * row, variance=variance, _whitened=np.vstack([self._whitened, row]))


class Surrogate:
    """The Gaussian process conditioned on ratings. Without ratings it is the prior."""

    __slots__ = ("_factor", "_points", "_weights", "hyperparameters")

    def __init__(self, points: Points, ratings: Floats, counts: Floats, hyperparameters: Hyperparameters) -> None:
        """Conditions on mean ratings of shape (n,), each of so many single ratings, at n points.

        Raises ValueError if the kernel stays singular even with the largest jitter.
        """
        self.hyperparameters = hyperparameters
        self._points = points
        kernel = covariance(points, points, hyperparameters) + np.diag(hyperparameters.noise_variance / counts)
        self._factor = _factorize(kernel)
        self._weights = cho_solve((self._factor, True), ratings - PRIOR_MEAN, check_finite=False)

    def believe(self, points: Points) -> Belief:
        """The posterior at the points."""
        cross = covariance(self._points, points, self.hyperparameters)
        whitened = solve_triangular(self._factor, cross, lower=True, check_finite=False)
        variance = np.maximum(self.hyperparameters.signal_variance - np.sum(whitened**2, axis=0), 0.0)
        return Belief(points, PRIOR_MEAN + self._weights @ cross, variance, whitened, self.hyperparameters)


def _factorize(kernel: Floats) -> Floats:
    for jitter in _JITTERS:
        try:
            return np.asarray(cholesky(kernel + np.diag(np.full(len(kernel), jitter)), lower=True, check_finite=False))
        except np.linalg.LinAlgError:
            continue
    raise ValueError("the kernel is singular")
