"""Which settings to consider: the first points of a study, and the candidates among which the model chooses.

All are settings that may be suggested: within bounds, rounded as declared. This module knows nothing of ratings' values
and prefers no candidate; `tuning.model.acquisition` does.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from tuning.model import normal
from tuning.model.arrays import Floats
from tuning.model.encoding import Points, categorical, decode, from_unit, levels, points_at, to_unit
from tuning.model.sobol import sobol
from tuning.observations import Setting
from tuning.spaces import Mode

MAX_ENUMERATED = 2_048  # a space of at most so many settings is considered whole

# The share of each range that the initial design leaves out, half at either bound: the corners are most of a space,
# seldom good, and what is rated there says little of what lies inside.
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
    """Yield settings that fill the inner part of the space evenly, for the first ratings of a study.

    They are those of a shifted Sobol sequence whose first dimension chooses the API: in every run of as many settings
    as there are APIs, each API comes once, in an order that varies. The seed makes the design the study's own. A
    setting may recur, because rounding makes neighbours equal. There are at most 4,096; if the mode has at most
    MAX_ENUMERATED settings, all of them follow.
    """
    apis = len(mode.apis)
    points = min(_MAX_DESIGN_POINTS, mode.size)
    sequence = sobol(points, 1 + len(mode.coordinates), seed=f"{seed}:initial design")
    for start in range(0, len(sequence) - apis + 1, apis):
        block = sequence[start : start + apis]
        ranks = np.argsort(np.argsort(block[:, 0], kind="stable"), kind="stable")
        for row, api in zip(block, ranks, strict=True):
            inner = np.where(categorical(mode), row[1:], 0.5 + (1.0 - _MARGIN) * (row[1:] - 0.5))
            yield decode(mode, int(api), from_unit(mode, int(api), inner[None])[0])
    if mode.size <= MAX_ENUMERATED:
        everything = enumerate_points(mode)
        for api, row in zip(everything.apis, everything.coordinates, strict=True):
            yield decode(mode, int(api), row)


def candidates(mode: Mode, seed: str, anchors: Floats, *, rated: int) -> Points:
    """Return what the model chooses from: all of a small space; of a large one, an even spread and anchors' neighbours.

    A space is small with at most MAX_ENUMERATED settings. `anchors` are the coordinates of good settings, (k, columns);
    each API gets its own copy of each anchor and its neighbours, as what is good for one API is likely to be good for
    another. Points are those of suggestible settings; some may be equal. The more settings are `rated`, the fewer
    points there are of either kind, so that the cost stays bounded.
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
        inside = to_unit(mode, api, anchors)
        near = [_move(mode, inside, draws, deviation * steps) for deviation in _SPREADS]
        coordinates.append(from_unit(mode, api, np.concatenate([spread, inside, *near])))
    apis = np.repeat(np.arange(len(mode.apis)), len(coordinates[0]))
    return points_at(mode, np.concatenate(coordinates), apis)


def enumerate_points(mode: Mode) -> Points:
    """Return the point of every suggestible setting of the mode, API by API; for small spaces."""
    grids = []
    for index, api in enumerate(mode.apis):
        found = {parameter.coordinate: levels(parameter) for parameter in api.parameters}
        grid = itertools.product(*(found.get(name, np.zeros(1)) for name in mode.coordinates))
        grids.append(from_unit(mode, index, np.array(list(grid))))
    apis = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    return points_at(mode, np.concatenate(grids), apis)


def _move(mode: Mode, unit: Floats, draws: Floats, steps: Floats) -> Floats:
    """Return for each point of the unit cube one neighbour per draw: numbers move by its step, some choices change.

    `unit` is (n, coordinates), `draws` and `steps` are (k, coordinates); the result is (n k, coordinates).
    """
    moved = np.clip(unit[:, None, :] + steps, 0.0, 1.0)
    switched = np.where(draws < _SWITCHING, draws / _SWITCHING, unit[:, None, :])
    return np.where(categorical(mode), switched, moved).reshape(-1, len(mode.axes))
