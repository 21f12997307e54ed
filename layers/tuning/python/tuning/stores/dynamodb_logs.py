"""The heads and logs of studies as they are read from the observations table, for `tuning.stores.dynamodb`.

A head is read first, and nothing of a log beyond what it says; what is read is counted against it. What a process has
read of a log it does not read again. Every item that is not as `tuning.stores.dynamodb_items` writes it becomes a
StoreCorruptError that names it, in `StudyLogs.reading`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from storage.deadline import Deadline
from storage.table import Row, Table
from tuning.errors import EntryMissingError, StoreCorruptError, StudyMissingError
from tuning.observations import DEFAULT_STUDY, Entry, Revision, entry_id
from tuning.stores import dynamodb_items as items
from tuning.stores.dynamodb_items import Head, ModeHead
from tuning.stores.log import Amendment, Log, Record, amended, entered
from tuning.stores.port import MAX_BATCH
from tuning.study import Study

NOTED_FOR = 60.0  # seconds for which damage that was met is reported
_READINGS = 4  # of a log that is not all there
_REMEMBERED = 100_000  # records of logs that a process keeps; of one log, however many it has


class NotAllThereError(Exception):
    """A query does not show yet what the head promises."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a mode's log: it is only ever added to, so that the rest alone is read anew."""

    seed: int
    log: Log


class StudyLogs:
    """The heads and logs in the table, for any number of threads."""

    def __init__(self, table: Table, missing: Callable[[str], StudyMissingError]) -> None:
        self._table = table
        self._missing = missing
        self._known: dict[tuple[str, str], _Known] = {}
        self._lock = threading.Lock()
        self._damage: tuple[float, str] | None = None

    def head(self, study: str, deadline: Deadline) -> Head:
        """Return the study's head.

        Raises:
            StudyMissingError: there is no study of that name; `missing` makes it.
        """
        row = self._table.get(*items.head_key(study), deadline)
        if row is None and study != DEFAULT_STUDY:
            raise self._missing(study)
        return self.head_of(study, row)

    def head_of(self, study: str, row: Row | None) -> Head:
        """Return the head that is in that row of a study that there is; DEFAULT_STUDY needs none."""
        if row is None and study != DEFAULT_STUDY:
            raise StoreCorruptError(
                f"the table has the name of study {study}, and not its item {items.head_key(study)}"
            )
        if row is None:
            return Head(Study(study))
        if row.get("schema") not in items.SCHEMAS:
            raise StoreCorruptError(
                f"the table's item {_name(row)} has schema {row.get('schema')!r}, written by another release; this one "
                f"reads {' and '.join(map(str, items.SCHEMAS))}"
            )
        with self.reading(row, study):
            return items.load_head(study, row)

    def completed(self, head: Head, deadline: Deadline) -> Head:
        """Return the head with what only the logs say, of one that a release before studies wrote."""
        return head if head.complete else head.completed({mode: self.log(head, mode, deadline) for mode in head.modes})

    def log(self, head: Head, mode: str, deadline: Deadline) -> Log:
        """Return the mode's log as far as the head goes.

        Raises:
            StoreCorruptError: there is not as much of it as the head says.
        """
        study, begun = head.study.name, head.modes.get(mode)
        if begun is None:
            return Log(study)
        known = self._log_known(study, mode, begun)
        if known.end == begun.end:
            return known
        pk, low, high = items.log_key(study, mode), items.record_key(known.end + 1), items.record_key(begun.end)
        found = known.size
        # A transaction's items are not promised to appear to a query at one moment: what is short is read again.
        for _ in readings(deadline):
            rows = self._table.query(pk, low, high, deadline)
            new = [record for row in rows for record in self._records(study, mode, row)]
            found = known.size + len(new)
            if found == begun.size:
                with self.reading({"pk": pk, "sk": high}, study):
                    log = known.extended(new)
                    if log.end != begun.end:
                        raise ValueError(f"the log ends at {log.end}")
                self._remember((study, mode), _Known(begun.seed, log))
                return log
        raise StoreCorruptError(f"the table holds {found:,} of {begun.size:,} records of mode {mode} of study {study}")

    def reader(self, head: Head, deadline: Deadline) -> Callable[[str], Log]:
        """Return what gives a mode's log as far as the head goes."""
        return lambda mode: self.log(head, mode, deadline)

    def entry(self, head: Head, position: int, deadline: Deadline) -> Entry:
        """Return the entry at that position.

        Raises:
            EntryMissingError: there is none.
        """
        for mode, begun in head.modes.items():
            if 1 <= position <= begun.end and (entry := self.log(head, mode, deadline).entries.get(position)):
                return entry
        raise EntryMissingError(f"the history has no entry {entry_id(head.study.name, position)}")

    def rated_by(self, head: Head, deadline: Deadline) -> Callable[[str, str, str], Sequence[Entry]]:
        """Return what gives the entries of a mode, a suggestion and a rater; it reads a log when it is first asked."""
        found: dict[str, dict[tuple[str | None, str | None], list[Entry]]] = {}

        def rated_by(mode: str, suggestion_id: str, rater: str) -> Sequence[Entry]:
            log = self.log(head, mode, deadline)
            if suggestion_id not in log.answered:
                return ()
            if mode not in found:
                found[mode] = {}
                for entry in log.entries.values():
                    found[mode].setdefault((entry.told.suggestion_id, entry.told.rater), []).append(entry)
            return found[mode].get((suggestion_id, rater), ())

        return rated_by

    def newest_first(self, head: Head, mode: str, before: int, deadline: Deadline) -> Iterator[Entry]:
        """Give the mode's entries before that position, as they stand.

        Raises:
            NotAllThereError: the end of the log has not appeared yet.
        """
        study, begun = head.study.name, head.modes[mode]
        # What was revised since is told by what comes after the entries.
        start = begun.end if begun.amended >= before else min(before - 1, begun.end)
        last = 0
        revisions: dict[int, list[Revision]] = {}
        for row, position, record in self._backwards(study, mode, start, deadline):
            last = last or position
            if start == begun.end != last:
                raise NotAllThereError
            if isinstance(record, Amendment):
                revisions.setdefault(record.target, []).insert(0, record.revision)
                continue
            with self.reading(row, study):
                entry = _revised(entered(study, position, record), revisions.pop(position, ()))
            if position < before:
                yield entry
        if start == begun.end != last:
            raise NotAllThereError
        if revisions:
            raise StoreCorruptError(f"the table lacks the entry {entry_id(study, min(revisions))}, which was revised")

    def oldest_first(self, head: Head, mode: str, after: int, deadline: Deadline) -> Iterator[tuple[int, str, Record]]:
        """Yield the mode's records that follow a position, as far as the head goes, each with its position and mode."""
        study, begun = head.study.name, head.modes[mode]
        # An item is under its first position: that which holds the next record may begin a whole batch before it.
        low, high = items.record_key(max(1, after + 2 - MAX_BATCH)), items.record_key(begun.end)
        if begun.end <= after:
            return
        for row in self._table.query(items.log_key(study, mode), low, high, deadline, page=10):
            for position, record in self._records(study, mode, row):
                if after < position <= begun.end:
                    yield position, mode, record

    @property
    def damage(self) -> str | None:
        """What was found damaged of what belongs to DEFAULT_STUDY or to all, in the last NOTED_FOR seconds."""
        return self._damage[1] if self._damage and time.monotonic() < self._damage[0] else None

    @contextmanager
    def reading(self, row: Row, study: str = DEFAULT_STUDY) -> Iterator[None]:
        """Within, the row is read, which belongs to that study: what it cannot have been written as was damaged.

        Raises:
            StoreCorruptError: that is so; it names the row.
        """
        try:
            yield
        except items.DAMAGED as error:
            message = f"the table's item {_name(row)} is not as an observation store writes it: {error!r}"
            if study == DEFAULT_STUDY:
                self._damage = (time.monotonic() + NOTED_FOR, message)
            raise StoreCorruptError(message) from error

    def _log_known(self, study: str, mode: str, begun: ModeHead) -> Log:
        known = self._known.get((study, mode))
        # A table that was emptied has other seeds; another thread may have read on.
        return known.log if known and known.seed == begun.seed and known.log.end <= begun.end else Log(study)

    def _remember(self, place: tuple[str, str], known: _Known) -> None:
        """Remember the log, and forget those that were not read for the longest time, if they are too many."""
        with self._lock:
            there = self._known.pop(place, known)
            further = there.seed == known.seed and there.log.end > known.log.end
            self._known[place] = there if further else known
            total = sum(one.log.size for one in self._known.values())
            for stale in list(self._known)[:-1]:
                if total <= _REMEMBERED:
                    break
                total -= self._known.pop(stale).log.size

    def _backwards(self, study: str, mode: str, start: int, deadline: Deadline) -> Iterator[tuple[Row, int, Record]]:
        """Give the records from that position back, each with its row."""
        low, high = items.record_key(1), items.record_key(start)
        # An item holds one record or a hundred: as few are read as may do, then ever more.
        rows = self._table.query(items.log_key(study, mode), low, high, deadline, newest_first=True, page=4)
        for row in rows:
            for position, record in reversed(self._records(study, mode, row)):
                if position <= start:
                    yield row, position, record

    def _records(self, study: str, mode: str, row: Row) -> list[tuple[int, Record]]:
        with self.reading(row, study):
            return items.load_records(mode, row)


def readings(deadline: Deadline) -> Iterator[int]:
    """Count readings of what may not all have appeared yet, with pauses between them."""
    for _, reading in zip(range(_READINGS), deadline.attempts(), strict=False):
        yield reading


def _revised(entry: Entry, revisions: Sequence[Revision]) -> Entry:
    """Return the entry with the revisions that were made of it."""
    for revision in revisions:
        if revision.number != entry.revision.number + 1:
            raise ValueError(f"{entry.id} has revision {revision.number} after {entry.revision.number}")
        entry = amended(entry, revision)
    return entry


def _name(row: Row) -> str:
    return f"{row.get('pk')!r}, {row.get('sk')!r}"
