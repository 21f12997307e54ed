"""Every event under events/ replayed through the real handlers, as `sam local invoke` would.

In a process of its own for each function, as on Lambda: a function's module reads its settings when it is imported.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.template import _Loader
from tests.support.events import ENVIRONMENT, EVENTS, EXPECTED, HANDLERS, assert_answered, events_for
from tests.support.stack import ROOT
from web.settings import Settings

_REPLAY = """
import importlib, json, sys
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
answers = {}
for path in sys.argv[2:]:
    with open(path) as stream:
        answers[path] = handler(json.load(stream), None)
print("\\n" + json.dumps(answers))
"""


def replay(recipient: str, folder: Path, *events: Path) -> dict[Path, dict[str, Any]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
        "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
        "UPLOAD_BUCKET": f"file://{folder}",
        # What a Lambda has, and the functions may look for.
        "AWS_LAMBDA_FUNCTION_NAME": recipient,
    }
    command = [sys.executable, "-c", _REPLAY, HANDLERS[recipient], *map(str, events)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path): answer for path, answer in answers.items()}


def test_every_event_is_expected_and_every_expected_event_is_there() -> None:
    assert {path.stem for path in EVENTS.glob("*.json") if path != ENVIRONMENT} == set(EXPECTED)
    assert sum(len(events_for(recipient)) for recipient in HANDLERS) == len(EXPECTED)


@pytest.mark.parametrize("function", HANDLERS)
def test_every_event_gets_its_answer(function: str, tmp_path: Path) -> None:
    for path, answer in replay(function, tmp_path, *events_for(function)).items():
        assert_answered(path, answer)


def test_the_local_environment_names_settings_that_the_template_gives_a_function() -> None:
    """SAM quietly leaves out a variable that the template does not give the function."""
    (given,) = json.loads(ENVIRONMENT.read_text()).values()
    document = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader's child
    declared = {
        name
        for resource in document["Resources"].values()
        for name in resource["Properties"].get("Environment", {}).get("Variables", {})
    }
    # These two ask nothing of AWS: they are left to the template and its parameters.
    settings = {field.name.upper() for field in fields(Settings)} - {"LOG_LEVEL", "SPACES"}

    assert set(given) == settings & declared
    assert not [url for url in given.values() if url.startswith(("dynamodb", "s3"))]


def test_the_pages_addresses_carry_the_stage(tmp_path: Path) -> None:
    (answer,) = replay("suggest", tmp_path, EVENTS / "suggest-docs.json").values()

    assert re.search(r'src="/v1/docs/swagger-ui-bundle\.[0-9a-f]{16}\.js"', answer["body"])
    assert "url: '/v1/openapi.json'" in answer["body"]
