"""The observation store in one SQLite file, for one machine: any number of processes and threads.

Write-ahead log with `synchronous=FULL`: an acknowledged transaction survives a killed process and a lost power supply
as far as the disk tells the truth. Writers queue for the lock up to a timeout. Not for a network file system, where
SQLite's locks do not work; and it refuses a file that is not its own.

Nothing is acknowledged that went to a file which was deleted, replaced or cut short meanwhile (`tuning.database_file`).
A new file that was put in the place of the old one is taken up. One that was deleted, or cut short, is refused until
a person has done something about it: an empty study in the place of people's ratings helps nobody.

Every service code of SQLite is turned into one of our errors in one place, `_translate`; and every row that is not as
it was written into a StoreCorruptError, in `_reading_row`.
"""

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from tuning.database_file import Change, Files, discard_log
from tuning.errors import (
    IdempotencyMismatchError,
    SettingTakenError,
    StoreCorruptError,
    StoreRefusedError,
    StoreUnavailableError,
    TuningError,
)
from tuning.observations import Observation, Setting, Suggestion
from tuning.records import (
    dump_hyperparameters,
    dump_setting,
    load_count,
    load_hyperparameters,
    load_observation,
    load_suggestion,
    load_text,
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
# What is the caller's own mistake; whatever else SQLite says of a file, somebody has been at it.
_OURS = (sqlite3.ProgrammingError, sqlite3.NotSupportedError)

# After a verification, how many times as long as it took nothing is verified again.
_VERIFY_SHARE = 10
_VERIFIED_FOR = 60.0  # seconds, at the most


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What is known of a study's observations: they are only ever added to, so that the rest alone is read anew."""

    seed: int
    last: int = 0
    observations: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """A connection, and the number of the file that it was opened on."""

    connection: sqlite3.Connection
    generation: int


class SqliteObservationStore(ObservationStore):
    """An observation store in the file at `path`, made with its folder when first used."""

    def __init__(self, path: str | Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        # Resolved now: a later change of the working directory must not open another file.
        self._path = Path(path).absolute()
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        self._idle: list[_Held] = []
        self._lent = 0
        self._process = os.getpid()
        self._inherited: list[_Held] = []
        # The files as last seen, and how many times another database was found in their place.
        self._files: Files | None = None
        self._generation = 0
        self._cut = False
        self._prefixes: dict[str, _Prefix] = {}
        self._verified_until = 0.0

    def record(self, observations: Sequence[Observation], *, idempotency_key: IdempotencyKey | None) -> Recorded:
        with self._transaction() as connection:
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

    def find_receipt(self, idempotency_key: IdempotencyKey) -> Recorded | None:
        with self._reading() as connection:
            return self._receipt(connection, idempotency_key)

    def claim(self, suggestions: Sequence[Suggestion], *, giving_way: Sequence[Suggestion] = (), now: datetime) -> None:
        with self._transaction() as connection:
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
                    raise SettingTakenError(f"{s.setting.key} is outstanding in mode {s.mode}")

    def study(self, mode: str, *, now: datetime | None) -> Study:
        # Taken before the view begins, so that the view holds all of it.
        known = self._prefixes.get(mode)
        with self._reading() as connection:
            row = connection.execute("SELECT seed, hyperparameters FROM studies WHERE mode = ?", (mode,)).fetchone()
            if row:
                with self._reading_row(f"study {mode}"):
                    seed, hyperparameters = load_count(row[0], "a seed"), load_hyperparameters(row[1])
                if known is None or known.seed != seed:
                    known = _Prefix(seed)
                prefix = self._prefixes[mode] = self._read_on(connection, mode, known)
                outstanding = self._outstanding(connection, mode, now) if now else ()
                return Study(mode, seed, hyperparameters, prefix.observations, outstanding)
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO studies (mode, seed) VALUES (?, ?) ON CONFLICT DO NOTHING", (mode, secrets.randbits(48))
            )
        return self.study(mode, now=now)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        with self._reading() as connection:
            return self._outstanding(connection, None, now)

    def find_outstanding(
        self, *, ids: Collection[str], places: Collection[tuple[str, Setting]], now: datetime
    ) -> tuple[Suggestion, ...]:
        # Each statement looks its keys up in an index, however many rows there are.
        keys = [[mode, setting.key] for mode, setting in places]
        rows: dict[int, Sequence[object]] = {}
        with self._reading() as connection:
            for condition, wanted in ((_BY_ID, sorted(ids)), (_BY_PLACE, keys)):
                for rowid, *row in connection.execute(f"{_SELECT_SUGGESTIONS} {condition}", (json.dumps(wanted),)):
                    rows[rowid] = row
        found = [self._suggestion(rowid, row) for rowid, row in sorted(rows.items())]
        return tuple(sorted((s for s in found if s.expires_at > now), key=lambda s: s.suggested_at))

    def verify(self, *, now: datetime) -> int:
        began = time.monotonic()
        with self._reading() as connection:
            if began >= self._verified_until:
                for mode, seed, hyperparameters in connection.execute(
                    "SELECT mode, seed, hyperparameters FROM studies"
                ):
                    with self._reading_row(f"study {mode}"):
                        load_text(mode, "a mode")
                        load_count(seed, "a seed")
                        load_hyperparameters(hyperparameters)
                for rowid, *row in connection.execute(_SELECT_OBSERVATIONS):
                    self._observation(rowid, row)
                self._outstanding(connection, None, now)
                for key, *row in connection.execute("SELECT key, fingerprint, samples_seen FROM idempotency_keys"):
                    self._receipt_of(key, row)
                done = time.monotonic()
                self._verified_until = done + min(_VERIFIED_FOR, _VERIFY_SHARE * (done - began))
            return _count(connection)

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
            return StudySummary().including(self._read_on(connection, mode, _Prefix(seed=0)).observations)

    def history(self, *, mode: str | None, limit: int, cursor: str | None) -> HistoryPage:
        before = parse_cursor(cursor)
        with self._reading() as connection:
            rows = connection.execute(
                f"{_SELECT_OBSERVATIONS} WHERE id < ? AND (? IS NULL OR mode = ?) ORDER BY id DESC LIMIT ?",
                (before, mode, mode, limit + 1),
            ).fetchall()
        page = rows[:limit]
        next_cursor = str(page[-1][0]) if len(rows) > limit else None
        return HistoryPage(tuple(self._observation(rowid, row) for rowid, *row in page), next_cursor)

    def close(self) -> None:
        with self._lock:
            self._close_idle()

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
            self._confirm()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of this process's, idle or new; one that saw an unexpected error is not used again."""
        with self._translate():
            held = self._borrow()
            sound = False
            try:
                yield held.connection
                sound = True
            except TuningError:
                sound = True
                raise
            finally:
                self._give_back(held, sound=sound)

    def _borrow(self) -> _Held:
        with self._lock:
            if self._process != os.getpid():
                # SQLite forbids a forked child to use its parent's connections, or even to close them.
                self._inherited += self._idle
                self._idle, self._lent, self._process = [], 0, os.getpid()
            self._look()
            self._lent += 1
            generation = self._generation
            if self._idle:
                return self._idle.pop()
        try:
            connection = self._connect()
        except BaseException:
            with self._lock:
                self._lent -= 1
            raise
        with self._lock:
            now = Files.at(self._path)
            alone = self._lent == 1 and not self._idle
            if self._files is not None:
                change = (self._files.without_log() if alone else self._files).change(now)
                if change is not Change.NONE:
                    self._lent -= 1
                    connection.close()
                    raise self._disturbed("opened")
            self._files = now
        return _Held(connection, generation)

    def _give_back(self, held: _Held, *, sound: bool) -> None:
        with self._lock:
            self._lent -= 1
            if sound and held.generation == self._generation:
                self._idle.append(held)
                return
            held.connection.close()
            self._forget_log()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()
        self._forget_log()

    def _forget_log(self) -> None:
        """Whoever closes the last connection tidies the log away, and the next to open one makes another."""
        if self._files is not None and not self._idle and not self._lent:
            self._files = self._files.without_log()

    def _look(self) -> None:
        """Makes sure, under the lock, that the files are those of the connections; if not, that others are opened.

        Raises StoreUnavailableError, StoreRefusedError or StoreCorruptError.
        """
        now = Files.at(self._path)
        if self._files is None:
            return
        change = self._files.change(now)
        if change is Change.GONE:
            raise StoreRefusedError(
                f"{self._path} was deleted while it was in use: put it back, or start anew for an empty one"
            )
        if change is Change.REPLACED:
            self._take_up()
        elif self._cut:
            raise self._cut_short()
        elif change is Change.LOG_LOST:
            self._save_log()
        else:
            if change is Change.CUT and not self._is_whole(now):
                self._cut = True
                raise self._cut_short()
            self._files = now if self._idle or self._lent else now.without_log()

    def _take_up(self) -> None:
        """Lets go of a database that another has taken the place of."""
        held, self._files = self._files, None
        for one in self._idle[:1]:
            # Wherever the old database is now, it is left whole.
            with suppress(sqlite3.Error):
                one.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._close_idle()
        self._generation += 1
        self._prefixes.clear()
        self._cut, self._verified_until = False, 0.0
        if held is not None:
            discard_log(self._path, held)

    def _save_log(self) -> None:
        """Writes what a lost log holds into the database, and lets go of it."""
        busy = True
        if not self._lent:
            busy = bool(self._idle[0].connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        if busy:
            # While one connection has the old log no other may begin a new one.
            raise self._disturbed("used")
        self._close_idle()

    def _is_whole(self, now: Files) -> bool:
        """Whether a database that became shorter is sound all the same."""
        if not now.database_size:
            return False  # and SQLite would take it for a new one
        try:
            connection = sqlite3.connect(self._path, timeout=self._busy_timeout, isolation_level=None)
            try:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
            finally:
                connection.close()
        except sqlite3.DatabaseError:
            return False

    def _cut_short(self) -> StoreCorruptError:
        return StoreCorruptError(
            f"{self._path} was cut short while it was in use: move a sound copy into its place, under its name"
        )

    def _confirm(self) -> None:
        """Makes sure that what was committed is where the next reader will look for it."""
        with self._lock:
            now = Files.at(self._path)
            if self._files is not None and self._files.change(now) is not Change.NONE:
                raise self._disturbed("written")
            self._files = now

    def _disturbed(self, doing: str) -> StoreUnavailableError:
        message = f"{self._path} or its log was deleted, replaced or cut short while it was {doing}"
        return StoreUnavailableError(message, retry_after=RETRY_AFTER)

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the folder of {self._path.name} cannot be made: {error.strerror}"
            raise StoreUnavailableError(message, retry_after=RETRY_AFTER) from error
        # A file that was there and is not any more must not be made anew.
        mode = "rwc" if self._files is None else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
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
        # The first reading in this mode opens the log, which is then there to be looked at.
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

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
            if isinstance(error, _OURS):
                raise
            raise StoreCorruptError(f"{self._path.name} is not a readable observation store: {error}") from error
        except OSError as error:
            message = f"{self._path} cannot be looked at: {error.strerror}"
            raise StoreUnavailableError(message, retry_after=RETRY_AFTER) from error

    @contextmanager
    def _reading_row(self, row: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
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
            raise IdempotencyMismatchError("this idempotency key was used before with another body")
        return Recorded(samples_seen, replayed=True)

    def _receipt_of(self, key: object, row: Sequence[object]) -> tuple[str, int]:
        fingerprint, samples_seen = row
        with self._reading_row(f"the receipt of Idempotency-Key {key!r}"):
            return load_text(fingerprint, "a fingerprint"), load_count(samples_seen, "a count")

    def _read_on(self, connection: sqlite3.Connection, mode: str, known: _Prefix) -> _Prefix:
        """The prefix with the observations that came since."""
        rows = connection.execute(f"{_SELECT_OBSERVATIONS} WHERE mode = ? AND id > ? ORDER BY id", (mode, known.last))
        new = [(rowid, self._observation(rowid, row)) for rowid, *row in rows]
        if not new:
            return known
        return _Prefix(known.seed, new[-1][0], (*known.observations, *(observation for _, observation in new)))

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


def _primary_code(error: sqlite3.DatabaseError) -> int | None:
    """SQLite's primary result code: the low byte of the extended one. None if the error is Python's own."""
    extended = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM observations").fetchone()[0])
