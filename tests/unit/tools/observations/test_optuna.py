"""Storages of Optuna: what Optuna itself reads of a file that was exported."""

import json
import socket
import subprocess
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.stack import ROOT
from tests.support.studies import GARDEN, NOW, fill, rated
from tools.observations.__main__ import main
from tuning.observations import Failure, Observation, Setting
from tuning.stores import open_store

PYTHON = ROOT / ".venv-optuna" / "bin" / "python"
SCRIPT = """
import json, sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
said = {}
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
for name in optuna.get_all_study_names(storage):
    study = optuna.load_study(study_name=name, storage=storage)
    said[name] = {
        "direction": study.direction.name,
        "attributes": study.user_attrs,
        "best": study.best_trial.user_attrs["id"],
        "trials": [
            {
                "state": one.state.name,
                "value": one.value,
                "params": one.params,
                "attributes": one.user_attrs,
                "start": one.datetime_start and one.datetime_start.astimezone().isoformat(),
                "complete": one.datetime_complete and one.datetime_complete.astimezone().isoformat(),
                "distributions": {name: type(d).__name__ for name, d in one.distributions.items()},
            }
            for one in study.trials
        ],
    }
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def optuna() -> Path:
    """The Python that has Optuna."""
    if PYTHON.is_file():
        return PYTHON
    # Half a gigabyte, for a tool that few use: continuous integration goes without it.
    pytest.skip("without Optuna: `make .venv-optuna/stamp` installs it")


def command(python: Path, url: str, path: str, *options: str) -> list[str]:
    """The command line of an export."""
    return [
        str(python),
        *["-m", "tools.observations", "export", "--format", "optuna", "--from"],
        url,
        "--to",
        path,
        *options,
    ]


def export(python: Path, url: str, path: Path, *options: str) -> dict[str, Any]:
    """What Optuna reads of what the tool exports."""
    exporting = command(python, url, str(path), *options)
    done = subprocess.run(exporting, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"open it with optuna-dashboard {path}" in done.stdout
    read = subprocess.run([python, "-c", SCRIPT, path], capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(read.stdout)
    return said


def test_optuna_reads_ratings_failures_and_what_is_outstanding(optuna: Path, studies: str, tmp_path: Path) -> None:
    said = export(optuna, studies, tmp_path / "ratings.log")
    assert said.keys() == {
        "default/structure", "default/surfaces", "past/structure", "garden/structure", "garden/surfaces",
    }  # fmt: skip
    assert {study["direction"] for study in said.values()} == {"MAXIMIZE"}
    assert said["garden/structure"]["attributes"]["note"] == GARDEN.note
    assert said["past/structure"]["attributes"].keys() == {"created_at", "archived_at", "based_on"}
    with closing(open_store(studies)) as store:
        entries = store.history(study="garden", limit=100).entries[::-1]
        best = store.summary("garden").best
    assert best is not None
    trials = [trial for mode in ("structure", "surfaces") for trial in said[f"garden/{mode}"]["trials"]]
    rated_ones = {trial["attributes"]["id"]: trial for trial in trials if trial["state"] == "COMPLETE"}
    assert rated_ones.keys() == {entry.id for entry in entries}
    for entry in entries:
        trial, told = rated_ones[entry.id], entry.told
        assert isinstance(told, Observation)
        assert trial["value"] == told.rating
        assert trial["params"] == told.setting.to_plain()
        wanted = {
            "rater": told.rater,
            "picture": told.picture,
            "comment": told.comment,
            "suggestion_id": told.suggestion_id,
        }
        assert {name: trial["attributes"].get(name) for name in wanted} == wanted
        assert trial["attributes"]["revision"] == entry.revision.number
        assert datetime.fromisoformat(trial["start"]) == datetime.fromisoformat(trial["complete"]) == told.recorded_at
    assert rated_ones[said["garden/structure"]["best"]]["value"] == best.rating
    (running,) = [trial for trial in trials if trial["state"] == "RUNNING"]
    assert running["attributes"].keys() == {"suggestion_id", "expires_at"}
    assert running["attributes"]["suggestion_id"] == "open"
    assert running["params"] == rated(7).setting.to_plain()


def test_a_failure_is_a_failed_trial_and_what_is_withdrawn_none(optuna: Path, studies: str, tmp_path: Path) -> None:
    failed = Failure("surfaces", rated(12).setting, "«no»", NOW, None, "bo", "p2", "hm")
    with closing(open_store(studies)) as store:
        store.record([failed], study="garden", idempotency_key=None)
    said = export(optuna, studies, tmp_path / "x.log", "--study", "garden")
    assert said.keys() == {"garden/structure", "garden/surfaces"}
    (trial,) = [trial for trial in said["garden/surfaces"]["trials"] if trial["state"] == "FAIL"]
    wanted = {"failed": "«no»", "rater": "bo", "picture": "p2", "comment": "hm"}
    assert {name: trial["attributes"][name] for name in wanted} == wanted
    assert (trial["value"], trial["params"]) == (None, failed.setting.to_plain())


def test_parameters_of_any_kind_and_of_older_spaces_have_one_distribution_each(
    optuna: Path, target: str, tmp_path: Path
) -> None:
    settings = [
        Setting("leonardo", (("init_strength", 7.5), ("guidance_scale", 7), ("steps", 30), ("text", "a"))),
        Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.5), ("steps", 40), ("text", 2.5))),
        Setting("gone", (("only", 1),)),
    ]
    with closing(open_store(target)) as store:
        store.record([Observation("structure", one, 3.0, NOW) for one in settings], idempotency_key=None)
    trials = export(optuna, target, tmp_path / "x.log")["default/structure"]["trials"]
    assert [trial["params"] for trial in trials] == [one.to_plain() for one in settings]
    assert trials[1]["distributions"] == {
        "api": "CategoricalDistribution",
        "init_strength": "FloatDistribution",
        "guidance_scale": "FloatDistribution",
        "steps": "IntDistribution",
        "text": "CategoricalDistribution",
    }


def test_the_dashboard_opens_the_file(optuna: Path, target: str, tmp_path: Path) -> None:
    fill(target, 20)
    export(optuna, target, tmp_path / "x.log")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dashboard = subprocess.Popen(
        [optuna.with_name("optuna-dashboard"), "--port", str(port), "--server", "wsgiref", tmp_path / "x.log"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        studies = ask(f"http://127.0.0.1:{port}/api/studies", dashboard)["study_summaries"]
        assert [study["study_name"] for study in studies] == ["default/structure", "default/surfaces"]
        trials = ask(f"http://127.0.0.1:{port}/api/studies/{studies[0]['study_id']}?after=0", dashboard)["trials"]
        assert sorted(trial["values"][0] for trial in trials) == sorted(
            rated(number).rating for number in range(20) if number % 3
        )
    finally:
        dashboard.terminate()
        dashboard.communicate()


def ask(url: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The answer of a server that is starting, or has."""
    deadline = time.monotonic() + 60
    while True:
        try:
            said: dict[str, Any] = requests.get(url, timeout=30).json()
        except requests.ConnectionError:
            assert server.poll() is None, server.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return said


def test_without_optuna_the_way_to_it_is_said(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.observations.optuna.find_spec", lambda _: None)
    assert main(["export", "--from", studies, "--to", str(tmp_path / "x.log"), "--format", "optuna"]) == 1
    said = capsys.readouterr().err
    assert "Optuna is not installed here: `make .venv-optuna/stamp` installs it" in said
    assert ".venv-optuna/bin/python" in said
    assert list(tmp_path.glob("x.log*")) == []


@pytest.mark.parametrize(
    ("target", "complaint"),
    [("-", "cannot be standard output"), ("there.log", "there.log exists already")],
)
def test_a_storage_is_a_new_file(optuna: Path, studies: str, tmp_path: Path, target: str, complaint: str) -> None:
    (tmp_path / "there.log").touch()
    path = target if target == "-" else str(tmp_path / target)
    done = subprocess.run(command(optuna, studies, path), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr
