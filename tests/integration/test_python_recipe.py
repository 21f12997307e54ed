"""The recipe of docs/clients.md: a client of the served document, generated and used as the page shows."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import go_without
from tests.support.readme import blocks
from tests.support.stack import ROOT, Stack

PROGRAMS = ROOT / ".venv-clients/bin"


def test_the_recipe_makes_a_client_that_suggests_rates_and_captions(
    picture: bytes, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not (PROGRAMS / "openapi-python-client").exists():
        go_without("openapi-python-client: make .venv-clients/stamp")
    (_, commands), (_, program) = blocks("docs/clients.md")
    (generate,) = [line for line in commands.splitlines() if line.startswith("openapi-python-client")]
    stack = Stack(tmp_path, API_KEY="the API key")
    request.addfinalizer(stack.stop)
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "dog.jpg").write_bytes(picture)
    (tmp_path / "program.py").write_text(program.replace("http://127.0.0.1:8000", stack.url))
    for command in (generate.replace("http://127.0.0.1:8000", stack.url), "python program.py"):
        words = shlex.split(command)
        here = [str(PROGRAMS / words[0]), *words[1:]]
        done = subprocess.run(here, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    answer = {"x-api-key": "the API key"}
    history = stack.get("/ml/history", headers=answer).json()["observations"]
    ratings, caption = done.stdout.splitlines()
    assert ratings == "2 ratings"
    assert caption
    assert [one["rater"] for one in history] == ["ana"] * 2
    assert stack.get("/ml/suggestions", headers=answer).json()["suggestions"] == []
