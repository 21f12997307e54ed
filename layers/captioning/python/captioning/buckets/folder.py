"""The upload bucket as a folder, for one machine, with the subfolders `uploads/` and `captions/`.

A presigned POST is a form like S3's, with a policy and its signature, which the local stack checks. The signing key
exists as long as the process: forms that were presigned before a restart are refused after it. Several threads and
processes may use the folder at once. It keeps one version of a picture, as a bucket without versioning does. Names that
begin with a dot are ignored, because other programs use them for their own files.

A bucket allows names that a file system does not: `captions/<key>.json` may be too long, or a folder may already have
that name, or a file the name of one of its folders. Such an outcome is in `captions/<sha256 of the key>.json` instead.

Pictures are listed as S3 lists them, without a walk through the whole folder: a listing reads all names in the folders
that it opens, and size and time of its own pictures alone.
"""

import fcntl
import hmac
import json
import os
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from errno import EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR
from functools import partial
from hashlib import md5, sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from captioning.buckets.port import (
    CAPTIONS,
    LONGEST_KEY,
    UPLOADS,
    Bucket,
    Listing,
    Picture,
    PresignedPost,
    check_size,
    published_key,
)
from captioning.errors import BucketUnavailableError, UploadGoneError, UploadReplacedError
from captioning.outcomes import Outcome, Upload

POST_PATH = "upload-bucket"
"""The path beside the API where the local stack accepts the forms."""

_NO_PLACE = {EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR}
"""The system's errors for a name that no file can have here: it is too long, or something is there already."""

MAX_FOLDERS = 1000
"""How many folders one listing opens at most, for many may be empty; as S3 looks at no more keys."""

_SECRET = secrets.token_bytes(32)


def sign(policy: str) -> str:
    """Return the signature of a form's policy, in hexadecimal digits."""
    return hmac.new(_SECRET, policy.encode(), sha256).hexdigest()


_utc_now = partial(datetime.now, UTC)


class FolderBucket(Bucket):
    """The folder at `path`; missing folders are made at the first write.

    `now` gives the time that a presigned form's end is reckoned from.
    """

    def __init__(self, path: str | Path, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.path = Path(path)
        self.now = now

    def presign(self, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        """See Bucket."""
        policy = {
            "expiration": (self.now() + timedelta(seconds=seconds)).isoformat(),
            "conditions": [{"key": key}, {"Content-Type": media_type}, ["content-length-range", 1, max_bytes]],
        }
        encoded = b64encode(json.dumps(policy).encode()).decode()
        fields = {"key": key, "Content-Type": media_type, "policy": encoded, "x-amz-signature": sign(encoded)}
        return PresignedPost(POST_PATH, fields)

    def read(self, upload: Upload, *, max_bytes: int) -> bytes:
        """See Bucket."""
        path = self._path(upload.key)
        if path is None:
            raise UploadGoneError(f"{upload.key}: no file can have this name")
        try:
            with open_picture(path) as stream:
                size = os.fstat(stream.fileno()).st_size
                check_size(size, max_bytes=max_bytes)
                picture = stream.read(size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UploadGoneError(f"{path}: {error.strerror}") from error
        except OSError as error:
            raise _unavailable(path, error) from error
        if upload.etag is not None and upload.etag != md5(picture, usedforsecurity=False).hexdigest():
            raise UploadReplacedError(f"{path}: another picture took its place")
        return picture

    def uploaded_at(self, key: str) -> datetime | None:
        """See Bucket."""
        path = self._path(key)
        if path is None:
            return None
        try:
            if not path.is_file():
                return None
            # `st_ctime`, when the file came here; a copied file may keep the original's `st_mtime`.
            return datetime.fromtimestamp(path.stat().st_ctime, UTC)
        except OSError as error:
            if error.errno in {ENAMETOOLONG, ENOENT, ENOTDIR}:
                return None
            raise _unavailable(path, error) from error

    def pictures(self, *, after: str = "", prefix: str = UPLOADS, most: int) -> Listing:
        """See Bucket."""
        found: list[Picture] = []
        try:
            for step in _steps(self.path, after, prefix, folders=MAX_FOLDERS):
                if isinstance(step, str):
                    return Listing(tuple(found), step)
                if len(found) == most:
                    return Listing(tuple(found), found[-1].key)
                found.append(step)
        except OSError as error:
            raise _unavailable(self.path / UPLOADS, error) from error
        return Listing(tuple(found), None)

    def publish(self, outcome: Outcome) -> None:
        """See Bucket."""
        path = self._path(published_key(outcome.key))
        if path is None:
            return
        folder = self.path / CAPTIONS
        instead = self._instead(outcome.key)
        content = json.dumps(outcome.to_plain(), ensure_ascii=False).encode()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One writer at a time, so that no other writes between the comparison and the write.
            with (folder / ".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.published_sequencer(outcome.key) >= outcome.sequencer:
                    return
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_whole(path, content)
                except OSError as error:
                    if error.errno not in _NO_PLACE:
                        raise
                    write_whole(instead, content)
                else:
                    instead.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(path, error) from error

    def published_sequencer(self, key: str) -> str:
        """Return the sequencer of the picture's published outcome; the empty text, which sorts first, if none is there.

        Raises:
            OSError: the folder cannot be read.
        """
        path = self._path(published_key(key))
        return "" if path is None else max(_sequencer(path), _sequencer(self._instead(key)))

    def close(self) -> None:
        """See Bucket."""

    def _instead(self, key: str) -> Path:
        return self.path / CAPTIONS / f"{sha256(key.encode()).hexdigest()}.json"

    def _path(self, key: str) -> Path | None:
        """Return the file of a key; None if no picture can have the name: it leaves the folder or is hidden."""
        if "\0" in key or any(not part or part.startswith(".") for part in key.split("/")):
            return None
        return self.path / key


def _steps(root: Path, after: str, prefix: str, *, folders: int) -> Iterator[Picture | str]:
    """Yield the pictures after `after`, by key. Where more than `folders` must be opened, yield the next one's key.

    Raises:
        OSError: `uploads/` cannot be read.
    """
    waiting = [UPLOADS]  # the next key last; a folder's ends in a slash
    # Not by recursion: folders may be nested more deeply than Python's recursion limit.
    while waiting:
        key = waiting.pop()
        if not key.endswith("/"):
            if (picture := _picture(root, key)) is not None:
                yield picture
            continue
        # The folders that `after` lies in are opened by every listing.
        if not after.startswith(key) or after == key:
            if folders == 0:
                yield key
                return
            folders -= 1
        waiting += sorted((one for one in _within(root, key) if _is_listed(one, after, prefix)), reverse=True)


def _within(root: Path, folder: str) -> Iterator[str]:
    """Yield the keys of what is in a folder, without hidden names and those that are no text or too long for S3."""
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                key = f"{folder}{entry.name}/" if entry.is_dir(follow_symlinks=False) else f"{folder}{entry.name}"
                if not entry.name.startswith(".") and 0 < _bytes(key) <= LONGEST_KEY:
                    yield key
    except OSError as error:
        # Deleted meanwhile, or not readable; the other folders are.
        if folder == UPLOADS and error.errno != ENOENT:
            raise


def _is_listed(key: str, after: str, prefix: str) -> bool:
    """Return whether a picture is to be listed, or a folder may have one in it that is."""
    if not key.endswith("/"):
        return key > after and key.startswith(prefix)
    return key >= after[: len(key)] and (key.startswith(prefix) or prefix.startswith(key))


def _picture(root: Path, key: str) -> Picture | None:
    """Return a picture; None if it was deleted meanwhile, or is not a file."""
    try:
        state = (root / key).stat()
    except OSError:
        return None
    if not S_ISREG(state.st_mode):
        return None
    # As in `uploaded_at`.
    return Picture(key, state.st_size, datetime.fromtimestamp(state.st_ctime, UTC))


def _bytes(key: str) -> int:
    """Return a key's bytes in UTF-8; 0 if it is not text, which a file's name need not be."""
    try:
        return len(key.encode())
    except UnicodeEncodeError:
        return 0


def open_picture(path: Path) -> BinaryIO:
    """Open a picture's file, without blocking. Read no more bytes than its size.

    Something else may have the name by now: a named pipe, which would block, or a kernel file without an end.

    Raises:
        FileNotFoundError: there is no file of this name.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(ENOENT, "it is not a file", str(path))
    return os.fdopen(descriptor, "rb")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    # If the process dies before the renaming, the dot keeps the rest from being taken for a picture.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as stream:
        try:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            Path(stream.name).replace(path)
        except BaseException:
            Path(stream.name).unlink()
            raise


def _sequencer(path: Path) -> str:
    """Return the sequencer of a published outcome; the empty text, which sorts first, if none can be read."""
    try:
        found = json.loads(path.read_bytes())["sequencer"]
    except (ValueError, KeyError, TypeError):
        return ""
    except OSError as error:
        if error.errno in _NO_PLACE | {ENOENT}:
            return ""
        raise
    return found if isinstance(found, str) else ""


def _unavailable(path: Path, error: OSError) -> BucketUnavailableError:
    return BucketUnavailableError(f"{path}: {error.strerror}")
