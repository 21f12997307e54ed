"""Every event under events/ replayed through the real handlers, as `sam local invoke` would.

In a process of its own for each function, as on Lambda: a function's module reads its settings when it is imported.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT

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

_REPLAY = """
import importlib, json, sys
handler = importlib.import_module(f"functions.{sys.argv[1]}").handler
answers = {}
for path in sys.argv[2:]:
    with open(path) as stream:
        answers[path] = handler(json.load(stream), None)
print("\\n" + json.dumps(answers))
"""


def replay(module: str, folder: Path, *events: Path) -> dict[Path, dict[str, Any]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
        "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
        "UPLOAD_BUCKET": f"file://{folder}",
        # What a Lambda has, and the functions may look for.
        "AWS_LAMBDA_FUNCTION_NAME": module,
    }
    command = [sys.executable, "-c", _REPLAY, module, *map(str, events)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path): answer for path, answer in answers.items()}


def test_every_event_is_expected_and_every_expected_event_is_there() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == {*EXPECTED, *EXPECTED_OF_UPLOADS}


def replay_uploads(folder: Path) -> dict[str, list[str]]:
    """The statuses that the upload function gives for each of its events, all pictures but one being there."""
    for name in ("dog", "versioned", "pending", "several/one", "several/two", "5f0c3a1b9e6d4c2f8a7b6c5d4e3f2a1b/dog"):
        put(folder, f"uploads/{name}.jpg", _PICTURE)
    put(folder, "uploads/two dogs + a été 🐶/100%.jpg", _PICTURE)
    put(folder, "uploads/replaced.jpg", _PICTURE)
    put(folder, "uploads/damaged.jpg", b"hello")
    events = [ROOT / f"events/{name}.json" for name in EXPECTED_OF_UPLOADS]
    answers = replay("caption.uploads", folder, *events)
    return {path.stem: [done["status"] for done in answer["uploads"]] for path, answer in answers.items()}


def put(folder: Path, key: str, content: bytes) -> None:
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(content)


def test_every_event_of_the_bucket_has_its_outcome(tmp_path: Path) -> None:
    assert replay_uploads(tmp_path) == EXPECTED_OF_UPLOADS
    published = tmp_path / "captions/uploads"
    assert {path.relative_to(published).as_posix() for path in published.rglob("*.json")} == {
        "5f0c3a1b9e6d4c2f8a7b6c5d4e3f2a1b/dog.jpg.json",
        "damaged.jpg.json",
        "deleted.jpg.json",
        "dog.jpg.json",
        "several/one.jpg.json",
        "several/two.jpg.json",
        "two dogs + a été 🐶/100%.jpg.json",
        "versioned.jpg.json",
    }


@pytest.mark.parametrize("function", ["suggest", "update", "caption"])
def test_every_event_gets_its_answer(function: str, tmp_path: Path) -> None:
    events = sorted((ROOT / "events").glob(f"{function}-*.json"))
    if function == "caption":
        replay_uploads(tmp_path)

    for path, answer in replay(f"{function}.app", tmp_path, *events).items():
        assert answer["statusCode"] == EXPECTED[path.stem], f"{path.name}: {answer['body'][:300]}"
        assert answer["isBase64Encoded"] is False
        assert ("retry-after" in answer["headers"]) == (answer["statusCode"] == 202)
        if answer["statusCode"] >= 400:
            assert answer["headers"]["content-type"] == "application/problem+json"
            instance = json.loads(path.read_text())["requestContext"]["requestId"]
            assert json.loads(answer["body"])["instance"] == instance


def test_the_pages_addresses_carry_the_stage(tmp_path: Path) -> None:
    (answer,) = replay("suggest.app", tmp_path, ROOT / "events/suggest-docs.json").values()

    assert 'src="/v1/docs/swagger-ui-bundle.js"' in answer["body"]
    assert "url: '/v1/openapi.json'" in answer["body"]
