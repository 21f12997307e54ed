"""The observation store in one SQLite file, for one machine: any number of processes and threads.

Write-ahead log with `synchronous=FULL`: an acknowledged transaction survives a killed process and a lost power supply
as far as the disk tells the truth. Writers queue for the lock up to a timeout, those of all studies for one lock, which
each holds for milliseconds. Not for a network file system, where SQLite's locks do not work; and it refuses a file that
is not its own.

The tables are those of `tuning.stores.sqlite_schema`. What becomes of the file under a running process is minded by
`storage.sqlite`; every row that is not as it was written becomes a StoreCorruptError that names it, in `_reading_row`.
"""

import json
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from storage.deadline import Deadline
from storage.sqlite import Database, DatabaseKind
from tuning.errors import (
    STORE_ERRORS,
    AlreadyPendingError,
    EntryMissingError,
    IdempotencyMismatchError,
    RevisionMismatchError,
    StoreCorruptError,
    StudyArchivedError,
    StudyExistsError,
)
from tuning.observations import (
    DEFAULT_STUDY,
    MAX_POSITION,
    Correction,
    Entry,
    Observation,
    Setting,
    Suggestion,
    Told,
    entry_id,
)
from tuning.stores.log import Amendment, Log, Record, as_of, best_of, correct, counts, last_change, plan
from tuning.stores.port import HistoryPage, IdempotencyKey, ObservationStore, Recorded, Revised, StudiesPage
from tuning.stores.records import (
    dump_hyperparameters,
    dump_positions,
    dump_setting,
    load_count,
    load_hyperparameters,
    load_positions,
    load_revision,
    load_study,
    load_suggestion,
    load_text,
    load_timestamp,
    load_told,
    timestamp,
)
from tuning.stores.sqlite_schema import prepare
from tuning.study import Hyperparameters, ModeStudy, Study, StudySummary

BUSY_TIMEOUT = 5.0  # seconds that a writer waits for its turn

# After a verification, how many times as long as it took nothing is verified again.
_VERIFY_SHARE = 10
_VERIFIED_FOR = 60.0  # seconds, at the most
_REMEMBERED = 64  # modes of studies whose logs a store remembers


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a mode of a study: its log is only ever added to, so that the rest alone is read anew."""

    generation: int
    seed: int
    log: Log


@dataclass(frozen=True, slots=True)
class _Receipt:
    """What was acknowledged with an idempotency key: a batch, or with `corrected` a revision.

    `corrected` has the position of an entry and the number of the revision that it had then.
    """

    fingerprint: str
    samples_seen: int
    study: str
    positions: tuple[int, ...] | None
    replaced: tuple[int, ...]
    corrected: tuple[int, int] | None


class SqliteObservationStore(ObservationStore):
    """An observation store in the file at `path`, made with its folder when first used."""

    def __init__(self, path: str | Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._path = Path(path)
        self._database = Database.at(self._path, replace(_KIND, busy_timeout=busy_timeout))
        self._known: dict[tuple[str, str], _Known] = {}
        self._verified, self._verified_until = 0, 0.0

    def begin(self, study: Study) -> None:
        """See ObservationStore."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO studies (name, created_at, based_on, note, archived_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (study.name, _moment(study.created_at), study.based_on, study.note, _moment(study.archived_at)),
            )
            if cursor.rowcount == 0:
                raise StudyExistsError(f"there is a study {study.name} already")

    def summary(self, study: str) -> StudySummary:
        """See ObservationStore."""
        with self._database.reading() as lent:
            return self._summary(lent.connection, study)

    def studies(self, *, limit: int, after: str = "") -> StudiesPage:
        """See ObservationStore."""
        with self._database.reading() as lent:
            rows = lent.connection.execute(
                "SELECT name FROM studies WHERE name > ? ORDER BY name LIMIT ?", (after, limit + 1)
            ).fetchall()
            summaries = tuple(self._summary(lent.connection, name) for (name,) in rows[:limit])
        return StudiesPage(summaries, summaries[-1].study.name if len(rows) > limit else None)

    def study_names(self) -> tuple[str, ...]:
        """See ObservationStore."""
        with self._database.reading() as lent:
            return tuple(name for (name,) in lent.connection.execute("SELECT name FROM studies ORDER BY name"))

    def names_beside(self, name: str, *, limit: int) -> tuple[str, ...]:
        """See ObservationStore."""
        with self._database.reading() as lent:
            found = [
                *lent.connection.execute(
                    "SELECT name FROM studies WHERE name <= ? ORDER BY name DESC LIMIT ?", (name, limit)
                ),
                *lent.connection.execute(
                    "SELECT name FROM studies WHERE name > ? ORDER BY name LIMIT ?", (name, limit)
                ),
            ]
        return tuple(sorted(beside for (beside,) in found))

    def archive(self, study: str, *, archived_at: datetime | None) -> StudySummary:
        """See ObservationStore."""
        with self._database.transaction() as connection:
            found, _ = self._study(connection, study)
            if (found.archived_at is None) != (archived_at is None):
                connection.execute("UPDATE studies SET archived_at = ? WHERE name = ?", (_moment(archived_at), study))
            return self._summary(connection, study)

    def record(
        self,
        told: Sequence[Told],
        *,
        study: str = DEFAULT_STUDY,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            if idempotency_key and (receipt := self._receipt(connection, idempotency_key)):
                return _recorded(receipt)
            end = self._open_study(connection, study)

            def rated_by(mode: str, suggestion_id: str, rater: str) -> Sequence[Entry]:
                return self._rated_by(connection, study, mode, suggestion_id, rater)

            batch = plan(study, told, rated_by, end=end)
            self._append(connection, study, batch.records)
            connection.executemany(
                "UPDATE suggestions SET outstanding = 0 WHERE id = ? AND study = ? AND outstanding = 1",
                [(one.suggestion_id, study) for one in told if one.suggestion_id is not None],
            )
            samples_seen = self._count(connection, study)
            if idempotency_key:
                connection.execute(
                    "INSERT INTO receipts (key, fingerprint, samples_seen, study, positions, replaced)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        idempotency_key.key,
                        idempotency_key.fingerprint,
                        samples_seen,
                        study,
                        dump_positions(batch.positions),
                        dump_positions(batch.replaced),
                    ),
                )
        return Recorded(samples_seen, replayed=False, positions=batch.positions, replaced=batch.replaced, study=study)

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """See ObservationStore."""
        with self._database.reading(deadline) as lent:
            receipt = self._receipt(lent.connection, idempotency_key)
        return _recorded(receipt) if receipt else None

    def revise(
        self,
        study: str,
        position: int,
        correction: Correction,
        *,
        seen: int | None,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Revised:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            if idempotency_key and (receipt := self._receipt(connection, idempotency_key)):
                return self._revised(connection, receipt)
            end = self._open_study(connection, study)
            before = self._entry(connection, study, position)
            if before is None:
                raise EntryMissingError(f"there is no entry {entry_id(study, position)}")
            if seen is not None and seen != before.revision.number:
                raise RevisionMismatchError(before.id, before.revision.number)
            revision = correct(before, correction)
            if revision is not None:
                self._append(connection, study, [(end + 1, before.told.mode, Amendment(position, revision))])
            # Read, not made, so that what is acknowledged is what anybody will find.
            entry = self._entry(connection, study, position) or before
            samples_seen = self._count(connection, study)
            if idempotency_key:
                connection.execute(
                    "INSERT INTO receipts (key, fingerprint, samples_seen, study, corrected, number)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        idempotency_key.key,
                        idempotency_key.fingerprint,
                        samples_seen,
                        study,
                        position,
                        entry.revision.number,
                    ),
                )
        return Revised(entry, samples_seen, replayed=False)

    def claim(
        self,
        suggestions: Sequence[Suggestion],
        *,
        giving_way: Sequence[Suggestion] = (),
        now: datetime,
        deadline: Deadline | None = None,
    ) -> None:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            for study in {one.study for one in suggestions}:
                self._open_study(connection, study)
            connection.execute(_END_EXPIRED, (timestamp(now),))
            connection.executemany(_END, [(one.id,) for one in giving_way])
            for one in suggestions:
                cursor = connection.execute(
                    "INSERT INTO suggestions"
                    " (id, study, mode, setting_key, setting, suggested_at, expires_at, outstanding)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING",
                    (
                        one.id,
                        one.study,
                        one.mode,
                        one.setting.key,
                        dump_setting(one.setting),
                        timestamp(one.suggested_at),
                        timestamp(one.expires_at),
                    ),
                )
                if cursor.rowcount == 0:
                    raise AlreadyPendingError(f"{one.setting.key} is outstanding in mode {one.mode}")

    def give_back(self, suggestion_id: str, *, now: datetime) -> Suggestion | None:
        """See ObservationStore."""
        with self._database.transaction() as connection:
            found = self._suggestions(connection, "WHERE id = ? AND outstanding = 1", (suggestion_id,))
            connection.execute(_END, (suggestion_id,))
        return next((suggestion for suggestion, _ in found if suggestion.expires_at > now), None)

    def mode_study(
        self, mode: str, *, study: str = DEFAULT_STUDY, now: datetime | None, deadline: Deadline | None = None
    ) -> ModeStudy:
        """See ObservationStore."""
        # Taken before the view begins, so that the view holds all of it.
        known = self._known.get((study, mode))
        with self._database.reading(deadline) as lent:
            found, end = self._study(lent.connection, study)
            row = lent.connection.execute(
                "SELECT seed, hyperparameters FROM modes WHERE study = ? AND mode = ?", (study, mode)
            ).fetchone()
            if row:
                with self._reading_row(f"mode {mode} of study {study}"):
                    seed, hyperparameters = load_count(row[0], "a seed"), load_hyperparameters(row[1])
                if known is None or (known.generation, known.seed) != (lent.generation, seed) or known.log.end > end:
                    known = _Known(lent.generation, seed, Log(study))
                log = self._read_on(lent.connection, mode, known.log)
                self._remember((study, mode), replace(known, log=log))
                outstanding = self._outstanding(lent.connection, study, mode, now) if now else ()
                return ModeStudy(
                    mode, seed, hyperparameters, log.observations, outstanding, log.failed, study=found, as_of=end
                )
        with self._database.transaction(deadline) as connection:
            _begin_modes(connection, study, {mode})
        return self.mode_study(mode, study=study, now=now, deadline=deadline)

    def outstanding(
        self, *, study: str = DEFAULT_STUDY, mode: str | None = None, now: datetime
    ) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        with self._database.reading() as lent:
            self._study(lent.connection, study)
            return self._outstanding(lent.connection, study, mode, now)

    def find_suggestions(self, ids: Collection[str], *, deadline: Deadline | None = None) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        with self._database.reading(deadline) as lent:
            found = self._suggestions(lent.connection, _BY_ID, (json.dumps(sorted(ids)),))
        return tuple(suggestion for suggestion, _ in found)

    def find_suggested(
        self,
        places: Collection[tuple[str, Setting]],
        *,
        study: str = DEFAULT_STUDY,
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[tuple[Suggestion, bool], ...]:
        """See ObservationStore."""
        keys = [[mode, setting.key] for mode, setting in places]
        with self._database.reading(deadline) as lent:
            self._study(lent.connection, study)
            found = self._suggestions(lent.connection, _LATEST_BY_PLACE, (study, json.dumps(keys)))
        return tuple((suggestion, outstanding and suggestion.expires_at > now) for suggestion, outstanding in found)

    def verify(self, *, now: datetime) -> int:  # noqa: ARG002 - what has expired is read like the rest
        """See ObservationStore."""
        began = time.monotonic()
        with self._database.reading() as lent:
            connection = lent.connection
            if lent.generation != self._verified or began >= self._verified_until:
                self._verify(connection)
                done = time.monotonic()
                self._verified = lent.generation
                self._verified_until = done + min(_VERIFIED_FOR, _VERIFY_SHARE * (done - began))
            return self._count(connection, DEFAULT_STUDY)

    def save_hyperparameters(
        self,
        mode: str,
        hyperparameters: Hyperparameters,
        *,
        study: str = DEFAULT_STUDY,
        as_of: int,
        deadline: Deadline | None = None,
    ) -> None:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            self._study(connection, study)
            _begin_modes(connection, study, {mode})
            connection.execute(
                "UPDATE modes SET hyperparameters = ?, learned_as_of = ?"
                " WHERE study = ? AND mode = ? AND learned_as_of <= ?",
                (dump_hyperparameters(hyperparameters), as_of, study, mode, as_of),
            )

    def count(self, study: str = DEFAULT_STUDY) -> int:
        """See ObservationStore."""
        with self._database.reading() as lent:
            self._study(lent.connection, study)
            return self._count(lent.connection, study)

    def history(
        self,
        *,
        study: str = DEFAULT_STUDY,
        mode: str | None = None,
        rater: str | None = None,
        picture: str | None = None,
        withdrawn: bool = False,
        limit: int,
        before: int = MAX_POSITION,
    ) -> HistoryPage:
        """See ObservationStore."""
        wanted = {"mode": mode, "rater": rater, "picture": picture}
        asked = {column: value for column, value in wanted.items() if value is not None}
        conditions = ["study = ?", "position < ?", *(f"{column} = ?" for column in asked)]
        if not withdrawn:
            conditions.append("withdrawn = 0")
        index = f"INDEXED BY entries_of_{list(asked)[-1]}" if asked else ""  # of a picture there are the fewest
        with self._database.reading() as lent:
            self._study(lent.connection, study)
            rows = lent.connection.execute(
                f"{_SELECT_ENTRIES} {index} WHERE {' AND '.join(conditions)} ORDER BY position DESC LIMIT ?",
                (study, before, *asked.values(), limit + 1),
            ).fetchall()
            entries = self._entries(lent.connection, study, rows[:limit])[::-1]
        return HistoryPage(entries, entries[-1].position if len(rows) > limit else None)

    def records(self, study: str, *, after: int = 0, limit: int) -> tuple[tuple[int, str, Record], ...]:
        """See ObservationStore."""
        following = "WHERE study = ? AND position > ? ORDER BY position LIMIT ?"
        found: list[tuple[int, str, Record]] = []
        with self._database.reading() as lent:
            self._study(lent.connection, study)
            for position, _, _, *columns in lent.connection.execute(
                f"{_SELECT_ENTRIES} {following}", (study, after, limit)
            ):
                with self._reading_row(f"entry {study}-{position}"):
                    told = load_told(*columns)
                    found.append((load_count(position, "a position"), told.mode, told))
            for position, mode, target, *columns in lent.connection.execute(
                f"{_SELECT_REVISIONS} {following}", (study, after, limit)
            ):
                with self._reading_row(f"the revision at {study}-{position}"):
                    amendment = _amendment(target, columns)
                    found.append((load_count(position, "a position"), load_text(mode, "a mode"), amendment))
        return tuple(sorted(found, key=lambda record: record[0])[:limit])

    def close(self) -> None:
        """See ObservationStore."""
        self._database.close()

    @contextmanager
    def _reading_row(self, row: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise self._damaged(row, error) from error

    def _damaged(self, row: str, why: object) -> StoreCorruptError:
        self._verified_until = 0.0
        return StoreCorruptError(f"{self._path.name}: {row} is damaged: {why}")

    def _study(self, connection: sqlite3.Connection, name: str) -> tuple[Study, int]:
        """Return the study, and the position of its log's last record."""
        row = connection.execute(
            "SELECT name, created_at, based_on, note, archived_at, last_position FROM studies WHERE name = ?", (name,)
        ).fetchone()
        if row is None and name == DEFAULT_STUDY:
            raise StoreCorruptError(f"{self._path.name}: study {name}, which is always there, is missing")
        if row is None:
            raise self.missing(name)
        *study, end = row
        with self._reading_row(f"study {name}"):
            return load_study(*study), load_count(end, "last_position")

    def _open_study(self, connection: sqlite3.Connection, name: str) -> int:
        """Return the position of the last record in the log of a study, which is not archived."""
        study, end = self._study(connection, name)
        if study.archived_at is not None:
            raise StudyArchivedError(name)
        return end

    def _modes(self, connection: sqlite3.Connection, study: str) -> tuple[tuple[str, int], ...]:
        """Return the study's modes, by name, and how many ratings count of each."""
        modes = []
        for mode, ratings in connection.execute(
            "SELECT mode, ratings FROM modes WHERE study = ? ORDER BY mode", (study,)
        ):
            with self._reading_row(f"mode {mode} of study {study}"):
                modes.append((load_text(mode, "a mode"), load_count(ratings, "ratings")))
        return tuple(modes)

    def _count(self, connection: sqlite3.Connection, study: str) -> int:
        return sum(ratings for _, ratings in self._modes(connection, study))

    def _summary(self, connection: sqlite3.Connection, name: str) -> StudySummary:
        study, _ = self._study(connection, name)
        modes = self._modes(connection, name)
        best: list[tuple[int, str, Observation]] = []
        for mode, ratings in modes:
            row = connection.execute(
                "SELECT position, setting, counted, recorded_at FROM entries INDEXED BY entries_that_count"
                " WHERE study = ? AND mode = ? AND counted IS NOT NULL"
                " ORDER BY counted DESC, recorded_at, position LIMIT 1",
                (name, mode),
            ).fetchone()
            if (row is not None) != (ratings > 0):
                raise self._damaged(f"mode {mode} of study {name}", f"it counts {ratings} ratings")
            if row is None:
                continue
            position, setting, counted, recorded_at = row
            with self._reading_row(f"entry {entry_id(name, position)}"):
                told = load_told(mode, setting, counted, None, recorded_at)
                assert isinstance(told, Observation)  # noqa: S101 - it has no reason
                best.append((load_count(position, "a position"), mode, told))
        (activity,) = connection.execute("SELECT last_activity FROM studies WHERE name = ?", (name,)).fetchone()
        with self._reading_row(f"study {name}"):
            return StudySummary(
                study,
                modes,
                best_of((mode, told) for _, mode, told in sorted(best, key=lambda one: one[0])),
                None if activity is None else load_timestamp(activity),
            )

    def _append(self, connection: sqlite3.Connection, study: str, records: Sequence[tuple[int, str, Record]]) -> None:
        """Append the records to the study's log, which they follow."""
        if not records:
            return
        _begin_modes(connection, study, {mode for _, mode, _ in records})
        connection.executemany(
            "INSERT INTO entries (study, position, mode, setting, rating, reason, recorded_at, suggestion_id, rater,"
            " picture, comment, counted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (study, position, mode, *_told_columns(one))
                for position, mode, one in records
                if not isinstance(one, Amendment)
            ],
        )
        amendments = [(position, mode, one) for position, mode, one in records if isinstance(one, Amendment)]
        connection.executemany(
            "INSERT INTO revisions (study, position, mode, target, number, rating, comment, withdrawn, made_at,"
            " reviser) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(study, position, mode, *_amendment_columns(one)) for position, mode, one in amendments],
        )
        more = Counter(mode for _, mode, one in records if isinstance(one, Observation))
        for _, mode, one in amendments:
            place = study, one.target
            before = connection.execute(
                "SELECT counted FROM entries WHERE study = ? AND position = ?", place
            ).fetchone()
            counted = None if one.revision.withdrawn else one.revision.rating
            more[mode] += (counted is not None) - (before[0] is not None)
            connection.execute(
                "UPDATE entries SET counted = ?, withdrawn = ? WHERE study = ? AND position = ?",
                (counted, one.revision.withdrawn, *place),
            )
        # Added here, since SQLite would add to what is no number.
        connection.executemany(
            "UPDATE modes SET ratings = ? WHERE study = ? AND mode = ?",
            [(ratings + more[mode], study, mode) for mode, ratings in self._modes(connection, study) if more[mode]],
        )
        connection.execute(
            "UPDATE studies SET last_position = ?, last_activity = MAX(COALESCE(last_activity, ''), ?) WHERE name = ?",
            (records[-1][0], _moment(last_change(one for _, _, one in records)), study),
        )

    def _receipt(self, connection: sqlite3.Connection, idempotency_key: IdempotencyKey) -> _Receipt | None:
        row = connection.execute(f"{_SELECT_RECEIPTS} WHERE key = ?", (idempotency_key.key,)).fetchone()
        if row is None:
            return None
        receipt = self._receipt_of(row)
        if receipt.fingerprint != idempotency_key.fingerprint:
            raise _used_before()
        return receipt

    def _receipt_of(self, row: Sequence[object]) -> _Receipt:
        key, fingerprint, samples_seen, study, positions, replaced, corrected, number = row
        with self._reading_row(f"the receipt of Idempotency-Key {key!r}"):
            return _Receipt(
                load_text(fingerprint, "a fingerprint"),
                load_count(samples_seen, "samples_seen"),
                load_text(study, "a study"),
                None if positions is None else load_positions(positions, "positions"),
                () if replaced is None else load_positions(replaced, "replaced"),
                None
                if corrected is None and number is None
                else (load_count(corrected, "corrected"), load_count(number, "number")),
            )

    def _revised(self, connection: sqlite3.Connection, receipt: _Receipt) -> Revised:
        """Return what was acknowledged, once again."""
        if receipt.corrected is None:
            raise _used_before()
        position, number = receipt.corrected
        entry = self._entry(connection, receipt.study, position)
        with self._reading_row(f"the receipt of a revision of {entry_id(receipt.study, position)}"):
            if entry is None:
                raise ValueError("there is no such entry")
            return Revised(as_of(entry, number), receipt.samples_seen, replayed=True)

    def _remember(self, place: tuple[str, str], known: _Known) -> None:
        """Remember the log, and forget those that were not asked for in the longest time."""
        self._known.pop(place, None)
        self._known[place] = known
        for stale in list(self._known)[:-_REMEMBERED]:
            self._known.pop(stale, None)

    def _read_on(self, connection: sqlite3.Connection, mode: str, log: Log) -> Log:
        """Return the mode's log with the records that came since."""
        new, values = "WHERE study = ? AND mode = ? AND position > ?", (log.study, mode, log.end)
        return self._extended(
            log,
            connection.execute(f"{_SELECT_ENTRIES} INDEXED BY entries_of_mode {new}", values),
            connection.execute(f"{_SELECT_REVISIONS} INDEXED BY revisions_of_mode {new}", values),
        )

    def _rated_by(
        self, connection: sqlite3.Connection, study: str, mode: str, suggestion_id: str, rater: str
    ) -> Sequence[Entry]:
        rows = connection.execute(
            f"{_SELECT_ENTRIES} INDEXED BY entries_of_suggestion"
            " WHERE study = ? AND suggestion_id = ? AND mode = ? AND rater = ?",
            (study, suggestion_id, mode, rater),
        ).fetchall()
        return self._entries(connection, study, rows)

    def _entry(self, connection: sqlite3.Connection, study: str, position: int) -> Entry | None:
        rows = connection.execute(f"{_SELECT_ENTRIES} WHERE study = ? AND position = ?", (study, position)).fetchall()
        return next(iter(self._entries(connection, study, rows)), None)

    def _entries(
        self, connection: sqlite3.Connection, study: str, rows: Sequence[Sequence[object]]
    ) -> tuple[Entry, ...]:
        """Return the entries of these rows as they stand, by position."""
        if not rows:
            return ()
        # A position that is no number is found below.
        positions = json.dumps([position for position, *_ in rows if isinstance(position, int)])
        revisions = connection.execute(f"{_SELECT_REVISIONS} {_OF_ENTRIES}", (study, positions))
        return tuple(self._extended(Log(study), rows, revisions).entries.values())

    def _extended(self, log: Log, entries: Iterable[Sequence[object]], revisions: Iterable[Sequence[object]]) -> Log:
        """Return the log with what rows of `entries` and `revisions` hold, which may be of several modes.

        Every entry must be what its revisions make of it.
        """
        records: list[tuple[int, Record]] = []
        present: dict[int, tuple[object, object]] = {}
        modes: dict[int, object] = {}
        position: object = None
        try:  # once for all, since there may be very many
            for position, counted, withdrawn, *columns in entries:
                records.append((at := load_count(position, "a position"), load_told(*columns)))
                present[at] = withdrawn, counted
        except ValueError as error:
            raise self._damaged(f"entry {log.study}-{position}", error) from error
        for position, mode, target, *columns in revisions:
            with self._reading_row(f"the revision at {log.study}-{position}"):
                records.append((at := load_count(position, "a position"), _amendment(target, columns)))
                modes[at] = mode
        with self._reading_row(f"the log of study {log.study}"):
            extended = log.extended(sorted(records, key=lambda record: record[0]))
        for position, record in records:
            if isinstance(record, Amendment) and modes[position] != extended.entries[record.target].told.mode:
                raise self._damaged(f"the revision at {log.study}-{position}", "it revises an entry of another mode")
        for at, found in present.items():
            entry = extended.entries[at]
            if found != (entry.revision.withdrawn, entry.revision.rating if counts(entry) else None):
                raise self._damaged(f"entry {entry.id}", "counted and withdrawn do not follow from rating, revisions")
        return extended

    def _suggestions(
        self, connection: sqlite3.Connection, condition: str, values: Sequence[object]
    ) -> list[tuple[Suggestion, bool]]:
        """Return suggestions in the order claimed, each with whether it has not been ended."""
        found = []
        for number, outstanding, *row in connection.execute(
            f"{_SELECT_SUGGESTIONS} {condition} ORDER BY number", values
        ):
            with self._reading_row(f"suggestion {row[0]!r} in row {number}"):
                if outstanding not in {0, 1}:
                    raise ValueError(f"{outstanding!r} does not say whether it is outstanding")
                found.append((load_suggestion(*row), outstanding == 1))
        return found

    def _outstanding(
        self, connection: sqlite3.Connection, study: str, mode: str | None, now: datetime
    ) -> tuple[Suggestion, ...]:
        # The next claim ends what has expired, so that hardly any is read here in vain.
        found = self._suggestions(
            connection,
            "INDEXED BY outstanding_of_place WHERE outstanding = 1 AND study = ? AND (? IS NULL OR mode = ?)",
            (study, mode, mode),
        )
        standing = [suggestion for suggestion, _ in found if suggestion.expires_at > now]
        return tuple(sorted(standing, key=lambda suggestion: suggestion.suggested_at))

    def _verify(self, connection: sqlite3.Connection) -> None:
        """Read everything that a request for the default study may read."""
        log = self._extended(
            Log(DEFAULT_STUDY),
            connection.execute(f"{_SELECT_ENTRIES} WHERE study = ?", (DEFAULT_STUDY,)),
            connection.execute(f"{_SELECT_REVISIONS} WHERE study = ?", (DEFAULT_STUDY,)),
        )
        counted, begun = Counter(one.mode for one in log.observations), dict(self._modes(connection, DEFAULT_STUDY))
        for mode in sorted({*counted, *begun}):
            if begun.get(mode, 0) != counted[mode]:
                said = f"it counts {begun.get(mode, 0)} ratings and has {counted[mode]}"
                raise self._damaged(f"mode {mode} of study {DEFAULT_STUDY}", said)
        for mode, seed, hyperparameters in connection.execute(
            "SELECT mode, seed, hyperparameters FROM modes WHERE study = ?", (DEFAULT_STUDY,)
        ):
            with self._reading_row(f"mode {mode} of study {DEFAULT_STUDY}"):
                load_count(seed, "a seed")
                load_hyperparameters(hyperparameters)
        self._summary(connection, DEFAULT_STUDY)
        self._suggestions(connection, "WHERE study = ?", (DEFAULT_STUDY,))
        # A key is looked up among those of all studies.
        for row in connection.execute(_SELECT_RECEIPTS):
            self._receipt_of(row)


# Indices are named where SQLite, which does not know how many rows there are, would rather read a whole study.
_SELECT_ENTRIES = (
    "SELECT position, counted, withdrawn, mode, setting, rating, reason, recorded_at, suggestion_id, rater, picture,"
    " comment FROM entries"
)
_SELECT_REVISIONS = "SELECT position, mode, target, number, rating, comment, withdrawn, made_at, reviser FROM revisions"
_SELECT_RECEIPTS = "SELECT key, fingerprint, samples_seen, study, positions, replaced, corrected, number FROM receipts"
_SELECT_SUGGESTIONS = "SELECT number, outstanding, id, mode, setting, suggested_at, expires_at, study FROM suggestions"
# Of as many as a JSON list has; each is looked up in an index, however many rows there are.
_BY_ID = "WHERE id IN (SELECT value FROM json_each(?))"
_OF_ENTRIES = "INDEXED BY revisions_of_entry WHERE study = ? AND target IN (SELECT value FROM json_each(?))"
_LATEST_BY_PLACE = (
    "WHERE number IN (SELECT (SELECT MAX(number) FROM suggestions WHERE study = ?"
    " AND mode = json_extract(place.value, '$[0]') AND setting_key = json_extract(place.value, '$[1]'))"
    " FROM json_each(?) AS place)"
)
_END = "UPDATE suggestions SET outstanding = 0 WHERE id = ? AND outstanding = 1"
# What is no moment at all is not expired but damaged, and stays to be found.
_END_EXPIRED = (
    "UPDATE suggestions SET outstanding = 0 WHERE outstanding = 1 AND expires_at <= ?"
    " AND expires_at LIKE '____-__-__T%'"
)


def _begin_modes(connection: sqlite3.Connection, study: str, modes: Collection[str]) -> None:
    """Begin those of the modes that have not begun, each with a seed of its own."""
    connection.executemany(
        "INSERT INTO modes (study, mode, seed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(study, mode, secrets.randbits(48)) for mode in sorted(modes)],
    )


def _told_columns(told: Told) -> tuple[object, ...]:
    rating = told.rating if isinstance(told, Observation) else None
    return (
        dump_setting(told.setting),
        rating,
        None if isinstance(told, Observation) else told.reason,
        timestamp(told.recorded_at),
        told.suggestion_id,
        told.rater,
        told.picture,
        told.comment,
        rating,
    )


def _amendment_columns(amendment: Amendment) -> tuple[object, ...]:
    revision = amendment.revision
    return (
        amendment.target,
        revision.number,
        revision.rating,
        revision.comment,
        revision.withdrawn,
        timestamp(revision.made_at),
        revision.reviser,
    )


def _amendment(target: object, columns: Sequence[object]) -> Amendment:
    number, rating, comment, withdrawn, made_at, reviser = columns
    return Amendment(
        load_count(target, "a position"), load_revision(number, rating, comment, withdrawn, made_at, reviser)
    )


def _recorded(receipt: _Receipt) -> Recorded:
    """Return what was acknowledged, once again."""
    if receipt.corrected is not None:
        raise _used_before()
    return Recorded(
        receipt.samples_seen,
        replayed=True,
        positions=receipt.positions,
        replaced=receipt.replaced,
        study=receipt.study,
    )


def _used_before() -> IdempotencyMismatchError:
    return IdempotencyMismatchError(
        "this idempotency key was used before for another request; send what is new with a new key"
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


_KIND = DatabaseKind(
    prepare=prepare,
    errors=STORE_ERRORS,
    busy_timeout=BUSY_TIMEOUT,
    retry_after=2,
    durable=True,
    anew=False,
)
