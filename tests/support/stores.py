"""Empty observation stores of each adapter: a file that is not there yet, or a table as the template declares it."""

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from tests.support.dynamodb import make_table

ADAPTERS = ("sqlite", "dynamodb")
EMULATED = (*ADAPTERS, "ministack")
"""The adapters, DynamoDB's over a second emulator too: for what a store answers, not for races, crashes and figures."""


def store_url(request: pytest.FixtureRequest, adapter: str) -> str:
    """The URL of a store that nobody has used yet."""
    if adapter == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return f"sqlite:///{folder}/observations.db"
    endpoint: str = request.getfixturevalue(f"{adapter}_endpoint")
    return f"dynamodb://{create_table(endpoint)}?endpoint={endpoint}"


def create_table(endpoint: str) -> str:
    """The name of a new, empty observations table."""
    return make_table(endpoint, "ObservationsTable")


def table_client(endpoint: str) -> Any:
    """A client of the service, to make and to damage tables with."""
    return botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)
