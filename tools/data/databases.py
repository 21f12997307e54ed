"""SQLite databases as files: copied whole while they are in use, put in the place of others, set aside.

A database in WAL mode is three files, and a copy of one of them is no copy. SQLite itself copies here, page by page in
one transaction. A file is taken away only when no process has the database open, and once its log is in it.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tools.data.errors import DataError

_WAIT_SECONDS = 5.0  # for a writer


def copy_database(source: Path, copy: Path) -> None:
    """Copy a database, also one in use, to the new file `copy`, and check the copy.

    Raises:
        DataError: it is no database, is damaged, or cannot be read.
    """
    try:
        with closing(_open(source)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
        check_database(copy)
    except sqlite3.Error as error:
        raise DataError(f"{source} cannot be copied: {error}") from error
    except DataError as error:
        raise DataError(f"{source} is not copied: its copy would be damaged ({error.__cause__ or error})") from error


def check_database(path: Path) -> None:
    """Read a database whole.

    Raises:
        DataError: it is no database, or is damaged.
    """
    try:
        with closing(_open(path)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            # A copy has its source's mode; without the log, one file is all there is.
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise DataError(f"{path} is no sound database: {error}") from error
    if found != ["ok"]:
        raise DataError(f"{path} is damaged: {found[0]}")


def require_alone(path: Path) -> None:
    """See that nobody has the database open, and write its log into it. A file that is not there is fine.

    Raises:
        DataError: it is in use, or is no database.
    """
    if not path.exists():
        return
    try:
        with closing(_open(path)) as connection:
            # Only the last connection may leave WAL mode.
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise DataError(f"{path} is in use: stop the server first (Ctrl-C), and what else has it open") from error
        raise DataError(f"{path} cannot be used: {error}") from error


def put_in_place(copy: Path, path: Path, aside: Path) -> Path | None:
    """Put a copy of the database `copy` in the place of `path`; return where the one before is now, if there was one.

    Nobody may have the one before open (`require_alone`).

    Raises:
        OSError: the files cannot be written; the one before is where it was, or where `aside` says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside it and complete before anything is taken away; the renaming is one step.
    ready = path.with_name(f".{path.name}.restored")
    shutil.copyfile(copy, ready)
    with ready.open("rb+") as stream:
        os.fsync(stream.fileno())
    try:
        if not path.exists():
            ready.rename(path)
            return None
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, aside)
        ready.rename(path)
        return aside
    finally:
        ready.unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    # `rw`: a file that is not there is not made.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
