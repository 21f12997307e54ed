"""The upload bucket as a folder, for one machine: `uploads/` and `captions/` in it are what the bucket has there.

Leave to upload is a form like S3's, with a policy and its signature, for the local stack to check. The key that signs
lives as long as the process: leave that was given before a restart is void after it. Several threads and processes may
use the folder at once. It keeps one version of a picture, as a bucket without versioning does. Names that begin with a
dot are left to the programs that use them for their own ends.

A bucket has names that a file system has not: `captions/<key>.json` may be too long, or a folder may be where the file
belongs, or a file where the folder does. Such an outcome is in `captions/<sha256 of the key>.json` instead.
"""

import fcntl
import hmac
import json
import os
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from errno import EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR
from functools import partial
from hashlib import md5, sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from captioning.buckets.port import CAPTIONS, Bucket, PresignedPost, check_size, published_key
from captioning.errors import BucketUnavailableError, UploadGoneError, UploadReplacedError
from captioning.outcomes import Outcome, Upload

POST_PATH = "upload-bucket"
"""Where the local stack takes the forms, beside the API."""

_NO_PLACE = {EEXIST, EISDIR, ENAMETOOLONG, ENOTDIR}
"""What the system says of a name that no file can have here, for its length or for what is there already."""

_SECRET = secrets.token_bytes(32)


def sign(policy: str) -> str:
    """The signature of a form's policy, a hexadecimal number."""
    return hmac.new(_SECRET, policy.encode(), sha256).hexdigest()


_utc_now = partial(datetime.now, UTC)


class FolderBucket(Bucket):
    """The folder at `path`; what is missing of it is made when it is first written to.

    `now` gives the time, by which a presigned form has its end.
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
            # When it came here; a copy may keep the time of the original's last change.
            return datetime.fromtimestamp(path.stat().st_ctime, UTC)
        except OSError as error:
            if error.errno in {ENAMETOOLONG, ENOENT, ENOTDIR}:
                return None
            raise _unavailable(path, error) from error

    def publish(self, outcome: Outcome) -> None:
        """See Bucket."""
        path = self._path(published_key(outcome.key))
        if path is None:
            return
        folder = self.path / CAPTIONS
        instead = folder / f"{sha256(outcome.key.encode()).hexdigest()}.json"
        content = json.dumps(outcome.to_plain(), ensure_ascii=False).encode()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One writer at a time, so that nobody comes between the comparison and the writing.
            with (folder / ".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if max(_sequencer(path), _sequencer(instead)) >= outcome.sequencer:
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

    def close(self) -> None:
        """See Bucket."""

    def _path(self, key: str) -> Path | None:
        """The file of a key; None if no picture can have its name, as it leads elsewhere or is hidden."""
        if "\0" in key or any(not part or part.startswith(".") for part in key.split("/")):
            return None
        return self.path / key


def open_picture(path: Path) -> BinaryIO:
    """A picture's file for reading as far as its size. Raises OSError: FileNotFoundError if it is no file.

    What is by that name may be a queue by now, or one that the kernel calls a file: it is not waited for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(ENOENT, "it is not a file", str(path))
    return os.fdopen(descriptor, "rb")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError."""
    # A name that begins with a dot is nobody's picture, should the process die before the renaming.
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
    """The version that a published outcome is of; the empty text, older than all, if there is none to be read."""
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
