"""Stats: how far the studies are, the best setting observed, and what the model knows of each mode.

Reads and computes; changes nothing, except that a study begins when it is first looked at.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tuning.insight.chances import chances
from tuning.insight.importance import ApiImportance, importance
from tuning.insight.improving import Improvement, has_converged, judge_improvement
from tuning.insight.knowledge import Knowledge
from tuning.insight.people import RaterProfile, profiles
from tuning.insight.recommendation import Recommendation, recommend
from tuning.observations import DEFAULT_STUDY, Observation
from tuning.spaces import Mode, Spaces
from tuning.stores.lineage import read_study
from tuning.stores.port import ObservationStore
from tuning.study import Best, ModeStudy, convergence
from tuning.validation.requests import validate_mode, validate_study


@dataclass(frozen=True, slots=True)
class ApiProgress:
    """How often an API was rated, and the mean of those ratings; None before any."""

    api: str
    count: int
    mean_rating: float | None


@dataclass(frozen=True, slots=True)
class ModeProgress:
    """The state of one mode of a study. What the model says is None, or empty, before INITIAL_RATINGS ratings of it.

    `converged` and `improvement` are as in `tuning.insight.improving`. `chances` has each API's chance of holding the
    best setting, `importance` how much each API's parameters matter, and `raters` what is known of each rater; it is
    empty where nobody is named.
    """

    mode: str
    samples_seen: int
    convergence: float
    best: Best | None
    recommendation: Recommendation | None
    converged: bool
    improvement: Improvement | None
    chances: tuple[tuple[str, float], ...]
    importance: tuple[ApiImportance, ...]
    raters: tuple[RaterProfile, ...]
    apis: tuple[ApiProgress, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one study, or of all together.

    `convergence` is the share of the evaluation budget used, 0 to 1. `best` is None before any rating,
    `recommendation` as long as no mode has INITIAL_RATINGS ratings that it admits. Of several modes that have, it is
    from the one that holds the highest rating. `converged`: every mode that has begun has. `improving`: a mode is; None
    before the model speaks of any. `apis` has every API of the modes, and those that were rated before they left.
    `modes` has the same of each mode by itself, and more.
    """

    samples_seen: int
    convergence: float
    best: Best | None
    recommendation: Recommendation | None
    converged: bool
    improving: bool | None
    apis: tuple[ApiProgress, ...]
    modes: tuple[ModeProgress, ...]


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
    modes = tuple(_assess_mode(mode, study) for mode, study in studies)
    rated = sorted((one for one in modes if one.best), key=_rank)
    begun = [one for one in modes if one.samples_seen]
    improving = [one.improvement.improving for one in modes if one.improvement]
    return Progress(
        samples_seen=samples,
        convergence=convergence(samples),
        best=rated[0].best if rated else None,
        # A study that has just begun must not hide what is known of another.
        recommendation=next((one.recommendation for one in rated if one.recommendation), None),
        converged=bool(begun) and all(one.converged for one in begun),
        improving=any(improving) if improving else None,
        apis=_apis(studies),
        modes=modes,
    )


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


def _assess_mode(mode: Mode, study: ModeStudy) -> ModeProgress:
    known = Knowledge.of(mode, study)
    spoken = known if known is not None and known.speaks else None
    recommendation = recommend(spoken) if spoken else None
    samples = len(study.observations)
    return ModeProgress(
        mode=mode.name,
        samples_seen=samples,
        convergence=convergence(samples),
        best=_find_best(study.observations),
        recommendation=recommendation,
        converged=has_converged(samples, recommendation),
        improvement=judge_improvement(spoken, recommendation) if spoken and recommendation else None,
        chances=chances(spoken) if spoken else (),
        importance=importance(spoken) if spoken else (),
        raters=profiles(spoken) if spoken else (),
        apis=_apis([(mode, study)]),
    )


def _find_best(observations: Iterable[Observation]) -> Best | None:
    best = min(observations, key=lambda one: (-one.rating, one.recorded_at), default=None)
    return Best(best.mode, best.setting, best.rating, best.recorded_at) if best else None


def _rank(mode: ModeProgress) -> tuple[float, datetime]:
    """Return what orders modes: that of the highest rating first, of equal ones the earliest, without any last."""
    return (-mode.best.rating, mode.best.recorded_at) if mode.best else (math.inf, datetime.max.replace(tzinfo=UTC))
