"""One DynamoDB table with the keys `pk` and `sk`: calls, time-outs, retries, and the service's errors made ours.

Every read is strongly consistent. Every call belongs to a `Deadline`, so that a caller waits for a bounded time however
the service fails; that is why the retries are ours and not botocore's, which knows of no deadline. Service codes are
turned into our errors in one place, `_translate`, by code and never by message. It knows nothing of what rows mean.

botocore alone, without boto3 on top: the same client, a tenth of a second of a cold start cheaper.
"""

import os
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for all that can go wrong on the way
    HTTPClientError,
)

from tuning.errors import StoreCorruptError, StoreRefusedError, StoreUnavailableError

CONNECT_TIMEOUT, READ_TIMEOUT = 1.0, 2.0  # seconds
# Seconds after which no further attempt begins: of an operation, and of one that may lose races.
PATIENCE, RACING_PATIENCE = 4.0, 10.0
ATTEMPTS = 3  # of one call
RETRY_AFTER = 2  # seconds after which to try again what could not be done
MAX_CHANGES = 100  # of one transaction, as the service has it
MAX_KEYS = 100  # of one call that gets rows by their keys, as the service has it

_MAX_PAUSE = 0.4  # seconds between two attempts: about what sixteen writers at once need to be done
_BASE_PAUSE = 0.05

_UNAVAILABLE = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
_LOST = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
_CONTENDED = frozenset({"TransactionConflict", "TransactionConflictException"})
_SERVER_ERROR = 500  # the first HTTP status by which a service says that the fault is its own

Row = Mapping[str, str | int | bytes]


class LostRaceError(Exception):
    """Others were there first, and nothing was written. Not for callers of the store: it is retried or explained.

    `rows` are those whose condition did not hold, by the place of the change; none if others were only in the way.
    """

    def __init__(self, rows: Mapping[int, Row]) -> None:
        super().__init__("others were there first")
        self.rows = rows


class Deadline:
    """The patience of one store operation, in seconds."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._end = time.monotonic() + patience

    @property
    def is_over(self) -> bool:
        """Whether nothing further may begin."""
        return time.monotonic() >= self._end

    def pause(self, attempt: int) -> bool:
        """Waits before another attempt, at random and longer each time; False if that would be too late."""
        # "Full jitter": those who collided once must not collide again.
        pause = random.uniform(0, min(_MAX_PAUSE, _BASE_PAUSE * 2**attempt))  # noqa: S311 - no secret
        if time.monotonic() + pause >= self._end:
            return False
        time.sleep(pause)
        return True


@dataclass(frozen=True, slots=True)
class Put:
    """A row to be written if the condition, if there is one, holds for what is in its place."""

    row: Row
    condition: str = ""
    values: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """A row to be removed if the condition holds for what is in its place."""

    pk: str
    sk: str
    condition: str
    values: Row = field(default_factory=dict)


class Table:
    """The table of that name; nothing is read or written before the first call.

    `region` and `endpoint` default to what the environment says. Every method may raise StoreUnavailableError and
    StoreRefusedError; those that write, LostRaceError.
    """

    def __init__(self, name: str, *, region: str | None = None, endpoint: str | None = None) -> None:
        self._name = name
        self._region = region
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._client: Any = None
        self._process = os.getpid()

    def get(self, pk: str, sk: str, deadline: Deadline) -> Row | None:
        """The row of that key."""
        key = _encode({"pk": pk, "sk": sk})
        answer = self._call("get_item", deadline, TableName=self._name, Key=key, ConsistentRead=True)
        return _decode(answer["Item"]) if "Item" in answer else None

    def query(
        self,
        pk: str,
        low: str,
        high: str,
        deadline: Deadline,
        *,
        newest_first: bool = False,
        page: int | None = None,
    ) -> Iterator[Row]:
        """The rows of a partition whose `sk` lies within [low, high], in its order or the reverse.

        They are read as they are asked for, a megabyte at a time; with `page`, first that many and then four times as
        many each time.
        """
        if low > high:
            return
        parameters: dict[str, object] = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :low AND :high",
            "ExpressionAttributeValues": _encode({":pk": pk, ":low": low, ":high": high}),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        while True:
            if page:
                parameters["Limit"] = page
                page *= 4
            answer = self._call("query", deadline, **parameters)
            if "Items" not in answer:
                raise StoreCorruptError(f"table {self._name} answered a query of {pk} without any list of items")
            yield from map(_decode, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def get_many(self, keys: Iterable[tuple[str, str]], deadline: Deadline) -> Iterator[Row]:
        """The rows that there are of those keys, each a `pk` and a `sk`, in no particular order.

        Keys that differ are asked for, a hundred at a time.
        """
        waiting = [_encode({"pk": pk, "sk": sk}) for pk, sk in keys]
        attempt = 0
        while waiting:
            asked, waiting = waiting[:MAX_KEYS], waiting[MAX_KEYS:]
            wanted = {self._name: {"Keys": asked, "ConsistentRead": True}}
            answer = self._call("batch_get_item", deadline, RequestItems=wanted)
            yield from map(_decode, answer.get("Responses", {}).get(self._name, ()))
            if left := answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys"):
                waiting += left
                attempt += 1
                if not deadline.pause(attempt):
                    raise self._too_late()

    def put(self, put: Put, deadline: Deadline) -> None:
        """Writes one row."""
        self._call("put_item", deadline, TableName=self._name, Item=_encode(put.row), **_condition(put))

    def transact(self, changes: Sequence[Put | Delete], deadline: Deadline) -> None:
        """Makes up to MAX_CHANGES changes, to as many rows, or none."""
        items = []
        for change in changes:
            condition = {**_condition(change), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
            if isinstance(change, Put):
                items.append({"Put": {"TableName": self._name, "Item": _encode(change.row), **condition}})
            else:
                key = _encode({"pk": change.pk, "sk": change.sk})
                items.append({"Delete": {"TableName": self._name, "Key": key, **condition}})
        # One token for all attempts: an attempt whose answer was lost is not made twice.
        token = str(uuid.uuid4())
        self._call("transact_write_items", deadline, TransactItems=items, ClientRequestToken=token)

    def close(self) -> None:
        """Drops the connections; the next call makes new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, operation: str, deadline: Deadline, **parameters: object) -> Any:
        attempt = 0
        while True:
            # Many calls that are answered slowly take as long as one that is not answered.
            if deadline.is_over:
                raise self._too_late()
            try:
                return getattr(self._connected(), operation)(**parameters)
            except (ClientError, BotoCoreError) as error:
                failure = self._translate(error)
                attempt += 1
                patient = isinstance(failure, StoreUnavailableError) and attempt < ATTEMPTS
                if not patient or not deadline.pause(attempt):
                    raise failure from error

    def _connected(self) -> Any:
        with self._lock:
            # A forked child must not speak over its parent's connections.
            if self._client is None or self._process != os.getpid():
                config = Config(
                    connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT, retries={"total_max_attempts": 1}
                )
                self._client = botocore.session.get_session().create_client(
                    "dynamodb", region_name=self._region, endpoint_url=self._endpoint, config=config
                )
                self._process = os.getpid()
            return self._client

    def _too_late(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"table {self._name} answers too slowly", retry_after=RETRY_AFTER)

    def _translate(self, error: Exception) -> Exception:
        """Our error for one of the service's, or of the way there."""
        if isinstance(error, ClientError):
            return self._translate_codes(error)
        if isinstance(error, ConnectionError | HTTPClientError):
            return StoreUnavailableError(f"table {self._name} cannot be reached: {error}", retry_after=RETRY_AFTER)
        # What is left is of the deployment's making: no credentials, no region, a profile that is not there.
        return StoreRefusedError(f"table {self._name} cannot be used: {error}")

    def _translate_codes(self, error: ClientError) -> Exception:
        answer = error.response
        code, status = answer["Error"]["Code"], answer["ResponseMetadata"].get("HTTPStatusCode", 0)
        reasons = answer.get("CancellationReasons", [])
        codes = {code} if code != "TransactionCanceledException" else {reason["Code"] for reason in reasons} - {"None"}
        if codes & _UNAVAILABLE or status >= _SERVER_ERROR:
            message = f"table {self._name} cannot be used now: {', '.join(sorted(codes))}"
            return StoreUnavailableError(message, retry_after=RETRY_AFTER)
        if codes <= _LOST | _CONTENDED:
            lost = {
                place: _decode(reason.get("Item", {}))
                for place, reason in enumerate(reasons)
                if reason["Code"] in _LOST
            }
            return LostRaceError(lost)
        return StoreRefusedError(f"table {self._name} cannot be used: {error}")


def _condition(change: Put | Delete) -> dict[str, object]:
    values = {"ExpressionAttributeValues": _encode(change.values)} if change.values else {}
    return {"ConditionExpression": change.condition, **values} if change.condition else {}


def _encode(row: Row) -> dict[str, dict[str, str | bytes]]:
    return {name: _encode_value(value) for name, value in row.items()}


def _encode_value(value: str | int | bytes) -> dict[str, str | bytes]:
    if isinstance(value, bytes):
        return {"B": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _decode(item: Mapping[str, Mapping[str, Any]]) -> Row:
    """The row of an item; attributes of types that no row has, as a fraction is, are left out."""
    row: dict[str, str | int | bytes] = {}
    for name, attribute in item.items():
        for kind, value in attribute.items():
            if kind in {"S", "B"}:
                row[name] = value
            elif kind == "N":
                with suppress(ValueError):
                    row[name] = int(value)
    return row
