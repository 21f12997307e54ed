"""What says that a picture has arrived: a notification of S3, whichever way it came.

| Way | What the function gets |
| --- | --- |
| S3 to Lambda | `Records` of S3 |
| S3 to SNS to Lambda | `Records` of SNS, each with S3's event as the text `Sns.Message` |
| S3 to SQS to Lambda | `Records` of SQS, each with S3's event as the text `body` |
| S3 to SNS to SQS to Lambda | likewise with SNS's envelope as `body`, or with S3's event ("raw message delivery") |
| S3 to EventBridge to Lambda | one event, `Object Created`; its key is plain, where S3's are encoded as in forms |
| S3 to EventBridge to SNS or SQS | that event in place of S3's |
| any queue to EventBridge Pipes to Lambda | the list of the records alone |

What SQS delivers is known by its id, so that the queue can be told which messages to deliver again. A message of SQS
may also be what lay in a dead-letter queue: an event of any of these ways.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from captioning.buckets.port import UPLOADS
from captioning.outcomes import Upload, comparable
from web.events import EventError, described

_DEEPEST = 5
"""Envelopes in envelopes: an event from a dead-letter queue, by way of SQS and SNS, has four."""

_CREATED_BY_EVENTBRIDGE = "Object Created"
_WAYS = "this function takes what S3 announces, directly or by way of SNS, SQS or EventBridge"


@dataclass(frozen=True, slots=True)
class Announced:
    """A picture that has arrived, and the bucket that it is in."""

    bucket: str
    upload: Upload

    @property
    def facts(self) -> Mapping[str, object]:
        """What a log line says of it."""
        return {"bucket": self.bucket, "key": self.upload.key, "sequencer": self.upload.sequencer}


@dataclass(frozen=True, slots=True)
class Ignored:
    """What announces no picture, and why that is no error."""

    why: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failed:
    """A part of an event that is not a notification of S3."""

    error: EventError
    part: object

    @property
    def facts(self) -> Mapping[str, object]:
        """What a log line says of it."""
        return {"part": self.part}


Notification = Announced | Ignored | Failed


@dataclass(frozen=True, slots=True)
class Message:
    """What is done or tried again as a whole: a message of SQS with its id, or all of another event."""

    id: str | None
    notifications: tuple[Notification, ...]


def messages(event: object) -> tuple[Message, ...]:
    """Return the messages of `event`, whatever it is wrapped in: a part that is not S3's does not hide the others.

    Raises:
        EventError: the event as a whole is neither S3's nor an envelope of it.
    """
    if isinstance(event, list):
        event = {"Records": event}
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list) and any(_source(record) == "aws:sqs" for record in records):
        return tuple(_of_queue(record) for record in records)
    found = tuple(_notifications(event, depth=0))
    # A lone event has nothing beside it that could still be done.
    if not isinstance(records, list) and len(found) == 1 and isinstance(found[0], Failed):
        raise found[0].error
    return (Message(None, found),)


def _of_queue(record: Any) -> Message:
    identity = record.get("messageId") if isinstance(record, dict) else None
    return Message(str(identity or ""), tuple(_of_record(record, depth=0)))


def _notifications(event: object, *, depth: int) -> Iterator[Notification]:
    if depth > _DEEPEST:
        yield Failed(EventError(f"not an event of S3: there are over {_DEEPEST} envelopes around it"), event)
        return
    if not isinstance(event, dict):
        yield Failed(_not_of_s3(event), event)
    elif isinstance(event.get("Records"), list):
        for record in event["Records"]:
            yield from _of_record(record, depth=depth)
    elif event.get("Event") == "s3:TestEvent":
        yield Ignored("S3 has tested the notification", {"bucket": event.get("Bucket")})
    elif event.get("source") == "aws.s3" and "detail-type" in event:
        yield _of_eventbridge(event)
    elif "Message" in event and event.get("Type") == "Notification":
        yield from _unwrapped(event["Message"], "the message of SNS", depth=depth)
    else:
        yield Failed(_not_of_s3(event), event)


def _of_record(record: Any, *, depth: int) -> Iterator[Notification]:
    match _source(record):
        case "aws:sns":
            envelope = record.get("Sns")
            message = envelope.get("Message") if isinstance(envelope, dict) else None
            yield from _unwrapped(message, "the message of SNS", depth=depth)
        case "aws:sqs":
            yield from _unwrapped(record.get("body"), "the message of SQS", depth=depth)
        case source if source in {"aws:s3", None} or "s3" in record:
            yield _of_s3(record)
        case source:
            yield Failed(EventError(f"not a record of S3: it is one of {source[:100]}; {_WAYS}"), record)


def _unwrapped(text: object, what: str, *, depth: int) -> Iterator[Notification]:
    try:
        event = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        event = None
    if event is None:
        yield Failed(EventError(f"not an event of S3: {what} is not JSON; {_WAYS}"), text)
    else:
        yield from _notifications(event, depth=depth + 1)


def _of_s3(record: Any) -> Notification:
    if not isinstance(record, dict):
        return Failed(EventError(f"not a record of S3: it is {described(record)}; {_WAYS}"), record)
    try:
        # Storage that speaks S3's language may begin its names so.
        what = record["eventName"].removeprefix("s3:")
        bucket, found = record["s3"]["bucket"]["name"], record["s3"]["object"]
        # S3 writes keys as forms do: a plus sign is a space.
        key = unquote_plus(found["key"], errors="strict")
        if not what.startswith("ObjectCreated:"):
            return _ignored(key, what)
        upload = Upload(key, comparable(found["sequencer"]), found.get("versionId"), found.get("eTag"))
        return _announced(bucket, upload, what)
    except KeyError as error:
        return Failed(EventError(f"not a record of S3: it has no {error.args[0]}; {_WAYS}"), record)
    except (TypeError, AttributeError, ValueError) as error:
        return Failed(EventError(f"not a record of S3: {error}; {_WAYS}"), record)


def _of_eventbridge(event: Mapping[str, Any]) -> Notification:
    try:
        what, detail = event["detail-type"], event["detail"]
        bucket, found = detail["bucket"]["name"], detail["object"]
        if what != _CREATED_BY_EVENTBRIDGE:
            return _ignored(found["key"], what)
        upload = Upload(found["key"], comparable(found["sequencer"]), found.get("version-id"), found.get("etag"))
        return _announced(bucket, upload, what)
    except KeyError as error:
        return Failed(EventError(f"not EventBridge's event of an object of S3: it has no {error.args[0]}"), event)
    except (TypeError, AttributeError, ValueError) as error:
        return Failed(EventError(f"not EventBridge's event of an object of S3: {error}"), event)


def _announced(bucket: object, upload: Upload, what: str) -> Announced | Ignored:
    if not isinstance(bucket, str) or not isinstance(upload.key, str):
        raise TypeError("its bucket and its key must be texts")
    # A console's "folder" is an empty object whose key ends in a slash.
    if not upload.key.startswith(UPLOADS) or upload.key.endswith("/"):
        return _ignored(upload.key, what)
    return Announced(bucket, upload)


def _ignored(key: str, what: object) -> Ignored:
    return Ignored("an event was ignored: it is not of a picture that has arrived", {"key": key, "event_name": what})


def _source(record: Any) -> str | None:
    """Return what a record says it is of; S3 and SQS write the name small, SNS large."""
    found = (record.get("eventSource") or record.get("EventSource")) if isinstance(record, dict) else None
    return None if found is None else str(found)


def _not_of_s3(event: object) -> EventError:
    return EventError(f"not an event of S3: {described(event)}; {_WAYS}")
