"""What became of uploads: of one picture, and of all that lie in the bucket, page by page. Use cases of the functions.

Nothing is changed here, and no picture is read.
"""

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from captioning.buckets.port import LONGEST_KEY, MAX_KEY_BYTES, UPLOADS, Bucket, Picture
from captioning.outcomes import Outcome, Status
from captioning.stores.port import CaptionStore

DEFAULT_LIMIT = 50
MAX_LIMIT = 200  # pictures on one page

MAX_EXAMINED = 1000
"""Pictures that are looked at for one page of a status, which few may have: what S3 lists in one request."""

_BATCH = 100  # outcomes that are asked for together, so that a page that is full asks for few more


@dataclass(frozen=True, slots=True)
class Pending:
    """A picture in the bucket that has no outcome yet; `since` is when it was uploaded."""

    key: str
    since: datetime


class UploadStatus(StrEnum):
    """What became of a picture that lies in the bucket."""

    CAPTIONED = "captioned"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class UploadedPicture:
    """A picture that lies in the bucket, and its outcome; None while it is pending."""

    picture: Picture
    outcome: Outcome | None

    @property
    def status(self) -> UploadStatus:
        """Captioned, failed or pending."""
        return UploadStatus.PENDING if self.outcome is None else UploadStatus(self.outcome.status.value)


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """Pictures by key; `next_cursor` says where the next page begins, None at the end."""

    pictures: tuple[UploadedPicture, ...]
    next_cursor: str | None


def find_outcome(store: CaptionStore, bucket: Bucket, key: str) -> Outcome | Pending | None:
    """Return the outcome of the picture `key`, Pending while there is none, or None if no such picture is known.

    Raises:
        CaptionStoreError, BucketError: the store or the bucket cannot be used.
    """
    if not key.startswith(UPLOADS) or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        return None
    outcome = store.outcome(key)
    if (known := _of_what_lies(outcome)) is not None:
        return known
    since = bucket.uploaded_at(key)
    return outcome if since is None else Pending(key, since)


def browse(
    store: CaptionStore,
    bucket: Bucket,
    *,
    status: UploadStatus | None = None,
    prefix: str = UPLOADS,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> UploadsPage:
    """Return one page of what lies in the bucket under `prefix`, beginning where the cursor of the page before says.

    Pictures come by key: those of `presign_upload` the newest first, others by their names. None takes those of every
    status. A page has at most `limit` pictures, 1 to 1000. It may have fewer, and even none, before the end: it looks
    at `limit` pictures, or at `MAX_EXAMINED` if it wants one status, so that its cost has a bound: one request to the
    bucket, and to the store one per 100 pictures that it looks at.

    Raises:
        ValueError: no page gave the cursor.
        CaptionStoreError, BucketError: the store or the bucket cannot be used.
    """
    after = "" if cursor is None else _key_of(checked_cursor(cursor))
    listing = bucket.pictures(after=after, prefix=prefix, most=limit if status is None else MAX_EXAMINED)
    found: list[UploadedPicture] = []
    for start in range(0, len(listing.pictures), _BATCH):
        batch = listing.pictures[start : start + _BATCH]
        outcomes = store.outcomes([picture.key for picture in batch])
        for picture in batch:
            one = UploadedPicture(picture, _of_what_lies(outcomes.get(picture.key)))
            if status in {None, one.status}:
                found.append(one)
            if len(found) == limit:
                is_last = picture is listing.pictures[-1]
                return _page(found, listing.next_after if is_last else picture.key)
    return _page(found, listing.next_after)


def checked_cursor(cursor: str) -> str:
    """Return a cursor that a page may have given.

    Raises:
        ValueError: no page gave it.
    """
    after = _key_of(cursor)
    # S3 refuses longer keys, and no file's name has a zero.
    if not after.startswith(UPLOADS) or len(after.encode()) > LONGEST_KEY or "\0" in after:
        raise ValueError("is not one that an earlier page gave; begin without one")
    return cursor


def _of_what_lies(outcome: Outcome | None) -> Outcome | None:
    """Return the outcome of a picture that is there; None if it is pending.

    A picture that was deleted may have been uploaded again.
    """
    return None if outcome is None or outcome.status is Status.GONE else outcome


def _page(found: list[UploadedPicture], after: str | None) -> UploadsPage:
    cursor = None if after is None else urlsafe_b64encode(after.encode()).decode().rstrip("=")
    return UploadsPage(tuple(found), cursor)


def _key_of(cursor: str) -> str:
    """Return the key that a cursor stands for; the empty text if it stands for none."""
    try:
        return b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}", altchars=b"-_", validate=True).decode()
    except ValueError:
        return ""
