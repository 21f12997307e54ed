"""The upload bucket: pictures under `uploads/`, and what became of them under `captions/`.

The port; `captioning.buckets` chooses an adapter. It hands out leave to upload, reads pictures
and publishes outcomes; it never deletes anything, and never writes under `uploads/` itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from captioning.errors import PictureTooLargeError
from captioning.outcomes import Outcome, Upload

UPLOADS = "uploads/"
CAPTIONS = "captions/"
MAX_KEY_BYTES = 1024 - len(CAPTIONS) - len(".json")
"""S3's own limit, less what the name of the published outcome has more than the picture's."""


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
