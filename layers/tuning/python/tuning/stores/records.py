"""The stored forms of values, the same in every adapter, so that a study reads alike wherever it was kept.

Text throughout: JSON writes a float by its shortest exact form, so that it is read back bit for bit, and a number type
of a database need not reach as far as a float does. For what this code itself wrote; callers' input goes through
`tuning.validation`. But storage gets damaged, so that every `load_` function takes whatever a row may hold, of any
type, and raises ValueError for what the matching `dump_` function cannot have written.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from tuning.observations import MAX_RATING, MIN_RATING, Failure, Observation, Revision, Setting, Suggestion, Told
from tuning.study import Hyperparameters, Study

_SHOWN = 60  # characters of a damaged value in an error's text


def dump_setting(setting: Setting) -> str:
    """The setting as JSON."""
    return json.dumps(setting.to_plain())


def load_setting(stored: object) -> Setting:
    """The inverse of `dump_setting`."""
    plain = _load_json(stored, "a setting")
    if not isinstance(plain, dict) or not isinstance(plain.get("api"), str):
        raise ValueError(f"{_short(stored)} is not a setting")  # noqa: TRY004 - the stores catch one error
    for value in plain.values():
        if not isinstance(value, str):
            _load_number(value, "a setting's value")
    return Setting.from_plain(plain)


def load_told(  # noqa: PLR0917 - the columns of a row
    mode: object,
    setting: object,
    rating: object,
    reason: object,
    recorded_at: object,
    suggestion_id: object = None,
    rater: object = None,
    picture: object = None,
    comment: object = None,
) -> Told:
    """Return what was told: a failure if there is a `reason`, an observation if there is a `rating`.

    Raises:
        ValueError: it is neither, or something of it is not as it was written.
    """
    where, what, when = load_text(mode, "a mode"), load_setting(setting), load_timestamp(recorded_at)
    who = (
        _load_text_or_none(suggestion_id, "a suggestion's id"),
        _load_text_or_none(rater, "a rater"),
        _load_text_or_none(picture, "a picture"),
        _load_text_or_none(comment, "a comment"),
    )
    if reason is None:
        return Observation(where, what, _load_rating(rating), when, *who)
    if rating is not None:
        raise ValueError(f"{_short(rating)} is the rating of a failure")
    return Failure(where, what, load_text(reason, "a reason"), when, *who)


def load_revision(  # noqa: PLR0917 - the columns of a row
    number: object, rating: object, comment: object, withdrawn: object, made_at: object, reviser: object
) -> Revision:
    """Return a revision of what was stored of it; `withdrawn` is stored as 0 or 1.

    Raises:
        ValueError: something of it is not as it was written.
    """
    if withdrawn not in (0, 1):
        raise ValueError(f"{_short(withdrawn)} does not say whether an entry is withdrawn")
    return Revision(
        load_count(number, "a revision's number"),
        None if rating is None else _load_rating(rating),
        _load_text_or_none(comment, "a comment"),
        bool(withdrawn),
        load_timestamp(made_at),
        _load_text_or_none(reviser, "a reviser"),
    )


def dump_positions(positions: Sequence[int]) -> str:
    """Return the positions as JSON."""
    return json.dumps(positions)


def load_positions(stored: object) -> tuple[int, ...]:
    """Return the positions that `dump_positions` was given.

    Raises:
        ValueError: they are not as they were written.
    """
    plain = _load_json(stored, "positions")
    if not isinstance(plain, list):
        raise ValueError(f"{_short(stored)} is not a list of positions")  # noqa: TRY004 - the stores catch one error
    return tuple(load_count(position, "a position") for position in plain)


def load_study(name: object, created_at: object, based_on: object, note: object, archived_at: object) -> Study:
    """Return a study of what was stored of it.

    Raises:
        ValueError: something of it is not as it was written.
    """
    return Study(
        load_text(name, "a study"),
        None if created_at is None else load_timestamp(created_at),
        _load_text_or_none(based_on, "a study"),
        _load_text_or_none(note, "a note"),
        None if archived_at is None else load_timestamp(archived_at),
    )


def load_suggestion(  # noqa: PLR0917 - the columns of a row
    identity: object, mode: object, setting: object, suggested_at: object, expires_at: object, study: object
) -> Suggestion:
    """A suggestion of what was stored of it."""
    return Suggestion(
        load_text(identity, "a suggestion's id"),
        load_text(mode, "a mode"),
        load_setting(setting),
        load_timestamp(suggested_at),
        load_timestamp(expires_at),
        load_text(study, "a study"),
    )


def dump_hyperparameters(hyperparameters: Hyperparameters) -> str:
    """The hyperparameters as JSON."""
    return json.dumps(asdict(hyperparameters))


def load_hyperparameters(stored: object) -> Hyperparameters | None:
    """The inverse of `dump_hyperparameters`; None of None."""
    if stored is None:
        return None
    plain = _load_json(stored, "hyperparameters")
    names = {"lengthscales", "signal_variance", "noise_variance", "similarity", "fitted_on"}
    if not isinstance(plain, dict) or plain.keys() != names or not isinstance(plain["lengthscales"], list):
        raise ValueError(f"{_short(stored)} is not a study's hyperparameters")
    lengthscales = []
    for entry in plain["lengthscales"]:
        if not isinstance(entry, list) or len(entry) != 2:  # noqa: PLR2004 - a pair
            raise ValueError(f"{_short(stored)} has no list of lengthscales by name")
        lengthscales.append((load_text(entry[0], "a coordinate"), _load_positive(entry[1], "a lengthscale")))
    similarity = _load_number(plain["similarity"], "a similarity")
    if not 0 <= similarity <= 1:
        raise ValueError(f"{similarity!r} is not a similarity from 0 to 1")
    return Hyperparameters(
        tuple(lengthscales),
        _load_positive(plain["signal_variance"], "a variance"),
        _load_positive(plain["noise_variance"], "a variance"),
        similarity,
        load_count(plain["fitted_on"], "a number of ratings"),
    )


def load_timestamp(stored: object) -> datetime:
    """The inverse of `timestamp`."""
    moment = datetime.fromisoformat(load_text(stored, "a moment"))
    # One without a zone cannot be compared with the others.
    if moment.tzinfo is None:
        raise ValueError(f"{_short(stored)} is not a moment of any time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{_short(stored)} is beyond the end of time") from None


def load_text(stored: object, what: str) -> str:
    """A text, called `what` in the error."""
    if not isinstance(stored, str):
        raise ValueError(f"{_short(stored)} is not {what}")  # noqa: TRY004 - the stores catch one error
    return stored


def load_count(stored: object, what: str) -> int:
    """A whole number from 0 on, called `what` in the error."""
    if not isinstance(stored, int) or isinstance(stored, bool) or stored < 0:
        raise ValueError(f"{_short(stored)} is not {what}")
    return stored


def _load_text_or_none(stored: object, what: str) -> str | None:
    return None if stored is None else load_text(stored, what)


def _load_rating(stored: object) -> float:
    value = float(_load_number(stored, "a rating"))
    if not MIN_RATING <= value <= MAX_RATING:
        raise ValueError(f"{value!r} is not a rating from {MIN_RATING:g} to {MAX_RATING:g}")
    return value


def _load_json(stored: object, what: str) -> object:
    try:
        return json.loads(load_text(stored, what))
    except RecursionError:
        raise ValueError(f"{_short(stored)} is not {what}") from None


def _load_number(stored: object, what: str) -> float | int:
    """A finite number, as it is."""
    if not isinstance(stored, int | float) or isinstance(stored, bool):
        raise ValueError(f"{_short(stored)} is not {what}")  # noqa: TRY004 - the stores catch one error
    try:
        finite = math.isfinite(stored)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"{_short(stored)} is not {what}")
    return stored


def _load_positive(stored: object, what: str) -> float:
    value = float(_load_number(stored, what))
    if value <= 0:
        raise ValueError(f"{value!r} is not {what}")
    return value


def _short(stored: object) -> str:
    """What was found, cut short for a log line."""
    try:
        text = repr(stored[:_SHOWN] if isinstance(stored, str | bytes) else stored)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def timestamp(moment: datetime) -> str:
    """Fixed-width UTC text, so that the order of texts is the order of moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
