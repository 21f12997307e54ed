"""The caption store in one SQLite file, for one machine.

Several threads and processes may use the file at once (write-ahead log). A power failure may lose the last captions
and outcomes, which the local stack makes again when it starts, and never damages the file. It grows by some 300 bytes
per caption and is never pruned. It is opened at first use and again after any error, so that trouble passes when its
cause does.

The file may be deleted or replaced at any time: what is there by then is taken up, or made anew, before anything more
is acknowledged (`storage.database_file`). One that was cut short is refused until it is deleted or replaced.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from captioning.caption import Caption
from captioning.errors import CaptionStoreDamagedError, CaptionStoreError, CaptionStoreUnavailableError
from captioning.outcomes import Outcome
from captioning.stores.port import CaptionStore
from captioning.stores.records import load_caption, load_outcome
from storage.database_file import Change, Files, discard_log, renew_index

# A cache is worth a short wait; past it the caption is made again.
BUSY_TIMEOUT_SECONDS = 1.0

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS ranked_captions (
        key TEXT PRIMARY KEY, text TEXT NOT NULL, confidence REAL NOT NULL, model_version TEXT NOT NULL,
        alternatives TEXT NOT NULL -- JSON: [[text, confidence], ...]
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS outcomes (
        key TEXT PRIMARY KEY, sequencer TEXT NOT NULL,
        text TEXT, confidence REAL, model_version TEXT, -- null together, where there is no caption
        reason TEXT -- null where there is one
    ) STRICT, WITHOUT ROWID
    """,
)
# What waiting cures. Anything else SQLite says of the file itself: it is damaged, or somebody else's.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}
_PRIMARY_CODE = 0xFF
# Times that something is done to a file which was exchanged meanwhile, until that is not to be believed any more.
_ATTEMPTS = 3

_Answer = TypeVar("_Answer")


class SqliteCaptionStore(CaptionStore):
    """Captions in the file at `path`; its folder is made if need be."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        # As they were when the connection was last used.
        self._files: Files | None = None
        self._cut = False

    def get(self, key: str) -> Caption | None:
        """See CaptionStore."""

        def read(connection: sqlite3.Connection) -> Caption | None:
            row = connection.execute(
                "SELECT text, confidence, model_version, alternatives FROM ranked_captions WHERE key = ?", (key,)
            ).fetchone()
            if row is None:
                return None
            text, confidence, model_version, alternatives = row
            try:
                return load_caption(text, confidence, model_version, json.loads(alternatives))
            except (ValueError, TypeError, RecursionError) as error:
                raise CaptionStoreDamagedError(f"{self._path}: the caption of {key} is damaged: {error}") from error

        return self._run(read)

    def put(self, key: str, caption: Caption) -> None:
        """See CaptionStore."""
        alternatives = json.dumps([(one.text, one.confidence) for one in caption.alternatives])

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO ranked_captions VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, caption.text, caption.confidence, caption.model_version, alternatives),
            )

        self._run(write)

    def outcome(self, key: str) -> Outcome | None:
        """See CaptionStore."""
        return self._run(lambda connection: self._outcome(connection, key))

    def record(self, outcome: Outcome) -> Outcome:
        """See CaptionStore."""
        caption = outcome.caption
        made = (None, None, None) if caption is None else (caption.text, caption.confidence, caption.model_version)

        def write(connection: sqlite3.Connection) -> Outcome | None:
            # One statement, so that nobody comes between the comparison and the writing.
            connection.execute(
                "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " sequencer = excluded.sequencer, text = excluded.text, confidence = excluded.confidence,"
                " model_version = excluded.model_version, reason = excluded.reason"
                " WHERE sequencer < excluded.sequencer",
                (outcome.key, outcome.sequencer, *made, outcome.reason),
            )
            return self._outcome(connection, outcome.key)

        return self._run(write) or outcome

    def _outcome(self, connection: sqlite3.Connection, key: str) -> Outcome | None:
        row = connection.execute(
            "SELECT sequencer, reason, text, confidence, model_version FROM outcomes WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        try:
            sequencer, reason, *made = row
            return load_outcome(key, sequencer, reason, made)
        except ValueError as error:
            raise CaptionStoreDamagedError(f"{self._path}: the outcome of {key!r} is damaged: {error}") from error

    def close(self) -> None:
        """See CaptionStore."""
        with self._lock:
            self._drop()

    def _run(self, use: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        with self._lock:
            try:
                for _ in range(_ATTEMPTS):
                    self._look()
                    if self._connection is None:
                        self._connection = self._connect()
                        self._files = Files.at(self._path)
                    answer = use(self._connection)
                    # What went to a file that is no longer there is done again; whatever it is, twice is as once.
                    if self._files is not None and self._files.change(Files.at(self._path)) is Change.NONE:
                        return answer
            except sqlite3.Error as error:
                self._drop()
                raise self._classed(error) from error
            except OSError as error:
                raise CaptionStoreUnavailableError(f"{self._path}: {error.strerror}") from error
        raise CaptionStoreUnavailableError(f"{self._path}: others keep exchanging the file")

    def _look(self) -> None:
        """Makes sure that the connection is to the file that is there; if not, lets go of it."""
        if self._connection is None or self._files is None:
            return
        now = Files.at(self._path)
        if self._files.index_cut(now):
            # Before anything else: to close a connection is to use the index.
            renew_index(self._path, self._files)
            now = Files.at(self._path)
        change = self._files.change(now)
        if change in {Change.GONE, Change.REPLACED}:
            # Wherever the old file is now, it is left whole.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            held = self._files
            self._drop()
            discard_log(self._path, held)
        elif self._cut or (change is Change.CUT and not self._is_whole(now)):
            self._cut = True
            raise CaptionStoreDamagedError(f"{self._path}: it was cut short while it was in use; delete or replace it")
        elif change is Change.LOG_LOST:
            # What the lost log holds is written into the file, before a new log is begun.
            if self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise CaptionStoreUnavailableError(f"{self._path}: its log was deleted, and others use it still")
            self._drop()
        else:
            self._files = now

    def _is_whole(self, now: Files) -> bool:
        """Whether a file that became shorter is sound all the same, as one that was vacuumed is."""
        if not now.database_size:
            return False  # and SQLite would take it for a new one
        try:
            connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
            try:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
            finally:
                connection.close()
        except sqlite3.Error:
            return False

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit: each statement is a transaction. The lock above keeps threads apart.
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            for table in _SCHEMA:
                connection.execute(table)
            # The first reading in this mode opens the log, which is then there to be looked at.
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _write_ahead(connection: sqlite3.Connection) -> None:
        """Turn on the write-ahead log. When several open a new file at once SQLite does not queue for this; we do."""
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection, self._files, self._cut = None, None, False

    def _classed(self, error: sqlite3.Error) -> CaptionStoreError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        if code in _PASSING:
            return CaptionStoreUnavailableError(f"{self._path}: {error}")
        return CaptionStoreDamagedError(f"{self._path}: {error}")
