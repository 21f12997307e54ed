"""What has become of a SQLite database's files while connections hold them open.

A file that was deleted or replaced lives on for those who hold it: they would go on writing to what nobody will ever
read, and SQLite does not look. So a store looks, by name, before it uses a connection and again before it acknowledges
what it wrote.

The files are looked at and never opened: closing any handle of a database's file takes away the locks that SQLite holds
on it for the whole process (POSIX).
"""

import fcntl
import os
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

Identity = tuple[int, int]
"""A file's device and inode: what a name stands for."""


class Change(Enum):
    """What happened to the files, the gravest first."""

    GONE = auto()
    """There is no file by the database's name any more."""
    REPLACED = auto()
    """Another file has the database's name."""
    LOG_LOST = auto()
    """The write-ahead log or its index was deleted or replaced; the connections still have theirs."""
    CUT = auto()
    """A file is shorter than it was. Vacuuming a database does that too."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Files:
    """A database, its write-ahead log and the log's index as they are found by their names at one moment.

    The log is there for as long as a connection is open, and `without_log` is what to compare with when none is.
    """

    database: Identity | None
    log: Identity | None
    index: Identity | None
    database_size: int
    log_size: int
    index_size: int

    @classmethod
    def at(cls, path: Path) -> "Files":
        """Those of the database at `path`. Raises OSError if it cannot be said whether there are any."""
        real = _real(path)
        (database, database_size), (log, log_size), (index, index_size) = (
            _look(real + end) for end in ("", "-wal", "-shm")
        )
        return cls(database, log, index, database_size, log_size, index_size)

    def without_log(self) -> "Files":
        """These files when no connection holds the log any more."""
        return Files(self.database, None, None, self.database_size, 0, 0)

    def change(self, now: "Files") -> Change:
        """What happened to these files until `now`, while connections held them."""
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
        """Whether the log's index is shorter than it was. Whoever touches what is missing is killed (SIGBUS)."""
        return now.index == self.index and now.index_size < self.index_size


def renew_index(path: Path, held: Files) -> None:
    """Gives an index that was cut short its length again, with nothing in it: SQLite then makes it from the log.

    For when no connection of this process is in use. Raises OSError.
    """
    real = _real(path)
    folder = os.open(Path(real).parent, os.O_RDONLY)
    try:
        # What another process has made anew must not be emptied.
        fcntl.flock(folder, fcntl.LOCK_EX)
        if held.index_cut(Files.at(path)):
            for size in (0, held.index_size):
                os.truncate(real + "-shm", size)
    finally:
        os.close(folder)


def discard_log(path: Path, held: Files) -> None:
    """Deletes the log and the index by which `held` was written, if they lie beside another database by now.

    SQLite would take the log for the new database's and mix the two. Raises OSError.
    """
    real = _real(path)
    folder = os.open(Path(real).parent, os.O_RDONLY)
    try:
        # Several processes may find the same change, and none must delete what another has begun anew.
        fcntl.flock(folder, fcntl.LOCK_EX)
        now = Files.at(path)
        for end, found, known in (("-wal", now.log, held.log), ("-shm", now.index, held.index)):
            if found is not None and found == known:
                Path(real + end).unlink()
    finally:
        os.close(folder)


def _real(path: Path) -> str:
    """SQLite names the log after the file that a symbolic link leads to. Most are none, and resolving takes long."""
    return os.path.realpath(path) if os.path.islink(path) else str(path)  # noqa: PTH114 - as in `_look`


def _look(path: str) -> tuple[Identity | None, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - this is on every request's path, a Path costs as much again
    except (FileNotFoundError, NotADirectoryError):
        return None, 0
    return (found.st_dev, found.st_ino), found.st_size
