"""A DynamoDB table with the key `pk`, or `pk` and `sk`: calls, time-outs, retries, and translated errors.

Every read is strongly consistent. Every call has a `Deadline`, so that a caller waits for a bounded time however the
service fails. The retries are made here because botocore's know no deadline. `storage.clients` classes the errors. This
module does not know what rows mean.
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

MAX_CHANGES = 100  # per transaction, the service's limit
MAX_KEYS = 100  # per call that gets rows by their keys, the service's limit

_LOST = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
_CONTENDED = frozenset({"TransactionConflict", "TransactionConflictException"})


@dataclass(frozen=True, slots=True)
class Unread:
    """An attribute of a type that our rows do not have, such as a fraction: DynamoDB's type and the value as text."""

    kind: str
    text: str


Value = Union[str, int, bytes, tuple["Value", ...], Mapping[str, "Value"], Unread]  # noqa: UP007 - it names itself
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Limits of one call: seconds to connect and to wait for an answer, attempts, and seconds between two attempts.

    Temporary errors carry `retry_after`, in seconds.
    """

    connect_seconds: float
    read_seconds: float
    attempts: int
    pause_seconds: float
    retry_after: int


class LostRaceError(Exception):
    """A condition did not hold, or another write interfered, and nothing was written.

    A store retries it or translates it; its callers never see it. `rows` are the stored rows whose condition did not
    hold, by the index of the change; empty if other writes only interfered.
    """

    def __init__(self, rows: Mapping[int, Row]) -> None:
        super().__init__("others were there first")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Put:
    """A row to write, if `condition` holds for the stored row; an empty condition always holds."""

    row: Row
    condition: str = ""
    values: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """A row to delete, if `condition` holds for it."""

    pk: str
    sk: str
    condition: str
    values: Row = field(default_factory=dict)


class Table:
    """The table at `place`; nothing is read or written before the first call.

    Every method that calls the service may raise the UnavailableError and the RefusedError of `errors`, those that
    write LostRaceError, and `query` the DamagedError of `errors`.
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
        """Return the client, and make it if there is none yet; the first call would make it otherwise.

        Raises:
            ClientSettingsError: AWS's settings are not enough to make it.
        """
        with self._lock:
            # A forked child must not use its parent's connections.
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
        """Return the row of that key, None if there is none; `sk` is None in a table whose key is `pk` alone."""
        key = _encode(_key(pk, sk))
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
        """Yield the rows of a partition with `low` <= `sk` <= `high`, ascending by `sk`, descending if `newest_first`.

        Rows are fetched as they are consumed, up to 1 MB per call; with `page`, that many rows in the first call and
        four times as many in each further one.
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

    def get_many(self, keys: Iterable[tuple[str, str | None]], deadline: Deadline) -> Iterator[Row]:
        """Yield the rows that exist of `keys`, each a `pk` and a `sk` as in `get`, in no particular order.

        The keys must differ. They are fetched in calls of `MAX_KEYS`.
        """
        waiting = [_encode(_key(pk, sk)) for pk, sk in keys]
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
        """Write one row."""
        self._call("put_item", deadline, TableName=self._name, Item=_encode(put.row), **_condition(put))

    def transact(self, changes: Sequence[Put | Delete], deadline: Deadline) -> None:
        """Make all changes or none: at most `MAX_CHANGES`, each to another row."""
        items = []
        for change in changes:
            condition = {**_condition(change), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
            if isinstance(change, Put):
                items.append({"Put": {"TableName": self._name, "Item": _encode(change.row), **condition}})
            else:
                key = _encode({"pk": change.pk, "sk": change.sk})
                items.append({"Delete": {"TableName": self._name, "Key": key, **condition}})
        # One token for all attempts: one whose answer was lost is not applied twice.
        token = str(uuid.uuid4())
        self._call("transact_write_items", deadline, TransactItems=items, ClientRequestToken=token)

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, operation: str, deadline: Deadline, **parameters: object) -> Any:
        attempt = 0
        while True:
            # Many slow calls may use the time up, not only one that gets no answer.
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
        """Return our error for one of the service or of the connection."""
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
        # The rest is the deployment's fault: no such table, no credentials, no permission.
        return self._errors.refused(f"{self._place} cannot be used: {error}")


def _key(pk: str, sk: str | None) -> Row:
    return {"pk": pk} if sk is None else {"pk": pk, "sk": sk}


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
