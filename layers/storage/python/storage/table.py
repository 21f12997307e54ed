"""A DynamoDB table with the key `pk`, or `pk` and `sk`: calls, time-outs, retries, and the service's errors made ours.

Every read is strongly consistent. Every call belongs to a `Deadline`, so that a caller waits for a bounded time however
the service fails; that is why the retries are ours and not botocore's, which knows of no deadline. What an error means
`storage.clients` says. It knows nothing of what rows mean.
"""

import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from storage.clients import (
    AWS_ERRORS,
    AwsError,
    ClientSettingsError,
    codes_of,
    connect,
    is_passing,
    is_unanswered,
    reasons_of,
)
from storage.deadline import Deadline
from storage.errors import StorageErrors, UnavailableError
from storage.urls import TablePlace

MAX_CHANGES = 100  # of one transaction, as the service has it
MAX_KEYS = 100  # of one call that gets rows by their keys, as the service has it

_LOST = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
_CONTENDED = frozenset({"TransactionConflict", "TransactionConflictException"})


@dataclass(frozen=True, slots=True)
class Unread:
    """An attribute of a type that no row of ours has, such as a fraction."""

    kind: str
    text: str


Value = Union[str, int, bytes, tuple["Value", ...], Mapping[str, "Value"], Unread]  # noqa: UP007 - it names itself
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What one call may take: seconds to connect and for an answer, attempts, and seconds between two of them.

    What could not be done is to be tried again after `retry_after` seconds.
    """

    connect_seconds: float
    read_seconds: float
    attempts: int
    pause_seconds: float
    retry_after: int


class LostRaceError(Exception):
    """Others were there first, and nothing was written. Not for callers of the store: it is retried or explained.

    `rows` are those whose condition did not hold, by the place of the change; none if others were only in the way.
    """

    def __init__(self, rows: Mapping[int, Row]) -> None:
        super().__init__("others were there first")
        self.rows = rows


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
    """The table at that place; nothing is read or written before the first call.

    Every method may raise the UnavailableError and the RefusedError of `errors`; those that write, LostRaceError; those
    that read rows that do not come as the service gives them, the DamagedError.
    """

    def __init__(self, place: TablePlace, *, errors: StorageErrors, limits: CallLimits) -> None:
        self._place = place
        self._name = place.name
        self._errors = errors
        self._limits = limits
        self._lock = threading.Lock()
        self._client: Any = None
        self._process = os.getpid()

    def connect(self) -> Any:
        """The client, which otherwise the first call makes. Raises ClientSettingsError."""
        with self._lock:
            # A forked child must not speak over its parent's connections.
            if self._client is None or self._process != os.getpid():
                self._client = connect(
                    "dynamodb",
                    self._place,
                    connect_seconds=self._limits.connect_seconds,
                    read_seconds=self._limits.read_seconds,
                )
                self._process = os.getpid()
            return self._client

    def get(self, pk: str, sk: str | None, deadline: Deadline) -> Row | None:
        """The row of that key; `sk` is None in a table whose key is `pk` alone."""
        key = _encode({"pk": pk} if sk is None else {"pk": pk, "sk": sk})
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
                raise self._errors.damaged(f"{self._place} answered a query of {pk} without any list of items")
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
                return getattr(self.connect(), operation)(**parameters)
            except ClientSettingsError as error:
                raise self._errors.refused(f"{self._place} cannot be used: {error}") from error
            except AWS_ERRORS as error:
                failure = self._translated(error)
                attempt += 1
                patient = isinstance(failure, UnavailableError) and attempt < self._limits.attempts
                if not patient or not deadline.pause(attempt, most=self._limits.pause_seconds):
                    raise failure from error

    def _too_late(self) -> UnavailableError:
        return self._unavailable("answers too slowly")

    def _unavailable(self, how: str) -> UnavailableError:
        return self._errors.unavailable(f"{self._place} {how}", retry_after=self._limits.retry_after)

    def _translated(self, error: AwsError) -> Exception:
        """Our error for one of the service's, or of the way there."""
        if is_unanswered(error):
            return self._unavailable(f"cannot be reached: {error}")
        codes = codes_of(error)
        if is_passing(error):
            return self._unavailable(f"cannot be used now: {', '.join(sorted(codes))}: {error}")
        if codes and codes <= _LOST | _CONTENDED:
            lost = {
                place: _decode(reason.get("Item", {}))
                for place, reason in enumerate(reasons_of(error))
                if reason["Code"] in _LOST
            }
            return LostRaceError(lost)
        # What is left is of the deployment's making: no such table, no credentials, no permission.
        return self._errors.refused(f"{self._place} cannot be used: {error}")


def _condition(change: Put | Delete) -> dict[str, object]:
    values = {"ExpressionAttributeValues": _encode(change.values)} if change.values else {}
    return {"ConditionExpression": change.condition, **values} if change.condition else {}


def _encode(row: Row) -> dict[str, dict[str, Any]]:
    return {name: _encode_value(value) for name, value in row.items()}


def _encode_value(value: Value) -> dict[str, Any]:
    match value:
        case bytes():
            return {"B": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case tuple():
            return {"L": [_encode_value(one) for one in value]}
        case Mapping():
            return {"M": _encode(value)}
    raise TypeError(f"{value!r} cannot be written")


def _decode(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    return {name: _decode_value(attribute) for name, attribute in item.items()}


def _decode_value(attribute: Mapping[str, Any]) -> Value:
    for kind, value in attribute.items():
        match kind:
            case "S" | "B":
                return value  # type: ignore[no-any-return]
            case "N":
                try:
                    return int(value)
                except ValueError:
                    return Unread(kind, value)
            case "L":
                return tuple(_decode_value(one) for one in value)
            case "M":
                return _decode(value)
    return Unread(*next(((kind, repr(value)) for kind, value in attribute.items()), ("", "")))
