"""The upload function: captions each picture that an event of S3 announces.

When the function raises, Lambda calls it with the same event twice more, and then puts the event into the dead-letter
queue. The function therefore raises only for errors of storage and models, which may pass or need a person, and only
after it has captioned every picture of the event that it can. A picture that cannot be read is no error. Records are
ignored if their key is not under `uploads/` (the captions that this function writes are not) or if they do not announce
a new object.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from captioning.buckets.port import UPLOADS
from captioning.errors import UploadReplacedError
from captioning.outcomes import Upload, comparable
from captioning.uploads import caption_upload
from functions.caption.resources import Resources
from web import logs
from web.entry import Handler, observed
from web.metrics import Metric


class EventError(ValueError):
    """The event is not one of S3's. A retry does not help; the dead-letter queue keeps the event for a person."""


class UnfinishedError(Exception):
    """Some pictures of an event have no outcome yet; their errors are in the log."""


class _UploadFunction:
    """The function and its resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._log = logs.logger("uploads", level=resources.settings.log_level.upper())
        resources.warm_up(self._log)

    def caption_uploads(self, event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
        """Caption the pictures that `event` announces, and return the key and the status of each.

        Lambda ignores the result of an asynchronous call; it is for people who call the function by hand.

        Raises:
            EventError: the event is not S3's.
            UnfinishedError: some pictures have no outcome yet; all others are done.
        """
        logs.request_id.set(getattr(context, "aws_request_id", None))
        if event.get("Event") == "s3:TestEvent":
            self._log.info("S3 has tested the notification", bucket=event.get("Bucket"))
            return {"uploads": []}
        try:
            records = list(event["Records"])
        except (KeyError, TypeError) as error:
            raise EventError("not an event of S3: it has no list of records") from error
        done, errors = [], []
        for record in records:
            try:
                if announced := self._announced(record):
                    done.append(self._caption(*announced))
            except Exception as error:  # noqa: BLE001
                # Caption the other pictures first, whatever is wrong with this one.
                self._log.exception("an upload is unfinished", record=record)
                errors.append(error)
        if errors:
            raise UnfinishedError(f"{len(errors)} of {len(records)} records: {errors[0]}") from errors[0]
        return {"uploads": done}

    def _announced(self, record: Mapping[str, Any]) -> tuple[str, Upload] | None:
        """Return the bucket's name and the new picture in it; None if the record announces something else."""
        try:
            what = record["eventName"]
            bucket_name, found = record["s3"]["bucket"]["name"], record["s3"]["object"]
            # S3 writes keys as forms do: a plus sign is a space.
            key = unquote_plus(found["key"], errors="strict")
            # A console's "folder" is an empty object whose key ends in a slash.
            if not what.startswith("ObjectCreated:") or not key.startswith(UPLOADS) or key.endswith("/"):
                self._log.info(
                    "an event was ignored: it is not of a picture that has arrived", key=key, event_name=what
                )
                return None
            return bucket_name, Upload(key, comparable(found["sequencer"]), found.get("versionId"), found.get("eTag"))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise EventError(f"not a record of S3: {error!r}") from error

    def _caption(self, bucket_name: str, upload: Upload) -> dict[str, str]:
        resources, began = self._resources, time.perf_counter()
        try:
            status = caption_upload(
                resources.service.captioner(),
                resources.store,
                resources.bucket(bucket_name),
                upload,
                observe=resources.refused,
            ).status.value
        except UploadReplacedError:
            # Not an outcome: the picture that replaced it has an event of its own.
            status = "replaced"
        seconds = time.perf_counter() - began
        resources.metrics.lasted(Metric.CAPTION_LATENCY, seconds)
        self._log.info("upload", key=upload.key, status=status, duration_ms=round(seconds * 1000, 1))
        return {"key": upload.key, "status": status}


def build(resources: Resources) -> Handler:
    """Build the function: the handler that Lambda calls."""
    return observed(_UploadFunction(resources).caption_uploads, resources.metrics)
