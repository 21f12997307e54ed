"""The upload bucket: pictures under `uploads/`, and their outcomes under `captions/`.

The port; `captioning.buckets` chooses an adapter. A bucket presigns uploads, reads pictures and publishes outcomes. It
never deletes anything, and never writes under `uploads/` itself. It lists pictures by key, because S3 lists in no other
order.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from captioning.errors import PictureTooLargeError
from captioning.outcomes import Outcome, Upload

UPLOADS = "uploads/"
CAPTIONS = "captions/"
LONGEST_KEY = 1024
"""Bytes in UTF-8: S3's own limit."""

MAX_KEY_BYTES = LONGEST_KEY - len(CAPTIONS) - len(".json")
"""The longest key whose outcome can be published, under a key that is longer than the picture's."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What lies under a key. `size` is in bytes."""

    key: str
    size: int
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """Pictures in the order of their keys' bytes in UTF-8. The next listing is `after` this key; None at the end."""

    pictures: tuple[Picture, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """A presigned POST for one picture: a form with `fields` and then the picture as `file`, to be posted to `url`.

    If the bucket is served beside the API, `url` is relative to the API's.
    """

    url: str
    fields: Mapping[str, str]


class Bucket(ABC):
    """A bucket of uploads. An adapter serves any number of threads and processes at once.

    Every method but `close` may raise BucketUnavailableError or BucketRefusedError.
    """

    @abstractmethod
    def presign(self, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        """Presign the upload of 1 to `max_bytes` bytes of `media_type` under `key` within `seconds`."""

    @abstractmethod
    def read(self, upload: Upload, *, max_bytes: int) -> bytes:
        """Return the bytes of that version of the picture.

        Raises:
            UploadGoneError: it was deleted.
            UploadReplacedError: the bucket has another version in its place.
            PictureTooLargeError: it has more than `max_bytes`; it is not read.
        """

    @abstractmethod
    def uploaded_at(self, key: str) -> datetime | None:
        """Return when the picture under `key` was uploaded; None if there is none."""

    @abstractmethod
    def pictures(self, *, after: str = "", prefix: str = UPLOADS, most: int) -> Listing:
        """List the pictures whose keys begin with `prefix` and come after `after`: `most` of them, 1 to 1000.

        `prefix` begins with `uploads/`; `after` is empty or what a listing ended with. A listing may have fewer
        pictures, and even none, without being the last one, so that its cost has a bound: it is one request.
        """

    @abstractmethod
    def publish(self, outcome: Outcome) -> None:
        """Write `captions/<key>.json`, unless it has the outcome of this version or a newer one.

        If the storage does not allow that name, the name is made from the key's hash.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections. A closed bucket opens them again at its next use."""


def published_key(key: str) -> str:
    """Return the key under which the outcome of the picture `key` is published."""
    return f"{CAPTIONS}{key}.json"


def check_size(size: int, *, max_bytes: int) -> None:
    """Check that a picture of `size` bytes is not too large.

    Raises:
        PictureTooLargeError: it has more than `max_bytes`.
    """
    if size > max_bytes:
        raise PictureTooLargeError(f"the picture has {size} bytes; the limit is {max_bytes}")
