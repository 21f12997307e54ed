"""Makes the tables of OBSERVATION_STORE and CAPTION_STORE if they do not exist: `python -m local.tables`.

For DynamoDB Local, with the keys that template.yaml declares. It refuses to make tables on AWS, where the template
makes them, with backups and protection; and it never changes an existing table.
"""

import argparse
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's

from local.template import parse
from storage.urls import TablePlace, parse_store
from web.settings import SettingError, Settings

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
PATIENCE = 60  # seconds within which the service must answer; it may still be starting
_PAUSE = 0.5  # seconds


class TableError(Exception):
    """A table cannot be made; the message says why, and what to do."""


def make_table(client: Any, name: str, resource: str) -> bool:
    """Make the table `name` with the keys of `resource` in template.yaml; return False if it exists already.

    Raises:
        ClientError, BotoCoreError: the service refuses, or does not answer.
    """
    try:
        client.create_table(TableName=name, **_keys(resource))
    except client.exceptions.ResourceInUseException:
        return False
    return True


@cache
def _keys(resource: str) -> dict[str, Any]:
    properties = parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"][resource]["Properties"]
    return {part: properties[part] for part in ("AttributeDefinitions", "KeySchema", "BillingMode")}


def _make(setting: str, url: str, resource: str) -> str:
    """Make the table of a store's URL, and return a line for the user.

    Raises:
        TableError: it cannot be made.
    """
    place = parse_store(url)
    if not isinstance(place, TablePlace):
        return f"{setting}: {url} needs no table"
    if place.endpoint is None:
        raise TableError(f"{setting}: {url} is on AWS, where `make deploy` makes the tables")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            client = botocore.session.get_session().create_client(
                "dynamodb",
                region_name=place.region,
                endpoint_url=place.endpoint,
                config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
            )
            made = make_table(client, place.name, resource)
        except (ConnectionError, HTTPClientError) as error:
            if time.monotonic() > end:
                raise TableError(f"{setting}: nothing answers at {place.endpoint}: {error}") from error
            time.sleep(_PAUSE)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise TableError(f"{setting}: {url}: {error}") from error
        else:
            return f"{setting}: table {place.name} {'made' if made else 'is there'}"


def main() -> int:
    """Make the tables, and return the exit status."""
    argparse.ArgumentParser(prog="python -m local.tables", description=__doc__.partition("\n")[0]).parse_args()
    try:
        settings = Settings.from_environment()
        print(_make("OBSERVATION_STORE", settings.observation_store, "ObservationsTable"))
        print(_make("CAPTION_STORE", settings.caption_store, "CaptionsTable"))
    except (SettingError, TableError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
