"""The acquisition: which candidates are worth a rating, and which setting is best so far as we know.

`choose` picks a batch by augmented expected improvement; `recommend` names the best posterior mean anywhere. Both are
pure functions. What is outstanding is held by a pessimistic lie, so that raters spread out; nothing here remembers or
claims anything (see `tuning.proposals`).

Sources: D. Huang et al., "Global optimization of stochastic black-box systems via sequential kriging
meta-models", J. Global Optimization 34 (2006), equation 13 (augmented expected improvement); D. Ginsbourger et al.,
"Kriging is well-suited to parallelize optimization" (2010), section 4 (lies for points whose value is still to come).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tuning.design import candidates, setting_at
from tuning.errors import SpaceExhaustedError
from tuning.observations import Setting
from tuning.spaces import Mode
from tuning.studies import Hyperparameters
from tuning.surrogate import Belief, Floats, Ratings, Surrogate, locate

MAX_LIES = 64  # outstanding suggestions that the model heeds, the newest; all of them stay excluded

_PESSIMISM = 1.0  # posterior deviations by which a lie falls below the posterior mean
_ANCHORS = 4  # best-believed rated settings whose neighbourhood is searched
_EVERY_API_UNTIL = 20  # ratings up to which a batch tries every API whatever the model believes
_FAIR_CHANCE = 0.02  # probability of improvement above which an API may still be the best

_INVERSE_SQRT_2PI = 0.3989422804014327


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
    return np.asarray(np.maximum(safe * (z * ndtr(z) + _INVERSE_SQRT_2PI * np.exp(-0.5 * z * z)), 0.0))


def augmented_expected_improvement(mean: Floats, variance: Floats, incumbent: float, noise_variance: float) -> Floats:
    """Expected improvement times the share of a rating's deviation that is not noise (Huang et al., equation 13).

    The factor falls towards 0 where the model already knows more than another noisy rating could tell.
    """
    improvement = expected_improvement(mean, np.sqrt(variance), incumbent)
    return improvement * (1.0 - np.sqrt(noise_variance / (variance + noise_variance)))


def choose(
    mode: Mode,
    ratings: Ratings,
    hyperparameters: Hyperparameters,
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
    rated = surrogate.believe(ratings.points)
    incumbent = float(rated.mean.max())
    considered = candidates(mode, seed, _anchors(rated))
    belief = _lie(surrogate, ratings, list(outstanding)[-MAX_LIES:], mode).believe(considered)
    contenders = _contenders(belief, incumbent, ratings.total, len(mode.apis))
    taken = set(outstanding)
    chosen: list[Setting] = []
    for remaining in range(count, 0, -1):
        eligible = np.isin(belief.points.apis, list(contenders)) if remaining <= len(contenders) else None
        index, setting = _best_free(mode, belief, incumbent, taken, eligible)
        contenders.discard(int(belief.points.apis[index]))
        taken.add(setting)
        chosen.append(setting)
        belief = belief.condition(index, belief.mean[index] - _PESSIMISM * belief.deviation[index])
    return tuple(chosen)


def recommend(mode: Mode, ratings: Ratings, hyperparameters: Hyperparameters, *, seed: str) -> Recommendation:
    """The setting of the highest posterior mean in the whole space, rated or not. `ratings` must not be empty."""
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, hyperparameters)
    rated = surrogate.believe(ratings.points)
    belief = surrogate.believe(candidates(mode, seed, _anchors(rated)))
    improvement = expected_improvement(belief.mean, belief.deviation, float(rated.mean.max())).max()
    # A second look, around the best of the first.
    belief = surrogate.believe(candidates(mode, seed, _anchors(belief)))
    best = int(belief.mean.argmax())
    return Recommendation(
        setting_at(mode, int(belief.points.apis[best]), belief.points.coordinates[best]),
        float(belief.mean[best]),
        float(belief.deviation[best]),
        float(improvement),
    )


def _anchors(belief: Belief) -> Floats:
    return belief.points.coordinates[np.argsort(-belief.mean, kind="stable")[:_ANCHORS]]


def _lie(surrogate: Surrogate, ratings: Ratings, outstanding: list[Setting], mode: Mode) -> Surrogate:
    """The surrogate as if every outstanding suggestion had come out poorly."""
    if not outstanding:
        return surrogate
    points = locate(mode, outstanding)
    belief = surrogate.believe(points)
    return Surrogate(
        ratings.points.join(points),
        np.concatenate([ratings.means, belief.mean - _PESSIMISM * belief.deviation]),
        np.concatenate([ratings.counts, np.ones(len(points))]),
        surrogate.hyperparameters,
    )


def _contenders(belief: Belief, incumbent: float, ratings: int, apis: int) -> set[int]:
    """The APIs that a batch should try."""
    if ratings <= _EVERY_API_UNTIL:
        return set(range(apis))
    chance = ndtr((belief.mean - incumbent) / np.maximum(belief.deviation, 1e-12))
    return {api for api in range(apis) if chance[belief.points.apis == api].max() >= _FAIR_CHANCE}


def _best_free(
    mode: Mode, belief: Belief, incumbent: float, taken: Collection[Setting], eligible: NDArray[np.bool_] | None
) -> tuple[int, Setting]:
    noise = belief.hyperparameters.noise_variance
    worth = augmented_expected_improvement(belief.mean, belief.variance, incumbent, noise)
    # Ineligible points come last rather than never: an API whose settings are all taken must not block the batch.
    order = np.argsort(-worth, kind="stable") if eligible is None else np.lexsort((-worth, ~eligible))
    for index in order:
        setting = setting_at(mode, int(belief.points.apis[index]), belief.points.coordinates[index])
        if setting not in taken:
            return int(index), setting
    raise SpaceExhaustedError(f"every setting considered in mode {mode.name} is outstanding: rate some or wait")
