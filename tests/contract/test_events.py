"""Every event under events/ replayed through the real handlers, as `sam local invoke` would.

In a process of its own for each function, as on Lambda: a function's module reads its settings when it is imported.
"""

import json
import os
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

_REPLAY = """
import importlib, json, sys
handler = importlib.import_module(f"functions.{sys.argv[1]}.app").handler
answers = {}
for path in sys.argv[2:]:
    with open(path) as stream:
        answers[path] = handler(json.load(stream), None)
print("\\n" + json.dumps(answers))
"""


def replay(function: str, folder: Path, *events: Path) -> dict[Path, dict[str, Any]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
        "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
        # What a Lambda has, and the functions may look for.
        "AWS_LAMBDA_FUNCTION_NAME": function,
    }
    command = [sys.executable, "-c", _REPLAY, function, *map(str, events)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path): answer for path, answer in answers.items()}


def test_every_event_is_expected_and_every_expected_event_is_there() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("function", ["suggest", "update", "caption"])
def test_every_event_gets_its_answer(function: str, tmp_path: Path) -> None:
    events = sorted((ROOT / "events").glob(f"{function}-*.json"))

    for path, answer in replay(function, tmp_path, *events).items():
        assert answer["statusCode"] == EXPECTED[path.stem], f"{path.name}: {answer['body'][:300]}"
        assert answer["isBase64Encoded"] is False
        if answer["statusCode"] >= 400:
            assert answer["headers"]["content-type"] == "application/problem+json"
            instance = json.loads(path.read_text())["requestContext"]["requestId"]
            assert json.loads(answer["body"])["instance"] == instance


def test_the_pages_addresses_carry_the_stage(tmp_path: Path) -> None:
    (answer,) = replay("suggest", tmp_path, ROOT / "events/suggest-docs.json").values()

    assert 'src="/v1/docs/swagger-ui-bundle.js"' in answer["body"]
    assert "url: '/v1/openapi.json'" in answer["body"]
