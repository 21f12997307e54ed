"""Uploads: presign an upload, caption what has arrived, find what became of it. The functions' use cases.

Events that announce pictures come at least once, in any order, several at a time. Each version of a picture is read,
its outcome stored if it is the newest so far, and then published. Whatever was interrupted is made whole when the event
comes again: storing and publishing do nothing to what is as new or newer.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from captioning.buckets.port import MAX_KEY_BYTES, UPLOADS, Bucket, PresignedPost
from captioning.caption import Caption
from captioning.captioner import Captioner
from captioning.captions import caption_picture
from captioning.errors import PictureError, UploadGoneError
from captioning.outcomes import Outcome, Status, Upload
from captioning.pictures.limits import MAX_BYTES
from captioning.stores.port import CaptionStore

PRESIGNED_SECONDS = 600
"""How long a presigned upload is valid: for a person who has the picture at hand."""

MAX_NAME_BYTES = 200

_BARRED = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")


class MediaType(StrEnum):
    """The media types of the pictures that are read."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"
    WEBP = "image/webp"
    BMP = "image/bmp"
    TIFF = "image/tiff"


@dataclass(frozen=True, slots=True)
class PresignedUpload:
    """The form that uploads one picture, which will then have the key `key`."""

    key: str
    post: PresignedPost


@dataclass(frozen=True, slots=True)
class Pending:
    """A picture that is there and whose outcome is to come; `since` is when it was uploaded."""

    key: str
    since: datetime


def presign_upload(bucket: Bucket, *, media_type: MediaType, name: str | None = None) -> PresignedUpload:
    """Presign the upload of a picture, under a key that nobody else has. `name` is how the key is to end.

    Raises ValueError if `name` cannot be part of a key, or an error of the bucket.
    """
    key = f"{UPLOADS}{secrets.token_hex(16)}"
    if name is not None:
        key += f"/{checked_name(name)}"
    return PresignedUpload(
        key, bucket.presign(key, media_type=media_type.value, max_bytes=MAX_BYTES, seconds=PRESIGNED_SECONDS)
    )


def checked_name(name: str) -> str:
    """A picture's name, if it can be the last part of a key and of a URL's path. Raises ValueError, saying why not."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can write") from None
    if not 1 <= size <= MAX_NAME_BYTES:
        raise ValueError(f"must have 1 to {MAX_NAME_BYTES} bytes in UTF-8")
    if _BARRED.search(name):
        raise ValueError("must not have slashes or control characters")
    # Folders keep such names from view; and S3 would put the file's own name there.
    if name.startswith(".") or "${filename}" in name:
        raise ValueError("must not begin with a dot, nor have ${filename} in it")
    return name


def caption_upload(captioner: Captioner, store: CaptionStore, bucket: Bucket, upload: Upload) -> Outcome:
    """Caption a picture that has arrived; give what is known of the newest version of it.

    A picture that cannot be read, or was deleted, has an outcome too. Raises UploadReplacedError if another picture
    took its place, which is announced by itself; BundleError; and the errors of the store and of the bucket.
    """
    outcome = store.outcome(upload.key)
    if outcome is None or outcome.sequencer < upload.sequencer:
        outcome = store.record(_make(captioner, store, bucket, upload))
    if _can_be_published(upload.key):
        bucket.publish(outcome)
    return outcome


def find_outcome(store: CaptionStore, bucket: Bucket, key: str) -> Outcome | Pending | None:
    """What became of the picture `key`; None if no such picture is known.

    Raises the errors of the store and of the bucket.
    """
    if not key.startswith(UPLOADS) or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        return None
    outcome = store.outcome(key)
    # What was deleted may have come again.
    if outcome is not None and outcome.status is not Status.GONE:
        return outcome
    since = bucket.uploaded_at(key)
    return outcome if since is None else Pending(key, since)


def _make(captioner: Captioner, store: CaptionStore, bucket: Bucket, upload: Upload) -> Outcome:
    if not _can_be_published(upload.key):
        return Outcome(upload.key, upload.sequencer, reason=f"the key has more than {MAX_KEY_BYTES} bytes")
    try:
        found = caption_picture(captioner, store, bucket.read(upload, max_bytes=MAX_BYTES))
    except UploadGoneError:
        return Outcome(upload.key, upload.sequencer)
    except PictureError as error:
        return Outcome(upload.key, upload.sequencer, reason=str(error))
    return Outcome(upload.key, upload.sequencer, caption=Caption(found.caption, found.confidence, found.model_version))


def _can_be_published(key: str) -> bool:
    return len(key.encode()) <= MAX_KEY_BYTES
