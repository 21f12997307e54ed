"""The history as a table: one row per entry, one column per field, for CSV files and data frames."""

import csv
import io
from collections.abc import Iterable, Sequence

from tuning.observations import Entry, Failure
from tuning.spaces import Spaces, Value

_BEFORE = ("id", "study", "mode", "api")
_AFTER = (
    "rating",
    "failed",
    "recorded_at",
    "suggestion_id",
    "rater",
    "picture",
    "comment",
    "revision",
    "withdrawn",
    "revised_at",
    "reviser",
)
TEXTS = frozenset({"failed", "suggestion_id", "rater", "picture", "comment", "reviser"})
"""The columns that hold what people wrote."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with what spreadsheets take a cell for a formula

Cell = Value | bool | None


def columns(spaces: Spaces, entries: Iterable[Entry] = ()) -> tuple[str, ...]:
    """Return the table's columns: with one per parameter of the space, and of settings from before it was changed."""
    names = {_column(parameter.name): None for api in spaces.apis for parameter in api.parameters}
    for entry in entries:
        names.update(dict.fromkeys(_column(name) for name, _ in entry.told.setting.values))
    return (*_BEFORE, *names, *_AFTER)


def row(entry: Entry) -> dict[str, Cell]:
    """Return an entry by column; what does not apply to it is left out."""
    told, revision = entry.told, entry.revision
    plain: dict[str, Cell] = {"id": entry.id, "study": entry.study, "mode": told.mode, "api": told.setting.api}
    plain |= {_column(name): value for name, value in told.setting.values}
    if isinstance(told, Failure):
        plain["failed"] = told.reason
    else:
        plain["rating"] = told.rating
    plain |= {
        "recorded_at": told.recorded_at.isoformat(),
        "suggestion_id": told.suggestion_id,
        "rater": told.rater,
        "picture": told.picture,
        "comment": told.comment,
        "revision": revision.number,
        "withdrawn": revision.withdrawn,
    }
    if revision.number > 1:
        plain |= {"revised_at": revision.made_at.isoformat(), "reviser": revision.reviser}
    return plain


def to_csv(spaces: Spaces, entries: Sequence[Entry]) -> str:
    """Return entries as CSV (RFC 4180) with a line of names.

    A text that a spreadsheet would take for a formula has an apostrophe before it; `from_cell` takes it away.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns(spaces, entries), restval="")
    writer.writeheader()
    for entry in entries:
        writer.writerow({name: _to_cell(name, value) for name, value in row(entry).items()})
    return stream.getvalue()


def from_cell(text: str) -> str:
    """Return the text of a cell that `to_csv` wrote."""
    return text[1:] if text.startswith("'") and text[1:].lstrip().startswith(("'", *_FORMULA)) else text


def _column(parameter: str) -> str:
    """Return the column of a parameter, which must not be one of the table's own."""
    return f"parameters.{parameter}" if parameter in _BEFORE or parameter in _AFTER else parameter


def _to_cell(name: str, value: Cell) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in TEXTS and isinstance(value, str) and value.lstrip().startswith(("'", *_FORMULA)):
        return f"'{value}"
    return value
