"""The stored forms of values, the same in every adapter, so that a study reads alike wherever it was kept.

Text throughout: JSON writes a float by its shortest exact form, so that it is read back bit for bit, and a number type
of a database need not reach as far as a float does. For what this code itself wrote; callers' input goes through
`tuning.validation`. But storage gets damaged: every `load_` function takes whatever a row may hold, of any type, and
refuses what the matching `dump_` function cannot have written, with a `storage.documents.DocumentError`.
"""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime

from storage.documents import Node
from tuning.observations import MAX_RATING, MIN_RATING, Observation, Setting, Suggestion
from tuning.spaces import Value
from tuning.studies import Hyperparameters

_HYPERPARAMETERS = frozenset({"lengthscales", "signal_variance", "noise_variance", "similarity", "fitted_on"})


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


def load_observation(
    mode: object, setting: object, rating: object, recorded_at: object, suggestion_id: object
) -> Observation:
    """Return the observation of what was stored of it.

    Raises:
        DocumentError: it was not stored like that.
    """
    return Observation(
        Node(mode, "mode").text(),
        load_setting(setting),
        Node(rating, "rating").number(MIN_RATING, MAX_RATING),
        Node(recorded_at, "recorded_at").moment(),
        None if suggestion_id is None else Node(suggestion_id, "suggestion_id").text(),
    )


def load_suggestion(
    identity: object, mode: object, setting: object, suggested_at: object, expires_at: object
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
    )


def dump_hyperparameters(hyperparameters: Hyperparameters) -> str:
    """Return the hyperparameters as JSON."""
    return json.dumps(asdict(hyperparameters))


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
    learned = node.members(_HYPERPARAMETERS)
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
    )


def timestamp(moment: datetime) -> str:
    """Return the moment as text of fixed width in UTC, so that the order of texts is the order of moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
