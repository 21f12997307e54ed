"""The events under events/, and how each must be answered wherever it is replayed, in a process or in an image."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.stack import ROOT

EVENTS = ROOT / "events"
ENVIRONMENT = EVENTS / "env.local.json"
"""What `sam local` sets so that no event needs AWS; not an event."""

HANDLERS = {name: f"functions.{name}.app.handler" for name in ("suggest", "update", "caption")}
HANDLERS["status"] = "functions.caption.status.handler"
HANDLERS["upload"] = "functions.caption.on_upload.handler"
"""The handler that an event is for, by the first word of its name."""

EXPECTED: dict[str, int | list[str]] = {
    "caption-generate": 200,
    "caption-generate-alternatives": 200,
    "caption-generate-beam-too-wide": 422,
    "caption-generate-json": 415,
    "caption-generate-text": 415,
    "caption-generate-without-slash": 200,
    "status-health": 200,
    "status-of-upload": 404,
    "status-of-upload-damaged": 404,
    "status-of-upload-deleted": 404,
    "status-of-upload-encoded": 404,
    "status-of-upload-pending": 404,
    "status-of-upload-unknown": 404,
    "status-uploads": 200,
    "status-uploads-not-a-picture": 422,
    "suggest-docs": 200,
    "suggest-docs-asset": 200,
    "suggest-health": 200,
    "suggest-history": 200,
    "suggest-history-bad-cursor": 422,
    "suggest-history-csv": 200,
    "suggest-history-misspelt": 422,
    "suggest-history-of-a-rater": 200,
    "suggest-openapi": 200,
    "suggest-parameters": 200,
    "suggest-parameters-fixed": 200,
    "suggest-parameters-fixed-of-the-other-api": 422,
    "suggest-parameters-misspelt": 422,
    "suggest-parameters-of-a-study": 404,
    "suggest-parameters-too-many": 422,
    "suggest-progress": 200,
    "suggest-redoc": 200,
    "suggest-stats": 200,
    "suggest-stats-of-a-mode": 200,
    "suggest-stats-of-a-study": 404,
    "suggest-studies": 200,
    "suggest-studies-bad-cursor": 422,
    "suggest-study": 200,
    "suggest-study-unknown": 404,
    "suggest-suggestions": 200,
    "suggest-surrogate": 409,
    "suggest-surrogate-misspelt": 422,
    "update-history-correct": 404,
    "update-history-correct-out-of-bounds": 422,
    "update-history-correct-stale": 404,
    "update-history-correct-unknown": 404,
    "update-history-withdraw": 404,
    "update-model": 200,
    "update-model-failed": 200,
    "update-model-malformed": 400,
    "update-model-misspelt": 422,
    "update-model-null": 422,
    "update-model-of-a-rater": 200,
    "update-model-of-a-study": 404,
    "update-model-strings": 200,
    "update-study-archive": 404,
    "update-study-archive-default": 422,
    "update-study-begin": 201,
    "update-study-begin-reserved": 422,
    "update-study-begin-taken": 409,
    "update-suggestion-give-back": 404,
    "upload-damaged": ["gone"],
    "upload-deleted": ["gone"],
    "upload-duplicate": ["gone"],
    "upload-form": ["gone"],
    "upload-outside": [],
    "upload-plain": ["gone"],
    "upload-removed": [],
    "upload-replaced": ["gone"],
    "upload-several": ["gone", "gone", "gone"],
    "upload-test": [],
    "upload-url-encoded": ["gone"],
    "upload-versioned": ["gone"],
}
"""The status of an answer; of an upload, the statuses of its pictures. All of empty stores and an empty bucket, in any
order: with what they name in it, see tests/http/test_events.py and tests/http/test_upload_events.py."""


def events_for(recipient: str) -> list[Path]:
    """The events of one of `HANDLERS`."""
    return [path for path in sorted(EVENTS.glob(f"{recipient}-*.json")) if path != ENVIRONMENT]


def assert_answered(event: Path, answer: Mapping[str, Any]) -> None:
    """Fails unless `answer`, a proxy response or what the upload function gives, is what is expected of `event`."""
    if "uploads" in answer:
        assert [done["status"] for done in answer["uploads"]] == EXPECTED[event.stem], event.name
        return
    assert answer.get("statusCode") == EXPECTED[event.stem], f"{event.name}: {str(answer)[:500]}"
    assert answer["isBase64Encoded"] is False
    if answer["statusCode"] >= 400:
        assert answer["headers"]["content-type"] == "application/problem+json"
        instance = json.loads(event.read_text())["requestContext"]["requestId"]
        assert json.loads(answer["body"])["instance"] == instance
