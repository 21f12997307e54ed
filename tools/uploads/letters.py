"""The dead-letter queue of uploads: Lambda puts an event there once three attempts have failed.

A letter's body is the event as it came. Its attributes have the error of the last attempt (AWS Lambda Developer Guide,
"Dead-letter queues").
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from tools.stack import StackError, told

HELD_SECONDS = 900
"""For which letters that were received are hidden from others; more than a queue of some thousands takes."""

_BATCH = 10  # letters in one request: SQS's own limit
_WAIT_SECONDS = 1  # with any wait SQS asks all of its servers
_DEEPEST = 8  # levels of what wraps an event: SNS, SQS and EventBridge need fewer


_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}")


def region_of(url: str) -> str | None:
    """Return the region that a queue's URL names; None if it names none, as an emulator's.

    Raises:
        StackError: it is no queue's URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise StackError(
            f"a queue is named by its URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/letters: {url}"
        )
    return next((label for label in parts.hostname.split(".") if _REGION.fullmatch(label)), None)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `receipt` is what SQS takes to delete it, `error` what the last attempt failed with."""

    id: str
    receipt: str
    body: str
    error: str
    sent_at: datetime

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the pictures that the event announces; none if it is no event of S3."""
        try:
            return tuple(_keys(json.loads(self.body), _DEEPEST))
        except ValueError:
            return ()


class Queue:
    """The queue at `url`. Every method but `__init__` raises StackError."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def count(self) -> int:
        """Return about how many letters there are."""
        name = "ApproximateNumberOfMessages"
        with told():
            found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def letters(self) -> Generator[Letter]:
        """Receive each letter that is there now, once, and hide it from others meanwhile.

        A letter that comes later, by SQS's own clock, may be of an event that was given again and has failed again.
        """
        seen: set[str] = set()
        end: datetime | None = None
        while True:
            with told():
                found = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=HELD_SECONDS,
                    WaitTimeSeconds=_WAIT_SECONDS,
                    AttributeNames=["SentTimestamp"],
                    MessageAttributeNames=["All"],
                )
            end = end or _answered_at(found) + timedelta(seconds=1)
            received = [_letter(message) for message in found.get("Messages", ())]
            new = [letter for letter in received if letter.id not in seen]
            if not new:
                return
            seen.update(letter.id for letter in new)
            try:
                while new:
                    letter = new.pop(0)
                    if letter.sent_at <= end:
                        yield letter
                    else:
                        self.release([letter])
            finally:
                # Whoever asks for no more leaves these.
                self.release(new)

    def delete(self, letter: Letter) -> None:
        """Delete a letter."""
        with told():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    def release(self, letters: Sequence[Letter]) -> None:
        """Let others receive these letters again at once."""
        for start in range(0, len(letters), _BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(letters[start : start + _BATCH])
            ]
            with told():
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def _answered_at(answer: dict[str, Any]) -> datetime:
    """Return when SQS gave an answer, to the second; this machine's clock may be another's."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(said) if said else datetime.now(UTC)


def _letter(message: dict[str, Any]) -> Letter:
    attributes = message.get("MessageAttributes", {})
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        error=attributes.get("ErrorMessage", {}).get("StringValue", "no reason is known"),
        sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
    )


def _keys(node: object, deep: int) -> Iterator[str]:
    """Yield the keys of the objects in an event, also in one that SNS, SQS or EventBridge wraps."""
    if deep == 0:
        return
    if isinstance(node, str) and node.startswith("{"):
        try:
            yield from _keys(json.loads(node), deep - 1)
        except ValueError:
            return
    elif isinstance(node, list):
        for one in node:
            yield from _keys(one, deep - 1)
    elif isinstance(node, dict):
        if isinstance(found := node.get("object"), dict) and isinstance(key := found.get("key"), str):
            # S3 itself writes keys as forms do, EventBridge writes them plainly.
            yield unquote_plus(key) if "s3SchemaVersion" in node else key
        for one in node.values():
            yield from _keys(one, deep - 1)
