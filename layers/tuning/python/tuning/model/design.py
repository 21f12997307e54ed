"""Which settings to consider: the first points of a study, and the candidates among which the model chooses.

All are settings that may be suggested: within bounds, rounded as declared. This module knows nothing of ratings' values
and prefers no candidate; `tuning.model.acquisition` does.
"""

import itertools
from collections.abc import Collection, Iterator

import numpy as np

from tuning.errors import SpaceExhaustedError
from tuning.model import normal
from tuning.model.arrays import Floats
from tuning.model.encoding import Points, categorical, decode, from_unit, levels, points_at, to_unit
from tuning.model.sobol import sobol
from tuning.observations import Setting
from tuning.spaces import Fixed, Mode

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
_CHUNK = 256  # settings placed at once where only the first of them may be wanted


def initial_design(mode: Mode, seed: str, fixed: Fixed | None = None) -> Iterator[Setting]:
    """Yield settings that fill the inner part of the space evenly, for the first ratings of a study.

    They are those of a shifted Sobol sequence whose first dimension chooses the API: in every run of as many settings
    as there are APIs, each API comes once, in an order that varies. The seed makes the design the study's own. A
    setting may recur, because rounding makes neighbours equal. There are at most 4,096; if the space has at most
    MAX_ENUMERATED settings, all of them follow. What is `fixed` all of them have; the space is then what is left, and
    as the sequence is even in any of its dimensions, the settings fill that evenly.
    """
    apis, size = mode.apis_within(fixed), mode.size_within(fixed)
    sequence = sobol(min(_MAX_DESIGN_POINTS, size), 1 + len(mode.coordinates), seed=f"{seed}:initial design")
    for start in range(0, len(sequence) - len(apis) + 1, len(apis)):
        block = sequence[start : start + len(apis)]
        ranks = np.argsort(np.argsort(block[:, 0], kind="stable"), kind="stable")
        for row, rank in zip(block, ranks, strict=True):
            inner = np.where(categorical(mode), row[1:], 0.5 + (1.0 - _MARGIN) * (row[1:] - 0.5))
            yield decode(mode, apis[rank], from_unit(mode, apis[rank], inner[None], fixed)[0])
    if size <= MAX_ENUMERATED:
        yield from _everything(mode, fixed, MAX_ENUMERATED)


def candidates(mode: Mode, seed: str, anchors: Floats, *, rated: int, fixed: Fixed | None = None) -> Points:
    """Return what the model chooses from: all of a small space; of a large one, an even spread and anchors' neighbours.

    A space is small with at most MAX_ENUMERATED settings. `anchors` are the coordinates of good settings, (k, columns);
    each API gets its own copy of each anchor and its neighbours, as what is good for one API is likely to be good for
    another. Points are those of suggestible settings; some may be equal. The more settings are `rated`, the fewer
    points there are of either kind, so that the cost stays bounded. What is `fixed` all of them have.
    """
    if mode.size_within(fixed) <= MAX_ENUMERATED:
        return enumerate_points(mode, fixed)
    apis, dimensions = mode.apis_within(fixed), len(mode.axes)
    size = min(_SPREAD, _MAX_SPREAD_WORK // max(rated, 1)) // len(apis)
    spread = sobol(max(size, _MIN_SPREAD), dimensions, seed=f"{seed}:candidates")
    neighbours = _NEIGHBOURS if rated <= _WELL_KNOWN else _NEIGHBOURS // 2
    draws = sobol(neighbours, dimensions, seed=f"{seed}:neighbours")
    steps = normal.quantile(draws)
    coordinates = []
    for api in apis:
        inside = to_unit(mode, api, anchors)
        near = [_move(mode, inside, draws, deviation * steps) for deviation in _SPREADS]
        coordinates.append(from_unit(mode, api, np.concatenate([spread, inside, *near]), fixed))
    return points_at(mode, np.concatenate(coordinates), np.repeat(apis, len(coordinates[0])))


def enumerate_points(mode: Mode, fixed: Fixed | None = None) -> Points:
    """Return the point of every suggestible setting that has what is fixed, API by API; for small spaces."""
    apis = mode.apis_within(fixed)
    grids = [from_unit(mode, api, np.array(list(_grid(mode, api, fixed, MAX_ENUMERATED))), fixed) for api in apis]
    return points_at(mode, np.concatenate(grids), np.repeat(apis, [len(grid) for grid in grids]))


def reserve(
    mode: Mode, fixed: Fixed | None, pending: Collection[Setting], failed: Collection[Setting], *, count: int
) -> tuple[Setting, ...]:
    """Return the first `count` settings of all that are neither pending nor failed, and failed ones where they run out.

    For when what was drawn is taken: that need not be all there is of a large space.

    Raises:
        SpaceExhaustedError: there are fewer.
    """
    taken, avoided = set(pending), set(failed)
    found: list[Setting] = []
    again: list[Setting] = []
    for setting in _everything(mode, fixed, len(taken) + len(avoided) + count):
        if setting not in taken:
            (again if setting in avoided else found).append(setting)
        if len(found) == count:
            break
    found += again[: count - len(found)]
    if (there := mode.size_within(fixed)) < count and fixed:
        raise SpaceExhaustedError(
            f"mode {mode.name} has no more than {there} settings with {_told(mode, fixed)}: ask for fewer, or fix less"
        )
    if len(found) < count:
        kept, advice = (f" with {_told(mode, fixed)}", ", or fix less") if fixed else ("", "")
        raise SpaceExhaustedError(
            f"mode {mode.name} has fewer than {count} settings left{kept} that nobody is rating: rate some, wait until"
            f" they expire{advice}"
        )
    return tuple(found)


def _told(mode: Mode, fixed: Fixed) -> str:
    """Return what is fixed as an error names it: "api leonardo and guidance_scale 7.0"."""
    apis = [f"api {' or '.join(fixed.apis)}"] if len(fixed.apis) < len(mode.apis) else []
    return " and ".join([*apis, *(f"{name} {value}" for name, value in fixed.values)])


def _everything(mode: Mode, fixed: Fixed | None, most: int) -> Iterator[Setting]:
    """Yield every suggestible setting that has what is fixed, API by API; of very many at least the first `most`."""
    for api in mode.apis_within(fixed):
        grid = _grid(mode, api, fixed, most)
        while rows := list(itertools.islice(grid, _CHUNK)):
            for row in from_unit(mode, api, np.array(rows), fixed):
                yield decode(mode, api, row)


def _grid(mode: Mode, api: int, fixed: Fixed | None, most: int) -> Iterator[tuple[float, ...]]:
    """Yield a point of the unit cube for every setting of an API, or for at least `most`; 0 where it has no choice."""
    given = {name for name, _ in fixed.values} if fixed else ()
    free = {
        parameter.coordinate: levels(parameter, most)
        for parameter in mode.apis[api].parameters
        if parameter.name not in given
    }
    return itertools.product(*(free.get(coordinate, np.zeros(1)) for coordinate in mode.coordinates))


def _move(mode: Mode, unit: Floats, draws: Floats, steps: Floats) -> Floats:
    """Return for each point of the unit cube one neighbour per draw: numbers move by its step, some choices change.

    `unit` is (n, coordinates), `draws` and `steps` are (k, coordinates); the result is (n k, coordinates).
    """
    moved = np.clip(unit[:, None, :] + steps, 0.0, 1.0)
    switched = np.where(draws < _SWITCHING, draws / _SWITCHING, unit[:, None, :])
    return np.where(categorical(mode), switched, moved).reshape(-1, len(mode.axes))
