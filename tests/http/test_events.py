"""Every event under events/ replayed through the real handlers, as `sam local invoke` would.

In a process of its own for each function, as on Lambda: a function's module reads its settings when it is imported.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.template import _Loader, read
from tests.support.events import ENVIRONMENT, EVENTS, EXPECTED, HANDLERS, assert_answered, events_for
from tests.support.stack import ROOT
from tests.support.studio import SERVING, write_page
from tuning.observations import Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.study import Study
from web.settings import Settings

_REPLAY = """
import importlib, json, sys
{prepared}
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
answers = {{}}
for path in sys.argv[2:]:
    with open(path) as stream:
        event = json.load(stream)
    try:
        answers[path] = handler(event, None)
    except Exception as error:  # as Lambda reports it
        answers[path] = {{"errorType": type(error).__name__, "errorMessage": str(error)}}
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
    page = folder / "studio"
    if recipient == "suggest" and not page.exists():
        write_page(page)
    program = _REPLAY.format(prepared=SERVING.format(str(page)) if recipient == "suggest" else "")
    command = [sys.executable, "-c", program, HANDLERS[recipient], *map(str, events)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path): answer for path, answer in answers.items()}


def test_every_event_is_expected_and_every_expected_event_is_there() -> None:
    assert {path.stem for path in EVENTS.glob("*.json") if path != ENVIRONMENT} == set(EXPECTED)
    assert sum(len(events_for(recipient)) for recipient in HANDLERS) == len(EXPECTED)


def test_every_route_has_an_event() -> None:
    asked = {
        (event["httpMethod"], event["resource"])
        for event in (json.loads(path.read_text()) for path in EVENTS.glob("*.json"))
        if "resource" in event
    }
    # Somebody else's gateway may have one route for all.
    assert {(route.method, route.path) for route in read(ROOT / "template.yaml").routes} == asked - {
        ("GET", "/{proxy+}")
    }


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


LEONARDO = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))


def test_events_that_name_a_study_an_entry_and_a_suggestion_are_obeyed_where_these_are(tmp_path: Path) -> None:
    store, now, study = open_store(f"sqlite:///{tmp_path}/observations.db"), datetime.now(UTC), "bathrooms-2025"
    store.begin(Study(study, now))
    store.record([Observation("structure", LEONARDO, 1.0, now)], study=study, idempotency_key=None)
    identity, later = "5f1d7e0a2b9c4d3e8f6a1b2c", now + timedelta(hours=1)
    store.claim([Suggestion(identity, "structure", LEONARDO, now, later, study)], now=now)
    store.close()
    obeyed = {
        "history-correct-stale": 412,
        "history-correct": 200,
        "history-withdraw": 200,
        "suggestion-give-back": 200,
        "model-of-a-study": 200,
        "study-archive": 200,
    }

    answers = replay("update", tmp_path, *(EVENTS / f"update-{name}.json" for name in obeyed))
    assert [answer["statusCode"] for answer in answers.values()] == list(obeyed.values())
    corrected, withdrawn, freed = (json.loads(answer["body"]) for answer in list(answers.values())[1:4])
    assert (corrected["observation"]["rating"], withdrawn["samples_seen"], freed["freed"]) == (5.0, 0, True)
    (late,) = replay("update", tmp_path, EVENTS / "update-model-of-a-study.json").values()
    assert late["statusCode"] == 409

    names = ("study-unknown", "stats-of-a-study", "parameters-of-a-study")
    reads = replay("suggest", tmp_path, *(EVENTS / f"suggest-{name}.json" for name in names))
    assert [answer["statusCode"] for answer in reads.values()] == [404, 200, 409]
    unknown, stats, _ = (json.loads(answer["body"]) for answer in reads.values())
    assert unknown["detail"] == "there is no study bathroms-2025; did you mean bathrooms-2025?"
    assert stats["samples_seen"] == 1
