"""The tests' own emulators: one server for all processes of a run, for as long as any of them uses it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT

USE = f"""
import sys
sys.path[:0] = {sys.path!r}
from contextlib import contextmanager
from pathlib import Path
from tests.support.shared_server import shared_server
folder, name = Path(sys.argv[1]), sys.argv[2]
@contextmanager
def start():
    with (folder / "said").open("a") as said:
        print(name, "starts", file=said, flush=True)
        yield "started by " + name
        print(name, "stops", file=said, flush=True)
with shared_server(folder, "server", start) as endpoint:
    print(endpoint, flush=True)
    input()
"""


def use(folder: Path, name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", USE, str(folder), name]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def endpoint(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_the_first_starts_it_and_stops_it_after_the_last(tmp_path: Path) -> None:
    with use(tmp_path, "first") as first:
        assert endpoint(first) == "started by first"
        with use(tmp_path, "second") as second:
            assert endpoint(second) == "started by first"
            leave(first)
            with pytest.raises(subprocess.TimeoutExpired):
                first.wait(timeout=0.5)
            assert (tmp_path / "said").read_text().splitlines() == ["first starts"]
            leave(second)
    assert (first.returncode, second.returncode) == (0, 0)
    assert (tmp_path / "said").read_text().splitlines() == ["first starts", "first stops"]
    with use(tmp_path, "third") as third:
        assert endpoint(third) == "started by third"
        leave(third)


def test_one_that_is_killed_keeps_nobody_waiting(tmp_path: Path) -> None:
    with use(tmp_path, "first") as first:
        assert endpoint(first) == "started by first"
        with use(tmp_path, "second") as second:
            assert endpoint(second) == "started by first"
            second.kill()
        leave(first)
    assert first.returncode == 0
