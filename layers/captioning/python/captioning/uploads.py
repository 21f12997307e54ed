"""Uploads: presign an upload, and caption a picture that has arrived. Use cases of the functions.

What became of uploads is looked up by `captioning.lookup`.

Events that announce pictures come at least once, in any order, several at a time. Each version of a picture is read,
its outcome is stored if it is the newest so far, and then published. Work that was interrupted is completed when the
event comes again: storing and publishing leave outcomes of the same or a newer version as they are.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from captioning.buckets.port import MAX_KEY_BYTES, UPLOADS, Bucket, PresignedPost
from captioning.caption import Caption
from captioning.captioner import Captioner
from captioning.captions import Refusal, caption_picture, refusal_of
from captioning.errors import PictureError, UploadGoneError
from captioning.outcomes import Outcome, Upload
from captioning.pictures.limits import MAX_BYTES
from captioning.stores.port import CaptionStore

PRESIGNED_SECONDS = 600
"""How long a presigned upload is valid: enough for a person who has the picture ready."""

MAX_NAME_BYTES = 200

_LAST_MILLISECOND = 2**44 - 1
"""From 1970 on; in the year 2527. What is left until then has 11 digits: keys begin with 0, before most names."""

_BARRED = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")


class MediaType(StrEnum):
    """The media types of the pictures that are read. Other names of theirs, in use for long, are taken for them."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"
    WEBP = "image/webp"
    AVIF = "image/avif"
    BMP = "image/bmp"
    TIFF = "image/tiff"

    @classmethod
    def _missing_(cls, value: object) -> "MediaType | None":
        return cls(_OTHER_NAMES[value]) if isinstance(value, str) and value in _OTHER_NAMES else None


_OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/jfif": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp",
    "image/tif": "image/tiff",
    "image/x-tiff": "image/tiff",
}


@dataclass(frozen=True, slots=True)
class PresignedUpload:
    """The form that uploads one picture, which will then have the key `key`."""

    key: str
    post: PresignedPost


def presign_upload(bucket: Bucket, *, media_type: MediaType, name: str | None = None, now: datetime) -> PresignedUpload:
    """Presign the upload of a picture, under a new key. `name`, if given, is the key's last part.

    A later key sorts before an earlier one, so that a bucket, which lists by key, lists the newest picture first. The
    80 random bits keep keys from being guessed.

    Raises:
        ValueError: `name` cannot be part of a key.
        BucketError: the bucket cannot be used.
    """
    left = _LAST_MILLISECOND - int(now.timestamp() * 1000)
    key = f"{UPLOADS}{left:012x}{secrets.token_hex(10)}"
    if name is not None:
        key += f"/{checked_name(name)}"
    return PresignedUpload(
        key, bucket.presign(key, media_type=media_type.value, max_bytes=MAX_BYTES, seconds=PRESIGNED_SECONDS)
    )


def checked_name(name: str) -> str:
    """Return a picture's name if it can be the last part of a key and of a URL's path.

    Raises:
        ValueError: it cannot; the message says why.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can write") from None
    if not 1 <= size <= MAX_NAME_BYTES:
        raise ValueError(f"must have 1 to {MAX_NAME_BYTES} bytes in UTF-8")
    if _BARRED.search(name):
        raise ValueError("must not have slashes or control characters")
    # Names with a dot are hidden in folders. S3 replaces ${filename} by the name of the posted file.
    if name.startswith(".") or "${filename}" in name:
        raise ValueError("must not begin with a dot, nor have ${filename} in it")
    return name


def caption_upload(
    captioner: Captioner,
    store: CaptionStore,
    bucket: Bucket,
    upload: Upload,
    *,
    observe: Callable[[Refusal], None] = lambda _: None,
) -> Outcome:
    """Caption a picture that has arrived, store and publish the outcome, and return that of its newest known version.

    A picture that cannot be read, or was deleted, has an outcome too. `observe` is called with a picture's refusal.

    Raises:
        UploadReplacedError: another picture replaced it, which has an event of its own.
        BundleError, PictureReaderUnavailableError: the picture cannot be captioned now.
        CaptionStoreError, BucketError: the outcome cannot be stored, or the bucket cannot be used.
    """
    outcome = store.outcome(upload.key)
    if outcome is None or outcome.sequencer < upload.sequencer:
        outcome = store.record(_make(captioner, store, bucket, upload, observe))
    if _can_be_published(upload.key):
        bucket.publish(outcome)
    return outcome


def _make(
    captioner: Captioner, store: CaptionStore, bucket: Bucket, upload: Upload, observe: Callable[[Refusal], None]
) -> Outcome:
    if not _can_be_published(upload.key):
        return Outcome(upload.key, upload.sequencer, reason=f"the key has more than {MAX_KEY_BYTES} bytes")
    picture = None
    try:
        picture = bucket.read(upload, max_bytes=MAX_BYTES)
        found = caption_picture(captioner, store, picture)
    except UploadGoneError:
        return Outcome(upload.key, upload.sequencer)
    except PictureError as error:
        observe(refusal_of(error, picture))
        return Outcome(upload.key, upload.sequencer, reason=str(error))
    caption = Caption(found.caption, found.confidence, found.model_version)
    return Outcome(upload.key, upload.sequencer, caption=caption, sure=found.sure)


def _can_be_published(key: str) -> bool:
    return len(key.encode()) <= MAX_KEY_BYTES
