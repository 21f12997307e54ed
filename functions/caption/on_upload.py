"""The upload function: S3 says that pictures have arrived, and each is captioned.

Lambda calls it again when it raises, twice, and then leaves the event to the dead-letter queue. So it raises only for
what may pass or a person must mend (storage, models), and only once all pictures of the event that can be done are
done. A picture that cannot be read is an outcome and not an error. What is not under `uploads/`, above all what it has
written itself, and what is not a new picture, it leaves alone.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from captioning.buckets.port import UPLOADS
from captioning.errors import UploadReplacedError
from captioning.outcomes import Upload, comparable
from captioning.uploads import caption_upload
from functions.caption.resources import bucket, metrics, service, settings, store, warm_up
from web import logs
from web.entry import observed
from web.metrics import Metric

log = logs.logger("uploads", level=settings.log_level.upper())
warm_up(log)


class EventError(ValueError):
    """The event is not S3's; no retry will mend it, and the dead-letter queue keeps it for a person to look at."""


class UnfinishedError(Exception):
    """Some pictures of an event have no outcome yet; their errors are in the log."""


def caption_uploads(event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Caption the pictures that `event` announces; give the key and the status of each, for whoever calls by hand.

    Raises EventError or UnfinishedError.
    """
    logs.request_id.set(getattr(context, "aws_request_id", None))
    if event.get("Event") == "s3:TestEvent":
        log.info("S3 has tested the notification", bucket=event.get("Bucket"))
        return {"uploads": []}
    try:
        records = list(event["Records"])
    except (KeyError, TypeError) as error:
        raise EventError("not an event of S3: it has no list of records") from error
    done, errors = [], []
    for record in records:
        try:
            if announced := _announced(record):
                done.append(_caption(*announced))
        except Exception as error:
            # Whatever befalls one picture, the others are done first.
            log.exception("an upload is unfinished", record=record)
            errors.append(error)
    if errors:
        raise UnfinishedError(f"{len(errors)} of {len(records)} records: {errors[0]}") from errors[0]
    return {"uploads": done}


def _announced(record: Mapping[str, Any]) -> tuple[str, Upload] | None:
    """The bucket's name and the picture that has arrived there; None if the record is of something else."""
    try:
        what = record["eventName"]
        bucket_name, found = record["s3"]["bucket"]["name"], record["s3"]["object"]
        # S3 writes keys as forms do: a plus sign is a space.
        key = unquote_plus(found["key"], errors="strict")
        # A console's "folder" is an empty object whose key ends in a slash.
        if not what.startswith("ObjectCreated:") or not key.startswith(UPLOADS) or key.endswith("/"):
            log.info("an event was ignored: it is not of a picture that has arrived", key=key, event_name=what)
            return None
        return bucket_name, Upload(key, comparable(found["sequencer"]), found.get("versionId"), found.get("eTag"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise EventError(f"not a record of S3: {error!r}") from error


def _caption(bucket_name: str, upload: Upload) -> dict[str, str]:
    began = time.perf_counter()
    try:
        status = caption_upload(service().captioner(), store(), bucket(bucket_name), upload).status.value
    except UploadReplacedError:
        # Not an outcome: the picture that took its place is announced by itself.
        status = "replaced"
    seconds = time.perf_counter() - began
    metrics.lasted(Metric.CAPTION_LATENCY, seconds)
    log.info("upload", key=upload.key, status=status, duration_ms=round(seconds * 1000, 1))
    return {"key": upload.key, "status": status}


handler = observed(caption_uploads, metrics)
