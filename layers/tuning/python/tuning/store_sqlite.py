"""The observation store in one SQLite file, for one machine: any number of processes and threads.

Write-ahead log with `synchronous=FULL`: an acknowledged transaction survives a killed process and a lost power supply
as far as the disk tells the truth. Writers queue for the lock up to a timeout. Not for a network file system, where
SQLite's locks do not work; and it refuses a file that is not its own.

Every service code of SQLite is turned into one of our errors in one place, `_translate`.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuning.errors import (
    IdempotencyMismatchError,
    SettingTakenError,
    StoreCorruptError,
    StoreUnavailableError,
    TuningError,
)
from tuning.observations import Observation, Suggestion
from tuning.records import (
    dump_hyperparameters,
    dump_setting,
    load_hyperparameters,
    load_setting,
    parse_cursor,
    timestamp,
)
from tuning.store import HistoryPage, IdempotencyKey, ObservationStore, Recorded
from tuning.studies import Hyperparameters, Study, StudySummary

BUSY_TIMEOUT = 5.0  # seconds that a writer waits for its turn
RETRY_AFTER = 2  # seconds after which to try again what could not be done

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

_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)
_CORRUPT = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What is known of a study's observations: they are only ever added to, so that the rest alone is read anew."""

    seed: int
    last: int = 0
    observations: tuple[Observation, ...] = ()


class SqliteObservationStore(ObservationStore):
    """An observation store in the file at `path`, made with its folder when first used."""

    def __init__(self, path: str | Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        # Resolved now: a later change of the working directory must not open another file.
        self._path = Path(path).absolute()
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._process = os.getpid()
        self._inherited: list[sqlite3.Connection] = []
        self._prefixes: dict[str, _Prefix] = {}

    def record(self, observations: Sequence[Observation], *, idempotency_key: IdempotencyKey | None) -> Recorded:
        with self._transaction() as connection:
            if idempotency_key and (recorded := _replay(connection, idempotency_key)):
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

    def claim(self, suggestions: Sequence[Suggestion], *, now: datetime) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM suggestions WHERE expires_at <= ?", (timestamp(now),))
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
                    raise SettingTakenError(f"{s.setting.key} is outstanding in mode {s.mode}")

    def study(self, mode: str, *, now: datetime) -> Study:
        # Taken before the view begins, so that the view holds all of it.
        known = self._prefixes.get(mode)
        with self._reading() as connection:
            row = connection.execute("SELECT seed, hyperparameters FROM studies WHERE mode = ?", (mode,)).fetchone()
            if row:
                seed, hyperparameters = row
                if known is None or known.seed != seed:
                    known = _Prefix(seed)
                prefix = self._prefixes[mode] = _read_on(connection, mode, known)
                outstanding = _outstanding(connection, mode, now)
                return Study(mode, seed, load_hyperparameters(hyperparameters), prefix.observations, outstanding)
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO studies (mode, seed) VALUES (?, ?) ON CONFLICT DO NOTHING", (mode, secrets.randbits(48))
            )
        return self.study(mode, now=now)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        with self._reading() as connection:
            return _outstanding(connection, None, now)

    def save_hyperparameters(self, mode: str, hyperparameters: Hyperparameters) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO studies (mode, seed, hyperparameters, fitted_on) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (mode) DO UPDATE SET hyperparameters = excluded.hyperparameters,"
                " fitted_on = excluded.fitted_on WHERE excluded.fitted_on >= fitted_on",
                (mode, secrets.randbits(48), dump_hyperparameters(hyperparameters), hyperparameters.fitted_on),
            )

    def count(self) -> int:
        with self._reading() as connection:
            return _count(connection)

    def summary(self, mode: str) -> StudySummary:
        with self._reading() as connection:
            return StudySummary().including(_read_on(connection, mode, _Prefix(seed=0)).observations)

    def history(self, *, mode: str | None, limit: int, cursor: str | None) -> HistoryPage:
        before = parse_cursor(cursor)
        with self._reading() as connection:
            rows = connection.execute(
                f"{_SELECT_OBSERVATIONS} WHERE id < ? AND (? IS NULL OR mode = ?) ORDER BY id DESC LIMIT ?",
                (before, mode, mode, limit + 1),
            ).fetchall()
        page = rows[:limit]
        next_cursor = str(page[-1][0]) if len(rows) > limit else None
        return HistoryPage(tuple(_observation(*row) for _, *row in page), next_cursor)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection with one consistent view."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                # An input/output error may have made SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock; commits at the end, or undoes everything on any error."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have made SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of this process's, idle or new; one that saw an unexpected error is not used again."""
        with self._translate():
            connection = self._borrow()
            try:
                yield connection
            except BaseException as error:
                if not isinstance(error, TuningError):
                    connection.close()
                    raise
                self._give_back(connection)
                raise
            self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._process != os.getpid():
                # SQLite forbids a forked child to use its parent's connections, or even to close them.
                self._inherited += self._idle
                self._idle, self._process = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the folder of {self._path.name} cannot be made: {error.strerror}"
            raise StoreUnavailableError(message, retry_after=RETRY_AFTER) from error
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != len(_MIGRATIONS):
            self._migrate(connection)
        elif connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise self._foreign()
        self._write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again under the lock: another process may have migrated meanwhile.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_MIGRATIONS):
                raise StoreCorruptError(
                    f"{self._path.name} has schema version {version}, written by a newer release;"
                    f" this one reads up to {len(_MIGRATIONS)}"
                )
            tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
            if tables and not ours:
                raise self._foreign()
            for script in _MIGRATIONS[version:]:
                for statement in script.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Turns on the write-ahead log, which the file remembers. SQLite does not queue for this one, so we do."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _foreign(self) -> StoreCorruptError:
        return StoreCorruptError(f"{self._path.name} is a SQLite database of something else")

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = _primary_code(error)
            if code in _UNAVAILABLE:
                message = f"{self._path.name} cannot be used now: {error}"
                raise StoreUnavailableError(message, retry_after=RETRY_AFTER) from error
            if code in _CORRUPT:
                raise StoreCorruptError(f"{self._path.name} is not a readable observation store: {error}") from error
            raise


_SELECT_OBSERVATIONS = "SELECT id, mode, setting, rating, recorded_at, suggestion_id FROM observations"


def _primary_code(error: sqlite3.DatabaseError) -> int | None:
    """SQLite's primary result code: the low byte of the extended one. None if the error is Python's own."""
    extended = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF


def _replay(connection: sqlite3.Connection, idempotency_key: IdempotencyKey) -> Recorded | None:
    row = connection.execute(
        "SELECT fingerprint, samples_seen FROM idempotency_keys WHERE key = ?", (idempotency_key.key,)
    ).fetchone()
    if row is None:
        return None
    fingerprint, samples_seen = row
    if fingerprint != idempotency_key.fingerprint:
        raise IdempotencyMismatchError("this idempotency key was used before with another body")
    return Recorded(samples_seen, replayed=True)


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM observations").fetchone()[0])


def _read_on(connection: sqlite3.Connection, mode: str, known: _Prefix) -> _Prefix:
    """The prefix with the observations that came since."""
    rows = connection.execute(f"{_SELECT_OBSERVATIONS} WHERE mode = ? AND id > ? ORDER BY id", (mode, known.last))
    new = [(identity, _observation(*row)) for identity, *row in rows]
    if not new:
        return known
    return _Prefix(known.seed, new[-1][0], (*known.observations, *(observation for _, observation in new)))


def _outstanding(connection: sqlite3.Connection, mode: str | None, now: datetime) -> tuple[Suggestion, ...]:
    rows = connection.execute(
        "SELECT id, mode, setting, suggested_at, expires_at FROM suggestions"
        " WHERE expires_at > ? AND (? IS NULL OR mode = ?) ORDER BY suggested_at, rowid",
        (timestamp(now), mode, mode),
    )
    return tuple(
        Suggestion(identity, mode, load_setting(setting), datetime.fromisoformat(start), datetime.fromisoformat(end))
        for identity, mode, setting, start, end in rows
    )


def _observation(mode: str, setting: str, rating: float, recorded_at: str, suggestion_id: str | None) -> Observation:
    return Observation(mode, load_setting(setting), rating, datetime.fromisoformat(recorded_at), suggestion_id)
