"""Importance: how much each parameter of an API matters, as shares of the posterior mean's variance over its space.

With f the posterior mean over settings drawn evenly from what an API may be set to, and V its variance,

    first order share  S_j = Var(E[f | x_j]) / V        what the parameter does alone
    total share        T_j = E[Var(f | all but x_j)] / V        and together with others

    S_j ≈ mean of f(B) (f(A with column j of B) - f(A)) / V                Saltelli et al. (2010), table 2 (b)
    T_j ≈ mean of (f(A) - f(A with column j of B))² / (2 V)        Jansen (1999); Saltelli et al. (2010), table 2 (f)

A parameter belongs to an API, and each API has shares of its own; what it lacks has none. The shares are of what the
model expects, its prior included, which falls towards the corners of a space alike along every number: few ratings say
little.

Sources: A. Saltelli et al., "Variance based sensitivity analysis of model output. Design and estimator for the total
sensitivity index", Computer Physics Communications 181 (2010); M. Jansen, "Analysis of variance designs for model
output", Computer Physics Communications 117 (1999); I. Sobol', "Global sensitivity indices for nonlinear mathematical
models and their Monte Carlo estimates", Mathematics and Computers in Simulation 55 (2001).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuning.insight.knowledge import Knowledge
from tuning.model.arrays import Floats
from tuning.model.encoding import from_unit, points_at
from tuning.model.sobol import MAX_DIMENSIONS, sobol
from tuning.spaces import Mode

_EVALUATIONS = 5_120  # settings at which the mean is worked out, of all APIs together
_MAX_WORK = (
    1_310_720  # settings times settings rated: past it there are fewer of the first, so that the cost is bounded
)
_MIN_COUNT = 32  # pairs of settings of an API
_FLAT = 1e-4  # rating points; a posterior mean of a smaller deviation is the same everywhere


@dataclass(frozen=True, slots=True)
class ParameterImportance:
    """The shares of a parameter, each 0 to 1: `first` of what it does alone, `total` together with others."""

    parameter: str
    first: float
    total: float


@dataclass(frozen=True, slots=True)
class ApiImportance:
    """How much an API's parameters matter, in the order in which answers list them.

    `spread` is the standard deviation of the posterior mean over the API's space, in rating points: how much is at
    stake. Where that is nothing all shares are 0.
    """

    api: str
    spread: float
    parameters: tuple[ParameterImportance, ...]


def importance(known: Knowledge) -> tuple[ApiImportance, ...]:
    """Return how much the parameters of each API of the mode matter. A pure function, without chance."""
    budget = min(_EVALUATIONS, _MAX_WORK // len(known.ratings)) // len(known.mode.apis)
    return tuple(_of_api(known, api, budget) for api in range(len(known.mode.apis)))


def sobol_shares(function: Callable[[Floats], Floats], dimensions: int, *, count: int) -> tuple[float, Floats, Floats]:
    """Return a function's standard deviation over the unit cube, and each dimension's first order and total share.

    `function` takes (n, dimensions) and returns (n,); it is worked out `count` times (2 + dimensions). The shares are
    of shape (dimensions,), within 0 and 1, and no total is below its first.
    """
    a, b = _pairs(count, dimensions)
    mixed = np.repeat(a[None], dimensions, axis=0)
    for dimension in range(dimensions):
        mixed[dimension, :, dimension] = b[:, dimension]
    values = function(np.concatenate([a, b, mixed.reshape(-1, dimensions)]))
    at_a, at_b, at_mixed = values[:count], values[count : 2 * count], values[2 * count :].reshape(dimensions, count)
    both = values[: 2 * count]
    variance = float(both.var())
    if variance < _FLAT**2:
        return float(np.sqrt(variance)), np.zeros(dimensions), np.zeros(dimensions)
    first = ((at_b - both.mean()) * (at_mixed - at_a)).mean(axis=1) / variance
    total = 0.5 * ((at_a - at_mixed) ** 2).mean(axis=1) / variance
    first = np.clip(first, 0.0, 1.0)
    return float(np.sqrt(variance)), first, np.clip(total, first, 1.0)


def _of_api(known: Knowledge, api: int, budget: int) -> ApiImportance:
    mode, parameters = known.mode, known.mode.apis[api].parameters
    count = max(2 ** int(np.log2(max(budget // (2 + len(parameters)), 1))), _MIN_COUNT)
    spread, first, total = sobol_shares(lambda unit: _mean(known, api, unit), len(parameters), count=count)
    shares = tuple(
        ParameterImportance(parameter.name, *pair)
        for parameter, *pair in zip(parameters, first.tolist(), total.tolist(), strict=True)
    )
    return ApiImportance(mode.apis[api].name, spread, shares)


def _mean(known: Knowledge, api: int, unit: Floats) -> Floats:
    """Return the posterior mean at settings of an API, by points of the unit cube of its own parameters."""
    mode = known.mode
    whole = np.full((len(unit), len(mode.axes)), 0.5)
    whole[:, _dimensions(mode, api)] = unit
    placed = from_unit(mode, api, whole)
    return known.surrogate.mean(points_at(mode, placed, np.full(len(unit), api, dtype=np.intp)))


def _dimensions(mode: Mode, api: int) -> list[int]:
    return [mode.coordinates.index(parameter.coordinate) for parameter in mode.apis[api].parameters]


def _pairs(count: int, dimensions: int) -> tuple[Floats, Floats]:
    """Return two sets of `count` points of the unit cube that know nothing of each other, each spread evenly."""
    if 2 * dimensions <= MAX_DIMENSIONS:
        both = sobol(count, 2 * dimensions, seed="importance")
        return both[:, :dimensions], both[:, dimensions:]
    # Of more dimensions than there are directions for: the same points in another order, each of its own dimension.
    points = sobol(count, dimensions, seed="importance")
    from numpy.random import default_rng  # noqa: PLC0415 - a start of the function does without it

    return points, default_rng(0).permuted(points, axis=0)
