"""The stored forms of values, the same in every adapter, so that a study reads alike wherever it was kept.

Text throughout: JSON writes a float by its shortest exact form, so that it is read back bit for bit, and a number type
of a database need not reach as far as a float does. For what this code itself wrote; callers' input goes through
`tuning.observations`.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime

from tuning.errors import InvalidRequestError, Problem
from tuning.observations import Setting
from tuning.studies import Hyperparameters

NEWEST = 2**63 - 1  # beyond the position of any observation


def dump_setting(setting: Setting) -> str:
    """The setting as JSON."""
    return json.dumps(setting.to_plain())


def load_setting(text: str) -> Setting:
    """The inverse of `dump_setting`."""
    return Setting.from_plain(json.loads(text))


def dump_hyperparameters(hyperparameters: Hyperparameters) -> str:
    """The hyperparameters as JSON."""
    return json.dumps(asdict(hyperparameters))


def load_hyperparameters(text: str | None) -> Hyperparameters | None:
    """The inverse of `dump_hyperparameters`; None of None."""
    if text is None:
        return None
    plain = json.loads(text)
    return Hyperparameters(**{**plain, "lengthscales": tuple((name, value) for name, value in plain["lengthscales"])})


def timestamp(moment: datetime) -> str:
    """Fixed-width UTC text, so that the order of texts is the order of moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse_cursor(cursor: str | None) -> int:
    """The position of the observation before which a page begins. Raises InvalidRequestError."""
    if cursor is None:
        return NEWEST
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(NEWEST)) and int(cursor) <= NEWEST):
        raise InvalidRequestError((Problem(("cursor",), "is not one that an earlier page gave"),))
    return int(cursor)
