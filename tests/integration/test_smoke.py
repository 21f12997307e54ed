"""The smoke test, tried on the local stack: it passes what works, and fails what does not."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, Stack
from tools.smoke import CHECKS


def smoke(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tools.smoke", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_stack_that_works_passes_every_check_and_gains_no_rating(tmp_path: Path) -> None:
    stack = Stack(tmp_path, API_KEY="secret")
    status, said = smoke(stack.url, "--key", "secret")
    ratings = stack.get("/health").json()["optimizer_samples"]
    stack.stop()

    assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in said, said
    assert (status, ratings) == (0, 0)


def test_each_check_fails_for_itself(tmp_path: Path) -> None:
    stack = Stack(tmp_path, API_KEY="secret", CAPTION_MODEL=f"file://{tmp_path}/no-bundle")
    status, said = smoke(stack.url + "/", "--key", "secret", "--patience", "2")
    wrong_key, unkeyed = smoke(stack.url, "--key", "wrong"), smoke(stack.url)
    stack.stop()

    assert status == 1
    failed = [line.split()[1] for line in said.splitlines() if line.startswith("FAILED")]
    assert failed == ["models", "captions", "uploads"]
    assert "has been pending for 2 s" in said
    for found, text in (wrong_key, unkeyed):
        assert found == 1
        assert "expected 200, got 403" in text


def test_nobody_at_the_address_is_said_plainly() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, said = smoke(f"http://127.0.0.1:{port}")

    assert status == 1
    assert f"0 of {len(CHECKS)} checks passed" in said
    assert "no answer" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    status, said = smoke(url)

    assert status == 2
    assert "is not a URL" in said
