"""Update: record people's ratings, and what could not be rated, then learn from them.

`update` validates everything before it records anything, records a batch whole or not at all, and only then lets the
surrogate learn: an error in learning can neither lose nor repeat a rating.

Whose rating is it? A result with the `suggestion_id` of anything that was ever suggested belongs to that suggestion's
study and mode; one without, to the mode whose suggestion has its parameters on the grid of the space, outstanding or
not; else to the mode that it says, or the default one. An answered suggestion is no longer outstanding. An id that
nobody knows is kept with the rating and has no other effect. All results of an update belong to one study.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from storage.deadline import Deadline
from storage.errors import ConflictError
from tuning.errors import InvalidField, InvalidRequestError, StudyMissingError
from tuning.model.encoding import snap
from tuning.observations import DEFAULT_STUDY, Failure, Observation, Setting, Suggestion, Told, entry_id
from tuning.relearning import learn
from tuning.spaces import Mode, Spaces
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.study import convergence
from tuning.validation.requests import validate_key
from tuning.validation.update import Result, Update, parse_update


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What an update did. `samples_seen` counts the ratings of the study that count once these were in.

    `observation_ids` has the id of each result's entry of the history, in the order of the request; None if that is not
    known, of what a release before studies recorded. `replaced` are those of them that were there before and have a
    revision more. `ignored` are JSON pointers to fields that nobody knows. `replayed` says that the idempotency key had
    been used before and nothing was recorded anew; `learned`, that the surrogate's hyperparameters were refitted in
    every mode where that was due; `fit_seconds`, how long that took.
    """

    study: str
    samples_seen: int
    convergence_score: float
    observation_ids: tuple[str, ...] | None
    replaced: tuple[str, ...]
    ignored: tuple[str, ...]
    replayed: bool
    learned: bool
    fit_seconds: float


def update(
    store: ObservationStore,
    spaces: Spaces,
    *,
    request: object,
    idempotency_key: str | None = None,
    time_budget: float | None = None,
    now: datetime,
    deadline: Deadline | None = None,
) -> Acknowledgement:
    """Record 1 to 1,000 results and learn from them; `tuning.validation.update.parse_update` says what they look like.

    The same key with the same request records nothing and gives the first answer again. After the deadline nothing
    further begins, and learning begins only if `tuning.relearning.LEARNING_SECONDS` are left before it.
    `time_budget` is that of `tuning.relearning.learn`.

    Raises:
        InvalidRequestError: anything is wrong with the request or the key; nothing is recorded.
        IdempotencyMismatchError: the key came with another request before; nothing is recorded.
        StudyMissingError: there is no such study.
        StudyArchivedError: the study takes nothing.
        StoreUnavailableError: the store cannot be used now, or no time is left; the results may have been recorded.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    name = validate_key(idempotency_key)
    asked = parse_update(request, spaces)
    key = IdempotencyKey(name, _fingerprint(asked)) if name is not None else None
    told: tuple[Told, ...] = ()
    try:
        study, told = _attribute(store, asked, spaces, now, deadline)
        recorded = store.record(told, study=study, idempotency_key=key, deadline=deadline)
    except (InvalidRequestError, StudyMissingError, ConflictError):
        # What was a good request once, and recorded, stays one, whatever has become of its study meanwhile.
        found = store.find_receipt(key, deadline=deadline) if key else None
        if found is None:
            raise
        recorded = found
    fits: float | None = 0.0
    if not recorded.replayed:
        rated = {one.mode for one in told if isinstance(one, Observation)}
        fits = learn(
            store,
            spaces,
            recorded.study,
            rated,
            revised=bool(recorded.replaced),
            time_budget=time_budget,
            deadline=deadline,
        )
    return Acknowledgement(
        study=recorded.study,
        samples_seen=recorded.samples_seen,
        convergence_score=convergence(recorded.samples_seen),
        observation_ids=None
        if recorded.positions is None
        else tuple(entry_id(recorded.study, position) for position in recorded.positions),
        replaced=tuple(entry_id(recorded.study, position) for position in recorded.replaced),
        ignored=asked.ignored,
        replayed=recorded.replayed,
        learned=not recorded.replayed and fits is not None,
        fit_seconds=fits or 0.0,
    )


def _attribute(
    store: ObservationStore, asked: Update, spaces: Spaces, now: datetime, deadline: Deadline | None
) -> tuple[str, tuple[Told, ...]]:
    """Settle the study of the results, and each result's mode and the suggestion that it answers.

    Raises:
        InvalidRequestError: a result contradicts the suggestion that it names, its mode lacks its API, or the results
            are of several studies.
        StudyMissingError: there is no such study.
    """
    ids = {result.suggestion_id for result in asked.results if result.suggestion_id is not None}
    known = {one.id: one for one in store.find_suggestions(ids, deadline=deadline)} if ids else {}
    study = _settle_study(asked, known)
    places = _places(asked.results, known, spaces)
    found = store.find_suggested(places, study=study, now=now, deadline=deadline) if places else ()
    alike: dict[Setting, list[tuple[Suggestion, bool]]] = {}
    for suggestion, outstanding in found:
        alike.setdefault(suggestion.setting, []).append((suggestion, outstanding))
    invalid: list[InvalidField] = []
    told: list[Told] = []
    for index, result in enumerate(asked.results):
        named = known.get(result.suggestion_id) if result.suggestion_id is not None else None
        identity: str | None
        if named is not None:
            mode, identity = named.mode, named.id
            contradiction = _contradiction(result, named, spaces)
            # What lies at the suggestion's place on the grid is a rating of the suggestion.
            result = replace(result, setting=named.setting)  # noqa: PLW2901 - the result as it is recorded
        else:
            mode, identity = _infer(result, alike, spaces)
            contradiction = None
        if not contradiction and (space := spaces.find_mode(mode)) and space.find_api(result.setting.api) is None:
            contradiction = "parameters", f"mode {mode} has no API {result.setting.api}"
        if contradiction:
            invalid.append(InvalidField(("results", index, contradiction[0]), contradiction[1]))
        told.append(_tell(result, mode, identity, now))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return study, tuple(told)


def _settle_study(asked: Update, known: Mapping[str, Suggestion]) -> str:
    """Return the study that all results belong to.

    Raises:
        InvalidRequestError: a suggestion is of another study than the request says, or the results are of several.
    """
    named = [known.get(result.suggestion_id) if result.suggestion_id else None for result in asked.results]
    studies = [suggestion.study if suggestion else None for suggestion in named]
    if asked.study is not None:
        wrong = [
            InvalidField(("results", index, "suggestion_id"), f"was suggested in study {one}, not in {asked.study}")
            for index, one in enumerate(studies)
            if one not in {None, asked.study}
        ]
        if wrong:
            raise InvalidRequestError(tuple(wrong))
        return asked.study
    meant = [one or DEFAULT_STUDY for one in studies]
    for index, one in enumerate(meant):
        if one != meant[0]:
            other = f"belongs to study {one}, and the first result to study {meant[0]}"
            raise InvalidRequestError((InvalidField(("results", index), f"{other}: send them apart"),))
    return meant[0]


def _places(results: Sequence[Result], known: Mapping[str, Suggestion], spaces: Spaces) -> set[tuple[str, Setting]]:
    """Return where on the grid, by mode, the suggestions may be that the results answer without naming a known one."""
    return {
        (mode.name, _snapped(mode, result.setting))
        for result in results
        if result.suggestion_id not in known
        for mode in spaces.modes
        if result.mode in {None, mode.name} and mode.find_api(result.setting.api) is not None
    }


def _infer(
    result: Result, alike: Mapping[Setting, Sequence[tuple[Suggestion, bool]]], spaces: Spaces
) -> tuple[str, str | None]:
    """Return the mode of a result that names no known suggestion, and the id that its entry keeps.

    It is that of the suggestion with its parameters: of several, one that is outstanding, and then the default mode's.
    """
    candidates = [
        (not outstanding, mode.name != spaces.default_mode, index, suggestion)
        for index, mode in enumerate(spaces.modes)
        if result.mode in {None, mode.name} and mode.find_api(result.setting.api) is not None
        for suggestion, outstanding in alike.get(_snapped(mode, result.setting), ())
        if suggestion.mode == mode.name
    ]
    if not candidates:
        return result.mode or spaces.default_mode, result.suggestion_id
    ended, _, _, suggestion = min(candidates, key=lambda one: one[:3])
    # A named rater's rating of what is not pending any more may correct the one before; others are further opinions.
    return suggestion.mode, result.suggestion_id if ended and result.rater is None else suggestion.id


def _snapped(mode: Mode, setting: Setting) -> Setting:
    """Return the setting's place on the grid; itself where it has none, being of a space that was changed since."""
    api = mode.find_api(setting.api)
    try:
        return setting if api is None else snap(api, setting)
    except (KeyError, ValueError):  # a parameter that was added, a choice that was removed
        return setting


def _contradiction(result: Result, named: Suggestion, spaces: Spaces) -> tuple[str, str] | None:
    """Return the field at odds with the suggestion that the result names, and why: it rates another picture."""
    if result.mode not in {None, named.mode}:
        return "mode", f"the suggestion was made in mode {named.mode}"
    mode = spaces.find_mode(named.mode)
    given, suggested = result.setting, named.setting
    if mode is not None:
        given, suggested = _snapped(mode, given), _snapped(mode, suggested)
    if given != suggested:
        plain = json.dumps(named.setting.to_plain())
        return "suggestion_id", f"was suggested as {plain}; leave it out to rate parameters of your own"
    return None


def _tell(result: Result, mode: str, suggestion_id: str | None, now: datetime) -> Told:
    """Return the result as it is recorded."""
    who = now, suggestion_id, result.rater, result.picture, result.comment
    if result.rating is None:
        return Failure(mode, result.setting, result.failed or "", *who)
    return Observation(mode, result.setting, result.rating, *who)


def _fingerprint(asked: Update) -> str:
    """Return a text equal for equal requests however written; taken before modes are settled, which time changes.

    Of a request without the fields that came with studies it is what earlier releases made of it.
    """
    body: list[object] = []
    for one in asked.results:
        plain: list[object] = [one.setting.key, one.rating, one.suggestion_id, one.mode]
        more = [one.failed, one.rater, one.picture, one.comment]
        body.append([*plain, *more] if any(field is not None for field in more) else plain)
    if asked.study not in {None, DEFAULT_STUDY}:
        body.append({"study": asked.study})
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
