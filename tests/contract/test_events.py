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
import yaml

from local.template import _Loader
from tests.events import (
    ENVIRONMENT,
    EVENTS,
    EXPECTED,
    EXPECTED_OF_UPLOADS,
    HANDLERS,
    assert_answered,
    events_for,
    upload_pictures,
)
from tests.stack import ROOT

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
    expected = {*EXPECTED, *EXPECTED_OF_UPLOADS}
    assert {path.stem for path in EVENTS.glob("*.json") if path != ENVIRONMENT} == expected
    assert {path.stem for recipient in HANDLERS for path in events_for(recipient)} == expected


def replay_uploads(folder: Path) -> dict[Path, dict[str, Any]]:
    upload_pictures(folder)
    return replay("caption.uploads", folder, *events_for("upload"))


def test_every_event_of_the_bucket_has_its_outcome(tmp_path: Path) -> None:
    for path, answer in replay_uploads(tmp_path).items():
        assert_answered(path, answer)
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
    if function == "caption":
        replay_uploads(tmp_path)

    for path, answer in replay(f"{function}.app", tmp_path, *events_for(function)).items():
        assert_answered(path, answer)


def test_the_local_environment_names_settings_that_the_template_gives_a_function() -> None:
    """SAM quietly leaves out a variable that the template does not give the function."""
    (given,) = json.loads(ENVIRONMENT.read_text()).values()
    document = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader's child
    declared = {
        name
        for resource in document["Resources"].values()
        for name, value in resource["Properties"].get("Environment", {}).get("Variables", {}).items()
        if "://" in str(value)
    }

    assert set(given) == declared
    assert not [url for url in given.values() if url.startswith(("dynamodb", "s3"))]


def test_the_pages_addresses_carry_the_stage(tmp_path: Path) -> None:
    (answer,) = replay("suggest.app", tmp_path, EVENTS / "suggest-docs.json").values()

    assert 'src="/v1/docs/swagger-ui-bundle.js"' in answer["body"]
    assert "url: '/v1/openapi.json'" in answer["body"]
