"""The acquisition: which candidates are worth a rating, and which setting is best so far as we know.

`choose` picks a batch by the knowledge gradient: what one more rating of a candidate is expected to add to the best
posterior mean anywhere. `recommend` names that best. Both are pure functions. What is outstanding is held at its
posterior mean, so that nobody learns there what somebody else is about to; nothing here remembers or claims anything
(see `tuning.suggest`).

Sources: P. Frazier, W. Powell and S. Dayanik, "The knowledge-gradient policy for correlated normal beliefs", INFORMS
J. Computing 21 (2009); D. Ginsbourger et al., "Kriging is well-suited to parallelize optimization" (2010), section 4
(the kriging believer, for what is outstanding).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from tuning.errors import SpaceExhaustedError
from tuning.model import normal
from tuning.model.design import candidates, setting_at
from tuning.model.pooling import Ratings
from tuning.model.surrogate import Belief, ColumnHyperparameters, Floats, Indices, Surrogate, locate
from tuning.observations import Setting
from tuning.spaces import Mode

MAX_HELD = 64  # outstanding suggestions that the model heeds, the newest; all of them stay excluded

_ANCHORS = 4  # best-believed rated settings whose neighbourhood is searched
_EVERY_API_UNTIL = 24  # ratings up to which a batch tries every API whatever the model believes
# Posterior deviations below the incumbent down to which an API may still be the best: at a chance of one in fifty.
_FAIR_CHANCE = float(normal.quantile(np.array(0.02)))
_SHORTLIST = 12  # candidates by either criterion whose knowledge gradient is worked out
_OPTIMISM = 1.5  # posterior deviations above the mean, of the second criterion

# Nodes and weights that integrate against the standard normal density.
_NODES, _WEIGHTS = hermegauss(11)
_WEIGHTS /= _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best setting as far as the model knows, its posterior mean and deviation, and the gain still expected.

    `expected_improvement` is the most that one noise-free look anywhere is expected to gain over the best-believed
    rated setting, in rating points.
    """

    setting: Setting
    mean: float
    deviation: float
    expected_improvement: float


def expected_improvement(mean: Floats, deviation: Floats, incumbent: float) -> Floats:
    """Expected excess over the incumbent of a normal of this mean and deviation, elementwise, in rating points."""
    safe = np.maximum(deviation, 1e-12)
    z = (mean - incumbent) / safe
    return np.asarray(np.maximum(safe * (z * normal.cdf(z) + normal.density(z)), 0.0))


def knowledge_gradient(belief: Belief, indices: Indices) -> Floats:
    """What one rating of each of the points is expected to add to the highest posterior mean of all points.

    Shape (len(indices),), in rating points; the expectation over the outcome is by Gauss-Hermite quadrature.
    """
    noise = belief.hyperparameters.noise_variance
    # A row for each candidate, which makes the maxima below twice as fast.
    shift = np.ascontiguousarray((belief.covariance(indices) / np.sqrt(belief.variance[indices] + noise)).T)
    gain = np.zeros(len(indices))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        gain += weight * (belief.mean + node * shift).max(axis=1)
    return np.asarray(gain - belief.mean.max())


def choose(
    mode: Mode,
    ratings: Ratings,
    hyperparameters: ColumnHyperparameters,
    outstanding: Collection[Setting],
    *,
    count: int,
    seed: str,
) -> tuple[Setting, ...]:
    """`count` different settings worth rating next, none of them outstanding. `ratings` must not be empty.

    While another API has a fair chance to be the best, a batch that has room for it tries it too.

    Raises SpaceExhaustedError if too few settings are free.
    """
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, hyperparameters)
    anchors = _anchors(ratings.points.coordinates, surrogate.rated_mean)
    considered = candidates(mode, seed, anchors, rated=len(ratings))
    pending = locate(mode, list(outstanding)[-MAX_HELD:]) if outstanding else None
    belief = surrogate.believe(considered, pending)
    contenders = _contenders(belief, float(surrogate.rated_mean.max()), ratings.total, len(mode.apis))
    taken = set(outstanding)
    chosen: list[Setting] = []
    for remaining in range(count, 0, -1):
        # A batch with room for more than the contenders begins with what is best of all.
        wanted = contenders if remaining <= len(contenders) else set(range(len(mode.apis)))
        index, setting = _best_free(mode, belief, taken, np.isin(belief.points.apis, list(wanted)))
        contenders.discard(int(belief.points.apis[index]))
        taken.add(setting)
        chosen.append(setting)
        belief = belief.condition(index, belief.mean[index])
    return tuple(chosen)


def recommend(mode: Mode, ratings: Ratings, hyperparameters: ColumnHyperparameters, *, seed: str) -> Recommendation:
    """The setting of the highest posterior mean in the whole space, rated or not. `ratings` must not be empty."""
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, hyperparameters)
    anchors = _anchors(ratings.points.coordinates, surrogate.rated_mean)
    belief = surrogate.believe(candidates(mode, seed, anchors, rated=len(ratings)))
    improvement = expected_improvement(belief.mean, belief.deviation, float(surrogate.rated_mean.max())).max()
    # A second look, around the best of the first.
    anchors = _anchors(belief.points.coordinates, belief.mean)
    belief = surrogate.believe(candidates(mode, seed, anchors, rated=len(ratings)))
    best = int(belief.mean.argmax())
    return Recommendation(
        setting_at(mode, int(belief.points.apis[best]), belief.points.coordinates[best]),
        float(belief.mean[best]),
        float(belief.deviation[best]),
        float(improvement),
    )


def _anchors(coordinates: Floats, mean: Floats) -> Floats:
    return coordinates[np.argsort(-mean, kind="stable")[:_ANCHORS]]


def _contenders(belief: Belief, incumbent: float, ratings: int, apis: int) -> set[int]:
    """The APIs that a batch should try."""
    if ratings <= _EVERY_API_UNTIL:
        return set(range(apis))
    z = (belief.mean - incumbent) / np.maximum(belief.deviation, 1e-12)
    return {api for api in range(apis) if z[belief.points.apis == api].max() >= _FAIR_CHANCE}


def _best_free(
    mode: Mode, belief: Belief, taken: Collection[Setting], wanted: NDArray[np.bool_]
) -> tuple[int, Setting]:
    """The candidate of the highest knowledge gradient, of those wanted, whose setting is not taken."""
    # What is not wanted comes last rather than never: an API whose settings are all taken must not block the batch.
    for eligible in (wanted, ~wanted):
        for shortlist in _shortlists(belief, np.flatnonzero(eligible)):
            gains = knowledge_gradient(belief, shortlist)
            for index in shortlist[np.argsort(-gains, kind="stable")]:
                setting = setting_at(mode, int(belief.points.apis[index]), belief.points.coordinates[index])
                if setting not in taken:
                    return int(index), setting
    raise SpaceExhaustedError(f"every setting considered in mode {mode.name} is outstanding: rate some or wait")


def _shortlists(belief: Belief, eligible: Indices) -> Iterator[Indices]:
    """The eligible points in portions, the most promising by expected improvement and by an upper bound first."""
    promise = expected_improvement(belief.mean, belief.deviation, float(belief.mean.max()))[eligible]
    bound = (belief.mean + _OPTIMISM * belief.deviation)[eligible]
    by_promise, by_bound = (eligible[np.argsort(-worth, kind="stable")] for worth in (promise, bound))
    seen = np.zeros(len(belief.mean), dtype=np.bool_)
    for start in range(0, len(eligible), _SHORTLIST):
        portion = np.unique(np.concatenate([by[start : start + _SHORTLIST] for by in (by_promise, by_bound)]))
        portion = portion[~seen[portion]]
        seen[portion] = True
        if len(portion):
            yield portion
