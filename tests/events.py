"""The events under events/, and how each must be answered wherever it is replayed, in a process or in an image."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stack import ROOT

EVENTS = ROOT / "events"
ENVIRONMENT = EVENTS / "env.local.json"
"""What `sam local` sets so that no event needs AWS; not an event."""

HANDLERS = {name: f"functions.{name}.app.handler" for name in ("suggest", "update", "caption")}
"""The handler that an event is for, by the first word of its name."""

EXPECTED = {
    "caption-generate": 200,
    "caption-generate-json": 415,
    "caption-generate-text": 415,
    "caption-generate-without-slash": 200,
    "caption-health": 200,
    "suggest-docs": 200,
    "suggest-docs-asset": 200,
    "suggest-health": 200,
    "suggest-history": 200,
    "suggest-history-bad-cursor": 422,
    "suggest-openapi": 200,
    "suggest-parameters": 200,
    "suggest-parameters-too-many": 422,
    "suggest-redoc": 200,
    "suggest-stats": 200,
    "suggest-stats-of-a-mode": 200,
    "update-model": 200,
    "update-model-malformed": 400,
    "update-model-null": 422,
    "update-model-strings": 200,
}


def events_for(recipient: str) -> list[Path]:
    """The events of one of `HANDLERS`."""
    return [path for path in sorted(EVENTS.glob(f"{recipient}-*.json")) if path != ENVIRONMENT]


def assert_answered(event: Path, answer: Mapping[str, Any]) -> None:
    """Fails unless `answer`, a proxy response, is what is expected of `event`."""
    assert answer["statusCode"] == EXPECTED[event.stem], f"{event.name}: {answer['body'][:300]}"
    assert answer["isBase64Encoded"] is False
    if answer["statusCode"] >= 400:
        assert answer["headers"]["content-type"] == "application/problem+json"
        instance = json.loads(event.read_text())["requestContext"]["requestId"]
        assert json.loads(answer["body"])["instance"] == instance
