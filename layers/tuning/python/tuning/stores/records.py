"""The stored forms of values, the same in every adapter, so that a study reads alike wherever it was kept.

Text throughout: JSON writes a float by its shortest exact form, so that it is read back bit for bit, and a number type
of a database need not reach as far as a float does. For what this code itself wrote; callers' input goes through
`tuning.validation`. But storage gets damaged: every `load_` function takes whatever a row may hold, of any type, and
refuses what the matching `dump_` function cannot have written, with a `storage.documents.DocumentError`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from storage.documents import Node
from tuning.observations import MAX_RATING, MIN_RATING, Failure, Observation, Revision, Setting, Suggestion, Told
from tuning.spaces import Value
from tuning.study import Hyperparameters, Study

_HYPERPARAMETERS = frozenset({"lengthscales", "signal_variance", "noise_variance", "similarity", "fitted_on"})
_TASK_SIMILARITY = "task_similarity"  # absent where a study is not based on another, as in what earlier releases wrote


def dump_setting(setting: Setting) -> str:
    """Return the setting as JSON."""
    return json.dumps(setting.to_plain())


def load_setting(stored: object) -> Setting:
    """Return the setting of what `dump_setting` gave.

    Raises:
        DocumentError: it is not such a text.
    """
    return read_setting(Node(stored, "setting").json())


def read_setting(node: Node) -> Setting:
    """Return the setting of a document that has it in the published shape.

    Raises:
        DocumentError: it is no object with the text `api`, or one of its values is neither a text nor a number.
    """
    node.get("api").text(least=1)
    plain: dict[str, Value] = node.value  # type: ignore[assignment]  # an object, or it had no members
    for name, value in plain.items():
        # Of every rating that is read: most values are texts and finite floats, and need no node.
        if not isinstance(value, str) and not (type(value) is float and math.isfinite(value)):
            node.get(name).number()
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
    """Return what was told: a failure if there is a `reason`, and else an observation.

    Raises:
        DocumentError: it was not stored like that.
    """
    named, where = Node(mode, "mode").text(), load_setting(setting)
    moment = Node(recorded_at, "recorded_at").moment()
    who = (
        load_optional(suggestion_id, "suggestion_id"),
        load_optional(rater, "rater"),
        load_optional(picture, "picture"),
        load_optional(comment, "comment"),
    )
    if reason is None:
        return Observation(named, where, Node(rating, "rating").number(MIN_RATING, MAX_RATING), moment, *who)
    if rating is not None:
        Node(rating, "rating").refuse("is that of a failure, which has a reason instead")
    return Failure(named, where, Node(reason, "failed").text(), moment, *who)


def load_revision(  # noqa: PLR0917 - the columns of a row
    number: object, rating: object, comment: object, withdrawn: object, made_at: object, reviser: object
) -> Revision:
    """Return the revision of what was stored of it; `withdrawn` is stored as 0 or 1.

    Raises:
        DocumentError: it was not stored like that.
    """
    return Revision(
        Node(number, "number").integer(),
        None if rating is None else Node(rating, "rating").number(MIN_RATING, MAX_RATING),
        load_optional(comment, "comment"),
        bool(Node(int(withdrawn) if isinstance(withdrawn, bool) else withdrawn, "withdrawn").integer(0, 1)),
        Node(made_at, "made_at").moment(),
        load_optional(reviser, "reviser"),
    )


def load_study(name: object, created_at: object, based_on: object, note: object, archived_at: object) -> Study:
    """Return the study of what was stored of it.

    Raises:
        DocumentError: it was not stored like that.
    """
    return Study(
        Node(name, "name").text(),
        None if created_at is None else Node(created_at, "created_at").moment(),
        load_optional(based_on, "based_on"),
        load_optional(note, "note"),
        None if archived_at is None else Node(archived_at, "archived_at").moment(),
    )


def load_suggestion(  # noqa: PLR0917 - the columns of a row
    identity: object, mode: object, setting: object, suggested_at: object, expires_at: object, study: object
) -> Suggestion:
    """Return the suggestion of what was stored of it.

    Raises:
        DocumentError: it was not stored like that.
    """
    return Suggestion(
        Node(identity, "id").text(),
        Node(mode, "mode").text(),
        load_setting(setting),
        Node(suggested_at, "suggested_at").moment(),
        Node(expires_at, "expires_at").moment(),
        Node(study, "study").text(),
    )


def dump_hyperparameters(hyperparameters: Hyperparameters) -> str:
    """Return the hyperparameters as JSON."""
    return json.dumps(plain_hyperparameters(hyperparameters))


def plain_hyperparameters(hyperparameters: Hyperparameters) -> dict[str, object]:
    """Return the document that `read_hyperparameters` takes."""
    plain = asdict(hyperparameters)
    if plain[_TASK_SIMILARITY] is None:
        # An earlier release refuses fields that it does not know, and reads what has none of them.
        del plain[_TASK_SIMILARITY]
    return plain


def load_hyperparameters(stored: object) -> Hyperparameters | None:
    """Return the hyperparameters of what `dump_hyperparameters` gave; None of None.

    Raises:
        DocumentError: it is not such a text.
    """
    return None if stored is None else read_hyperparameters(Node(stored, "hyperparameters").json())


def read_hyperparameters(node: Node) -> Hyperparameters:
    """Return the hyperparameters of a document. Its `lengthscales` are an object, or a list of pairs.

    Raises:
        DocumentError: a value is missing, unknown or impossible.
    """
    learned = node.members(_HYPERPARAMETERS, optional={_TASK_SIMILARITY})
    lengthscales = learned["lengthscales"]
    if isinstance(lengthscales.value, dict):
        pairs = list(lengthscales.members().items())
    else:
        pairs = [(name.text(), length) for name, length in (pair.entries(2) for pair in lengthscales.entries())]
    return Hyperparameters(
        tuple((name, length.positive()) for name, length in pairs),
        learned["signal_variance"].positive(),
        learned["noise_variance"].positive(),
        learned["similarity"].number(0, 1),
        learned["fitted_on"].integer(),
        learned[_TASK_SIMILARITY].number(0, 1) if _TASK_SIMILARITY in learned else None,
    )


def dump_positions(positions: Sequence[int]) -> str:
    """Return the positions as JSON."""
    return json.dumps(positions)


def load_positions(stored: object, what: str) -> tuple[int, ...]:
    """Return the positions that `dump_positions` was given, called `what` in the error.

    Raises:
        DocumentError: they were not stored like that.
    """
    return tuple(position.integer() for position in Node(stored, what).json().entries())


def load_optional(stored: object, what: str) -> str | None:
    """Return a text, called `what` in the error; None of None.

    Raises:
        DocumentError: it is neither.
    """
    return None if stored is None else Node(stored, what).text()


def load_text(stored: object, what: str) -> str:
    """Return a text, called `what` in the error.

    Raises:
        DocumentError: it is none.
    """
    return Node(stored, what).text()


def load_count(stored: object, what: str) -> int:
    """Return a whole number from 0 on, called `what` in the error.

    Raises:
        DocumentError: it is none.
    """
    return Node(stored, what).integer()


def load_timestamp(stored: object) -> datetime:
    """Return the moment of what `timestamp` gave.

    Raises:
        DocumentError: it is no such text.
    """
    return Node(stored, "moment").moment()


def timestamp(moment: datetime) -> str:
    """Return the moment as text of fixed width in UTC, so that the order of texts is the order of moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
