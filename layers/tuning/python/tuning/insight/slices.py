"""Slices: what the model expects of settings along one parameter, or over two, the others held still; for plots.

Each API of the mode that can be set so has a slice of its own. Parameters of different APIs that share a coordinate are
taken to act alike: along `init_strength` of one API, another's slice is along its `strength`. What is not said is as in
the best setting of that API, which for the API of the recommendation is the recommendation.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from storage.deadline import Deadline
from tuning.insight.knowledge import Knowledge
from tuning.insight.scale import expected_rating, interval_of
from tuning.model.encoding import encode
from tuning.observations import DEFAULT_STUDY, Setting
from tuning.spaces import Api, CategoricalParameter, Parameter, Spaces, Value
from tuning.stores.lineage import read_study
from tuning.stores.port import ObservationStore
from tuning.study import ModeStudy
from tuning.validation.requests import validate_study
from tuning.validation.slices import SliceRequest, parse_slice

MAX_NEAR = 50  # rated settings that are told of each slice

# What a rated setting's correlation with the nearest setting of the slice must be to be near it: at a half, its rating
# explains a quarter of the variance there.
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class SlicePoint:
    """What is expected where the parameters have these values, in rating points, as of a recommendation."""

    values: tuple[Value, ...]
    mean: float
    deviation: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class NearRating:
    """A rated setting near a slice: how many ratings the model takes of it, and their mean.

    `nearness` is its correlation with the setting of the slice that is nearest to it, as the model has learned it: 1 on
    the slice.
    """

    setting: Setting
    ratings: int
    mean_rating: float
    nearness: float


@dataclass(frozen=True, slots=True)
class Slice:
    """An API's slice: along which of its parameters, through which setting, and the points, row by row of the first.

    `near` are the rated settings near it, the nearest first, at most MAX_NEAR.
    """

    api: str
    parameters: tuple[str, ...]
    through: Setting
    points: tuple[SlicePoint, ...]
    near: tuple[NearRating, ...]


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of a mode of a study, in the order of its APIs."""

    study: str
    mode: str
    samples_seen: int
    slices: tuple[Slice, ...]


def explore(
    store: ObservationStore,
    spaces: Spaces,
    *,
    asked: Mapping[str, object],
    study: str = DEFAULT_STUDY,
    deadline: Deadline | None = None,
) -> Slices:
    """Return the slices that are asked for, as `tuning.validation.slices.parse_slice` takes them.

    Raises:
        InvalidRequestError: anything is wrong with what is asked, or the name is none that a study can have.
        StudyMissingError: there is no such study.
        TooFewRatingsError: the mode has fewer than INITIAL_RATINGS ratings.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    request = parse_slice(asked, spaces)
    name = validate_study(study, root="query")
    return slice_through(request, read_study(store, request.mode.name, study=name, now=None, deadline=deadline))


def slice_through(request: SliceRequest, study: ModeStudy) -> Slices:
    """Return the slices of a study; a pure function.

    Raises:
        TooFewRatingsError: it has fewer than INITIAL_RATINGS ratings that the mode admits.
    """
    known = Knowledge.enough(request.mode, study)
    found = []
    for index, api in enumerate(request.mode.apis):
        if api.name in request.along:
            along = _ordered(api, request.along[api.name])
            through = _through(known, index, dict(request.fixed))
            found.append(_slice(known, index, along, through, request.points))
    return Slices(study.study.name, request.mode.name, len(study.observations), tuple(found))


def _ordered(api: Api, names: tuple[str, ...]) -> list[Parameter]:
    return [parameter for name in names if (parameter := api.find_parameter(name)) is not None]


def _through(known: Knowledge, api: int, fixed: Mapping[str, Value]) -> Setting:
    optimum = known.survey.optimum.setting
    name = known.mode.apis[api].name
    best = optimum if optimum.api == name else known.best_of(api)
    return Setting(name, tuple((one, fixed.get(one, value)) for one, value in best.values))


def _slice(known: Knowledge, api: int, along: list[Parameter], through: Setting, count: int) -> Slice:
    names = tuple(parameter.name for parameter in along)
    rows = list(itertools.product(*(values_of(parameter, count) for parameter in along)))
    settings = [_moved(through, dict(zip(names, row, strict=True))) for row in rows]
    posterior = known.surrogate.posterior(encode(known.mode, settings))
    mean, deviation = posterior.mean, posterior.deviation
    low, high = interval_of(mean, deviation)
    columns = (expected_rating(mean, deviation), deviation, low, high)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    points = tuple(SlicePoint(row, m, d, (lo, hi)) for row, (m, d, lo, hi) in zip(rows, numbers, strict=True))
    return Slice(known.mode.apis[api].name, names, through, points, _near(known, api, along, through))


def values_of(parameter: Parameter, count: int) -> list[Value]:
    """Return all choices, or at most `count` values of a number, spread evenly over its range, the ends included."""
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    return list(dict.fromkeys(parameter.unscale(place) for place in np.linspace(0.0, 1.0, count).tolist()))


def _moved(through: Setting, values: Mapping[str, Value]) -> Setting:
    return Setting(through.api, tuple((name, values.get(name, value)) for name, value in through.values))


def _near(known: Knowledge, api: int, along: list[Parameter], through: Setting) -> tuple[NearRating, ...]:
    """Return the rated settings of the API whose correlation with their projection onto the slice is _NEAR or more."""
    ratings, hyperparameters = known.ratings, known.surrogate.hyperparameters
    own = np.flatnonzero(ratings.points.apis[: ratings.own] == api)
    free = {parameter.coordinate for parameter in along}
    held = np.array([name not in free for name in known.mode.columns])
    away = ratings.points.coordinates[own] - encode(known.mode, [through]).coordinates
    away = (away / np.array(hyperparameters.lengthscales))[:, held]
    root = np.sqrt(5.0 * np.sum(away**2, axis=1))
    # The Matern 5/2 correlation, as in `tuning.model.surrogate.covariance`.
    nearness = (1.0 + root + root**2 / 3.0) * np.exp(-root)
    nearest = np.argsort(-nearness, kind="stable")[:MAX_NEAR]
    return tuple(
        NearRating(
            ratings.settings[own[place]],
            int(ratings.counts[own[place]]),
            float(ratings.means[own[place]]),
            float(nearness[place]),
        )
        for place in nearest.tolist()
        if nearness[place] >= _NEAR
    )
