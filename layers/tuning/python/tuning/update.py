"""Update: record people's ratings, then learn from them.

`update` validates everything before it records anything, records a batch whole or not at all, and only then lets the
surrogate learn: an error in learning can neither lose nor repeat a rating.

A result with a `suggestion_id` that is outstanding answers that suggestion. So does a result without one whose
parameters are exactly those of an outstanding suggestion. An answered suggestion is no longer outstanding. A
`suggestion_id` that is not outstanding, or no longer, is kept with the rating and has no other effect: suggestions
expire, and a late rating is worth as much as another. The suggestions are looked up by id, and by mode and parameters,
so that the work grows with the results and not with how many are outstanding.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from storage.deadline import Deadline
from tuning.errors import InvalidField, InvalidRequestError
from tuning.model.pooling import pool
from tuning.observations import Observation, Setting, Suggestion
from tuning.spaces import Mode, Spaces
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.studies import INITIAL_RATINGS, Hyperparameters, Study, convergence
from tuning.validation import Result, parse_results, validate_key

# Ratings up to which every update refits; beyond, hyperparameters hardly move and are refitted when ratings doubled.
ALWAYS_REFIT = 200
# Seconds that must be left for learning to begin: to read from a slow store, to fit and to save.
LEARNING_SECONDS = 16.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an update did. `samples_seen` counts the ratings of all modes once these were in.

    `replayed` says that the idempotency key had been used before and nothing was recorded anew; `learned`, that the
    surrogate's hyperparameters were refitted in every mode where that was due; `fit_seconds`, how long that took.
    """

    samples_seen: int
    convergence_score: float
    replayed: bool
    learned: bool
    fit_seconds: float


def update(
    store: ObservationStore,
    spaces: Spaces,
    *,
    results: object,
    idempotency_key: str | None = None,
    now: datetime,
    deadline: Deadline | None = None,
) -> Acknowledgement:
    """Record 1 to 1,000 results (see `tuning.validation.parse_results` for their shape) and learn from them.

    The same key with the same results records nothing and gives the first answer again. After the deadline nothing
    further begins, and learning begins only if LEARNING_SECONDS are left before it; with None there is time enough.

    Raises:
        InvalidRequestError: anything is wrong with the results or the key; nothing is recorded.
        IdempotencyMismatchError: the key came with other results before; nothing is recorded.
        StoreUnavailableError: the store cannot be used now, or no time is left; the results may have been recorded.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    name = validate_key(idempotency_key)
    parsed = parse_results(results, spaces)
    key = IdempotencyKey(name, _fingerprint(parsed)) if name is not None else None
    try:
        observations = _attribute(parsed, _find_answered(store, parsed, spaces, now, deadline), spaces, now)
    except InvalidRequestError:
        # A request that was recorded once stays valid, though the suggestions that it answered have ended.
        recorded = store.find_receipt(key, deadline=deadline) if key else None
        if recorded is None:
            raise
        observations = ()
    else:
        recorded = store.record(observations, idempotency_key=key, deadline=deadline)
    rated = {observation.mode for observation in observations}
    modes = [mode for mode in spaces.modes if mode.name in rated]
    fits = [] if recorded.replayed else [_learn(store, mode, deadline) for mode in modes]
    return Acknowledgement(
        samples_seen=recorded.samples_seen,
        convergence_score=convergence(recorded.samples_seen),
        replayed=recorded.replayed,
        learned=not recorded.replayed and None not in fits,
        fit_seconds=sum(fit or 0.0 for fit in fits),
    )


def relearn(mode: Mode, study: Study, *, time_budget: float | None = None) -> Hyperparameters | None:
    """Fit the study's hyperparameters anew if that is due, and return them; None if it is not.

    It is due with each update from INITIAL_RATINGS to ALWAYS_REFIT ratings, and then when their number has doubled
    since the last fit. The fit takes at most `time_budget` seconds (None: `tuning.model.learning.TIME_BUDGET`).

    Raises:
        ValueError: the ratings admit no fit.
        numpy.linalg.LinAlgError: likewise.
    """
    ratings = pool(mode, study.observations)
    fitted_on = study.hyperparameters.fitted_on if study.hyperparameters else 0
    if ratings.total < INITIAL_RATINGS or ALWAYS_REFIT < ratings.total < 2 * fitted_on:
        return None
    from tuning.model import learning  # noqa: PLC0415 - costs more than a second of CPU; see `preload`

    budget = learning.TIME_BUDGET if time_budget is None else time_budget
    return learning.fit(mode, ratings, study.hyperparameters, time_budget=budget)


def preload() -> None:
    """Import what learning needs, more than a second of CPU, now instead of in the first update."""
    import tuning.model.learning  # noqa: F401, PLC0415 - the import is the purpose


@dataclass(frozen=True, slots=True)
class _Answered:
    """The outstanding suggestions that an update's results may answer: by id, and by setting with the oldest first."""

    by_id: dict[str, Suggestion]
    by_setting: dict[Setting, list[Suggestion]]

    @classmethod
    def of(cls, suggestions: Iterable[Suggestion]) -> "_Answered":
        by_id: dict[str, Suggestion] = {}
        by_setting: dict[Setting, list[Suggestion]] = {}
        for suggestion in suggestions:
            by_id[suggestion.id] = suggestion
            by_setting.setdefault(suggestion.setting, []).append(suggestion)
        return cls(by_id, by_setting)


def _find_answered(
    store: ObservationStore, results: Sequence[Result], spaces: Spaces, now: datetime, deadline: Deadline | None
) -> _Answered:
    """Return what is outstanding of what the results name or have the parameters of."""
    ids = {result.suggestion_id for result in results if result.suggestion_id is not None}
    # The mode that a result says counts only if the suggestion that it names says no other.
    places = {
        (mode.name, result.setting)
        for result in results
        for mode in spaces.modes
        if result.suggestion_id is not None or result.mode in {None, mode.name}
    }
    return _Answered.of(store.find_outstanding(ids=ids, places=places, now=now, deadline=deadline))


def _attribute(
    results: Sequence[Result], outstanding: _Answered, spaces: Spaces, now: datetime
) -> tuple[Observation, ...]:
    """Settle each result's mode and the suggestion that it answers.

    Raises:
        InvalidRequestError: a result contradicts the suggestion that it names, or its mode lacks its API.
    """
    invalid: list[InvalidField] = []
    observations = []
    for index, result in enumerate(results):
        answered = _answered(result, outstanding, spaces)
        found = _contradiction(result, answered)
        mode = result.mode or (answered.mode if answered else spaces.default_mode)
        if not found and (space := spaces.find_mode(mode)) and space.find_api(result.setting.api) is None:
            found = "parameters", f"mode {mode} has no API {result.setting.api}"
        if found:
            invalid.append(InvalidField(("results", index, found[0]), found[1]))
        identity = answered.id if answered else result.suggestion_id
        observations.append(Observation(mode, result.setting, result.rating, now, identity))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return tuple(observations)


def _answered(result: Result, outstanding: _Answered, spaces: Spaces) -> Suggestion | None:
    """Return the outstanding suggestion that the result names or, failing that, whose parameters it has exactly.

    Where several modes have one with these parameters and the result names no mode, the default mode's is meant.
    """
    if result.suggestion_id is not None and (named := outstanding.by_id.get(result.suggestion_id)):
        return named
    alike = [
        suggestion
        for suggestion in outstanding.by_setting.get(result.setting, ())
        if result.mode in {None, suggestion.mode}
    ]
    return min(alike, key=lambda suggestion: suggestion.mode != spaces.default_mode, default=None)


def _contradiction(result: Result, answered: Suggestion | None) -> tuple[str, str] | None:
    """Return the field at odds with the suggestion that the result names, and why: it rates another picture."""
    if answered is None or answered.id != result.suggestion_id:
        return None
    if answered.setting != result.setting:
        return "suggestion_id", "was suggested with other parameters; leave it out to rate parameters of your own"
    if result.mode not in {None, answered.mode}:
        return "mode", f"the suggestion was made in mode {answered.mode}"
    return None


def _learn(store: ObservationStore, mode: Mode, deadline: Deadline | None) -> float | None:
    """Learn if that is due, and return the seconds it took; None if it failed or would be late."""
    if deadline is not None and deadline.seconds_left < LEARNING_SECONDS:
        _logger.warning(
            "no time left to learn in mode %s; the ratings are recorded, and a later update learns", mode.name
        )
        return None
    try:
        study = store.study(mode.name, now=None, deadline=deadline)  # learning has no use for what is outstanding
        fitting = monotonic()
        if learned := relearn(mode, study):
            fit_seconds = monotonic() - fitting
            store.save_hyperparameters(mode.name, learned, deadline=deadline)
            return fit_seconds
    except Exception:
        # The ratings are recorded, and the answer must say so: after an error the caller would send them again. The
        # study keeps its hyperparameters.
        _logger.exception("learning failed in mode %s; the ratings are recorded", mode.name)
        return None
    return 0.0


def _fingerprint(results: Sequence[Result]) -> str:
    """Return a text equal for equal results however written; taken before modes are settled, which time changes."""
    body = [[r.setting.key, r.rating, r.suggestion_id, r.mode] for r in results]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
