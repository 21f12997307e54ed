"""Stats: how far the studies are, the best setting observed, and the best as far as the model knows.

Reads and computes; changes nothing, except that a study begins when it is first looked at.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuning.model.acquisition import find_optimum
from tuning.model.ancestors import hyperparameters_of, pool_study
from tuning.model.pooling import pool
from tuning.observations import DEFAULT_STUDY, Observation, Setting
from tuning.spaces import Mode, Spaces, Value
from tuning.stores.lineage import read_study
from tuning.stores.port import ObservationStore
from tuning.study import BUDGET, INITIAL_RATINGS, Best, ModeStudy, convergence
from tuning.validation.requests import validate_mode, validate_study

# Rating points. People tell half points apart at best; a gain of a twentieth is not worth anybody's time.
CONVERGED_BELOW = 0.05


@dataclass(frozen=True, slots=True)
class ApiProgress:
    """How often an API was rated, and the mean of those ratings; None before any."""

    api: str
    count: int
    mean_rating: float | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting of the highest posterior mean in the whole space of a mode, and what is known of it.

    `mean` and `deviation` are those of the posterior of its true rating, and `expected_improvement` is what is still to
    be gained by looking on (`tuning.model.acquisition.Optimum`); all are in rating points. `rated` says whether anybody
    has rated exactly this setting.
    """

    mode: str
    setting: Setting
    mean: float
    deviation: float
    rated: bool
    expected_improvement: float

    @property
    def parameters(self) -> dict[str, Value]:
        """The setting in the published shape: `api`, then each parameter by name."""
        return self.setting.to_plain()


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one study, or of all together.

    `convergence` is the share of the evaluation budget used, 0 to 1. `best` is None before any rating,
    `recommendation` as long as no study has INITIAL_RATINGS ratings that its mode admits. Of several studies that have,
    it is from the one that holds the highest rating. `converged`: the budget is spent, or the recommendation's expected
    improvement is below CONVERGED_BELOW. `apis` has every API of the modes, and those that were rated before they left.
    """

    samples_seen: int
    convergence: float
    best: Best | None
    recommendation: Recommendation | None
    converged: bool
    apis: tuple[ApiProgress, ...]


def summarize(
    store: ObservationStore, spaces: Spaces, *, study: str = DEFAULT_STUDY, mode: str | None = None
) -> Progress:
    """Return the progress of one mode of a study or, without a mode, of all of its modes together.

    Raises:
        InvalidRequestError: there is no such mode, or the name is none that a study can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    modes = spaces.modes if mode is None else (validate_mode(spaces, mode),)
    validate_study(study, root="query")
    return assess([(space, read_study(store, space.name, study=study, now=None)) for space in modes])


def assess(studies: Sequence[tuple[Mode, ModeStudy]]) -> Progress:
    """Return the progress of these studies together; a pure function."""
    samples = sum(len(study.observations) for _, study in studies)
    best = _find_best(studies)
    recommendation = _recommend_of(studies)
    return Progress(
        samples_seen=samples,
        convergence=convergence(samples),
        best=Best(best[1].name, best[0].setting, best[0].rating, best[0].recorded_at) if best else None,
        recommendation=recommendation,
        converged=samples >= BUDGET
        or (recommendation is not None and recommendation.expected_improvement < CONVERGED_BELOW),
        apis=_apis(studies),
    )


def recommend(mode: Mode, study: ModeStudy) -> Recommendation | None:
    """Recommend the best setting of a study; None without a rating that the mode admits. A pure function.

    Ratings of the studies that it is based on teach what is best in this one, and will do where it has none yet.
    """
    ratings = pool_study(mode, study)
    if not ratings.total + ratings.inherited:
        return None
    best = find_optimum(mode, ratings, hyperparameters_of(mode, study), seed=str(study.seed))
    rated = study.has_rated(best.setting)
    return Recommendation(mode.name, best.setting, best.mean, best.deviation, rated, best.expected_improvement)


def check(store: ObservationStore, *, now: datetime) -> int:
    """Return how many ratings the default study has, if what is stored can be read; of the last minute, at the least.

    Raises:
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    return store.verify(now=now)


def _apis(studies: Sequence[tuple[Mode, ModeStudy]]) -> tuple[ApiProgress, ...]:
    # Of the ratings at hand: a store's own summary is another read in one adapter, and all ratings anew in the other.
    ratings: dict[str, list[float]] = {api.name: [] for mode, _ in studies for api in mode.apis}
    for _, study in studies:
        for observation in study.observations:
            ratings.setdefault(observation.setting.api, []).append(observation.rating)
    return tuple(ApiProgress(name, len(of), math.fsum(of) / len(of) if of else None) for name, of in ratings.items())


def _find_best(studies: Iterable[tuple[Mode, ModeStudy]]) -> tuple[Observation, Mode, ModeStudy] | None:
    rated = [(observation, mode, study) for mode, study in studies for observation in study.observations]
    return min(rated, key=lambda entry: (-entry[0].rating, entry[0].recorded_at), default=None)


def _recommend_of(studies: Iterable[tuple[Mode, ModeStudy]]) -> Recommendation | None:
    # A study that has just begun must not hide what is known of another.
    known = [(mode, study) for mode, study in studies if pool(mode, study.observations).total >= INITIAL_RATINGS]
    best = _find_best(known)
    return recommend(best[1], best[2]) if best else None
