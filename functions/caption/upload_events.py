"""The upload function: captions each picture that S3 announces (`functions.caption.notifications`).

When the function raises, Lambda calls it with the same event twice more, and then puts the event into the dead-letter
queue. The function therefore raises only for errors of storage and models, which may pass or need a person, and for
what is not S3's; and only after it has captioned every picture of the event that it can. A picture that cannot be read
is no error. What is not of a new object under `uploads/` is ignored; the captions that this function writes are not.

A queue of SQS is told which of its messages to deliver again. If that is all of them, the function raises, so that they
are delivered again even where the queue's mapping does not report single failures.
"""

import time
from collections.abc import Mapping
from typing import Any

from captioning.errors import UploadReplacedError
from captioning.uploads import caption_upload
from functions.caption.notifications import Announced, Failed, Ignored, Message, Notification, messages
from functions.caption.resources import Resources
from web import logs
from web.entry import Handler, observed
from web.metrics import Metric


class UnfinishedError(Exception):
    """Some pictures of an event have no outcome yet; their errors are in the log."""


class _UploadFunction:
    """The function and its resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        settings = resources.settings
        self._log = logs.logger("uploads", level=settings.log_level.upper(), form=settings.log_format)
        resources.warm_up(self._log)

    def caption_uploads(self, event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
        """Caption the pictures that `event` announces, and return the key and the status of each.

        Of an event of SQS it returns the ids of the messages to deliver again, as Lambda wants it. Otherwise Lambda
        ignores the result; it is for people who call the function by hand.

        Raises:
            EventError: the event is neither S3's nor an envelope of it.
            UnfinishedError: some pictures have no outcome yet; all others are done. Of SQS: all messages are
                unfinished.
        """
        logs.request_id.set(getattr(context, "aws_request_id", None))
        done: list[dict[str, str]] = []
        failed: list[Message] = []
        errors: list[Exception] = []
        found = messages(event)
        for message in found:
            begun = len(errors)
            for one in message.notifications:
                try:
                    if (status := self._handle(one)) is not None:
                        done.append(status)
                except Exception as error:  # noqa: BLE001
                    # Caption the other pictures first, whatever is wrong with this one.
                    self._log.exception("an upload is unfinished", extra=one.facts)
                    errors.append(error)
            if len(errors) > begun:
                failed.append(message)
        if failed and len(failed) == len(found):
            count = sum(len(message.notifications) for message in found)
            raise UnfinishedError(f"{len(errors)} of {count} records: {errors[0]}") from errors[0]
        if _is_of_queue(found):
            return {"batchItemFailures": [{"itemIdentifier": message.id or ""} for message in failed]}
        return {"uploads": done}

    def _handle(self, notification: Notification) -> dict[str, str] | None:
        """Caption what is announced, and return its key and status; None if there is nothing to do."""
        match notification:
            case Failed(error=error):
                raise error
            case Ignored(why=why, facts=facts):
                self._log.info(why, extra=facts)
                return None
            case Announced():
                return self._caption(notification)

    def _caption(self, announced: Announced) -> dict[str, str]:
        resources, upload, began = self._resources, announced.upload, time.perf_counter()
        try:
            bucket = resources.bucket(announced.bucket)
            captioner = resources.service.captioner()
            status = caption_upload(captioner, resources.store, bucket, upload, observe=resources.refused).status.value
        except UploadReplacedError:
            # Not an outcome: the picture that replaced it has an event of its own.
            status = "replaced"
        seconds = time.perf_counter() - began
        resources.metrics.lasted(Metric.CAPTION_LATENCY, seconds)
        self._log.info("upload", key=upload.key, status=status, duration_ms=round(seconds * 1000, 1))
        return {"key": upload.key, "status": status}


def _is_of_queue(found: tuple[Message, ...]) -> bool:
    return any(message.id is not None for message in found)


def build(resources: Resources) -> Handler:
    """Build the function: the handler that Lambda calls."""
    return observed(_UploadFunction(resources).caption_uploads, resources.metrics)
