"""The encoding: a setting as a point of the surrogate's inputs and back, and which settings have a point at all.

Three representations of a setting meet here.

- A `Setting` has an API and the values of its parameters.
- A point (`Points`) has one row of columns, which all APIs of a mode share, and the index of its API. The Gaussian
  process measures distances between points.
- A point of the unit cube has one dimension per coordinate of the mode. Designs are drawn there.

This module knows nothing of ratings, and chooses no setting.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuning.model.arrays import Flags, Floats, Indices
from tuning.model.priors import LENGTHSCALE_PRIOR
from tuning.observations import Setting
from tuning.spaces import Api, Axis, CategoricalParameter, Fixed, Mode, Parameter, Value

# In the column of a choice that was made. Any two choices are then as far apart as the lengthscale that is expected, so
# that before any rating they correlate by about a half, as two APIs do.
CHOSEN = LENGTHSCALE_PRIOR.median / math.sqrt(2.0)

FARTHEST = 100.0  # ranges from today's bounds beyond which all is alike: far past any influence, and exact in floats

_ABSENT = 0.5  # of an API that lacks a coordinate of the mode: constant, hence without influence


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """n settings of one mode as the Gaussian process takes them, one row per setting. `encode` makes them.

    `coordinates`, shape (n, columns), in the order of `tuning.spaces.Mode.axes`. A number v is one column,
    (v - low) / (high - low): in [0, 1] within today's bounds. A choice is one column per choice: CHOSEN in its own, 0
    in the others. A coordinate that the API lacks is 0.5 if it is a number, and 0 in every column if it is a choice.

    `trends`, shape (n,): how near a setting lies to the middle of the ranges of the mode's numbers,

        t(x) = 1/3 - mean over the numbers j of (2 x_j - 1)²

    which is 1/3 in the middle, -2/3 in a corner and 0 on average over the space. Beyond a bound it is that of the
    bound. Without a number in the mode it is 0.

    `apis`, shape (n,): the index of each setting's API in `Mode.apis`.
    """

    coordinates: Floats
    trends: Floats
    apis: Indices

    def __len__(self) -> int:
        return len(self.apis)

    def join(self, other: "Points") -> "Points":
        """Return these points followed by the others."""
        return Points(
            np.concatenate([self.coordinates, other.coordinates]),
            np.concatenate([self.trends, other.trends]),
            np.concatenate([self.apis, other.apis]),
        )

    def take(self, indices: Indices) -> "Points":
        """Return the points of these indices, in their order."""
        return Points(self.coordinates[indices], self.trends[indices], self.apis[indices])


def admits(mode: Mode, setting: Setting) -> bool:
    """Return whether the setting has a point: its API is in the mode and has exactly these parameters, of these kinds.

    Bounds do not matter: what was rated under narrower or wider bounds still teaches. So does a choice that the API no
    longer offers, if another API of the mode does; one that nobody offers has no column.
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


def encode(mode: Mode, settings: Sequence[Setting]) -> Points:
    """Return the points of settings, all of which the mode `admits`.

    A number farther than FARTHEST ranges from its bounds counts as being there.

    Raises:
        ValueError: the mode lacks the API or the choice of a setting.
        KeyError: a setting lacks a parameter of its API.
    """
    names = [api.name for api in mode.apis]
    apis = np.array([names.index(setting.api) for setting in settings], dtype=np.intp)
    coordinates = np.tile(_absent(mode), (len(settings), 1))
    for row, (setting, api) in zip(coordinates, zip(settings, apis, strict=True), strict=True):
        values = dict(setting.values)
        for parameter in mode.apis[api].parameters:
            axis, value = mode.find_axis(parameter.coordinate), values[parameter.name]
            if isinstance(parameter, CategoricalParameter):
                row[axis.column(str(value))] = CHOSEN
            else:
                row[axis.first] = parameter.scale(float(value))
    return points_at(mode, np.clip(coordinates, -FARTHEST, FARTHEST), apis)


def decode(mode: Mode, api: int, coordinates: Floats) -> Setting:
    """Return the setting nearest to one point that can be suggested: within bounds, rounded as declared.

    `api` is the index of its API, `coordinates` its row of shape (columns,).
    """
    values: list[tuple[str, Value]] = []
    for parameter, _, axis in _laid_out(mode, api):
        if isinstance(parameter, CategoricalParameter):
            chosen = parameter.choices[int(coordinates[_columns(parameter, axis)].argmax())]
            values.append((parameter.name, chosen))
        else:
            values.append((parameter.name, parameter.unscale(float(coordinates[axis.first]))))
    return Setting(mode.apis[api].name, tuple(values))


def points_at(mode: Mode, coordinates: Floats, apis: Indices) -> Points:
    """Return the points at these coordinates, shape (n, columns), of these APIs, shape (n,), with their trends."""
    numbers = [axis.first for axis in mode.axes if not axis.choices]
    if not numbers:
        return Points(coordinates, np.zeros(len(apis)), apis)
    eccentricity = np.clip(2.0 * coordinates[:, numbers] - 1.0, -1.0, 1.0)
    return Points(coordinates, 1.0 / 3.0 - np.mean(eccentricity**2, axis=1), apis)


def snap(api: Api, setting: Setting) -> Setting:
    """Return the setting nearest to one of an API that can be suggested: within bounds, rounded as declared.

    Raises:
        KeyError: the setting lacks a parameter of the API.
        ValueError: the API does not offer one of its choices; no other is nearer.
    """
    values = dict(setting.values)
    return Setting(api.name, tuple((one.name, _snap(one, values[one.name])) for one in api.parameters))


def from_unit(mode: Mode, api: int, unit: Floats, fixed: Fixed | None = None) -> Floats:
    """Return the coordinates of the suggestible settings of an API that are nearest to points of the unit cube.

    `unit` is (n, coordinates), each in [0, 1]; the result is (n, columns). The choices of a categorical parameter share
    its dimension evenly. Dimensions of coordinates that the API lacks are ignored, and so are those of what is fixed,
    which is as it is fixed in all of them.
    """
    given = dict(fixed.values) if fixed else {}
    placed = np.tile(_absent(mode), (len(unit), 1))
    for parameter, dimension, axis in _laid_out(mode, api):
        column = unit[:, dimension]
        if parameter.name in given:
            column = np.full(len(unit), _position(parameter, given[parameter.name]))
        if isinstance(parameter, CategoricalParameter):
            slices = np.minimum((column * parameter.size).astype(np.intp), parameter.size - 1)
            placed[np.arange(len(unit)), _columns(parameter, axis)[slices]] = CHOSEN
        else:
            placed[:, axis.first] = np.rint(column * parameter.steps) / parameter.steps
    return placed


def to_unit(mode: Mode, api: int, coordinates: Floats) -> Floats:
    """Return points of the unit cube that `from_unit` places where the coordinates are, or as near as the API can be.

    `coordinates` is (n, columns), of points of whatever API of the mode; the result is (n, coordinates). Dimensions
    that the API lacks are 0.5.
    """
    unit = np.full((len(coordinates), len(mode.axes)), 0.5)
    for parameter, dimension, axis in _laid_out(mode, api):
        if isinstance(parameter, CategoricalParameter):
            chosen = coordinates[:, _columns(parameter, axis)].argmax(axis=1)
            unit[:, dimension] = levels(parameter, parameter.size)[chosen]
        else:
            unit[:, dimension] = np.clip(coordinates[:, axis.first], 0.0, 1.0)
    return unit


def categorical(mode: Mode) -> Flags:
    """Return which dimensions of the unit cube are those of choices, shape (coordinates,)."""
    return np.array([bool(axis.choices) for axis in mode.axes])


def levels(parameter: Parameter, most: int) -> Floats:
    """Return where in [0, 1] the first `most` values that can be suggested of a parameter lie, in order."""
    first = np.arange(min(parameter.size, most))
    if isinstance(parameter, CategoricalParameter):
        return (first + 0.5) / parameter.size
    return first / parameter.steps


def _position(parameter: Parameter, value: Value) -> float:
    """Return where in [0, 1] a value that can be suggested of a parameter lies."""
    if isinstance(parameter, CategoricalParameter):
        return (parameter.choices.index(str(value)) + 0.5) / parameter.size
    return parameter.scale(float(value))


def _snap(parameter: Parameter, value: Value) -> Value:
    if not isinstance(parameter, CategoricalParameter):
        return parameter.snap(float(value))
    if value not in parameter.choices:
        raise ValueError(f"{parameter.name} is one of {', '.join(parameter.choices)}, not {value!r}")
    return value


def _absent(mode: Mode) -> Floats:
    """Return the row, shape (columns,), of an API that has none of the mode's coordinates: as far from any choice."""
    return np.array([0.0 if axis.choices else _ABSENT for axis in mode.axes for _ in range(axis.width)])


def _laid_out(mode: Mode, api: int) -> Iterator[tuple[Parameter, int, Axis]]:
    """Yield the parameters of an API, each with the dimension and the axis of its coordinate."""
    places = {axis.coordinate: (dimension, axis) for dimension, axis in enumerate(mode.axes)}
    for parameter in mode.apis[api].parameters:
        yield parameter, *places[parameter.coordinate]


def _columns(parameter: CategoricalParameter, axis: Axis) -> Indices:
    return np.array([axis.column(choice) for choice in parameter.choices])
