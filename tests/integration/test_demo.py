"""`make demo`: the program against the real stack, with fewer ratings than it has when a person runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.stack import ROOT, Stack
from tools.demo.captions import PICTURES, PLAN
from tools.demo.people import PEOPLE
from tools.demo.studies import LATER_STUDY

KEY = "secret"
FEW = ("--structure", "11", "--surfaces", "2", "--later", "3")


class Demo:
    """A demo on `folder`, run until it is stopped."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._output = folder.with_suffix(".out")
        settings = {**os.environ, "PORT": "0", "OPEN": "no", **environment}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools.demo", "--folder", str(folder), *FEW, *arguments],
                cwd=ROOT,
                env=settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._output.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it prints this."""
        while not (found := re.search(pattern, self.said)):
            try:
                status = self._process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"it ended with {status}: {self.said}")
        return found

    def get(self, path: str) -> Any:
        """GET `path` of its stack, which it has said to be ready."""
        url = self.wait_for(r"ready: (http://\S+)/studio")[1]
        return requests.get(url + path, headers={"x-api-key": KEY}, timeout=30).json()

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it and return its status."""
        self._process.send_signal(how)
        return self._process.wait(timeout=40)

    def ended(self) -> int:
        """Wait until it ends by itself, and return its status."""
        return self._process.wait(timeout=60)


def history(demo: Demo, study: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = demo.get(f"/ml/history?study={study}&include=withdrawn&limit=200")["observations"]
    return found


def held(folder: Path) -> dict[str, str]:
    """What a folder holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    """A demo that has been started twice; what it said at the first start is in `first.out`.

    Its environment names a real study, with a rating, whose folder must stay as it is, and a key.
    """
    real = folder.with_name("real")
    real.mkdir()
    theirs = Stack(real)
    setting = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
    rated = theirs.post("/ml/update_model", json={"results": [{"parameters": setting, "rating": 4}]})
    assert rated.status_code == 200
    theirs.stop()
    before = held(real)
    assert "observations.db" in before
    named = {
        "OBSERVATION_STORE": f"sqlite:///{real}/observations.db",
        "CAPTION_STORE": f"sqlite:///{real}/captions.db",
        "UPLOAD_BUCKET": f"file://{real}",
        "THROTTLE": "1",
        "API_KEY": KEY,
    }

    first = Demo(folder, **named)
    counts = [len(history(first, study)) for study in ("default", LATER_STUDY)]
    assert first.stop() == 0, first.said
    assert "The stack has stopped." in first.said
    folder.with_name("first.out").write_text(f"{first.said}\n{json.dumps(counts)}")
    again = Demo(folder, **named)
    yield again
    assert again.stop(signal.SIGTERM) == 0, again.said
    assert held(real) == before


def test_four_people_have_rated_pictures_and_said_something(demo: Demo) -> None:
    entries = history(demo, "default")
    ratings = [one for one in entries if one["rating"] is not None]

    assert {one["rater"] for one in ratings} == {person.name for person in PEOPLE}
    assert len({one["picture"] for one in ratings}) > 3
    assert {one["mode"] for one in ratings} == {"structure", "surfaces"}
    assert any(one["comment"] for one in ratings)
    assert len({one["rating"] for one in ratings}) > 2
    assert [one["failed"] for one in entries if one["rating"] is None] != []
    assert len([one for one in entries if one["withdrawn"]]) == 1
    (corrected,) = [one for one in entries if one["revision"] == 2 and not one["withdrawn"]]
    assert corrected["earlier"][0]["rating"] != corrected["rating"] or corrected["rating"] == 5


def test_there_is_something_to_show_of_it(demo: Demo) -> None:
    stats = demo.get("/ml/stats")["modes"]["structure"]
    assert stats["samples_seen"] == 10
    assert stats["recommended_mean"] is not None
    assert stats["chances"].keys() == {"leonardo", "stablediffusion"}
    assert stats["raters_total"] == 4
    assert len(demo.get("/ml/progress")["steps"]) == 5
    assert demo.get("/ml/surrogate?parameter=guidance_scale")["curves"]


def test_a_second_study_goes_on_from_it(demo: Demo) -> None:
    study = demo.get(f"/ml/studies/{LATER_STUDY}")
    assert (study["based_on"], study["samples_seen"]) == ("default", 3)


def test_the_samples_are_captioned_and_what_is_no_picture_has_a_reason(demo: Demo, folder: Path) -> None:
    first = folder.with_name("first.out").read_text()
    for name in PICTURES:
        assert re.search(rf"{name}: \w+", first), name
    assert re.search(rf"{PLAN}: refused: .*PDF", first)
    outcomes = {path.name for path in (folder / "uploads").glob("*/*.jpg")}
    assert outcomes == {*PICTURES, PLAN}


def test_a_second_start_adds_nothing_and_says_so_at_once(demo: Demo, folder: Path) -> None:
    counts = json.loads(folder.with_name("first.out").read_text().splitlines()[-1])
    assert [len(history(demo, study)) for study in ("default", LATER_STUDY)] == counts == [14, 3]
    assert "ratings" not in demo.said
    assert len(list((folder / "uploads").glob("*/*.jpg"))) == len(PICTURES) + 1


def test_a_demo_that_was_stopped_midway_goes_on(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo")
    demo.wait_for("structure: 4 of 11")
    assert demo.stop() == 130
    assert "goes on from here" in demo.said
    again = Demo(tmp_path / "demo")
    ratings = [one for one in history(again, "default") if one["rating"] is not None]
    assert again.stop() == 0

    # As many of each as without a break.
    by_person = [len([one for one in ratings if one["rater"] == person.name]) for person in PEOPLE]
    assert by_person == [6, 3, 2, 2]


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = Demo(tmp_path / "demo", PORT=str(port))
        assert demo.ended() == 1
    said = demo.said.splitlines()
    assert len(said) == 2
    assert said[1] == (
        f"demo: PORT is {port}, and 127.0.0.1:{port} cannot be listened on: Address already in use; set another"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FRESH", "yes", "FRESH is 'yes'; it must be 0 or 1"),
        ("OPEN", "0", "OPEN is '0'; it must be yes or no"),
        ("PORT", "high", "PORT is 'high'; it must be a number from 0 to 65535"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    demo = Demo(tmp_path / "demo", **{name: value})
    assert demo.ended() == 1
    assert demo.said.splitlines()[-1] == f"demo: {said}"


def test_it_ends_with_its_stack(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo")
    demo.wait_for("first page")
    (pid,) = Path(f"/proc/{demo._process.pid}/task/{demo._process.pid}/children").read_text().split()
    os.kill(int(pid), signal.SIGKILL)
    assert demo.ended() == 1
    assert demo.said.splitlines()[-1].startswith("demo: ")
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.01)
