"""The observation store in one SQLite file, for one machine: any number of processes and threads.

Write-ahead log with `synchronous=FULL`: an acknowledged transaction survives a killed process and a lost power supply
as far as the disk tells the truth. Writers queue for the lock up to a timeout. Not for a network file system, where
SQLite's locks do not work; and it refuses a file that is not its own.

`storage.sqlite` watches what becomes of the file under a running process. Every row that is not as it was written
becomes a StoreCorruptError that names it, in `_reading_row`.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from storage.deadline import Deadline
from storage.documents import DocumentError, Node
from storage.sqlite import Database, DatabaseKind
from tuning.errors import STORE_ERRORS, AlreadyPendingError, IdempotencyMismatchError, StoreCorruptError
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.stores.port import HistoryPage, IdempotencyKey, ObservationStore, Recorded
from tuning.stores.records import (
    dump_hyperparameters,
    dump_setting,
    load_hyperparameters,
    load_observation,
    load_suggestion,
    timestamp,
)
from tuning.studies import Hyperparameters, Study

BUSY_TIMEOUT = 5.0  # seconds that a writer waits for its turn

_APPLICATION_ID = 0x54554E45  # "TUNE": marks the file as ours

# A migration from each schema version to the next; a file's version is its `user_version`. Append, never edit.
_MIGRATIONS = (
    """
    CREATE TABLE studies (
        mode TEXT PRIMARY KEY,
        seed INTEGER NOT NULL,
        hyperparameters TEXT,
        fitted_on INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE observations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mode TEXT NOT NULL,
        setting TEXT NOT NULL,
        rating REAL NOT NULL,
        recorded_at TEXT NOT NULL,
        suggestion_id TEXT
    );
    CREATE INDEX observations_of_mode ON observations (mode, id);
    CREATE TABLE idempotency_keys (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        samples_seen INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE suggestions (
        id TEXT PRIMARY KEY,
        mode TEXT NOT NULL,
        setting_key TEXT NOT NULL,
        setting TEXT NOT NULL,
        suggested_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        UNIQUE (mode, setting_key)
    );
    CREATE INDEX suggestions_by_expiry ON suggestions (expires_at);
    """,
)

# After a verification nothing is verified again for this many times as long as it took, and at most _VERIFIED_FOR.
_VERIFY_SHARE = 10
_VERIFIED_FOR = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The observations of a study read so far: they are only ever added to, so that the next read begins after them."""

    generation: int
    seed: int
    last: int = 0
    observations: tuple[Observation, ...] = ()


class SqliteObservationStore(ObservationStore):
    """An observation store in the file at `path`, made with its folder when first used."""

    def __init__(self, path: str | Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._path = Path(path)
        self._database = Database.at(self._path, replace(_KIND, busy_timeout=busy_timeout))
        self._prefixes: dict[str, _Prefix] = {}
        self._verified, self._verified_until = 0, 0.0

    def record(
        self,
        observations: Sequence[Observation],
        *,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            if idempotency_key and (recorded := self._receipt(connection, idempotency_key)):
                return recorded
            connection.executemany(
                "INSERT INTO observations (mode, setting, rating, recorded_at, suggestion_id) VALUES (?, ?, ?, ?, ?)",
                [
                    (o.mode, dump_setting(o.setting), o.rating, timestamp(o.recorded_at), o.suggestion_id)
                    for o in observations
                ],
            )
            connection.executemany(
                "DELETE FROM suggestions WHERE id = ?", [(o.suggestion_id,) for o in observations if o.suggestion_id]
            )
            samples_seen = _count(connection)
            if idempotency_key:
                connection.execute(
                    "INSERT INTO idempotency_keys VALUES (?, ?, ?)",
                    (idempotency_key.key, idempotency_key.fingerprint, samples_seen),
                )
        return Recorded(samples_seen, replayed=False)

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """See ObservationStore."""
        with self._database.reading(deadline) as lent:
            return self._receipt(lent.connection, idempotency_key)

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
            # What is no moment at all is not expired but damaged, and stays to be found.
            expired = "DELETE FROM suggestions WHERE expires_at <= ? AND expires_at LIKE '____-__-__T%'"
            connection.execute(expired, (timestamp(now),))
            connection.executemany("DELETE FROM suggestions WHERE id = ?", [(s.id,) for s in giving_way])
            for s in suggestions:
                cursor = connection.execute(
                    "INSERT INTO suggestions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (mode, setting_key) DO NOTHING",
                    (
                        s.id,
                        s.mode,
                        s.setting.key,
                        dump_setting(s.setting),
                        timestamp(s.suggested_at),
                        timestamp(s.expires_at),
                    ),
                )
                if cursor.rowcount == 0:
                    raise AlreadyPendingError(f"{s.setting.key} is outstanding in mode {s.mode}")

    def study(self, mode: str, *, now: datetime | None, deadline: Deadline | None = None) -> Study:
        """See ObservationStore."""
        # Taken before the view begins, so that the view includes all of it.
        known = self._prefixes.get(mode)
        with self._database.reading(deadline) as lent:
            row = lent.connection.execute(
                "SELECT seed, hyperparameters FROM studies WHERE mode = ?", (mode,)
            ).fetchone()
            if row:
                with self._reading_row(f"study {mode}"):
                    seed, hyperparameters = Node(row[0], "seed").integer(), load_hyperparameters(row[1])
                if known is None or (known.generation, known.seed) != (lent.generation, seed):
                    known = _Prefix(lent.generation, seed)
                prefix = self._prefixes[mode] = self._read_on(lent.connection, mode, known)
                outstanding = self._outstanding(lent.connection, mode, now) if now else ()
                return Study(mode, seed, hyperparameters, prefix.observations, outstanding)
        with self._database.transaction(deadline) as connection:
            connection.execute(
                "INSERT INTO studies (mode, seed) VALUES (?, ?) ON CONFLICT DO NOTHING", (mode, secrets.randbits(48))
            )
        return self.study(mode, now=now, deadline=deadline)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        with self._database.reading() as lent:
            return self._outstanding(lent.connection, None, now)

    def find_outstanding(
        self,
        *,
        ids: Collection[str],
        places: Collection[tuple[str, Setting]],
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        # Each statement looks its keys up in an index, however many rows there are.
        keys = [[mode, setting.key] for mode, setting in places]
        rows: dict[int, Sequence[object]] = {}
        with self._database.reading(deadline) as lent:
            for condition, wanted in ((_BY_ID, sorted(ids)), (_BY_PLACE, keys)):
                statement = f"{_SELECT_SUGGESTIONS} {condition}"
                for rowid, *row in lent.connection.execute(statement, (json.dumps(wanted),)):
                    rows[rowid] = row
        found = [self._suggestion(rowid, row) for rowid, row in sorted(rows.items())]
        return tuple(sorted((s for s in found if s.expires_at > now), key=lambda s: s.suggested_at))

    def verify(self, *, now: datetime) -> int:
        """See ObservationStore."""
        began = time.monotonic()
        with self._database.reading() as lent:
            connection = lent.connection
            if lent.generation != self._verified or began >= self._verified_until:
                for mode, seed, hyperparameters in connection.execute(
                    "SELECT mode, seed, hyperparameters FROM studies"
                ):
                    with self._reading_row(f"study {mode}"):
                        Node(mode, "mode").text()
                        Node(seed, "seed").integer()
                        load_hyperparameters(hyperparameters)
                for rowid, *row in connection.execute(_SELECT_OBSERVATIONS):
                    self._observation(rowid, row)
                self._outstanding(connection, None, now)
                for key, *row in connection.execute("SELECT key, fingerprint, samples_seen FROM idempotency_keys"):
                    self._receipt_of(key, row)
                done = time.monotonic()
                self._verified = lent.generation
                self._verified_until = done + min(_VERIFIED_FOR, _VERIFY_SHARE * (done - began))
            return _count(connection)

    def save_hyperparameters(
        self, mode: str, hyperparameters: Hyperparameters, *, deadline: Deadline | None = None
    ) -> None:
        """See ObservationStore."""
        with self._database.transaction(deadline) as connection:
            connection.execute(
                "INSERT INTO studies (mode, seed, hyperparameters, fitted_on) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (mode) DO UPDATE SET hyperparameters = excluded.hyperparameters,"
                " fitted_on = excluded.fitted_on WHERE excluded.fitted_on >= fitted_on",
                (mode, secrets.randbits(48), dump_hyperparameters(hyperparameters), hyperparameters.fitted_on),
            )

    def count(self) -> int:
        """See ObservationStore."""
        with self._database.reading() as lent:
            return _count(lent.connection)

    def history(self, *, mode: str | None, limit: int, before: int = MAX_POSITION) -> HistoryPage:
        """See ObservationStore."""
        with self._database.reading() as lent:
            rows = lent.connection.execute(
                f"{_SELECT_OBSERVATIONS} WHERE id < ? AND (? IS NULL OR mode = ?) ORDER BY id DESC LIMIT ?",
                (before, mode, mode, limit + 1),
            ).fetchall()
        page = rows[:limit]
        earliest = page[-1][0] if len(rows) > limit else None
        return HistoryPage(tuple(self._observation(rowid, row) for rowid, *row in page), earliest)

    def close(self) -> None:
        """See ObservationStore."""
        self._database.close()

    @contextmanager
    def _reading_row(self, row: str) -> Iterator[None]:
        try:
            yield
        except DocumentError as error:
            self._verified_until = 0.0
            raise StoreCorruptError(f"{self._path.name}: {row} is damaged: {error}") from error

    def _receipt(self, connection: sqlite3.Connection, idempotency_key: IdempotencyKey) -> Recorded | None:
        row = connection.execute(
            "SELECT fingerprint, samples_seen FROM idempotency_keys WHERE key = ?", (idempotency_key.key,)
        ).fetchone()
        if row is None:
            return None
        fingerprint, samples_seen = self._receipt_of(idempotency_key.key, row)
        if fingerprint != idempotency_key.fingerprint:
            raise IdempotencyMismatchError(
                "this idempotency key was used before with another body; send new results with a new key"
            )
        return Recorded(samples_seen, replayed=True)

    def _receipt_of(self, key: object, row: Sequence[object]) -> tuple[str, int]:
        fingerprint, samples_seen = row
        with self._reading_row(f"the receipt of Idempotency-Key {key!r}"):
            return Node(fingerprint, "fingerprint").text(), Node(samples_seen, "samples_seen").integer()

    def _read_on(self, connection: sqlite3.Connection, mode: str, known: _Prefix) -> _Prefix:
        """Return the prefix with the observations that came since."""
        rows = connection.execute(f"{_SELECT_OBSERVATIONS} WHERE mode = ? AND id > ? ORDER BY id", (mode, known.last))
        new = [(rowid, self._observation(rowid, row)) for rowid, *row in rows]
        if not new:
            return known
        return _Prefix(
            known.generation, known.seed, new[-1][0], (*known.observations, *(observation for _, observation in new))
        )

    def _outstanding(self, connection: sqlite3.Connection, mode: str | None, now: datetime) -> tuple[Suggestion, ...]:
        # The next claim deletes what has expired, so that hardly any is read here in vain.
        rows = connection.execute(
            f"{_SELECT_SUGGESTIONS} WHERE ? IS NULL OR mode = ? ORDER BY suggested_at, rowid", (mode, mode)
        )
        found = [self._suggestion(rowid, row) for rowid, *row in rows]
        return tuple(suggestion for suggestion in found if suggestion.expires_at > now)

    def _observation(self, rowid: int, row: Sequence[object]) -> Observation:
        with self._reading_row(f"observation {rowid}"):
            return load_observation(*row)

    def _suggestion(self, rowid: int, row: Sequence[object]) -> Suggestion:
        with self._reading_row(f"suggestion {row[0]!r} in row {rowid}"):
            return load_suggestion(*row)


_SELECT_SUGGESTIONS = "SELECT rowid, id, mode, setting, suggested_at, expires_at FROM suggestions"
# Of as many as a JSON list has.
_BY_ID = "WHERE id IN (SELECT value FROM json_each(?))"
_BY_PLACE = (
    "WHERE (mode, setting_key) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
)
_SELECT_OBSERVATIONS = "SELECT id, mode, setting, rating, recorded_at, suggestion_id FROM observations"


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM observations").fetchone()[0])


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a new file a store.

    Raises:
        StoreCorruptError: the file is not a store, or a later release wrote it.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != len(_MIGRATIONS):
        _migrate(connection, path.name)
    elif connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise _foreign(path.name)


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise StoreCorruptError(
                f"{name} has schema version {version}, written by a newer release;"
                f" this one reads up to {len(_MIGRATIONS)}"
            )
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
        if tables and not ours:
            raise _foreign(name)
        for script in _MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _foreign(name: str) -> StoreCorruptError:
    return StoreCorruptError(f"{name} is a SQLite database of something else")


_KIND = DatabaseKind(
    prepare=_prepare,
    errors=STORE_ERRORS,
    busy_timeout=BUSY_TIMEOUT,
    retry_after=2,
    durable=True,
    anew=False,
)
