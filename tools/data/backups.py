"""A backup: a folder with the ratings, the captions, and `backup.json`, which says what they are and their sha256.

    observations.db      of a SQLite store: the database, whole
    observations.jsonl   of DynamoDB: an archive of all studies, as `python -m tools.observations export` writes it
    captions.db          of a SQLite store; captions in DynamoDB are a cache that can be made again

The folder is there whole or not at all. Pictures are not in it: they are files, or objects in S3.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from storage.urls import DatabaseFile, parse_store
from tools.data.databases import check_database, copy_database, put_in_place, require_alone
from tools.data.errors import DataError
from tools.observations.archive import read_archive, write_archive
from tools.observations.moving import bring, collect
from tuning.stores import open_store

MANIFEST = "backup.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class BackedUpFile:
    """A file of a backup, and which store it is of: `observations` or `captions`."""

    name: str
    of: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was read and checked. `made_at` is ISO 8601."""

    folder: Path
    made_at: str
    parts: tuple[BackedUpFile, ...]

    def path(self, of: str) -> Path | None:
        """Return the file of a store; None if the backup has none."""
        return next((self.folder / part.name for part in self.parts if part.of == of), None)


def make_backup(observations: str, captions: str, folder: Path, *, now: datetime) -> Backup:
    """Back both stores up into the new `folder`; the servers may go on.

    Raises:
        DataError: the folder is there, there is nothing to back up, or a database is damaged.
        TuningError: the observations cannot be read.
        OSError: the folder cannot be written.
    """
    if folder.exists():
        raise DataError(f"{folder} is there already: name another (TO=...)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beginning = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beginning, ignore_errors=True)
    beginning.mkdir()
    try:
        parts = [
            BackedUpFile(path.name, of, _hash(path))
            for of, path in (
                ("observations", _copy_observations(observations, beginning, now)),
                ("captions", _copy_captions(captions, beginning)),
            )
            if path is not None
        ]
        _write_manifest(beginning, parts, now)
        beginning.rename(folder)
    except BaseException:
        shutil.rmtree(beginning, ignore_errors=True)
        raise
    return Backup(folder, now.isoformat(), tuple(parts))


def set_aside(paths: Mapping[str, Path], folder: Path, *, now: datetime) -> Backup:
    """Move the SQLite databases `paths`, by store, into the new `folder`, which is then a backup of them.

    Raises:
        DataError: one is in use, or is no database; none was moved.
        OSError: one cannot be moved; those that were are in the folder.
    """
    for path in paths.values():
        require_alone(path)
    folder.mkdir(parents=True)
    parts = tuple(BackedUpFile(f"{of}.db", of, _hash(path)) for of, path in paths.items())
    _write_manifest(folder, parts, now)
    for part in parts:
        # Another file system may hold the backups.
        shutil.move(paths[part.of], folder / part.name)
    return Backup(folder, now.isoformat(), parts)


def read_backup(folder: Path) -> Backup:
    """Read a backup and check every file of it.

    Raises:
        DataError: it is none, or a file of it is missing or was altered.
    """
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] != _FORMAT:
            raise DataError(f"{folder} is a backup of format {said['format']}; this release reads format {_FORMAT}")
        parts = tuple(BackedUpFile(**part) for part in said["parts"])
    except FileNotFoundError as error:
        raise DataError(f"{folder} is no backup: it has no {MANIFEST}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / MANIFEST} is not as `make backup` writes it") from error
    for part in parts:
        path = folder / part.name
        # A name with a slash in it would be a file elsewhere.
        if Path(part.name).name != part.name or not path.is_file() or _hash(path) != part.sha256:
            raise DataError(f"{path} is missing or was altered since the backup was made")
    return Backup(folder, str(said["made_at"]), parts)


def restore(backup: Backup, observations: str, captions: str, aside: Path, *, now: datetime) -> list[str]:
    """Put a backup's stores in the place of those that are there; return a line per store that says what was done.

    A SQLite database is replaced, and the one before is kept in `aside`. In DynamoDB nothing is replaced: an archive is
    imported, which adds what is missing and refuses studies that have other records.

    Raises:
        DataError: a database is in use, or the backup is of another kind of store.
        MoveError, TuningError: the archive cannot be imported.
        OSError: the files cannot be written.
    """
    pairs = [
        (of, path, parse_store(url), url)
        for of, url in (("observations", observations), ("captions", captions))
        if (path := backup.path(of)) is not None
    ]
    for of, path, place, url in pairs:
        if isinstance(place, DatabaseFile) and path.suffix == ".db":
            check_database(path)
            # Of both, before either is replaced.
            require_alone(place.path)
        elif of == "captions":
            raise DataError(f"captions are restored into SQLite alone, not into {url}: they can be made again")
        elif path.suffix == ".db":
            raise DataError(
                f"{path} is a database, and {url} a table: copy it "
                f"(python -m tools.observations copy --from sqlite:///{path} --to {url})"
            )
    done = []
    for of, path, place, url in pairs:
        if isinstance(place, DatabaseFile) and path.suffix == ".db":
            before = put_in_place(path, place.path, aside / path.name)
            kept = f"; the one before is {before}" if before else ""
            done.append(f"{of}: {place.path} is that of {backup.made_at}{kept}")
        else:
            with closing(open_store(url)) as target:
                brought = bring(read_archive(path), target, now=now)
            done.append(f"{of}: {brought.written:,} records imported into {url}, {brought.there:,} were there already")
    return done


def _copy_observations(url: str, folder: Path, now: datetime) -> Path:
    place = parse_store(url)
    if isinstance(place, DatabaseFile):
        if not place.path.exists():
            raise DataError(f"{place.path} is not there: nothing was recorded yet, or OBSERVATION_STORE names another")
        copy_database(place.path, folder / "observations.db")
        return folder / "observations.db"
    with closing(open_store(url)) as store:
        write_archive(collect(store, now=now), folder / "observations.jsonl")
    return folder / "observations.jsonl"


def _copy_captions(url: str, folder: Path) -> Path | None:
    place = parse_store(url)
    if not isinstance(place, DatabaseFile) or not place.path.exists():
        return None
    copy_database(place.path, folder / "captions.db")
    return folder / "captions.db"


def _write_manifest(folder: Path, parts: Sequence[BackedUpFile], now: datetime) -> None:
    said = {"format": _FORMAT, "made_at": now.isoformat(), "parts": [asdict(part) for part in parts]}
    (folder / MANIFEST).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
