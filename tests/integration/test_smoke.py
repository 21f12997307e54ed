"""The smoke test, tried on the local stack: it passes what works, and fails what does not."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, Stack
from tests.support.studio import StackWithoutPage, StackWithPage
from tools.smoke import CHECKS

# Nobody listens there, so that there is no bundle; one in a folder that is not there would stop the start.
NO_BUNDLE = "s3://models/caption?region=eu-west-1&endpoint=http://127.0.0.1:9"

TWO_SETTINGS = """
default_mode = "night"
modes.night.apis = ["mine"]
apis.mine.look = { kind = "categorical", coordinate = "look", choices = ["dark", "light"] }
"""


def smoke(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tools.smoke", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_stack_that_works_passes_every_check_as_often_as_it_is_tried_and_gains_no_rating(tmp_path: Path) -> None:
    stack, key = StackWithPage(tmp_path, API_KEY="secret"), {"x-api-key": "secret"}
    for _ in range(2):
        status, said = smoke(stack.url, "--key", "secret")
        assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in said, said
        assert status == 0
    found = stack.get("/ml/studies", headers=key).json()["studies"]
    outstanding = stack.get("/ml/suggestions?study=smoke-test", headers=key).json()["suggestions"]
    stack.stop()

    assert [(one["name"], one["samples_seen"], one["archived_at"] is None) for one in found] == [
        ("default", 0, True),
        ("smoke-test", 0, False),
    ]
    assert outstanding == []


def test_the_study_of_the_test_is_archived_again_though_a_check_in_it_fails(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TWO_SETTINGS)
    stack = Stack(tmp_path, SPACES=str(tmp_path / "own.toml"), CAPTION_MODEL=f"file://{ROOT}/tests/bundles/tiny")
    stack.post("/ml/studies", json={"name": "smoke-test"})
    stack.post("/ml/suggest_parameters", json={"study": "smoke-test", "num_suggestions": 1})
    status, said = smoke(stack.url)
    study = stack.get("/ml/studies/smoke-test").json()
    stack.stop()

    assert status == 1
    assert "FAILED  studies" in said, said
    assert "expected 200, got 409" in said
    assert study["archived_at"] is not None


def test_each_check_fails_for_itself(tmp_path: Path) -> None:
    stack = StackWithoutPage(tmp_path, API_KEY="secret", CAPTION_MODEL=NO_BUNDLE)
    status, said = smoke(stack.url + "/", "--key", "secret", "--patience", "2")
    wrong_key, unkeyed = smoke(stack.url, "--key", "wrong"), smoke(stack.url)
    stack.stop()

    assert status == 1
    failed = [line.split()[1] for line in said.splitlines() if line.startswith("FAILED")]
    assert failed == ["studio", "models", "captions", "uploads"]
    assert "`make studio` builds it" in said
    assert "has been pending for 2 s" in said
    for found, text in (wrong_key, unkeyed):
        assert found == 1
        assert "expected 200, got 403" in text


def test_it_stops_at_the_first_refused_connection_and_says_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, said = smoke(f"http://127.0.0.1:{port}")

    assert status == 1
    assert [re.sub(r"Errno \d+", "Errno", line) for line in said.splitlines()] == [
        f"GET http://127.0.0.1:{port}/health: no answer: [Errno] Connection refused",
        "nothing is checked any more: start it (`make run`), or name another address (make smoke URL=...)",
    ]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    status, said = smoke(url)

    assert status == 2
    assert "is not a URL" in said
