"""What the release before does with what this one has written, as after a deployment that an alarm undid.

It reads captions as they are. The observations it refuses by name until this release is back, and changes nothing of
them. Its code is taken from the history; without one there is nothing to try.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from captioning.caption import Caption
from captioning.outcomes import Outcome
from captioning.stores import open_caption_store
from tests.support.dynamodb import make_table
from tests.support.stack import ROOT
from tuning.observations import Observation, Setting
from tuning.stores import open_store

pytestmark = pytest.mark.timeout(300)

BEFORE = "80e3cb09445b90d5211d50b5b6dd6f8be015a2c4"
"""The release before studies."""

SETTING = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))

_CALL = """
import importlib, json, sys
answers = []
for module, event in json.load(sys.stdin):
    answers.append(importlib.import_module(module).handler(event, None))
print("\\n" + json.dumps(answers))
"""

Call = Callable[..., tuple[list[dict[str, Any]], str]]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions of the release before."""
    folder = tmp_path_factory.mktemp("before")
    command = ["git", "archive", BEFORE, "layers", "functions", "tests/bundles/tiny", "events"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("without the history of the release before (git fetch --unshallow)")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def call(before: Path, tmp_path: Path) -> Call:
    """Calls functions of the release before, each with an event of its own: gives the answers, and what was logged."""

    def call(*calls: tuple[str, str], **settings: str) -> tuple[list[dict[str, Any]], str]:
        path = [str(before), *(str(layer) for layer in before.glob("layers/*/python"))]
        whole = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "CAPTION_MODEL": "file://tests/bundles/tiny",
            **settings,
        }
        given = [
            (f"functions.{function}", json.loads((before / f"events/{event}.json").read_text()))
            for function, event in calls
        ]
        done = subprocess.run(
            [sys.executable, "-c", _CALL],
            cwd=before,
            env=whole,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        logged, _, answers = done.stdout.strip().rpartition("\n")
        return json.loads(answers), logged

    return call


@pytest.fixture(params=["sqlite", "dynamodb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a new store: `ObservationsTable` or `CaptionsTable`."""
    if request.param == "sqlite":
        yield lambda resource: f"sqlite:///{tmp_path}/{resource}.db"
        return
    endpoint = request.getfixturevalue("ministack_endpoint")
    yield lambda resource: f"dynamodb://{make_table(endpoint, resource)}?endpoint={endpoint}"


def test_observations_are_refused_by_name_and_are_all_there_when_this_release_is_back(
    place: Callable[[str], str], call: Call
) -> None:
    url, now = place("ObservationsTable"), datetime.now(UTC)
    store = open_store(url)
    store.record([Observation("structure", SETTING, 4.0, now)], idempotency_key=None)
    store.close()

    asked = ("update.app", "update-model"), ("suggest.app", "suggest-stats"), ("suggest.app", "suggest-health")
    answers, logged = call(*asked, OBSERVATION_STORE=url)
    assert [answer["statusCode"] for answer in answers] == [503] * 3
    refusals = [line["message"] for line in map(json.loads, logged.splitlines()) if line["level"] == "ERROR"]
    assert len(refusals) == 3
    for refusal in refusals:
        assert re.search(r"has schema( version)? 2, written by (a newer|another) release", refusal), refusal

    store = open_store(url)
    assert store.verify(now=now) == 1
    assert [entry.told for entry in store.history(limit=9).entries] == [Observation("structure", SETTING, 4.0, now)]
    store.close()


def test_captions_and_outcomes_are_read_as_they_were_written(place: Callable[[str], str], call: Call) -> None:
    url, key = place("CaptionsTable"), "uploads/dog.jpg"
    store = open_caption_store(url)
    store.record(Outcome(key, "0065", Caption("a dog runs", 0.5, "tiny-1")))
    store.close()

    answers, _ = call(("caption.status", "status-of-upload"), CAPTION_STORE=url)
    assert answers[0]["statusCode"] == 200
    assert json.loads(answers[0]["body"])["caption"] == "a dog runs"
