"""The capacity that calls of DynamoDB consume, counted by a hook on botocore's events, for whatever adapter calls.

Reading is taken from the service's answers. Transactions and batches are counted by the service's rules, since DynamoDB
Local tells only of one item of them: Amazon DynamoDB Developer Guide, "Managing complex workflows with transactions",
"Item sizes and formats".
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.session

_READING = {"GetItem", "Query"}
_BATCH = "BatchGetItem"
_TRANSACTION = "TransactWriteItems"


@dataclass(frozen=True, slots=True)
class Cost:
    """One operation's seconds, and the units that it consumed: of 4 kB read consistently, of 1 kB written."""

    seconds: float
    read_units: float
    write_units: float


class Meter:
    """Adds up what is consumed, and counts the transactions that are tried."""

    def __init__(self) -> None:
        self.read_units = 0.0
        self.write_units = 0.0
        self.transactions = 0

    def ask(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Before a request: ask for the figures, or work them out. A transaction that is refused is billed as well."""
        if model.name == _TRANSACTION:
            self.transactions += 1
            self.write_units += sum(transacted_units(change) for change in params["TransactItems"])
        elif model.name == _BATCH:
            # A unit for each key, of an item of up to 4 kB or of none: DynamoDB Local forgets those of none.
            self.read_units += sum(len(wanted["Keys"]) for wanted in params["RequestItems"].values())
        else:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def add(self, parsed: dict[str, Any], model: Any, **_: object) -> None:
        """After an answer: add them."""
        if model.name in {_TRANSACTION, _BATCH}:
            return
        units = parsed.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        if model.name in _READING:
            self.read_units += units
        else:
            self.write_units += units

    def measure(self, call: Callable[[], object]) -> Cost:
        """Return what the call takes."""
        read, written, began = self.read_units, self.write_units, time.perf_counter()
        call()
        seconds = time.perf_counter() - began
        return Cost(seconds, self.read_units - read, self.write_units - written)


@contextmanager
def metered() -> Iterator[Meter]:
    """Return a meter on every DynamoDB client that is made meanwhile, by whatever adapter."""
    meter, make = Meter(), botocore.session.get_session

    def session() -> Any:
        made = make()
        made.register("before-parameter-build.dynamodb.*", meter.ask)
        made.register("after-call.dynamodb.*", meter.add)
        return made

    botocore.session.get_session = session
    try:
        yield meter
    finally:
        botocore.session.get_session = make


def transacted_units(change: dict[str, Any]) -> int:
    """Return two units for each kB begun of an item with its names; a deleted one is taken to be within it."""
    return 2 * max(1, math.ceil(_item_size(change.get("Put", {}).get("Item", {})) / 1_024))


def stored_bytes(item: dict[str, Any]) -> int:
    """Return the bytes that are billed for an item that is kept: its own, and 100 for its place in the index."""
    return _item_size(item) + 100


def _item_size(item: dict[str, Any]) -> int:
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        return len(content) // 2 + 2
    return len(content.encode() if isinstance(content, str) else content)
