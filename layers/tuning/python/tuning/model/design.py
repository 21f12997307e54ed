"""Which settings to consider: the first points of a study, and the candidates among which the model chooses.

Coordinates are always those of settings that may be suggested: rounded as declared, within bounds. This module knows
nothing of ratings' values and prefers no candidate; `tuning.model.acquisition` does.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tuning.model import normal
from tuning.model.sobol import sobol
from tuning.model.surrogate import CHOSEN, Floats, Indices, Points, absent, points_at
from tuning.observations import Setting
from tuning.spaces import Axis, CategoricalParameter, Mode, Parameter, Value

MAX_ENUMERATED = 2_048  # a space of at most so many settings is considered whole

# Shares of the ranges that the initial design leaves out, half at either bound: the corners are most of a space, seldom
# good, and what is rated there says little of what lies inside.
_MARGIN = 0.25
_SPREAD = 512  # candidates spread evenly, over all APIs
_MIN_SPREAD = 64  # for each API
# Candidates times settings rated: past it a study, which by then knows its space, considers fewer of the spread.
_MAX_SPREAD_WORK = 2**16
_NEIGHBOURS = 24  # of each anchor and spread; half as many once _WELL_KNOWN settings are rated
_WELL_KNOWN = 256
_SPREADS = (0.03, 0.12)  # standard deviations of the neighbours, in shares of the range
_SWITCHING = 0.25  # share of the neighbours that draw a choice anew
_MAX_DESIGN_POINTS = 4_096


def initial_design(mode: Mode, seed: str) -> Iterator[Setting]:
    """Settings that fill the inner part of the space evenly, for the first ratings of a study.

    A shifted Sobol sequence whose first dimension chooses the API: within every run of as many points as there are
    APIs, each API comes once, in an order that varies. The seed makes the design the study's own. A setting may
    recur, because rounding makes neighbours equal; a small space is followed by all of its settings.
    """
    apis = len(mode.apis)
    points = min(_MAX_DESIGN_POINTS, mode.size)
    sequence = sobol(points, 1 + len(mode.coordinates), seed=f"{seed}:initial design")
    for start in range(0, len(sequence) - apis + 1, apis):
        block = sequence[start : start + apis]
        ranks = np.argsort(np.argsort(block[:, 0], kind="stable"), kind="stable")
        for row, api in zip(block, ranks, strict=True):
            inner = np.where(_categorical(mode), row[1:], 0.5 + (1.0 - _MARGIN) * (row[1:] - 0.5))
            yield setting_at(mode, int(api), place(mode, int(api), inner[None])[0])
    if mode.size <= MAX_ENUMERATED:
        everything = enumerate_points(mode)
        for api, row in zip(everything.apis, everything.coordinates, strict=True):
            yield setting_at(mode, int(api), row)


def candidates(mode: Mode, seed: str, anchors: Floats, *, rated: int) -> Points:
    """What the model chooses from: all of a small space; of a large one, an even spread and the anchors' neighbours.

    `anchors` has shape (k, columns); each API gets its own copy of each anchor and its neighbours, as what is good for
    one API is likely to be good for another. Points are on the grid of suggestible settings; some may be equal. The
    more settings are `rated`, the fewer points there are of either, so that the cost stays bounded.
    """
    if mode.size <= MAX_ENUMERATED:
        return enumerate_points(mode)
    dimensions = len(mode.axes)
    size = min(_SPREAD, _MAX_SPREAD_WORK // max(rated, 1)) // len(mode.apis)
    spread = sobol(max(size, _MIN_SPREAD), dimensions, seed=f"{seed}:candidates")
    neighbours = _NEIGHBOURS if rated <= _WELL_KNOWN else _NEIGHBOURS // 2
    draws = sobol(neighbours, dimensions, seed=f"{seed}:neighbours")
    steps = normal.quantile(draws)
    coordinates = []
    for api in range(len(mode.apis)):
        inside = _recover(mode, api, anchors)
        near = [_move(mode, inside, draws, deviation * steps) for deviation in _SPREADS]
        coordinates.append(place(mode, api, np.concatenate([spread, inside, *near])))
    apis = np.repeat(np.arange(len(mode.apis)), len(coordinates[0]))
    return points_at(mode, np.concatenate(coordinates), apis)


def enumerate_points(mode: Mode) -> Points:
    """Every suggestible setting of the mode; for small spaces."""
    grids = []
    for index, api in enumerate(mode.apis):
        levels = {parameter.coordinate: _levels(parameter) for parameter in api.parameters}
        grid = itertools.product(*(levels.get(name, np.zeros(1)) for name in mode.coordinates))
        grids.append(place(mode, index, np.array(list(grid))))
    apis = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    return points_at(mode, np.concatenate(grids), apis)


def place(mode: Mode, api: int, unit: Floats) -> Floats:
    """Where an API's suggestible settings nearest to points of the unit cube lie, shape (n, columns).

    `unit` has shape (n, coordinates). The choices of a categorical parameter share its dimension evenly. Coordinates
    that the API lacks become its constant.
    """
    placed = np.tile(absent(mode), (len(unit), 1))
    for parameter, dimension, axis in _laid_out(mode, api):
        column = unit[:, dimension]
        if isinstance(parameter, CategoricalParameter):
            slices = np.minimum((column * parameter.size).astype(np.intp), parameter.size - 1)
            placed[np.arange(len(unit)), _columns(parameter, axis)[slices]] = CHOSEN
        else:
            placed[:, axis.first] = np.rint(column * parameter.steps) / parameter.steps
    return placed


def setting_at(mode: Mode, api: int, coordinates: Floats) -> Setting:
    """The suggestible setting nearest to coordinates of shape (columns,)."""
    values: list[tuple[str, Value]] = []
    for parameter, _, axis in _laid_out(mode, api):
        if isinstance(parameter, CategoricalParameter):
            chosen = parameter.choices[int(coordinates[_columns(parameter, axis)].argmax())]
            values.append((parameter.name, chosen))
        else:
            values.append((parameter.name, parameter.unscale(float(coordinates[axis.first]))))
    return Setting(mode.apis[api].name, tuple(values))


def _recover(mode: Mode, api: int, coordinates: Floats) -> Floats:
    """The inverse of `place` for points of whatever API, shape (n, coordinates)."""
    unit = np.full((len(coordinates), len(mode.axes)), 0.5)
    for parameter, dimension, axis in _laid_out(mode, api):
        if isinstance(parameter, CategoricalParameter):
            chosen = coordinates[:, _columns(parameter, axis)].argmax(axis=1)
            unit[:, dimension] = _levels(parameter)[chosen]
        else:
            unit[:, dimension] = np.clip(coordinates[:, axis.first], 0.0, 1.0)
    return unit


def _move(mode: Mode, unit: Floats, draws: Floats, steps: Floats) -> Floats:
    """For each point of the unit cube a neighbour by each draw: numbers move by its step, some choices change."""
    moved = np.clip(unit[:, None, :] + steps, 0.0, 1.0)
    switched = np.where(draws < _SWITCHING, draws / _SWITCHING, unit[:, None, :])
    return np.where(_categorical(mode), switched, moved).reshape(-1, len(mode.axes))


def _categorical(mode: Mode) -> NDArray[np.bool_]:
    return np.array([bool(axis.choices) for axis in mode.axes])


def _laid_out(mode: Mode, api: int) -> Iterator[tuple[Parameter, int, Axis]]:
    """The parameters of an API, each with the dimension and the columns of its coordinate."""
    places = {axis.coordinate: (dimension, axis) for dimension, axis in enumerate(mode.axes)}
    for parameter in mode.apis[api].parameters:
        yield parameter, *places[parameter.coordinate]


def _columns(parameter: CategoricalParameter, axis: Axis) -> Indices:
    return np.array([axis.column(choice) for choice in parameter.choices])


def _levels(parameter: Parameter) -> Floats:
    """The values that can be suggested, as points of the unit interval."""
    if isinstance(parameter, CategoricalParameter):
        return (np.arange(parameter.size) + 0.5) / parameter.size
    return np.linspace(0.0, 1.0, parameter.size)
