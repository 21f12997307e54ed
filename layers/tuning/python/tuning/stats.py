"""Progress: how far the studies are, the best setting observed, and the best as far as the model knows.

Reads and computes; changes nothing, except that a study begins when it is first looked at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tuning.model.acquisition import Optimum, find_optimum
from tuning.model.pooling import pool
from tuning.model.priors import complete
from tuning.observations import Observation, Setting
from tuning.spaces import Mode, Spaces
from tuning.stores.port import ObservationStore
from tuning.studies import BUDGET, INITIAL_RATINGS, Study, convergence
from tuning.validation import validate_mode

# Rating points. People tell half points apart at best; a gain of a twentieth is not worth anybody's time.
CONVERGED_BELOW = 0.05


@dataclass(frozen=True, slots=True)
class ApiProgress:
    """How often an API was rated, and the mean of those ratings; None before any."""

    api: str
    count: int
    mean_rating: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one study, or of all together.

    The best is the highest single rating, the earliest if there are several; None before any rating. What the model
    says is None before INITIAL_RATINGS ratings: `recommended_parameters` has the highest posterior mean of the whole
    space, rated or not, with that mean and its standard deviation in rating points, and `expected_improvement` says
    how many rating points are still to be gained. Without a mode, `recommended_mode` is the one whose study holds the
    best rating. `converged`: the budget is spent or the expected improvement is below CONVERGED_BELOW.
    `recommended_rated` says whether anybody has rated that setting. `apis` has every API of the modes, and those that
    were rated before they left.
    """

    samples_seen: int
    convergence: float
    best_parameters: Setting | None
    best_rating: float | None
    recommended_mode: str | None
    recommended_parameters: Setting | None
    recommended_mean: float | None
    recommended_deviation: float | None
    recommended_rated: bool | None
    expected_improvement: float | None
    converged: bool
    apis: tuple[ApiProgress, ...]


def summarize(store: ObservationStore, spaces: Spaces, *, mode: str | None = None) -> Progress:
    """The progress of one mode's study or, without a mode, of all modes together.

    Raises InvalidRequestError for an unknown mode, StoreUnavailableError or StoreCorruptError.
    """
    modes = spaces.modes if mode is None else (validate_mode(spaces, mode),)
    return assess([(space, store.study(space.name, now=None)) for space in modes])


def assess(studies: Sequence[tuple[Mode, Study]]) -> Progress:
    """The progress of these studies together; a pure function."""
    samples = sum(len(study.observations) for _, study in studies)
    best, space, study = _best(studies)
    recommendation = _recommend(space, study) if best else None
    improvement = recommendation.expected_improvement if recommendation else None
    return Progress(
        samples_seen=samples,
        convergence=convergence(samples),
        best_parameters=best.setting if best else None,
        best_rating=best.rating if best else None,
        recommended_mode=space.name if recommendation else None,
        recommended_parameters=recommendation.setting if recommendation else None,
        recommended_mean=recommendation.mean if recommendation else None,
        recommended_deviation=recommendation.deviation if recommendation else None,
        recommended_rated=study.has_rated(recommendation.setting) if recommendation else None,
        expected_improvement=improvement,
        converged=samples >= BUDGET or (improvement is not None and improvement < CONVERGED_BELOW),
        apis=_apis(studies),
    )


def check(store: ObservationStore, *, now: datetime) -> int:
    """How many ratings all modes have together, if what is stored can be read; of the last minute, at the least.

    Raises StoreUnavailableError, StoreCorruptError or StoreRefusedError.
    """
    return store.verify(now=now)


def _apis(studies: Sequence[tuple[Mode, Study]]) -> tuple[ApiProgress, ...]:
    # Of the ratings at hand: a store's own summary is another read in one adapter, and all ratings anew in the other.
    ratings: dict[str, list[float]] = {api.name: [] for mode, _ in studies for api in mode.apis}
    for _, study in studies:
        for observation in study.observations:
            ratings.setdefault(observation.setting.api, []).append(observation.rating)
    return tuple(ApiProgress(name, len(of), math.fsum(of) / len(of) if of else None) for name, of in ratings.items())


def _best(studies: Sequence[tuple[Mode, Study]]) -> tuple[Observation | None, Mode, Study]:
    rated = [(observation, space, study) for space, study in studies for observation in study.observations]
    if not rated:
        return None, *studies[0]
    return min(rated, key=lambda entry: (-entry[0].rating, entry[0].recorded_at))


def _recommend(mode: Mode, study: Study) -> Optimum | None:
    ratings = pool(mode, study.observations)
    if ratings.total < INITIAL_RATINGS:
        return None
    return find_optimum(mode, ratings, complete(mode, study.hyperparameters), seed=str(study.seed))
