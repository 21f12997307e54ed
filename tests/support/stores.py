"""Empty observation stores of each adapter: a file that is not there yet, or a table as the template declares it.

The one in memory has no URL, since no second process can open it; tests that open a store again go without it.
"""

import inspect
from pathlib import Path
from typing import Any

import botocore.session
import pytest

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


def create_table(endpoint: str) -> str:
    """The name of a new, empty observations table."""
    return make_table(endpoint, "ObservationsTable")


def table_client(endpoint: str) -> Any:
    """A client of the service, to make and to damage tables with."""
    return botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)
