"""What has become of a SQLite database's files while connections hold them open.

A file that was deleted or replaced still exists for the connections that have it open. They would go on writing to a
file that nobody will read, and SQLite does not check. So a store looks the files up by name before it uses a
connection, and again before it acknowledges what it wrote.

This module reads the files' metadata and never opens them: closing any handle of a database's file releases the locks
that SQLite holds on it for the whole process (POSIX).
"""

import fcntl
import os
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

Identity = tuple[int, int]
"""A file's device and inode: what a name stands for."""


class Change(Enum):
    """What happened to the files, the most serious first."""

    GONE = auto()
    """No file has the database's name any more."""
    REPLACED = auto()
    """Another file has the database's name."""
    LOG_LOST = auto()
    """The write-ahead log or its index was deleted or replaced; the connections still have the old one open."""
    CUT = auto()
    """A file is shorter than it was. `VACUUM` has this effect too."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Files:
    """A database, its write-ahead log and the log's index, as found by their names at one moment.

    The identities are None for files that do not exist; sizes are bytes. The log exists while a connection is open;
    compare with `without_log` when none is.
    """

    database: Identity | None
    log: Identity | None
    index: Identity | None
    database_size: int
    log_size: int
    index_size: int

    @classmethod
    def at(cls, path: Path) -> "Files":
        """Look up the files of the database at `path`.

        Raises:
            OSError: the file system does not tell whether they exist.
        """
        real = _real(path)
        (database, database_size), (log, log_size), (index, index_size) = (
            _look(real + end) for end in ("", "-wal", "-shm")
        )
        return cls(database, log, index, database_size, log_size, index_size)

    def without_log(self) -> "Files":
        """Return these files as they are once the last connection is closed, which removes log and index."""
        return Files(self.database, None, None, self.database_size, 0, 0)

    def change(self, now: "Files") -> Change:
        """Return what happened to these files between then and `now`, while connections had them open."""
        if now.database is None:
            return Change.GONE
        if now.database != self.database:
            return Change.REPLACED
        if self.log is not None and (now.log, now.index) != (self.log, self.index):
            return Change.LOG_LOST
        if now.database_size < self.database_size or now.log_size < self.log_size or self.index_cut(now):
            return Change.CUT
        return Change.NONE

    def index_cut(self, now: "Files") -> bool:
        """Tell whether the log's index is shorter than it was: reading the missing part kills the process (SIGBUS)."""
        return now.index == self.index and now.index_size < self.index_size


def renew_index(path: Path, held: Files) -> None:
    """Give an index that was cut short its length again, filled with zeros: SQLite then rebuilds it from the log.

    Only while no connection of this process is in use. `held` are the files as the connections opened them.

    Raises:
        OSError: the file system refuses.
    """
    real = _real(path)
    folder = os.open(Path(real).parent, os.O_RDONLY)
    try:
        # Another process may have rebuilt the index already; it must not be emptied again.
        fcntl.flock(folder, fcntl.LOCK_EX)
        if held.index_cut(Files.at(path)):
            for size in (0, held.index_size):
                os.truncate(real + "-shm", size)
    finally:
        os.close(folder)


def discard_log(path: Path, held: Files) -> None:
    """Delete the log and the index that belong to the files `held`, if another database has their name now.

    SQLite would take the log for the new database's and mix the two.

    Raises:
        OSError: the file system refuses.
    """
    real = _real(path)
    folder = os.open(Path(real).parent, os.O_RDONLY)
    try:
        # Several processes may find the same change; none may delete the new log that another has begun.
        fcntl.flock(folder, fcntl.LOCK_EX)
        now = Files.at(path)
        for end, found, known in (("-wal", now.log, held.log), ("-shm", now.index, held.index)):
            if found is not None and found == known:
                Path(real + end).unlink()
    finally:
        os.close(folder)


def _real(path: Path) -> str:
    """Return the path after which SQLite names the log: the target of a symbolic link. Resolving others is slow."""
    return os.path.realpath(path) if os.path.islink(path) else str(path)  # noqa: PTH114 - as in `_look`


def _look(path: str) -> tuple[Identity | None, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - this is on every request's path, a Path costs as much again
    except (FileNotFoundError, NotADirectoryError):
        return None, 0
    return (found.st_dev, found.st_ino), found.st_size
