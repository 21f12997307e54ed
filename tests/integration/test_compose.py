"""compose.yaml without its containers: the same commands with the same environment, on DynamoDB Local."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.stack import ROOT
from tests.support.studio import StackWithPage
from tools.smoke import CHECKS

DOCKERFILE = (ROOT / "local/Dockerfile").read_text()
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def environment(endpoint: str, **given: str) -> dict[str, str]:
    """What compose.yaml sets where `given` is set, with the emulator of the tests in the place of its own."""
    found: dict[str, str] = SERVICES["api"]["environment"]
    filled = {
        name: re.sub(r"\$\{(\w+):-(\w*)\}", lambda one: given.get(one[1], one[2]), value)
        for name, value in found.items()
    }
    # Other tests have tables in this emulator, one of them under the name that compose.yaml gives.
    here = {
        name: value.replace("http://dynamodb:8000", endpoint).replace("dynamodb://", "dynamodb://compose-")
        for name, value in filled.items()
    }
    assert here["OBSERVATION_STORE"] != found["OBSERVATION_STORE"]
    assert here.items() >= given.items()
    return {**here, "HOST": "127.0.0.1"}


def make_tables(**settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *SERVICES["tables"]["command"][1:]]
    (path,) = re.findall(r"^ENV PYTHONPATH=(.+)$", DOCKERFILE, re.MULTILINE)
    whole = {**os.environ, "PYTHONPATH": path, **settings}
    return subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=False)


def test_the_tables_are_made_once_and_the_stack_on_them_passes_the_smoke_test(
    tmp_path: Path, dynamodb_endpoint: str
) -> None:
    settings = environment(dynamodb_endpoint, API_KEY="secret")
    made, again = make_tables(**settings), make_tables(**settings)
    stack = StackWithPage(tmp_path, **settings)
    command = [sys.executable, "-m", "tools.smoke", stack.url, "--key", "secret"]
    smoke = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert stack.stop() == 0
    assert made.stdout.splitlines() == [
        "OBSERVATION_STORE: table compose-observations made",
        "CAPTION_STORE: table compose-captions made",
    ]
    assert "table compose-observations is there" in again.stdout
    assert (made.returncode, again.returncode) == (0, 0)
    assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in smoke.stdout, smoke.stdout


def test_tables_are_not_made_on_aws_nor_for_files() -> None:
    on_aws = make_tables(OBSERVATION_STORE="dynamodb://observations?region=eu-west-1")
    assert on_aws.returncode == 1
    assert "`make deploy` makes the tables" in on_aws.stderr

    embedded = make_tables(OBSERVATION_STORE="sqlite:///data/o.db", CAPTION_STORE="sqlite:///data/c.db")
    assert embedded.returncode == 0
    assert "needs no table" in embedded.stdout


def test_both_containers_run_what_the_repository_has() -> None:
    assert SERVICES["api"]["build"]["dockerfile"] == "local/Dockerfile"
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match("COPY [^-]", line)]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    for path in (path for paths in copied for path in paths):
        assert (ROOT / path).exists(), path
        assert any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in allowed), path
    assert SERVICES["tables"]["image"] == SERVICES["api"]["image"]


@pytest.mark.parametrize("service", ["api", "dynamodb"])
def test_what_listens_is_on_the_loopback_or_between_containers_alone(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))
