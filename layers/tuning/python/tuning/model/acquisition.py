"""The acquisition: which candidates are worth a rating, and which setting is best as far as the model knows.

`choose` picks a batch by the knowledge gradient: what one more rating of a candidate is expected to add to the highest
posterior mean anywhere. `find_optimum` finds where that is. Both are pure functions. A pending setting counts as rated
at its posterior mean, so that nobody is sent to learn what somebody else is about to; nothing here remembers or claims
anything (see `tuning.suggest`).

Sources: D. Jones, M. Schonlau and W. Welch, "Efficient Global Optimization of Expensive Black-Box Functions", J. Global
Optimization 13 (1998) (expected improvement); P. Frazier, W. Powell and S. Dayanik, "The knowledge-gradient policy for
correlated normal beliefs", INFORMS J. Computing 21 (2009); D. Ginsbourger et al., "Kriging is well-suited to
parallelize optimization" (2010), section 4 (the kriging believer, for what is pending).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from tuning.model import normal
from tuning.model.arrays import Flags, Floats, Indices
from tuning.model.design import candidates, reserve
from tuning.model.encoding import decode, encode, from_unit, points_at, to_unit
from tuning.model.pooling import Ratings
from tuning.model.priors import ColumnHyperparameters
from tuning.model.surrogate import Posterior, Surrogate
from tuning.observations import MAX_RATING, Setting
from tuning.spaces import Fixed, Mode

MAX_PENDING = 64  # pending settings that the model conditions on, the newest; all of them stay excluded

_ANCHORS = 4  # rated settings of the highest posterior mean, whose neighbourhood is searched
_EVERY_API_UNTIL = 24  # ratings up to which a batch tries every API whatever the model says
# Posterior deviations below the incumbent down to which an API may still be the best: at a chance of one in fifty.
_FAIR_CHANCE = float(normal.quantile(np.array(0.02)))
_SHORTLIST = 12  # candidates by either criterion whose knowledge gradient is worked out
_OPTIMISM = 1.5  # posterior deviations above the mean, of the second criterion

# Nodes and weights that integrate against the standard normal density.
_NODES, _WEIGHTS = hermegauss(11)
_WEIGHTS /= _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Optimum:
    """The setting of the highest posterior mean, with that mean and its standard deviation, in rating points.

    `expected_improvement`, in rating points, is the most that one look without noise anywhere is expected to gain over
    the highest posterior mean of a rated setting, on a scale that ends at MAX_RATING (`improvement_on_scale`).
    """

    setting: Setting
    mean: float
    deviation: float
    expected_improvement: float


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """The optimum, and the posterior at the candidates of which it is the best: of every API, most of them near it."""

    optimum: Optimum
    posterior: Posterior


def expected_improvement(mean: Floats, deviation: Floats, incumbent: float) -> Floats:
    """Return the expected excess over the incumbent of normals of these means and deviations, elementwise.

        (mean - incumbent) Φ(z) + deviation φ(z),  z = (mean - incumbent) / deviation

    Jones, Schonlau and Welch (1998), equation 15, for a maximum. All of them are in rating points.
    """
    safe = np.maximum(deviation, 1e-12)
    z = (mean - incumbent) / safe
    return np.asarray(np.maximum(safe * (z * normal.cdf(z) + normal.density(z)), 0.0))


def improvement_on_scale(mean: Floats, deviation: Floats, incumbent: float) -> Floats:
    """Return the expected excess over the incumbent where no true rating is above MAX_RATING, elementwise.

        E[max(min(f, 5) - incumbent, 0)] = E[max(f - incumbent, 0)] - E[max(f - 5, 0)]        of an incumbent below 5

    At most MAX_RATING less the incumbent, and never negative. All of them are in rating points.
    """
    beyond = expected_improvement(mean, deviation, MAX_RATING)
    return np.maximum(expected_improvement(mean, deviation, min(incumbent, MAX_RATING)) - beyond, 0.0)


def knowledge_gradient(posterior: Posterior, indices: Indices) -> Floats:
    """Return what one rating of each of k points is expected to add to the highest posterior mean of all n points.

        E[max over x of (mean(x) + shift(x) Z)] - max over x of mean(x),  Z standard normal
        shift(x) = covariance of x with the rating / deviation of the rating        `Posterior.foresee`

    Frazier, Powell and Dayanik (2009); the expectation over Z is by Gauss-Hermite quadrature. `indices` are those of
    the k points; the shape is (k,), the unit rating points.
    """
    # A row for each candidate, which makes the maxima below twice as fast.
    shift = np.ascontiguousarray(posterior.foresee(indices).T)
    gain = np.zeros(len(indices))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        gain += weight * (posterior.mean + node * shift).max(axis=1)
    return np.asarray(gain - posterior.mean.max())


def choose(
    mode: Mode,
    ratings: Ratings,
    hyperparameters: ColumnHyperparameters,
    pending: Collection[Setting],
    *,
    count: int,
    seed: str,
    failed: Collection[Setting] = (),
    fixed: Fixed | None = None,
) -> tuple[Setting, ...]:
    """Choose `count` different settings worth rating next, none of them pending. `ratings` must not be empty.

    While another API has a fair chance to be the best, a batch that has room for it tries it too. The mode must admit
    all pending settings; the newest are last. Failed settings are chosen only where nothing else is left. What is
    `fixed` all chosen ones have: they are the most worth rating to learn the best of those that have it, by all that
    the ratings of others teach.

    Raises:
        SpaceExhaustedError: too few settings are free.
    """
    surrogate = Surrogate.of(ratings, hyperparameters)
    anchors, incumbent = _bearings(mode, ratings, surrogate, fixed)
    considered = candidates(mode, seed, anchors, rated=len(ratings), fixed=fixed)
    heeded = encode(mode, list(pending)[-MAX_PENDING:]) if pending else None
    barred = {*pending, *failed}
    chosen = _batch(mode, surrogate.posterior(considered, heeded), incumbent, ratings.total, barred=barred, count=count)
    if len(chosen) < count:
        free = reserve(mode, fixed, pending, failed, count=count)
        posterior = surrogate.posterior(considered.join(encode(mode, free)), heeded)
        chosen = _batch(mode, posterior, incumbent, ratings.total, barred=barred.difference(free), count=count)
    return tuple(chosen)


def find_optimum(mode: Mode, ratings: Ratings, hyperparameters: ColumnHyperparameters, *, seed: str) -> Optimum:
    """Find the setting of the highest posterior mean in the whole space, rated or not. `ratings` must not be empty."""
    return survey(mode, ratings, Surrogate.of(ratings, hyperparameters), seed=seed).optimum


def survey(mode: Mode, ratings: Ratings, surrogate: Surrogate, *, seed: str) -> Survey:
    """Find the optimum, as `find_optimum` does, by the surrogate of these ratings, and say what is around it."""
    anchors = _anchors(ratings.points.coordinates, surrogate.rated_mean)
    posterior = surrogate.posterior(candidates(mode, seed, anchors, rated=len(ratings)))
    incumbent = _incumbent(ratings, surrogate.rated_mean)
    improvement = improvement_on_scale(posterior.mean, posterior.deviation, incumbent).max()
    # A second look, around the best of the first.
    anchors = _anchors(posterior.points.coordinates, posterior.mean)
    posterior = surrogate.posterior(candidates(mode, seed, anchors, rated=len(ratings)))
    best = int(posterior.mean.argmax())
    optimum = Optimum(
        decode(mode, int(posterior.points.apis[best]), posterior.points.coordinates[best]),
        float(posterior.mean[best]),
        float(posterior.deviation[best]),
        float(improvement),
    )
    return Survey(optimum, posterior)


def _anchors(coordinates: Floats, mean: Floats) -> Floats:
    return coordinates[np.argsort(-mean, kind="stable")[:_ANCHORS]]


def _incumbent(ratings: Ratings, rated_mean: Floats) -> float:
    """Return the highest mean of the settings rated in the study itself; where there are none, of all."""
    return float(rated_mean[: ratings.own or None].max())


def _bearings(mode: Mode, ratings: Ratings, surrogate: Surrogate, fixed: Fixed | None) -> tuple[Floats, float]:
    """Return the anchors and the incumbent's mean: of the rated settings, moved to where they have what is fixed."""
    rated = ratings.points.coordinates
    if fixed is None:
        return _anchors(rated, surrogate.rated_mean), _incumbent(ratings, surrogate.rated_mean)
    apis = mode.apis_within(fixed)
    moved = np.concatenate([from_unit(mode, api, to_unit(mode, api, rated), fixed) for api in apis])
    mean = surrogate.mean(points_at(mode, moved, np.repeat(apis, len(rated))))
    # Settings that differed in what is fixed alone are one by now, and one anchor.
    best_first = np.argsort(-mean, kind="stable")
    distinct = np.sort(np.unique(moved[best_first], axis=0, return_index=True)[1])
    return moved[best_first][distinct[:_ANCHORS]], float(mean.max())


def _batch(
    mode: Mode, posterior: Posterior, incumbent: float, ratings: int, *, barred: set[Setting], count: int
) -> list[Setting]:
    """Return up to `count` different settings of the points, none of them barred; fewer if no more are free."""
    apis = set(posterior.points.apis.tolist())
    contenders = _contenders(posterior, incumbent, ratings, apis)
    taken = set(barred)
    chosen: list[Setting] = []
    for remaining in range(count, 0, -1):
        # A batch with room for more than the contenders begins with what is best of all.
        wanted = contenders if remaining <= len(contenders) else apis
        found = _best_free(mode, posterior, taken, np.isin(posterior.points.apis, list(wanted)))
        if found is None:
            break
        index, setting = found
        contenders.discard(int(posterior.points.apis[index]))
        taken.add(setting)
        chosen.append(setting)
        posterior = posterior.condition(index, posterior.mean[index])
    return chosen


def _contenders(posterior: Posterior, incumbent: float, ratings: int, apis: set[int]) -> set[int]:
    """Return the indices of the APIs, of these, that a batch should try."""
    if ratings <= _EVERY_API_UNTIL:
        return set(apis)
    z = (posterior.mean - incumbent) / np.maximum(posterior.deviation, 1e-12)
    return {api for api in apis if z[posterior.points.apis == api].max() >= _FAIR_CHANCE}


def _best_free(mode: Mode, posterior: Posterior, taken: set[Setting], wanted: Flags) -> tuple[int, Setting] | None:
    """Return the point of the highest knowledge gradient, of those wanted, whose setting is not taken; None without."""
    # What is not wanted comes last rather than never: an API whose settings are all taken must not block the batch.
    for eligible in (wanted, ~wanted):
        for shortlist in _shortlists(posterior, np.flatnonzero(eligible)):
            settings = [
                decode(mode, int(posterior.points.apis[index]), posterior.points.coordinates[index])
                for index in shortlist
            ]
            if taken.issuperset(settings):
                continue
            for place in np.argsort(-knowledge_gradient(posterior, shortlist), kind="stable"):
                if settings[place] not in taken:
                    return int(shortlist[place]), settings[place]
    return None


def _shortlists(posterior: Posterior, eligible: Indices) -> Iterator[Indices]:
    """Yield the eligible points in portions, the most promising by expected improvement and by an upper bound first."""
    promise = expected_improvement(posterior.mean, posterior.deviation, float(posterior.mean.max()))[eligible]
    bound = (posterior.mean + _OPTIMISM * posterior.deviation)[eligible]
    by_promise, by_bound = (eligible[np.argsort(-worth, kind="stable")] for worth in (promise, bound))
    seen = np.zeros(len(posterior.mean), dtype=np.bool_)
    for start in range(0, len(eligible), _SHORTLIST):
        portion = np.unique(np.concatenate([by[start : start + _SHORTLIST] for by in (by_promise, by_bound)]))
        portion = portion[~seen[portion]]
        seen[portion] = True
        if len(portion):
            yield portion
