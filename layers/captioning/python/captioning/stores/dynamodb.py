"""The caption store in a DynamoDB table: one item a caption or an outcome, under the partition key `pk`.

An item lives for 90 days from when it was made; the table's TTL then deletes it by `expires_at`, which readers need
not mind: a caption is as right on its last day as on its first. The keys of captions begin with a hash and those of
outcomes with `uploads/`, so that they do not meet. Trouble costs a request less than a second for each
call: time-outs are short, and a second attempt is made only where the first failed at once. It makes no table, and
what the name service takes to find the endpoint is not in its hands.

Every code of the service is turned into one of our errors in one place, `_classed`.
"""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, no answer was begun
    HTTPClientError,
    NoRegionError,
)

from captioning.caption import Alternative, Caption
from captioning.errors import (
    CaptionStoreDamagedError,
    CaptionStoreError,
    CaptionStoreRefusedError,
    CaptionStoreUnavailableError,
    CaptionStoreUrlError,
)
from captioning.outcomes import Outcome
from captioning.stores.port import CaptionStore
from captioning.stores.records import load_caption, load_outcome
from storage.urls import TablePlace

LIFETIME_SECONDS = 90 * 24 * 60 * 60
CONNECT_SECONDS = 0.3
READ_SECONDS = 0.4
# A failure that came sooner is worth a second attempt; after a time-out the caption had better be made.
RETRY_WITHIN_SECONDS = 0.2
# The wait before it, drawn anew each time, so that those who were throttled together come back apart.
MAX_PAUSE_SECONDS = 0.05

# What waiting cures, beside every answer with a status of 500 and above.
_PASSING = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}
_FIRST_SERVER_ERROR = 500

_Item = dict[str, dict[str, Any]]
_Read = TypeVar("_Read")


class DynamoDbCaptionStore(CaptionStore):
    """Captions in the table at `place`, whose partition key is the string `pk`."""

    def __init__(self, place: TablePlace) -> None:
        """Prepare a client; the table is not asked yet. Raises CaptionStoreUrlError if AWS's settings lack a region."""
        self._table = place.name
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            # Botocore's own retries take no account of a deadline; `_run` has ours.
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        session = botocore.session.get_session()
        try:
            self._client: Any = session.create_client(
                "dynamodb", region_name=place.region, endpoint_url=place.endpoint, config=config
            )
        except NoRegionError:
            raise CaptionStoreUrlError(
                f"{place}: no region is known; name it, as in {place}?region=eu-west-1"
            ) from None
        except (BotoCoreError, ValueError) as error:
            raise CaptionStoreUrlError(f"{place}: {error}") from error

    def get(self, key: str) -> Caption | None:
        """See CaptionStore."""
        item = self._item(key)
        return None if item is None else self._read(key, item, _caption)

    def put(self, key: str, caption: Caption) -> None:
        """See CaptionStore."""
        # An earlier caption may stand, or this one, whose acknowledgement was lost: either will do.
        item = {
            "pk": {"S": key},
            **_saying(caption),
            "alternatives": {"L": [{"M": _saying(one)} for one in caption.alternatives]},
            "model_version": {"S": caption.model_version},
        }
        self._put(item, "attribute_not_exists(pk)")

    def outcome(self, key: str) -> Outcome | None:
        """See CaptionStore."""
        item = self._item(key)
        return None if item is None else self._read(key, item, _outcome)

    def record(self, outcome: Outcome) -> Outcome:
        """See CaptionStore."""
        item: _Item = {"pk": {"S": outcome.key}, "sequencer": {"S": outcome.sequencer}}
        if outcome.caption is not None:
            item |= {**_saying(outcome.caption), "model_version": {"S": outcome.caption.model_version}}
        if outcome.reason is not None:
            item["reason"] = {"S": outcome.reason}
        # Strings are compared by their UTF-8 bytes, as a sequencer wants to be.
        written = self._put(
            item,
            "attribute_not_exists(pk) OR sequencer < :sequencer",
            ExpressionAttributeValues={":sequencer": {"S": outcome.sequencer}},
        )
        return outcome if written else self.outcome(outcome.key) or outcome

    def close(self) -> None:
        """See CaptionStore."""
        self._client.close()

    def _item(self, key: str) -> _Item | None:
        found = self._run(
            lambda: self._client.get_item(TableName=self._table, Key={"pk": {"S": key}}, ConsistentRead=True)
        )
        item: _Item | None = (found or {}).get("Item")
        return item

    def _put(self, item: _Item, condition: str, **values: object) -> bool:
        """Whether the item was written; False if the condition did not hold."""
        item = item | {"expires_at": {"N": str(int(time.time()) + LIFETIME_SECONDS)}}
        answer = self._run(
            lambda: self._client.put_item(TableName=self._table, Item=item, ConditionExpression=condition, **values)
        )
        return answer is not None

    def _read(self, key: str, item: _Item, read: Callable[[_Item], _Read]) -> _Read:
        try:
            return read(item)
        except KeyError as error:
            raise CaptionStoreDamagedError(f"dynamodb://{self._table}: the item of {key!r} lacks {error}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise CaptionStoreDamagedError(
                f"dynamodb://{self._table}: the item of {key!r} is damaged: {error}"
            ) from error

    def _run(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """What the service answers, or None if a condition did not hold."""
        began = time.monotonic()
        try:
            return self._attempt(call)
        except CaptionStoreUnavailableError:
            if time.monotonic() - began > RETRY_WITHIN_SECONDS:
                raise
        time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 - jitter, not a secret
        return self._attempt(call)

    def _attempt(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return call()
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        except (ClientError, BotoCoreError) as error:
            raise self._classed(error) from error

    def _classed(self, error: ClientError | BotoCoreError) -> CaptionStoreError:
        message = f"dynamodb://{self._table}: {error}"
        if isinstance(error, ClientError):
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            passing = error.response["Error"]["Code"] in _PASSING or status >= _FIRST_SERVER_ERROR
        else:
            passing = isinstance(error, ConnectionError | HTTPClientError)
        # The rest needs a person: no such table, another key schema, credentials that are expired or not allowed.
        return CaptionStoreUnavailableError(message) if passing else CaptionStoreRefusedError(message)


def _saying(said: Caption | Alternative) -> _Item:
    # The shortest exact text of a float has 17 digits; DynamoDB keeps 38.
    # A text: DynamoDB's numbers end at 1e-130, and a float's do not.
    return {"text": {"S": said.text}, "confidence": {"S": repr(said.confidence)}}


def _caption(item: _Item) -> Caption:
    alternatives = [(_text(one["M"], "text"), _number(one["M"], "confidence")) for one in item["alternatives"]["L"]]
    return load_caption(_text(item, "text"), _number(item, "confidence"), _text(item, "model_version"), alternatives)


def _outcome(item: _Item) -> Outcome:
    made: tuple[object, ...] = (None, None, None)
    if {"text", "confidence", "model_version"} & item.keys():
        made = (_text(item, "text"), _number(item, "confidence"), _text(item, "model_version"))
    reason = _text(item, "reason") if "reason" in item else None
    return load_outcome(_text(item, "pk"), _text(item, "sequencer"), reason, made)


def _text(item: _Item, name: str) -> object:
    return item[name]["S"]


def _number(item: _Item, name: str) -> float:
    return float(item[name]["S"])
