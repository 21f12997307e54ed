"""The caption store in a DynamoDB table: one item per caption and per outcome, under the partition key `pk`.

The table's TTL deletes an item by its `expires_at`, 90 days after it was written. Readers ignore `expires_at`, because
an old caption is still right. Keys of captions begin with a hash and those of outcomes with `uploads/`, so that they
cannot be equal. An outage delays a request by less than a second per call: time-outs are short, and a second attempt is
made only if the first failed at once. Name resolution of the endpoint is not within these time-outs. This module makes
no table.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from captioning.caption import Alternative, Caption
from captioning.errors import CAPTION_STORE_ERRORS, CaptionStoreDamagedError, CaptionStoreUrlError
from captioning.outcomes import Outcome
from captioning.stores.port import CaptionStore
from captioning.stores.records import load_caption, load_outcome
from storage.clients import ClientSettingsError
from storage.deadline import Deadline
from storage.documents import Node
from storage.table import MAX_KEYS, CallLimits, LostRaceError, Put, Row, Table, Value
from storage.urls import TablePlace

LIFETIME_SECONDS = 90 * 24 * 60 * 60
# The pause is random, so that callers that were throttled together do not retry together.
LIMITS = CallLimits(connect_seconds=0.3, read_seconds=0.4, attempts=2, pause_seconds=0.05, retry_after=1)
# After a failure within this time a second attempt is made; after a time-out it is faster to make the caption.
RETRY_WITHIN_SECONDS = 0.2

_Read = TypeVar("_Read")


class DynamoDbCaptionStore(CaptionStore):
    """Captions in the table at `place`, whose partition key is the string `pk`."""

    def __init__(self, place: TablePlace) -> None:
        """Prepare a client, without a request to the table yet.

        Raises:
            CaptionStoreUrlError: AWS's settings lack a region, or do not make a client.
        """
        self._place = place
        self._table = Table(place, errors=CAPTION_STORE_ERRORS, limits=LIMITS)
        try:
            self._table.connect()
        except ClientSettingsError as error:
            raise CaptionStoreUrlError(str(error)) from error

    def get(self, key: str) -> Caption | None:
        """See CaptionStore."""
        row = self._table.get(key, None, _deadline())
        return None if row is None else self._read(key, row, _caption)

    def put(self, key: str, caption: Caption) -> None:
        """See CaptionStore."""
        # If the condition fails, the item is an earlier caption or this one, whose answer was lost: both are right.
        row = {
            "pk": key,
            **_saying(caption),
            "alternatives": tuple(_saying(one) for one in caption.alternatives),
            "model_version": caption.model_version,
        }
        self._put(row, "attribute_not_exists(pk)", {})

    def outcome(self, key: str) -> Outcome | None:
        """See CaptionStore."""
        row = self._table.get(key, None, _deadline())
        return None if row is None else self._read(key, row, _outcome)

    def outcomes(self, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """See CaptionStore."""
        found: dict[str, Outcome] = {}
        # One deadline per request: the time is for a second attempt, and not for all of them together.
        for start in range(0, len(keys), MAX_KEYS):
            asked = [(key, None) for key in keys[start : start + MAX_KEYS]]
            for row in self._table.get_many(asked, _deadline()):
                outcome = self._read(str(row.get("pk")), row, _outcome)
                found[outcome.key] = outcome
        return found

    def record(self, outcome: Outcome) -> Outcome:
        """See CaptionStore."""
        row: dict[str, Value] = {"pk": outcome.key, "sequencer": outcome.sequencer}
        if outcome.caption is not None:
            row |= {**_saying(outcome.caption), "model_version": outcome.caption.model_version}
            if outcome.sure is not None:
                row["sure"] = int(outcome.sure)
        if outcome.reason is not None:
            row["reason"] = outcome.reason
        # DynamoDB compares strings by their UTF-8 bytes, which is the order of sequencers.
        newer = "attribute_not_exists(pk) OR sequencer < :sequencer"
        written = self._put(row, newer, {":sequencer": outcome.sequencer})
        return outcome if written else self.outcome(outcome.key) or outcome

    def close(self) -> None:
        """See CaptionStore."""
        self._table.close()

    def _put(self, row: Row, condition: str, values: Row) -> bool:
        """Write the row and return True; return False if the condition did not hold."""
        row = {**row, "expires_at": int(time.time()) + LIFETIME_SECONDS}
        try:
            self._table.put(Put(row, condition, values), _deadline())
        except LostRaceError:
            return False
        return True

    def _read(self, key: str, row: Row, read: Callable[[Row], _Read]) -> _Read:
        try:
            return read(row)
        except KeyError as error:
            raise CaptionStoreDamagedError(f"{self._place}: the item of {key!r} lacks {error}") from error
        except ValueError as error:
            raise CaptionStoreDamagedError(f"{self._place}: the item of {key!r} is damaged: {error}") from error


def _deadline() -> Deadline:
    return Deadline(RETRY_WITHIN_SECONDS + LIMITS.pause_seconds)


def _saying(said: Caption | Alternative) -> dict[str, Value]:
    # As text: DynamoDB's numbers are at least 1e-130 in size, and a float may be smaller.
    return {"text": said.text, "confidence": repr(said.confidence)}


def _caption(row: Row) -> Caption:
    alternatives = Node(row["alternatives"], "alternatives").entries()
    others = [(one.get("text").value, _number(one.get("confidence"))) for one in alternatives]
    confidence = _number(Node(row["confidence"], "confidence"))
    return load_caption(row["text"], confidence, row["model_version"], others)


def _outcome(row: Row) -> Outcome:
    made: tuple[object, ...] = (None, None, None)
    if {"text", "confidence", "model_version"} & row.keys():
        made = (row["text"], _number(Node(row["confidence"], "confidence")), row["model_version"])
    return load_outcome(row["pk"], row["sequencer"], row.get("reason"), made, row.get("sure"))


def _number(node: Node) -> float:
    return float(node.text())
