"""The events under events/, and how each must be answered wherever it is replayed, in a process or in an image."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.stack import ROOT

EVENTS = ROOT / "events"
ENVIRONMENT = EVENTS / "env.local.json"
"""What `sam local` sets so that no event needs AWS; not an event."""

HANDLERS = {name: f"functions.{name}.app.handler" for name in ("suggest", "update", "caption")}
HANDLERS["upload"] = "functions.caption.uploads.handler"
"""The handler that an event is for, by the first word of its name."""

EXPECTED = {
    "caption-generate": 200,
    "caption-generate-alternatives": 200,
    "caption-generate-beam-too-wide": 422,
    "caption-generate-json": 415,
    "caption-generate-text": 415,
    "caption-generate-without-slash": 200,
    "caption-health": 200,
    "caption-of-upload": 200,
    "caption-of-upload-damaged": 422,
    "caption-of-upload-deleted": 404,
    "caption-of-upload-encoded": 200,
    "caption-of-upload-pending": 202,
    "caption-of-upload-unknown": 404,
    "caption-uploads": 200,
    "caption-uploads-not-a-picture": 422,
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

EXPECTED_OF_UPLOADS = {
    "upload-damaged": ["failed"],
    "upload-deleted": ["gone"],
    "upload-duplicate": ["captioned"],
    "upload-form": ["captioned"],
    "upload-outside": [],
    "upload-plain": ["captioned"],
    "upload-removed": [],
    "upload-replaced": ["replaced"],
    "upload-several": ["captioned", "captioned", "captioned"],
    "upload-test": [],
    "upload-url-encoded": ["captioned"],
    "upload-versioned": ["captioned"],
}
# A BMP of one yellow pixel, whose ETag the events have.
_PICTURE = struct.pack("<2sIII IiiHH6I 4B", b"BM", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0, 0, 220, 255, 0)


def events_for(recipient: str) -> list[Path]:
    """The events of one of `HANDLERS`, those of the bucket in the order of `EXPECTED_OF_UPLOADS`."""
    if recipient == "upload":
        return [EVENTS / f"{name}.json" for name in EXPECTED_OF_UPLOADS]
    return sorted(EVENTS.glob(f"{recipient}-*.json"))


def upload_pictures(folder: Path) -> None:
    """Puts into a bucket that is a folder what its events announce, but for the one picture that was deleted."""
    for name in ("dog", "versioned", "pending", "several/one", "several/two", "5f0c3a1b9e6d4c2f8a7b6c5d4e3f2a1b/dog"):
        _put(folder, f"uploads/{name}.jpg", _PICTURE)
    _put(folder, "uploads/two dogs + a été 🐶/100%.jpg", _PICTURE)
    _put(folder, "uploads/replaced.jpg", _PICTURE)
    _put(folder, "uploads/damaged.jpg", b"hello")


def assert_answered(event: Path, answer: Mapping[str, Any], *, uploaded: bool = True) -> None:
    """Fails unless `answer` is what is expected of `event`, the pictures having been `uploaded` before, or not."""
    if event.stem in EXPECTED_OF_UPLOADS:
        expected = EXPECTED_OF_UPLOADS[event.stem]
        assert [one["status"] for one in answer["uploads"]] == (expected if uploaded else ["gone"] * len(expected))
        return
    never = not uploaded and event.stem.startswith("caption-of-upload")
    assert answer.get("statusCode") == (404 if never else EXPECTED[event.stem]), f"{event.name}: {str(answer)[:500]}"
    assert answer["isBase64Encoded"] is False
    assert ("retry-after" in answer["headers"]) == (answer["statusCode"] == 202)
    if answer["statusCode"] >= 400:
        assert answer["headers"]["content-type"] == "application/problem+json"
        instance = json.loads(event.read_text())["requestContext"]["requestId"]
        assert json.loads(answer["body"])["instance"] == instance


def _put(folder: Path, key: str, content: bytes) -> None:
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(content)
