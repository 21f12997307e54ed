"""The comparison's runs: cached, resumed after any death, and each measured in a process of its own."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tuning.__main__ import main
from benchmarks.tuning.alone import MeasurementError, Worker
from benchmarks.tuning.campaign import Task, missing, work
from benchmarks.tuning.families import draw
from benchmarks.tuning.results import ResultsError, append, read
from benchmarks.tuning.runs import RATINGS, SIZES, Run, run
from benchmarks.tuning.settings import snap
from benchmarks.tuning.worlds import ALIKE

_TASKS = [Task("alike", "random", "trap", 0), Task("alike", "random", "trap", 1)]


@pytest.fixture(scope="module")
def done() -> Run:
    return run(ALIKE.rows["random"], "trap", 0)


def test_a_run_weighs_the_recommendation_after_every_batch(done: Run) -> None:
    assert (SIZES[0], SIZES[-1]) == (2, RATINGS)
    assert len(done.regrets) == len(done.seconds) == len(SIZES)
    assert min(done.regrets) >= 0.0
    assert run(ALIKE.rows["random"], "trap", 0).regrets == done.regrets
    assert run(ALIKE.rows["random"], "trap", 2).regrets != done.regrets


def test_suggestions_are_rounded_to_the_grid_before_they_are_rated() -> None:
    mode = draw("smooth", 0).mode
    raw = {"api": "leonardo", "init_strength": 0.23456, "guidance_scale": 7.449, "controlnet_weight": 0.7}
    assert snap(mode, raw) == raw | {"init_strength": 0.23, "guidance_scale": 7.4}


def test_what_is_done_is_not_done_again_and_is_what_it_would_be_here(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    assert missing(_TASKS, path) == _TASKS
    assert work(_TASKS[:1], path) == []
    assert missing(_TASKS, path) == _TASKS[1:]
    (kept,) = read(path)
    assert (kept.method, kept.version, kept.family, kept.seed) == ("random", done.version, "trap", 0)
    assert kept.regrets == tuple(round(regret, 4) for regret in done.regrets)


def test_results_of_another_version_do_not_count(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    append(path, replace(done, version="0"))
    assert missing(_TASKS, path) == _TASKS
    append(path, done)
    assert missing(_TASKS, path) == _TASKS[1:]
    assert [one.version for one in read(path)] == ["0", done.version]


def test_intervals_are_kept_with_a_run(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    lows, highs = (tuple(sign * size / 64 for size in SIZES) for sign in (-1, 1))
    append(path, done)
    append(path, replace(done, method="ours", lows=lows, highs=highs))
    without, with_them = read(path)
    assert (without.lows, without.highs) == ((), ())
    assert with_them.lows == pytest.approx(lows, abs=1e-4)
    assert with_them.highs == pytest.approx(highs, abs=1e-4)
    assert with_them.regrets == without.regrets


def test_a_run_that_ended_early_is_kept_as_far_as_it_went(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    short = replace(done, regrets=done.regrets[:15], seconds=done.seconds[:15])
    assert (done.ratings, short.ratings) == (RATINGS, 30)
    append(path, short)
    append(path, done)
    first, second = read(path)
    assert first.regrets == second.regrets[:15]
    assert (first.ratings, second.ratings) == (30, RATINGS)
    cells = path.read_text(encoding="utf-8").splitlines()[1].split(",")
    with_a_hole = [*cells[:8], "", *cells[9:]]
    path.write_text("\n".join([path.read_text(encoding="utf-8").splitlines()[0], ",".join(with_a_hole), ""]))
    with pytest.raises(ResultsError, match="line 2"):
        read(path)


def test_a_method_that_takes_too_long_is_run_to_its_last_rating() -> None:
    row = ALIKE.rows["random"]
    short = run(replace(row, method=replace(row.method, ratings=30)), "trap", 0)
    assert short.ratings == 30
    assert short.regrets == run(row, "trap", 0).regrets[:15]


def test_half_a_line_left_by_a_killed_writer_is_not_read_and_is_cut_off(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    append(path, done)
    append(path, replace(done, seed=1))
    whole = path.read_bytes()
    for cut in (1, 40, 300):
        path.write_bytes(whole[:-cut])
        assert [one.seed for one in read(path)] == [0]
        append(path, replace(done, seed=1))
        assert path.read_bytes() == whole


def test_half_a_heading_left_by_a_killed_writer_is_written_anew(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    path.write_text("method,ver")
    assert read(path) == []
    append(path, done)
    assert [one.seed for one in read(path)] == [0]


def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path, done: Run) -> None:
    path = tmp_path / "tuning.csv"
    append(path, done)
    path.write_text(path.read_text() + "random,1,trap\n")
    with pytest.raises(ResultsError, match=r"tuning.csv, line 3: 3 cells, not 105"):
        read(path)
    path.write_text("a,b\n")
    with pytest.raises(ResultsError, match="line 1: these are not the columns"):
        read(path)


def test_a_run_that_fails_is_reported_and_the_others_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tuning.csv"
    broken = Task("alike", "random", "no such family", 0)
    (failure,) = work([broken, _TASKS[0]], path)
    assert failure.task == broken
    assert "KeyError: 'no such family'" in failure.message
    assert "random, no such family, seed 0 ended with status 1" in capsys.readouterr().err
    assert len(read(path)) == 1


def test_a_worker_that_cannot_start_says_why_of_every_run(tmp_path: Path) -> None:
    with Worker("benchmarks.tuning.runs", "alike", "no such method") as worker:
        for _ in range(2):
            with pytest.raises(MeasurementError, match="ended with status 1: KeyError: 'no such method'"):
                worker.measure("trap", "0")


def test_the_command_does_the_runs_that_are_missing_and_says_how_many_were_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "--folder",
        str(tmp_path),
        "run",
        "--world",
        "alike",
        "--methods",
        "random",
        "--families",
        "trap",
        "--seeds",
    ]
    assert main([*command, "0"]) == 0
    assert main([*command, "0:2", "--jobs", "2"]) == 0
    assert f"1 of 2 runs are in {tmp_path / 'tuning.csv'} already" in capsys.readouterr().err
    assert sorted(one.seed for one in read(tmp_path / "tuning.csv")) == [0, 1]


def test_a_peer_that_is_not_installed_is_named_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path), "run", "--methods", "smac3", "--seeds", "0"]) == 2
    assert capsys.readouterr().err == ("benchmarks.tuning: smac is not installed; `make bench-tuning` installs it\n")


@pytest.mark.parametrize("seeds", ["3:3", "5:2", "a", "1:b", "-1:4", ""])
def test_seeds_that_name_none_are_refused(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", f"--seeds={seeds}"])
    assert "names no seeds" in capsys.readouterr().err


def test_a_measurement_that_crashes_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fragile.py").write_text(
        "import os\n"
        "from benchmarks.tuning.alone import serve\n"
        "serve(lambda how: os.abort() if how == 'abort' else f'{how} {os.getpid()}')\n"
    )
    monkeypatch.chdir(tmp_path)
    with Worker("fragile") as worker:
        first = worker.measure("fine")
        with pytest.raises(MeasurementError, match="ended with status -6: it said nothing"):
            worker.measure("abort")
        second = worker.measure("fine")
    assert first.startswith("fine ")
    assert first != second


def test_a_worker_that_is_killed_costs_one_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fragile.py").write_text(
        "import os, signal\n"
        "from benchmarks.tuning.alone import serve\n"
        "def measure(how):\n"
        "    if how == 'parricide':\n"
        "        os.kill(os.getppid(), signal.SIGTERM)\n"
        "    return how\n"
        "serve(measure)\n"
    )
    monkeypatch.chdir(tmp_path)
    with Worker("fragile") as worker:
        with pytest.raises(MeasurementError, match="ended with status -15"):
            worker.measure("parricide")
        assert worker.measure("fine") == "fine"


def test_a_killed_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "tuning.csv"
    tasks = [Task("alike", "random", "trap", seed) for seed in range(60)]
    command = [sys.executable, "-m", "benchmarks.tuning", "--folder", str(tmp_path)]
    command += ["run", "--world", "alike", "--methods", "random", "--families", "trap", "--seeds", "0:60"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as killed:
        while not read(path):
            time.sleep(0.01)
        killed.kill()
    done = len(read(path))
    assert 0 < done < len(tasks)
    assert len(missing(tasks, path)) == len(tasks) - done
    assert work(missing(tasks, path)[:2], path) == []
    assert len({(one.family, one.seed) for one in read(path)}) == done + 2 == len(read(path))
