"""Archives of whole studies: JSON Lines, one file, written whole or not at all.

    {"format": 2, "study": "default", "created_at": null, "based_on": null, "note": null, "archived_at": null,
     "learned": {"structure": {...}}, "suggestions": 3, "records": 450}

The header of a study says how many lines follow: first its suggestions, then the records of its log from position 1 on
(`tools.observations.lines`). An archive of format 1, of the releases before studies, has one header per mode and then
ratings; it is read as the study `default`. Archives get damaged and edited: any line that is not as it was written is
refused with an ArchiveError that names it.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storage.documents import DocumentError, Node, parse, quote
from tools.observations.errors import ArchiveError, MoveError
from tools.observations.lines import dump_record, dump_suggestion, optional, read_record, read_suggestion
from tools.observations.moving import MovedStudy, in_order
from tuning.errors import InvalidField
from tuning.observations import DEFAULT_STUDY, MAX_RATING, MIN_RATING, Observation, Suggestion
from tuning.stores.log import Amendment, Record
from tuning.stores.records import dump_hyperparameters, read_hyperparameters, read_setting, timestamp
from tuning.study import Hyperparameters, Study
from tuning.validation.requests import parse_study

FORMAT = 2  # of archives; an archive of a later format is refused

_STUDY = frozenset({"created_at", "based_on", "note", "archived_at"})
_COUNTED = frozenset({"learned", "suggestions", "records"})
_HEADINGS = frozenset({"format", "hyperparameters", "outstanding"})  # fields that only a header has, in any format


def is_archive(path: Path) -> bool:
    """Return whether the first line of a file is the header of an archive.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            return not _HEADINGS.isdisjoint(parse(file.readline()).members())
        except DocumentError:
            return False


def write_archive(studies: Sequence[MovedStudy], path: Path | None) -> None:
    """Write a new file, whole or not at all; None means standard output.

    Raises:
        MoveError: the file exists already.
        OSError: it cannot be written.
    """
    if path is None:
        sys.stdout.writelines(f"{line}\n" for line in _lines(studies))
        return
    with new_file(path) as partial:
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _lines(studies))
            file.flush()
            os.fsync(file.fileno())
        if read_archive(partial) != tuple(studies):
            raise MoveError(f"{partial} does not hold what was written to it")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; the file there is then renamed to `path`.

    Raises:
        MoveError: the file exists already.
        OSError: it cannot be renamed.
    """
    if path.exists():
        raise MoveError(f"{path} exists already; name a new file")
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    yield partial
    partial.rename(path)


def read_archive(path: Path) -> tuple[MovedStudy, ...]:
    """Read a file that `write_archive` wrote, of this release or an earlier one.

    Raises:
        ArchiveError: it is not an archive, or one of a later format.
        OSError: it cannot be read.
    """
    reader: _Studies | _Modes | None = None
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = parse(line)
                if reader is None:
                    reader = _reader(entry)
                reader.take(entry)
            except DocumentError as error:
                raise ArchiveError(f"{path}:{number}: {error}") from error
    if reader is None:
        raise ArchiveError(f"{path}: is empty")
    try:
        return tuple(in_order(reader.finish()))
    except DocumentError as error:
        raise ArchiveError(f"{path}: {error}") from error


def _lines(studies: Sequence[MovedStudy]) -> Iterator[str]:
    for moved in studies:
        study = moved.study
        moments = {"created_at": study.created_at, "archived_at": study.archived_at}
        dates = {name: None if moment is None else timestamp(moment) for name, moment in moments.items()}
        yield json.dumps(
            {
                "format": FORMAT,
                "study": study.name,
                "created_at": dates["created_at"],
                "based_on": study.based_on,
                "note": study.note,
                "archived_at": dates["archived_at"],
                "learned": {mode: json.loads(dump_hyperparameters(one)) for mode, one in moved.learned},
                "suggestions": len(moved.suggestions),
                "records": len(moved.log),
            }
        )
        for suggestion in moved.suggestions:
            yield dump_suggestion(suggestion, outstanding=suggestion.id in moved.outstanding)
        for position, (_, record) in enumerate(moved.log, 1):
            yield dump_record(record, position)


def _reader(header: Node) -> "_Studies | _Modes":
    """Return the reader for an archive whose first line this is."""
    version = header.get("format")
    if version.value == 1:
        return _Modes()
    if version.value != FORMAT or isinstance(version.value, bool):
        version.refuse(f"is {quote(version.value)}; this release reads 1 to {FORMAT}")
    return _Studies()


@dataclass(slots=True)
class _Open:
    """A study whose lines are being read, and how many of each kind are still to come."""

    study: Study
    learned: tuple[tuple[str, Hyperparameters], ...]
    suggestions_left: int
    records_left: int
    suggestions: list[Suggestion] = field(default_factory=list)
    outstanding: set[str] = field(default_factory=set)
    log: list[tuple[str, Record]] = field(default_factory=list)

    def closed(self) -> MovedStudy:
        """Return the study, after its last line."""
        return MovedStudy(
            self.study, tuple(self.log), self.learned, tuple(self.suggestions), frozenset(self.outstanding)
        )


class _Studies:
    """An archive of format 2, line by line."""

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._read: dict[str, MovedStudy] = {}

    def take(self, line: Node) -> None:
        """Take the next line."""
        study = self._open
        if study is not None and study.suggestions_left:
            suggestion, outstanding = read_suggestion(line, study.study.name)
            study.suggestions.append(suggestion)
            if outstanding:
                study.outstanding.add(suggestion.id)
            study.suggestions_left -= 1
        elif study is not None and study.records_left:
            record = read_record(line, len(study.log) + 1)
            study.log.append((_mode_of(line, record, study.log), record))
            study.records_left -= 1
        else:
            self._close()
            study = self._open = _header(line)
            if study.study.name in self._read:
                line.get("study").refuse(f"{quote(study.study.name)} has a header already")

    def finish(self) -> list[MovedStudy]:
        """Return the studies, after the last line."""
        if self._open and (self._open.suggestions_left or self._open.records_left):
            lines = self._open.suggestions_left + self._open.records_left
            Node(None).refuse(f"is cut short: study {self._open.study.name} lacks {lines:,} lines")
        self._close()
        return list(self._read.values())

    def _close(self) -> None:
        if self._open:
            self._read[self._open.study.name] = self._open.closed()
            self._open = None


def _mode_of(line: Node, record: Record, log: Sequence[tuple[str, Record]]) -> str:
    """Return the mode of a record, which of a revision is that of what it revises."""
    if not isinstance(record, Amendment):
        return record.mode
    mode, target = log[record.target - 1]
    if isinstance(target, Amendment):
        line.get("revises").refuse(f"must be the position of a rating or a failure, not {record.target}")
    return mode


def _header(line: Node) -> _Open:
    version = line.get("format")
    if version.value != FORMAT:
        version.refuse(f"is {quote(version.value)}; a header of format {FORMAT} was to follow here")
    fields = line.members(_STUDY | _COUNTED | {"format", "study"})
    name, began, archived = (fields[field] for field in ("study", "created_at", "archived_at"))
    invalid: list[InvalidField] = []
    if parse_study(name.text(), ("study",), invalid) is None:
        name.refuse(invalid[0].message)
    if (began.value is None) != (name.value == DEFAULT_STUDY):
        began.refuse("must be null of the default study, and of no other")
    study = Study(
        name.text(),
        None if began.value is None else began.moment(),
        optional(fields["based_on"]),
        optional(fields["note"]),
        None if archived.value is None else archived.moment(),
    )
    learned = tuple((mode, read_hyperparameters(one)) for mode, one in fields["learned"].members().items())
    return _Open(study, learned, fields["suggestions"].integer(), fields["records"].integer())


class _Modes:
    """An archive of format 1, line by line: headers of modes, then the ratings of all of them, oldest first."""

    def __init__(self) -> None:
        self._announced: dict[str, int] = {}
        self._learned: list[tuple[str, Hyperparameters]] = []
        self._outstanding: list[Suggestion] = []
        self._ratings: list[Observation] = []

    def take(self, line: Node) -> None:
        """Take the next line."""
        if line.get("study").value is None:
            rating = _early_rating(line)
            if rating.mode not in self._announced:
                line.refuse(f"study {quote(rating.mode)} has no header before this line")
            self._ratings.append(rating)
            return
        line.get("format").version(1)
        mode, learned = line.get("study").text(least=1), line.get("hyperparameters")
        if mode in self._announced:
            line.refuse(f"study {quote(mode)} has a header already")
        self._announced[mode] = line.get("observations").integer()
        if learned.value is not None:
            self._learned.append((mode, read_hyperparameters(learned)))
        self._outstanding += [_early_suggestion(mode, one) for one in line.get("outstanding").entries()]

    def finish(self) -> list[MovedStudy]:
        """Return the default study, after the last line."""
        for mode, count in self._announced.items():
            found = sum(rating.mode == mode for rating in self._ratings)
            if found != count:
                Node(None).refuse(f"holds {found:,} observations of study {mode}, and its header says {count:,}")
        # The migrations of the stores do the same: an answered suggestion is known by its first answer.
        known: dict[str, Suggestion] = {}
        made_up: set[str] = set()
        for one in self._ratings:
            if one.suggestion_id is not None:
                answered = Suggestion(one.suggestion_id, one.mode, one.setting, one.recorded_at, one.recorded_at)
                first = known.setdefault(one.suggestion_id, answered)
                # What was told of several settings is an id of the caller's own, and no suggestion's.
                if (first.mode, first.setting) != (one.mode, one.setting):
                    made_up.add(one.suggestion_id)
        known = {identity: one for identity, one in known.items() if identity not in made_up}
        known |= {one.id: one for one in self._outstanding}
        return [
            MovedStudy(
                Study(DEFAULT_STUDY),
                tuple((one.mode, one) for one in self._ratings),
                tuple(self._learned),
                tuple(sorted(known.values(), key=lambda one: one.suggested_at)),
                frozenset(one.id for one in self._outstanding),
            )
        ]


def _early_suggestion(mode: str, entry: Node) -> Suggestion:
    start, end = entry.get("suggested_at").moment(), entry.get("expires_at").moment()
    return Suggestion(entry.get("id").text(least=1), mode, read_setting(entry.get("parameters")), start, end)


def _early_rating(line: Node) -> Observation:
    return Observation(
        line.get("mode").text(least=1),
        read_setting(line.get("parameters")),
        line.get("rating").number(MIN_RATING, MAX_RATING),
        line.get("recorded_at").moment(),
        optional(line.get("suggestion_id")),
    )
