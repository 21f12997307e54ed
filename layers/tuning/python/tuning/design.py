"""Which settings to consider: the first points of a study, and the candidates among which the model chooses.

Coordinates are always those of settings that may be suggested: rounded as declared, within bounds. This module knows
nothing of ratings' values and prefers no candidate; `tuning.acquisition` does.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from tuning.observations import Setting
from tuning.sobol import sobol
from tuning.spaces import Mode
from tuning.surrogate import ABSENT_COORDINATE, Floats, Points

MAX_ENUMERATED = 2_048  # a space of at most so many settings is considered whole

_POINTS_PER_API = 512
_NEIGHBOURS = 24  # of each anchor and spread
_SPREADS = (0.03, 0.12)  # standard deviations of the neighbours, in shares of the range
_MAX_DESIGN_POINTS = 4_096


def initial_design(mode: Mode, seed: str) -> Iterator[Setting]:
    """Settings that fill the space evenly, for the first ratings of a study.

    A shifted Sobol sequence whose first dimension chooses the API: within every run of as many points as there are
    APIs, each API comes once, in an order that varies. The seed makes the design the study's own. A setting may
    recur, because rounding makes neighbours equal; a small space is followed by all of its settings.
    """
    apis = len(mode.apis)
    sequence = sobol(_MAX_DESIGN_POINTS, 1 + len(mode.coordinates), seed=f"{seed}:initial design")
    for start in range(0, len(sequence) - apis + 1, apis):
        block = sequence[start : start + apis]
        ranks = np.argsort(np.argsort(block[:, 0], kind="stable"), kind="stable")
        for row, api in zip(block, ranks, strict=True):
            yield setting_at(mode, int(api), row[1:])
    if mode.size <= MAX_ENUMERATED:
        everything = enumerate_points(mode)
        for api, row in zip(everything.apis, everything.coordinates, strict=True):
            yield setting_at(mode, int(api), row)


def candidates(mode: Mode, seed: str, anchors: Floats) -> Points:
    """What the model chooses from: all of a small space; of a large one, an even spread and the anchors' neighbours.

    `anchors` has shape (k, d); each API gets its own copy of each anchor and its neighbours, as what is good for one
    API is likely to be good for another. Points are on the grid of suggestible settings; some may be equal.
    """
    if mode.size <= MAX_ENUMERATED:
        return enumerate_points(mode)
    dimensions = len(mode.coordinates)
    spread = sobol(_POINTS_PER_API, dimensions, seed=f"{seed}:candidates")
    normal = ndtri(sobol(_NEIGHBOURS, dimensions, seed=f"{seed}:neighbours"))
    inside = np.clip(anchors, 0.0, 1.0)
    near = [np.clip(inside[:, None, :] + s * normal, 0.0, 1.0).reshape(-1, dimensions) for s in _SPREADS]
    coordinates = np.concatenate([spread, inside, *near])
    return Points(
        np.concatenate([_snap(mode, api, coordinates) for api in range(len(mode.apis))]),
        np.repeat(np.arange(len(mode.apis)), len(coordinates)),
    )


def enumerate_points(mode: Mode) -> Points:
    """Every suggestible setting of the mode; for small spaces."""
    grids = []
    for index, api in enumerate(mode.apis):
        axes = {p.coordinate: np.linspace(0.0, 1.0, p.steps + 1) for p in api.parameters}
        grid = itertools.product(*(axes.get(name, np.zeros(1)) for name in mode.coordinates))
        grids.append(_snap(mode, index, np.array(list(grid))))
    apis = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    return Points(np.concatenate(grids), apis)


def setting_at(mode: Mode, api: int, coordinates: Floats) -> Setting:
    """The suggestible setting nearest to coordinates of shape (d,)."""
    columns = mode.coordinates
    declared = mode.apis[api]
    values = ((p.name, p.unscale(float(coordinates[columns.index(p.coordinate)]))) for p in declared.parameters)
    return Setting(declared.name, tuple(values))


def _snap(mode: Mode, api: int, coordinates: Floats) -> Floats:
    """The coordinates rounded to the API's grid; those that the API lacks become its constant."""
    snapped = np.full_like(coordinates, ABSENT_COORDINATE)
    for parameter in mode.apis[api].parameters:
        column = mode.coordinates.index(parameter.coordinate)
        snapped[:, column] = np.rint(coordinates[:, column] * parameter.steps) / parameter.steps
    return snapped
