"""A SQLite database as a store uses it: connections for any number of threads, transactions, and translated errors.

Before a connection is used, and again before a write is acknowledged, the files are looked up (see
`storage.database_file`). If another database has the name, that one is opened. If the database was deleted or cut
short, the store refuses it until a person acts: an empty study in the place of people's ratings helps nobody. A
database that is only a cache is made again if it was deleted (`DatabaseKind.anew`).

Stores of one kind and one file share its connections within a process, so that one store does not make a file again
while another reports it as deleted. `_translated` turns every result code of SQLite into an error of the kind. This
module knows no tables.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import quote
from weakref import WeakValueDictionary

from storage.database_file import Change, Files, discard_log, renew_index
from storage.deadline import Deadline
from storage.errors import DamagedError, ExpectedError, StorageErrors

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
# Mistakes in our own code. Every other error that SQLite reports of a file means that something else changed the file.
_OURS = (sqlite3.ProgrammingError, sqlite3.NotSupportedError)
# How many times to write again to a file that was replaced meanwhile.
_ATTEMPTS = 3

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseKind:
    """What a store asks of its database.

    `prepare` is called with every new connection and its path: it makes the tables of a new file, or refuses the file.
    A writer waits `busy_timeout` seconds for the write lock. `errors` are the classes that are raised; temporary errors
    carry `retry_after`, in seconds. If `durable`, commits survive a power failure; if not, they survive only the end of
    the process. A file that was deleted is made again if `anew`, and refused if not.
    """

    prepare: Callable[[sqlite3.Connection, Path], None]
    errors: StorageErrors
    busy_timeout: float
    retry_after: int
    durable: bool
    anew: bool


class _DisturbedError(Exception):
    """The files were replaced while they were used; it is not known whether the write is in the new ones."""


@dataclass(frozen=True, slots=True)
class Lent:
    """A connection in use. What was read by it may be cached as long as `generation` stays the same."""

    connection: sqlite3.Connection
    generation: int


class Database:
    """The database in the file at `path`; file and folder are made at first use.

    Every method but `at` and `close` raises the errors of its kind.
    """

    _open: ClassVar["WeakValueDictionary[tuple[Path, DatabaseKind], Database]"] = WeakValueDictionary()
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, kind: DatabaseKind) -> None:
        self._path = path
        self._kind = kind
        self._lock = threading.Lock()
        self._idle: list[Lent] = []
        self._lent = 0
        self._process = os.getpid()
        self._inherited: list[Lent] = []
        # The files as last seen, and how many times they were replaced by another database.
        self._files: Files | None = None
        self._generation = 0
        self._cut = False

    @classmethod
    def at(cls, path: Path, kind: DatabaseKind) -> "Database":
        """Return the database of this process for the file and the kind."""
        # Now: a later change of the working directory must not open another file.
        path = path.absolute()
        with cls._opening:
            found = cls._open.get((path, kind))
            if found is None:
                found = cls._open[path, kind] = cls(path, kind)
            return found

    def close(self) -> None:
        """Close the connections that are not in use, and forget the file if none is in use."""
        with self._lock:
            self._close_idle()
            if not self._lent:
                self._files, self._cut = None, False

    @contextmanager
    def reading(self, deadline: Deadline | None = None) -> Iterator[Lent]:
        """Lend a connection that reads one consistent snapshot.

        Raises:
            UnavailableError: the deadline is over; the kind's own subclass.
        """
        self._check(deadline)
        with self._translated(), self._connection() as lent:
            connection = lent.connection
            connection.execute("BEGIN")
            try:
                yield lent
            finally:
                # An input/output error may have made SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self, deadline: Deadline | None = None) -> Iterator[sqlite3.Connection]:
        """Lend a connection that holds the write lock; commit at the end, or roll back on any error.

        Raises:
            UnavailableError: the deadline is over; the kind's own subclass.
        """
        self._check(deadline)
        with self._translated(), self._transaction() as connection:
            yield connection

    def write(self, use: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Call `use` with a connection as `transaction` lends it, and return its result.

        `use` must be idempotent: it is called again if the file was replaced meanwhile.
        """
        with self._translated():
            for left in reversed(range(_ATTEMPTS)):
                try:
                    with self._transaction() as connection:
                        answer = use(connection)
                except _DisturbedError:
                    if not left:
                        raise
                else:
                    return answer
        raise AssertionError("unreachable")

    def _check(self, deadline: Deadline | None) -> None:
        if deadline is not None and deadline.is_over:
            raise self._kind.errors.unavailable(
                f"{self._path} was not used: no time is left", retry_after=self._kind.retry_after
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as lent:
            connection = lent.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have made SQLite roll back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._confirm(lent)

    @contextmanager
    def _connection(self) -> Iterator[Lent]:
        """Lend a connection of this process, idle or new; after an unexpected error it is closed."""
        lent = self._borrow()
        sound = False
        try:
            yield lent
            sound = True
        except (ExpectedError, _DisturbedError):
            sound = True
            raise
        finally:
            self._give_back(lent, sound=sound)

    def _borrow(self) -> Lent:
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
        return Lent(connection, generation)

    def _give_back(self, lent: Lent, *, sound: bool) -> None:
        with self._lock:
            self._lent -= 1
            if sound and lent.generation == self._generation:
                self._idle.append(lent)
                return
            lent.connection.close()
            self._forget_log()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()
        self._forget_log()

    def _forget_log(self) -> None:
        """Note that the log is gone once no connection is open: SQLite deletes it with the last one."""
        if self._files is not None and not self._idle and not self._lent:
            self._files = self._files.without_log()

    def _look(self) -> None:
        """Check, under the lock, that the files are those of the connections; if not, have the new ones opened.

        Raises:
            _DisturbedError: connections to the old files are still in use.
            RefusedError: the file was deleted; the kind's own subclass.
            DamagedError: the file was cut short; the kind's own subclass.
        """
        now = Files.at(self._path)
        if self._files is None:
            return
        if self._files.index_cut(now):
            # Before anything else: closing a connection reads the index.
            if self._lent:
                raise self._disturbed("used")
            renew_index(self._path, self._files)
            now = Files.at(self._path)
        change = self._files.change(now)
        if change is Change.GONE and not self._kind.anew:
            raise self._kind.errors.refused(
                f"{self._path} was deleted while it was in use: put it back, or start anew for an empty one"
            )
        if change in {Change.GONE, Change.REPLACED}:
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
        """Close the connections to a database that was deleted or replaced."""
        held, self._files = self._files, None
        for one in self._idle[:1]:
            # Wherever the old database was moved to, it gets all that its log holds.
            with suppress(sqlite3.Error):
                one.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._close_idle()
        self._generation += 1
        self._cut = False
        if held is not None:
            discard_log(self._path, held)

    def _save_log(self) -> None:
        """Write what a deleted log holds into the database, and close the connections that have it open."""
        busy = True
        if not self._lent:
            busy = bool(self._idle[0].connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        if busy:
            # While a connection has the old log open, no other may begin a new one.
            raise self._disturbed("used")
        self._close_idle()

    def _is_whole(self, now: Files) -> bool:
        """Tell whether a database that became shorter is intact, as after `VACUUM`."""
        if not now.database_size:
            return False  # SQLite would take an empty file for a new database
        try:
            connection = sqlite3.connect(self._path, timeout=self._kind.busy_timeout, isolation_level=None)
            try:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
            finally:
                connection.close()
        except sqlite3.DatabaseError:
            return False

    def _cut_short(self) -> DamagedError:
        mend = "delete or replace it" if self._kind.anew else "move a sound copy into its place, under its name"
        return self._kind.errors.damaged(f"{self._path} was cut short while it was in use: {mend}")

    def _confirm(self, lent: Lent) -> None:
        """Check that the commit is in the files that the next reader will open."""
        with self._lock:
            # Another thread may have found the replacement first, and opened the new files.
            if lent.generation != self._generation:
                raise self._disturbed("written")
            now = Files.at(self._path)
            if self._files is not None and self._files.change(now) is not Change.NONE:
                raise self._disturbed("written")
            self._files = now

    def _disturbed(self, doing: str) -> _DisturbedError:
        return _DisturbedError(f"{self._path} or its log was deleted, replaced or cut short while it was {doing}")

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the folder of {self._path} cannot be made: {error.strerror}"
            raise self._kind.errors.unavailable(message, retry_after=self._kind.retry_after) from error
        # A file that existed and was deleted must not be made again here.
        mode = "rwc" if self._files is None else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            timeout=self._kind.busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._kind.prepare(connection, self._path)
            self._write_ahead(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._kind.durable else 'NORMAL'}")
            # The first read in this mode opens the log, so that it can be looked up from now on.
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Turn on the write-ahead log, which the file remembers; wait for the lock, as SQLite does not for this."""
        deadline = Deadline(self._kind.busy_timeout)
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _primary_code(error) != sqlite3.SQLITE_BUSY or deadline.is_over:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def _translated(self) -> Iterator[None]:
        errors, retry_after = self._kind.errors, self._kind.retry_after
        try:
            yield
        except _DisturbedError as error:
            raise errors.unavailable(str(error), retry_after=retry_after) from error
        except sqlite3.DatabaseError as error:
            if _primary_code(error) in _UNAVAILABLE:
                message = f"{self._path} cannot be used now: {error}"
                raise errors.unavailable(message, retry_after=retry_after) from error
            if isinstance(error, _OURS):
                raise
            raise errors.damaged(f"{self._path} is not a readable store: {error}") from error
        except OSError as error:
            message = f"{self._path} cannot be looked at: {error.strerror}"
            raise errors.unavailable(message, retry_after=retry_after) from error


def _primary_code(error: sqlite3.DatabaseError) -> int | None:
    """Return SQLite's primary result code, the low byte of the extended one; None if the error is Python's own."""
    extended = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF
