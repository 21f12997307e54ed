"""The upload bucket: pictures under `uploads/`, and what became of them under `captions/`.

The port is `Bucket`; `open_bucket` picks the adapter by the URL's scheme. It hands out leave to upload, reads pictures
and publishes outcomes; it never deletes anything, and never writes under `uploads/` itself.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from captioning.errors import BucketUrlError, PictureTooLargeError
from captioning.outcomes import Outcome, Upload
from captioning.service_urls import parse_service_url

UPLOADS = "uploads/"
CAPTIONS = "captions/"
MAX_KEY_BYTES = 1024 - len(CAPTIONS) - len(".json")
"""S3's own limit, less what the name of the published outcome has more than the picture's."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """Leave to upload one picture: a form with `fields`, and then the picture as `file`, posted to `url`.

    Where the bucket is served beside the API, `url` is relative to it.
    """

    url: str
    fields: Mapping[str, str]


class Bucket(ABC):
    """A bucket of uploads. An adapter serves any number of threads and processes at once.

    Every method raises BucketUnavailableError or BucketRefusedError.
    """

    @abstractmethod
    def presign(self, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        """Leave to upload 1 to `max_bytes` bytes of `media_type` under `key` within `seconds`."""

    @abstractmethod
    def read(self, upload: Upload, *, max_bytes: int) -> bytes:
        """The bytes of that version of the picture.

        Raises UploadGoneError if it was deleted, UploadReplacedError if the bucket keeps another one in its place, and
        PictureTooLargeError, without reading it, if it has more than `max_bytes`.
        """

    @abstractmethod
    def uploaded_at(self, key: str) -> datetime | None:
        """When the picture under `key` was uploaded; None if there is none."""

    @abstractmethod
    def publish(self, outcome: Outcome) -> None:
        """Write `captions/<key>.json`, unless what it says already is of this version or a newer one.

        Where the storage has no such name, it is written under one that is made of the key's hash.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. A closed bucket opens them again when it is next used."""


def published_key(key: str) -> str:
    """Where the outcome of the picture under `key` is published."""
    return f"{CAPTIONS}{key}.json"


def check_size(size: int, *, max_bytes: int) -> None:
    """Raises PictureTooLargeError if a picture of `size` bytes has more than `max_bytes`."""
    if size > max_bytes:
        raise PictureTooLargeError(f"the picture has {size} bytes; the limit is {max_bytes}")


def open_bucket(url: str) -> Bucket:
    """Give the bucket that `url` names, without touching it yet.

    `file://data` is a folder, relative to the working directory, `file:///var/data` an absolute one.
    `s3://uploads-of-mine?region=eu-west-1` is a bucket; `region` may be left to AWS's settings, and
    `endpoint=http://127.0.0.1:9000` speaks to another place than the region's own.

    Raises BucketUrlError if the URL names no bucket.
    """
    scheme, separator, path = url.partition("://")
    if scheme == "file" and separator and path:
        from captioning.bucket_folder import FolderBucket  # noqa: PLC0415 - only the adapter in use is imported

        return FolderBucket(unquote(path))
    if scheme == "s3":
        try:
            name, options = parse_service_url(url, name=_BUCKET, form="s3://bucket")
        except ValueError as error:
            raise BucketUrlError(str(error)) from error
        from captioning.bucket_s3 import S3Bucket  # noqa: PLC0415 - as above

        return S3Bucket(name, **options)
    raise BucketUrlError(f"{url}: a bucket is named by a URL such as file://data or s3://bucket")
