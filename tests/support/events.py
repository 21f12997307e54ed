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

WARM = {"warm": True}
NONE_AGAIN: dict[str, Any] = {"batchItemFailures": []}

EXPECTED: dict[str, int | list[str] | dict[str, Any] | str] = {
    "caption-generate": 200,
    "caption-generate-alternatives": 200,
    "caption-generate-beam-too-wide": 422,
    "caption-generate-json": 415,
    "caption-generate-of-a-domain": 200,
    "caption-generate-text": 415,
    "caption-generate-without-slash": 200,
    "caption-of-a-websocket": "not a request: a message of a WebSocket API",
    "caption-ping-of-the-plugin": WARM,
    "status-captions": 200,
    "status-captions-bad-cursor": 422,
    "status-captions-misspelt": 422,
    "status-captions-of-a-status": 200,
    "status-health": 200,
    "status-health-head": 200,
    "status-of-upload": 404,
    "status-of-upload-damaged": 404,
    "status-of-upload-deleted": 404,
    "status-of-upload-encoded": 404,
    "status-of-upload-head": 404,
    "status-of-upload-of-a-domain": 404,
    "status-of-upload-of-an-http-api": 404,
    "status-of-upload-pending": 404,
    "status-of-upload-unknown": 404,
    "status-ping-of-a-rule": WARM,
    "status-uploads": 200,
    "status-uploads-forwarded-badly": 200,
    "status-uploads-forwarded-twice": 200,
    "status-uploads-not-a-picture": 422,
    "status-uploads-of-a-domain": 200,
    "status-uploads-of-an-http-api": 200,
    "suggest-docs": 200,
    "suggest-docs-asset": 200,
    "suggest-docs-asset-head": 200,
    "suggest-docs-asset-of-a-domain": 200,
    "suggest-docs-asset-of-a-function-url": 200,
    "suggest-docs-head": 200,
    "suggest-docs-of-a-domain": 200,
    "suggest-docs-of-an-http-api": 200,
    "suggest-health": 200,
    "suggest-health-head": 200,
    "suggest-history": 200,
    "suggest-history-bad-cursor": 422,
    "suggest-history-csv": 200,
    "suggest-history-misspelt": 422,
    "suggest-history-of-a-rater": 200,
    "suggest-of-the-bucket": "not a request: an event with records of aws:s3",
    "suggest-openapi": 200,
    "suggest-openapi-head": 200,
    "suggest-openapi-of-a-domain": 200,
    "suggest-parameters": 200,
    "suggest-parameters-fixed": 200,
    "suggest-parameters-fixed-of-the-other-api": 422,
    "suggest-parameters-misspelt": 422,
    "suggest-parameters-of-a-load-balancer": 200,
    "suggest-parameters-of-a-study": 404,
    "suggest-parameters-of-an-http-api": 200,
    "suggest-parameters-too-many": 422,
    "suggest-ping": WARM,
    "suggest-progress": 200,
    "suggest-redoc": 200,
    "suggest-redoc-head": 200,
    "suggest-redoc-of-a-domain": 200,
    "suggest-root": 200,
    "suggest-root-head": 200,
    "suggest-root-of-a-browser": 307,
    "suggest-root-of-a-domain": 307,
    "suggest-stats": 200,
    "suggest-stats-of-a-deep-domain": 200,
    "suggest-stats-of-a-domain": 200,
    "suggest-stats-of-a-domain-alone": 200,
    "suggest-stats-of-a-load-balancer": 200,
    "suggest-stats-of-a-mode": 200,
    "suggest-stats-of-a-proxy": 200,
    "suggest-stats-of-a-study": 404,
    "suggest-stats-of-an-http-api-1.0": 200,
    "suggest-studies": 200,
    "suggest-studies-bad-cursor": 422,
    "suggest-studio": 200,
    "suggest-studio-again": 304,
    "suggest-studio-asset": 200,
    "suggest-studio-asset-head": 200,
    "suggest-studio-asset-of-a-domain": 200,
    "suggest-studio-asset-of-a-function-url": 200,
    "suggest-studio-head": 200,
    "suggest-studio-of-a-domain": 200,
    "suggest-studio-of-an-http-api": 200,
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
    "update-model-brotli": 415,
    "update-model-deflate": 200,
    "update-model-failed": 200,
    "update-model-gunzipped": 200,
    "update-model-gzip": 200,
    "update-model-gzip-bomb": 413,
    "update-model-gzip-cut": 400,
    "update-model-malformed": 400,
    "update-model-misspelt": 422,
    "update-model-null": 422,
    "update-model-of-a-domain": 200,
    "update-model-of-a-rater": 200,
    "update-model-of-a-study": 404,
    "update-model-strings": 200,
    "update-ping-of-a-warmer": WARM,
    "update-study-archive": 404,
    "update-study-archive-default": 422,
    "update-study-begin": 201,
    "update-study-begin-reserved": 422,
    "update-study-begin-taken": 409,
    "update-suggestion-give-back": 404,
    "upload-by-eventbridge": ["gone"],
    "upload-by-eventbridge-and-sns": ["gone"],
    "upload-by-eventbridge-and-sqs": NONE_AGAIN,
    "upload-by-eventbridge-removed": [],
    "upload-by-sns": ["gone"],
    "upload-by-sns-and-sqs": NONE_AGAIN,
    "upload-by-sqs": NONE_AGAIN,
    "upload-by-sqs-in-part": {"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975050002"}]},
    "upload-by-sqs-of-dead-letters": NONE_AGAIN,
    "upload-by-sqs-of-nothing": "1 of 1 records: not an event of S3: the message of SQS is not JSON",
    "upload-damaged": ["gone"],
    "upload-deleted": ["gone"],
    "upload-duplicate": ["gone"],
    "upload-empty": [],
    "upload-form": ["gone"],
    "upload-of-a-stream": "1 of 1 records: not a record of S3: it is one of aws:kinesis",
    "upload-of-the-gateway": "not an event of S3: a request of API Gateway",
    "upload-outside": [],
    "upload-ping-of-a-schedule": WARM,
    "upload-ping-of-a-schedules-input": WARM,
    "upload-plain": ["gone"],
    "upload-removed": [],
    "upload-replaced": ["gone"],
    "upload-several": ["gone", "gone", "gone"],
    "upload-test": [],
    "upload-test-by-sns": [],
    "upload-test-by-sns-and-sqs": NONE_AGAIN,
    "upload-test-by-sqs": NONE_AGAIN,
    "upload-url-encoded": ["gone"],
    "upload-versioned": ["gone"],
}
"""The status of an answer; of an upload, the statuses of its pictures; the whole of another answer; or what the error
of a function that fails begins with. All of empty stores and an empty bucket, with a page that was built, in any order:
with what they name in it, see tests/http/test_events.py and tests/http/test_upload_events.py."""


def events_for(recipient: str) -> list[Path]:
    """The events of one of `HANDLERS`."""
    return [path for path in sorted(EVENTS.glob(f"{recipient}-*.json")) if path != ENVIRONMENT]


def assert_answered(event: Path, answer: Mapping[str, Any]) -> None:
    """Fails unless `answer`, what Lambda gives for the event, is what is expected of it."""
    expected, told = EXPECTED[event.stem], f"{event.name}: {str(answer)[:500]}"
    match expected:
        case str():
            assert answer["errorType"] in {"EventError", "UnfinishedError"}, told
            assert answer["errorMessage"].startswith(expected), told
        case dict():
            assert answer == expected, told
        case list():
            assert [done["status"] for done in answer["uploads"]] == expected, told
        case _:
            assert answer.get("statusCode") == expected, told
            _assert_is_a_response(json.loads(event.read_text()), answer)


def _assert_is_a_response(event: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    # A load balancer that sends one kind of headers takes that kind.
    headers = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    headers |= answer.get("headers", {})
    assert answer["isBase64Encoded"] is ("content-encoding" in headers)
    if answer["statusCode"] >= 400:
        assert headers["content-type"] == "application/problem+json"
    if event.get("httpMethod") == "HEAD":
        assert answer["body"] == ""
