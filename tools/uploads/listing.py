"""What lies in the upload bucket, and what became of each picture by the caption store."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from captioning.buckets.port import UPLOADS
from captioning.stores.port import CaptionStore
from storage.urls import Folder, S3Place
from tools.stack import connect, told

PENDING = "pending"
"""The status of a picture that has no outcome yet; the others are `captioning.outcomes.Status`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An object under `uploads/`. `size` is in bytes."""

    key: str
    size: int
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """A picture, its status, and its caption or the reason why it has none; empty while it is pending."""

    picture: Picture
    status: str
    said: str

    def to_plain(self) -> dict[str, str | int]:
        """Return the row as one object of JSON."""
        return {
            "key": self.picture.key,
            "status": self.status,
            "size": self.picture.size,
            "uploaded_at": self.picture.uploaded_at.isoformat(),
            "said": self.said,
        }


def rows(place: Folder | S3Place, store: CaptionStore, prefix: str = UPLOADS) -> Iterator[ListedUpload]:
    """Yield a row per picture whose key begins with `prefix`, in the order of the keys.

    Raises:
        StackError, OSError: the bucket, or the folder, cannot be listed.
        CaptionStoreError: the store cannot be used.
    """
    for picture in _in_folder(place, prefix) if isinstance(place, Folder) else _in_s3(place, prefix):
        outcome = store.outcome(picture.key)
        if outcome is None:
            yield ListedUpload(picture, PENDING, "")
        else:
            said = outcome.caption.text if outcome.caption else outcome.reason or ""
            yield ListedUpload(picture, outcome.status.value, said)


def _in_s3(place: S3Place, prefix: str) -> Iterator[Picture]:
    client = connect("s3", region_name=place.region, endpoint_url=place.endpoint)
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix))
    while True:
        with told():
            page = next(pages, None)
        if page is None:
            return
        for one in page.get("Contents", ()):
            # A console's "folder" is no picture.
            if not one["Key"].endswith("/"):
                yield Picture(one["Key"], one["Size"], one["LastModified"].astimezone(UTC))


def _in_folder(place: Folder, prefix: str) -> Iterator[Picture]:
    found = []
    for folder, below, names in os.walk(place.path / UPLOADS):
        # Other programs' own files, as the watcher has it.
        below[:] = [name for name in below if not name.startswith(".")]
        found += [os.path.join(folder, name) for name in names if not name.startswith(".")]  # noqa: PTH118 - many of them
    keyed = sorted((os.path.relpath(path, place.path).replace(os.sep, "/"), path) for path in found)
    for key, path in keyed:
        if key.startswith(prefix):
            state = os.stat(path)  # noqa: PTH116 - as above
            yield Picture(key, state.st_size, datetime.fromtimestamp(state.st_ctime, UTC))
