"""Pings: what keeps a function warm asks for nothing, and nothing that asks for something is taken for one."""

import json
from typing import Any

import pytest

from tests.support.events import EVENTS
from web.events import is_ping

PINGS: list[Any] = [
    None,
    {},
    {"warmer": True},
    {"warmer": True, "concurrency": 3},
    {"warmup": True},
    {"source": "serverless-plugin-warmup"},
    {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
    {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"},
    {"source": "aws.scheduler"},
    {"source": "aws.events", "time": "2026-07-01T00:00:00Z"},
]


@pytest.mark.parametrize("event", PINGS, ids=str)
def test_a_ping_is_known(event: Any) -> None:
    assert is_ping(event)


@pytest.mark.parametrize(
    "event",
    [
        [],
        "",
        0,
        {"warmer": False},
        {"warmer": "false"},
        {"source": "aws.s3"},
        {"source": ["serverless-plugin-warmup"]},
        {"detail-type": "Scheduled Event", "source": "my.application"},
        {"detail-type": ["Scheduled Event"], "source": "aws.events"},
        {"detail-type": "Object Created", "source": "aws.events"},
        {"detail-type": "Object Created", "source": "aws.scheduler"},
        {"detail-type": None, "source": "aws.scheduler"},
        {"source": "aws.scheduler", "Records": []},
        {"Records": []},
        {"warmer": True, "Records": [{"eventSource": "aws:s3"}]},
        {"source": "serverless-plugin-warmup", "requestContext": {}},
        {"key1": "value1"},
    ],
    ids=str,
)
def test_what_asks_for_something_is_no_ping(event: Any) -> None:
    assert not is_ping(event)


def test_of_the_events_in_the_folder_pings_are_those_that_are_called_so() -> None:
    events = {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("*.json")}

    assert {name for name, event in events.items() if is_ping(event)} == {name for name in events if "-ping" in name}
