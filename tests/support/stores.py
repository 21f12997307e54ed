"""Empty observation stores of each adapter: a file that is not there yet, or a table as the template declares it.

The one in memory has no URL, since no second process can open it; tests that open a store again go without it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from storage.urls import TablePlace, parse_store
from tests.support.dynamodb import make_table
from tuning.stores import open_store
from tuning.stores.memory import MemoryObservationStore
from tuning.stores.port import ObservationStore

ADAPTERS = ("sqlite", "dynamodb")
EVERY = (*ADAPTERS, "ministack", "memory")
"""The adapters, DynamoDB's over a second emulator too: for what a store answers, not for races, crashes and figures."""

_MEMORY = "memory:"


def store_url(request: pytest.FixtureRequest, adapter: str) -> str:
    """The URL of a store that nobody has used yet."""
    if adapter == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return f"sqlite:///{folder}/observations.db"
    if adapter == "memory":
        if "url" in inspect.signature(request.function).parameters:
            pytest.skip("a store in memory is not opened again")
        return _MEMORY
    endpoint: str = request.getfixturevalue(f"{adapter}_endpoint")
    return f"dynamodb://{create_table(endpoint)}?endpoint={endpoint}"


def new_store(url: str) -> ObservationStore:
    """The store at the URL."""
    return MemoryObservationStore(seed=7) if url == _MEMORY else open_store(url)


def another_store(store: ObservationStore, url: str) -> ObservationStore:
    """Another store at the URL, as another process has it; in memory there is no other than that one."""
    return store if url == _MEMORY else open_store(url)


def create_table(endpoint: str) -> str:
    """The name of a new, empty observations table."""
    return make_table(endpoint, "ObservationsTable")


def table_client(endpoint: str) -> Any:
    """A client of the service, to make and to damage tables with."""
    return botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)


def client_of(store: ObservationStore) -> Any:
    """The client with which a DynamoDB store speaks to the service."""
    return store._table.connect()  # type: ignore[attr-defined]


def calls_of(store: ObservationStore) -> list[tuple[str, int]]:
    """The calls that the store makes from now on, with the number of items that each returned."""
    made: list[tuple[str, int]] = []

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        made.append((model.name, parsed.get("Count", 1 if "Item" in parsed else 0)))

    client_of(store).meta.events.register("after-call.dynamodb", note)
    return made


def meanwhile(store: ObservationStore, event: str, call: int, act: Callable[[], object]) -> list[int]:
    """Acts, once, at the store's so-manieth call from now. Gives the calls so far."""
    calls: list[int] = []

    def interrupt(**_: Any) -> None:
        calls.append(len(calls) + 1)
        if len(calls) == call:
            act()

    client_of(store).meta.events.register(event, interrupt)
    return calls


def items_of(url: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every item of the table at that URL, by its key."""
    with _table(url) as (client, name):
        found = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        return {(item["pk"]["S"], item["sk"]["S"]): item for page in found for item in page["Items"]}


def put_item(url: str, item: dict[str, Any]) -> None:
    """Write an item into the table at that URL, behind a store's back."""
    with _table(url) as (client, name):
        client.put_item(TableName=name, Item=item)


def delete_item(url: str, key: tuple[str, str]) -> None:
    """Delete an item of the table at that URL, behind a store's back."""
    with _table(url) as (client, name):
        client.delete_item(TableName=name, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})


@contextmanager
def _table(url: str) -> Iterator[tuple[Any, str]]:
    place = parse_store(url)
    assert isinstance(place, TablePlace)
    assert place.endpoint is not None
    client = table_client(place.endpoint)
    yield client, place.name
    client.close()
