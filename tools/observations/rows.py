"""Rows of a file that people made, one rating or failure each: validated like an update, before any store is asked.

A row has the fields of an update's result (POST /ml/update_model) and also `recorded_at`, the time of the rating, and
`study` and `id`, as exported rows have them. All errors are found, and named by line and column; one of them stops the
import of the file. A legal value off the grid of the search space is an error too, unless the caller decides otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from storage.documents import DocumentError, Node, parse, quote
from tools.observations.errors import MoveError
from tuning.errors import InvalidField, InvalidRequestError
from tuning.model.encoding import snap
from tuning.observations import Setting
from tuning.spaces import Spaces
from tuning.validation.fields import Level, judge
from tuning.validation.requests import parse_study
from tuning.validation.update import Result, parse_update

SHOWN = 40  # problems that an error names; it says the number of the others

RESULT = ("mode", "rating", "failed", "suggestion_id", "rater", "picture", "comment")
"""Fields of an update's result, without its parameters."""
BESIDE = ("id", "study", "recorded_at", "revision", "withdrawn", "revised_at", "reviser", "earlier")
"""Further fields of an exported row."""

_TOGETHER = 50  # rows judged at once: so few that an update's list of what is wrong is not cut short
_SKEW = timedelta(minutes=5)  # that the clocks of two machines may differ

OffGrid = Literal["keep", "snap"]

_FIELDS = Level(
    ("parameters", *RESULT, *BESIDE), {"api": "it belongs to parameters", "time": "did you mean recorded_at?"}
)
_ROW = "the row"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written: its line in the file, and its fields without the empty ones."""

    line: int
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in a row, and its column."""

    line: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file; `notes` say how it was read, and what is ignored."""

    path: Path
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A valid row. `study`, `mode` and `recorded_at` are None if the row does not have them."""

    line: int
    identity: str | None
    study: str | None
    mode: str | None
    setting: Setting
    rating: float | None
    failed: str | None
    recorded_at: datetime | None
    suggestion_id: str | None
    rater: str | None
    picture: str | None
    comment: str | None


class RowsError(MoveError):
    """Rows have errors; the message names each by line and column, up to SHOWN of them."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        """Make the message, in the order of the file."""
        ordered = sorted(problems, key=lambda problem: problem.line)
        lines = [f"{path}:{one.line}: {one.column}: {one.message}" for one in ordered[:SHOWN]]
        more = [f"and {len(ordered) - SHOWN:,} more problems"] if len(ordered) > SHOWN else []
        super().__init__("\n".join(["nothing is imported:", *lines, *more]))
        self.problems = tuple(ordered)


def read_json_lines(path: Path) -> Rows:
    """Read a file of JSON Lines, one object per row.

    Raises:
        MoveError: it has no rows.
        OSError: it cannot be read.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    ignored: dict[str, None] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                fields = {name: member.value for name, member in parse(line.lstrip(b"\xef\xbb\xbf")).members().items()}
            except DocumentError as error:
                problems.append(Problem(number, _ROW, str(error)))
                continue
            if "position" in fields:
                where = "is of an archive, whose header is missing: export it anew"
                raise RowsError(path, [Problem(number, "position", where)])
            near, unknown = judge(fields, _FIELDS, ())
            problems += [Problem(number, str(one.location[0]), one.message) for one in near]
            ignored.update(dict.fromkeys(pointer.removeprefix("/") for pointer in unknown))
            known = {name: value for name, value in fields.items() if name in _FIELDS.known and value is not None}
            rows.append(Row(number, known))
    if not rows and not problems:
        raise MoveError(f"{path}: is empty")
    return Rows(path, tuple(rows), ignored_note(ignored), tuple(problems))


def ignored_note(names: Mapping[str, None]) -> tuple[str, ...]:
    """Return the note on columns that are ignored."""
    return (f"ignored, because they are unknown: {', '.join(names)}",) if names else ()


def judge_rows(
    rows: Rows, spaces: Spaces, *, zone: tzinfo | None, off_grid: OffGrid | None, now: datetime
) -> tuple[tuple[JudgedRow, ...], tuple[str, ...]]:
    """Return the valid rows without the withdrawn ones, and notes on what was changed or left out.

    A time without a zone is of `zone`.

    Raises:
        RowsError: any row has an error.
    """
    judging = _Judging(spaces, zone, off_grid, now, list(rows.problems))
    standing = [row for row in rows.rows if not judging.is_withdrawn(row)]
    judged = [
        one
        for start in range(0, len(standing), _TOGETHER)
        for one in judging.judge(standing[start : start + _TOGETHER])
    ]
    if judging.problems:
        raise RowsError(rows.path, judging.problems)
    notes = []
    if withdrawn := len(rows.rows) - len(standing):
        notes.append(f"{withdrawn:,} withdrawn rows are left out")
    if judging.moved:
        notes.append(f"{judging.moved:,} rows were moved to the grid of the search space")
    return tuple(judged), tuple(notes)


@dataclass(slots=True)
class _Judging:
    """The validation of a file; it collects `problems`, and counts the rows `moved` to the grid."""

    spaces: Spaces
    zone: tzinfo | None
    off_grid: OffGrid | None
    now: datetime
    problems: list[Problem] = field(default_factory=list)
    moved: int = 0

    def is_withdrawn(self, row: Row) -> bool:
        """Return whether the row is withdrawn."""
        withdrawn = row.fields.get("withdrawn", False)
        if not isinstance(withdrawn, bool):
            self.problems.append(Problem(row.line, "withdrawn", f"must be true or false, not {quote(withdrawn)}"))
            return False
        return withdrawn

    def judge(self, rows: Sequence[Row]) -> list[JudgedRow]:
        """Return the valid ones of up to _TOGETHER rows."""
        judged = []
        for row, result in self._results(rows):
            before = len(self.problems)
            setting = self._on_grid(row, result)
            invalid: list[InvalidField] = []
            study = parse_study(row.fields.get("study"), ("study",), invalid)
            self.problems += [Problem(row.line, "study", one.message) for one in invalid]
            identity, recorded_at = self._identity(row), self._moment(row)
            if len(self.problems) == before:
                judged.append(
                    JudgedRow(
                        row.line,
                        identity,
                        study,
                        result.mode,
                        setting,
                        result.rating,
                        result.failed,
                        recorded_at,
                        result.suggestion_id,
                        result.rater,
                        result.picture,
                        result.comment,
                    )
                )
        return judged

    def _results(self, rows: Sequence[Row]) -> list[tuple[Row, Result]]:
        """Return the rows that are valid as results of an update, each with that result."""
        left = list(rows)
        while left:
            results = [{name: one for name, one in row.fields.items() if name not in BESIDE} for row in left]
            try:
                return list(zip(left, parse_update({"results": results}, self.spaces).results, strict=True))
            except InvalidRequestError as error:
                wrong = set()
                for invalid in error.fields:
                    # The last may only say how many more there are; the next attempt finds those.
                    if len(invalid.location) > 1:
                        index, *column = (part for part in invalid.location[1:] if part != "parameters")
                        wrong.add(index)
                        row = left[int(index)]
                        self.problems.append(
                            Problem(row.line, ".".join(map(str, column)) or _last(invalid), invalid.message)
                        )
                if not wrong:
                    raise
                left = [row for index, row in enumerate(left) if index not in wrong]
        return []

    def _on_grid(self, row: Row, result: Result) -> Setting:
        """Return the setting to record; off the grid it is an error, unless `off_grid` decides."""
        api = next(api for api in self.spaces.apis if api.name == result.setting.api)
        nearest = snap(api, result.setting)
        if nearest == result.setting or self.off_grid == "keep":
            return result.setting
        if self.off_grid == "snap":
            self.moved += 1
            return nearest
        on_grid = dict(nearest.values)
        for name, value in result.setting.values:
            if value != on_grid[name]:
                message = (
                    f"{value} is off the grid of the search space; the nearest value on it is {on_grid[name]}:"
                    " --off-grid snap takes that, --off-grid keep the value as it is"
                )
                self.problems.append(Problem(row.line, name, message))
        return result.setting

    def _identity(self, row: Row) -> str | None:
        identity = row.fields.get("id")
        if identity is not None and not isinstance(identity, str):
            self.problems.append(Problem(row.line, "id", f"must be a text, not {quote(identity)}"))
            return None
        return identity

    def _moment(self, row: Row) -> datetime | None:
        written = row.fields.get("recorded_at")
        if written is None:
            return None
        try:
            moment = _moment(written, self.zone, self.now + _SKEW)
        except ValueError as error:
            self.problems.append(Problem(row.line, "recorded_at", str(error)))
            return None
        return moment


def _moment(written: object, zone: tzinfo | None, last: datetime) -> datetime:
    """Return the time; without a zone of its own it is of `zone`.

    Raises:
        ValueError: it is not a time, or it is later than `last`.
    """
    example = "such as 2026-05-01T12:30:00+02:00"
    try:
        moment = datetime.fromisoformat(Node(written).text().strip())
    except ValueError:
        raise ValueError(f"must be a time in ISO 8601, {example}, not {quote(written)}") from None
    if moment.tzinfo is None and zone is None:
        raise ValueError(f"must have a zone, {example}; or give one for all rows, such as --timezone Europe/Madrid")
    try:
        moment = moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"is beyond the end of time: {written}") from None
    if moment > last:
        raise ValueError(f"lies in the future: {written}")
    return moment


def _last(invalid: InvalidField) -> str:
    return _ROW if isinstance(invalid.location[-1], int) else str(invalid.location[-1])
