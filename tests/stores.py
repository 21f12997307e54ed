"""Empty observation stores of each adapter: a file that is not there yet, or a table as the template declares it."""

import uuid
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml

from local.template import _Loader
from tests.stack import ROOT

ADAPTERS = ("sqlite", "dynamodb")


def store_url(request: pytest.FixtureRequest, adapter: str) -> str:
    """The URL of a store that nobody has used yet."""
    if adapter == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return f"sqlite:///{folder}/observations.db"
    endpoint: str = request.getfixturevalue("dynamodb_endpoint")
    return f"dynamodb://{create_table(endpoint)}?endpoint={endpoint}"


def create_table(endpoint: str) -> str:
    """The name of a new, empty observations table."""
    document = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader's child
    declared: dict[str, Any] = document["Resources"]["ObservationsTable"]["Properties"]
    name = f"observations-{uuid.uuid4()}"
    client = table_client(endpoint)
    taken = {key: declared[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    client.create_table(TableName=name, **taken)
    client.close()
    return name


def table_client(endpoint: str) -> Any:
    """A client of the service, to make and to damage tables with."""
    return botocore.session.get_session().create_client("dynamodb", endpoint_url=endpoint)
