"""Moving studies between stores: nothing lost, nothing twice, nothing changed, whatever interrupts it."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.support.stores import ADAPTERS, store_url
from tools import observations as tool
from tools.observations import ArchiveError, MoveError, main, read_archive
from tuning.errors import StoreUnavailableError
from tuning.observations import Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore, Recorded
from tuning.study import Hyperparameters

NOW = datetime.now(UTC)
LEARNED = Hyperparameters((("strength", 0.1 + 0.2), ("guidance", 1 / 3)), 1.5, 0.25, 0.7, fitted_on=41)
ADVICE = Suggestion("out", "surfaces", Setting("leonardo", (("p", 0.125),)), NOW, NOW + timedelta(hours=5))
STALE = Suggestion("old", "surfaces", Setting("leonardo", (("p", 0.5),)), NOW - timedelta(hours=5), NOW)


def rated(number: int) -> Observation:
    api, mode = ("leonardo", "structure") if number % 3 else ("stablediffusion", "surfaces")
    guidance = 5e-324 if number == 4 else 7.2
    values = (("init_strength", 0.1 + number / 7), ("guidance_scale", guidance), ("steps", number), ("sampler", "é"))
    moment = NOW - timedelta(seconds=10_000 - number, microseconds=number)
    identity = f"é {number}" if number % 5 == 0 else None
    return Observation(mode, Setting(api, values), 1 + number % 9 / 2.1, moment, identity)


def fill(url: str, count: int) -> None:
    store = open_store(url)
    for start in range(0, count, 1_000):
        store.record([rated(number) for number in range(start, min(start + 1_000, count))], idempotency_key=None)
    store.save_hyperparameters("structure", LEARNED)
    store.claim([STALE], now=NOW - timedelta(hours=5))
    store.claim([ADVICE], now=NOW - timedelta(minutes=1))
    store.close()


def everything(url: str) -> list[Observation]:
    store = open_store(url)
    page = store.history(mode=None, limit=100_000)
    store.close()
    return list(page.observations)


@pytest.fixture(params=ADAPTERS)
def elsewhere(request: pytest.FixtureRequest) -> str:
    """An empty store of each adapter, to move to."""
    return store_url(request, request.param)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A store with 450 observations: more than two batches."""
    url = f"sqlite:///{tmp_path}/source.db"
    fill(url, 450)
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/target.db"


@pytest.fixture
def archive(source: str, tmp_path: Path) -> Path:
    path = tmp_path / "ratings.jsonl"
    assert main(["export", "--from", source, "--to", str(path)]) == 0
    return path


def test_a_copy_is_equal_in_order_numbers_moments_and_suggestions(source: str, elsewhere: str) -> None:
    assert main(["copy", "--from", source, "--to", elsewhere]) == 0
    assert everything(elsewhere) == [rated(number) for number in reversed(range(450))]
    store = open_store(elsewhere)
    for mode in ("structure", "surfaces"):
        study = store.mode_study(mode, now=NOW)
        assert study.observations == tuple(rated(n) for n in range(450) if rated(n).mode == mode)
        assert study.hyperparameters == (LEARNED if mode == "structure" else None)
    assert store.outstanding(now=NOW) == (ADVICE,)
    store.close()


def test_what_went_to_a_file_and_came_back_is_equal(
    source: str, archive: Path, elsewhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["import", "--from", str(archive), "--to", elsewhere]) == 0
    assert capsys.readouterr().out == (
        "structure: 300 observations\nsurfaces: 150 observations\n450 moved; all verified\n"
    )
    again = tmp_path / "again.jsonl"
    assert main(["export", "--from", elsewhere, "--to", str(again)]) == 0
    assert again.read_bytes() == archive.read_bytes()
    assert everything(elsewhere) == everything(source)


def test_an_archive_is_a_header_a_study_and_a_line_an_observation(archive: Path) -> None:
    lines = [json.loads(line) for line in archive.read_text().splitlines()]
    assert [(line["study"], line["format"], line["observations"]) for line in lines[:2]] == [
        ("structure", 1, 300),
        ("surfaces", 1, 150),
    ]
    assert len(lines) == 452
    assert lines[2].keys() == {"mode", "parameters", "rating", "recorded_at", "suggestion_id"}


def test_importing_twice_moves_nothing_the_second_time(
    archive: Path, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["import", "--from", str(archive), "--to", elsewhere]) == 0
    assert capsys.readouterr().out.endswith("0 moved, 450 were there already; all verified\n")
    assert len(everything(elsewhere)) == 450


class Interrupted(BaseException):
    """The process ends here."""


def fail_at(
    store: ObservationStore, patch: pytest.MonkeyPatch, error: BaseException, *, batch: int, after: bool
) -> None:
    """Lets the use of a store end, before or after it has recorded, at that batch."""
    whole, sent = store.record, iter(range(1, 1_000))

    def record(observations: Sequence[Observation], *, idempotency_key: IdempotencyKey | None) -> Recorded:
        now = next(sent) == batch
        if now and not after:
            raise error
        recorded = whole(observations, idempotency_key=idempotency_key)
        if now:
            raise error
        return recorded

    patch.setattr(store, "record", record)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_import_interrupted_at_any_batch_goes_on_without_recording_twice(
    archive: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch, batch: int, after: bool
) -> None:
    moved, store = read_archive(archive), open_store(elsewhere)
    with monkeypatch.context() as patch:
        fail_at(store, patch, Interrupted(), batch=batch, after=after)
        with pytest.raises(Interrupted):
            tool.record(moved, store, now=NOW)
    there = min(450, tool.BATCH * (batch - 1 + after))
    assert store.count() == there
    assert tool.record(moved, store, now=NOW) == 450 - there
    store.close()
    assert everything(elsewhere) == [rated(number) for number in reversed(range(450))]


def test_an_acknowledgement_that_was_lost_is_asked_for_again_and_not_recorded_twice(
    archive: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(elsewhere)
    fail_at(store, monkeypatch, StoreUnavailableError("try again", retry_after=0), batch=2, after=True)
    assert tool.record(read_archive(archive), store, now=NOW) == 450
    store.close()
    assert len(everything(elsewhere)) == 450


def test_two_imports_of_one_archive_at_once_record_it_once(archive: Path, elsewhere: str) -> None:
    moved, start = read_archive(archive), threading.Barrier(2)

    def run(_: int) -> int:
        store = open_store(elsewhere)
        start.wait()
        with closing(store):
            return tool.record(moved, store, now=NOW)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    assert everything(elsewhere) == [rated(number) for number in reversed(range(450))]


def test_a_store_that_stays_away_ends_the_move_with_its_reason(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "ATTEMPTS", 2)
    (tmp_path / "target.db").mkdir()
    assert main(["import", "--from", str(archive), "--to", f"sqlite:///{tmp_path}/target.db"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"waiting: {tmp_path}/target.db cannot be used now") for line in said[:-1]] == [True]
    assert said[-1].startswith(f"tools.observations: {tmp_path}/target.db cannot be used now")


def test_an_archive_that_grew_moves_only_what_is_new(
    source: str, archive: Path, elsewhere: str, tmp_path: Path
) -> None:
    assert main(["import", "--from", str(archive), "--to", elsewhere]) == 0
    store = open_store(source)
    store.record([rated(number) for number in range(450, 620)], idempotency_key=None)
    store.close()
    grown = tmp_path / "grown.jsonl"
    assert main(["export", "--from", source, "--to", str(grown)]) == 0
    assert main(["import", "--from", str(grown), "--to", elsewhere]) == 0
    assert everything(elsewhere) == [rated(number) for number in reversed(range(620))]


@pytest.mark.parametrize("theirs", [rated(2), rated(449), Observation("third", rated(0).setting, 3.0, NOW)])
def test_other_observations_in_the_target_stop_the_move_before_it_begins(
    archive: Path, target: str, theirs: Observation, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(target)
    store.record([theirs], idempotency_key=None)
    store.close()
    assert main(["import", "--from", str(archive), "--to", target]) == 1
    assert f"other observations of study {theirs.mode}" in capsys.readouterr().err
    assert everything(target) == [theirs]


def test_ratings_that_come_in_meanwhile_are_seen_in_the_end(
    archive: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(target)
    monkeypatch.setattr(store, "save_hyperparameters", lambda *_: store.record([rated(1)], idempotency_key=None))
    with pytest.raises(MoveError, match="other observations of study structure"):
        tool.record(read_archive(archive), store, now=NOW)
    store.close()


def test_a_killed_import_goes_on_where_it_ended(tmp_path: Path, target: str) -> None:
    source, path = f"sqlite:///{tmp_path}/large.db", tmp_path / "large.jsonl"
    fill(source, 12_000)
    assert main(["export", "--from", source, "--to", str(path)]) == 0
    command = [sys.executable, "-m", "tools.observations", "import", "--from", str(path), "--to", target]
    store = open_store(target)
    importing = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while (there := store.count()) < 600:
        assert importing.poll() is None
        assert time.monotonic() < deadline
    importing.send_signal(signal.SIGKILL)
    importing.communicate()
    assert importing.returncode == -signal.SIGKILL
    there = store.count()
    store.close()
    assert 600 <= there < 12_000
    assert there % tool.BATCH == 0
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{12_000 - there:,} moved, {there:,} were there already; all verified" in done.stdout
    assert done.stderr == ""
    assert everything(target) == [rated(number) for number in reversed(range(12_000))]


def test_a_terminal_sees_a_bar(archive: Path, target: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "tools.observations", "import", "--from", str(archive), "--to", target]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, check=True)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "recording:" in shown
    assert "/450" in shown
    assert b"%" not in done.stdout


def damaged(archive: Path, number: int, **changes: object) -> str:
    """The archive's lines, one of them changed; a change to `...` removes the field."""
    lines = archive.read_text().splitlines()
    plain = {**json.loads(lines[number - 1]), **changes}
    lines[number - 1] = json.dumps({name: value for name, value in plain.items() if value is not ...})
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("number", "changes", "complaint"),
    [
        (1, {"format": 2}, "format is 2; this release reads 1"),
        (1, {"format": ...}, "format is null; this release reads 1"),
        (1, {"observations": 301}, "holds 300 observations of study structure, and its header says 301"),
        (1, {"observations": ...}, "observations must be a whole number of at least 0, not null"),
        (1, {"outstanding": None}, "outstanding must be a list, not null"),
        (1, {"hyperparameters": {}}, "hyperparameters.fitted_on is missing"),
        (1, {"hyperparameters": 3}, "hyperparameters must be an object, not 3"),
        (2, {"study": "structure"}, "study 'structure' has a header already"),
        (2, {"study": "third"}, "study 'surfaces' has no header before this line"),
        (2, {"outstanding": [{"id": "a"}]}, "suggested_at must be a text, not null"),
        (7, {"mode": 5}, "mode must be a text, not 5"),
        (7, {"mode": ""}, "mode must be a text, not ''"),
        (7, {"rating": 6}, "rating must lie within 1 to 5, not 6"),
        (7, {"rating": "good"}, "rating must be a number, not 'good'"),
        (7, {"rating": True}, "rating must be a number, not true"),
        (7, {"rating": float("nan")}, "rating must be a finite number"),
        (7, {"parameters": [1]}, "parameters must be an object, not a list"),
        (7, {"parameters": {}}, "api must be a text, not null"),
        (7, {"parameters": {"api": "leonardo", "p": None}}, "p must be a number, not null"),
        (7, {"recorded_at": "yesterday"}, "recorded_at must be a moment in ISO 8601, not 'yesterday'"),
        (7, {"recorded_at": "2030-01-02T03:04:05"}, "recorded_at must say its offset from UTC"),
        (7, {"suggestion_id": 7}, "suggestion_id must be a text, not 7"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_is_recorded(
    archive: Path, target: str, number: int, changes: dict[str, object], complaint: str
) -> None:
    archive.write_text(damaged(archive, number, **changes))
    with pytest.raises(ArchiveError) as caught:
        read_archive(archive)
    assert complaint in str(caught.value)
    counted = "header says" in complaint
    assert str(caught.value).startswith(f"{archive}: " if counted else f"{archive}:")
    assert counted or "has no header" in complaint or f":{number}:" in str(caught.value)
    assert main(["import", "--from", str(archive), "--to", target]) == 1
    assert not Path(target.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n", ":1: is not JSON"),
        (b"[]\n", ":1: must be an object, not a list"),
        (b"\xff\xfe\n", ":1: is not JSON"),
        (b'{"study": "a", "format": 1', ":1: is not JSON"),
        (
            b'{"mode": "a", "parameters": {"api": "b"}, "rating": 3, "recorded_at": "2030-01-01T00:00Z"}',
            ":1: study 'a'",
        ),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=complaint):
        read_archive(path)


def test_an_archive_cut_short_is_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: whole.rindex(b"\n{") + 1])
    with pytest.raises(ArchiveError, match="holds 299 observations of study structure, and its header says 300"):
        read_archive(archive)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["export", "--from", "sqlite:///{0}/empty.db", "--to", "{0}/new.jsonl"], "holds no observations"),
        (["export", "--from", "{1}", "--to", "{0}/ratings.jsonl"], "ratings.jsonl exists already"),
        (["export", "--from", "{1}", "--to", "{0}/nowhere/new.jsonl"], "No such file or directory"),
        (["import", "--from", "{0}/absent.jsonl", "--to", "{1}"], "absent.jsonl"),
        (["import", "--from", "{0}", "--to", "{1}"], "Is a directory"),
        (["copy", "--from", "{1}", "--to", "redis://x"], "redis://x: must be sqlite:///relative/path.db"),
        (["copy", "--from", "{1}", "--to", "dynamodb://observations?timeout=3"], "dynamodb://table"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    archive: Path, tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    before = archive.read_bytes()
    capsys.readouterr()
    assert main([part.format(tmp_path, source) for part in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("tools.observations: ")
    assert complaint in said.err
    assert archive.read_bytes() == before


def test_help_names_the_commands_and_the_urls(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("export", "import", "copy", "sqlite:///", "dynamodb://", "given again"):
        assert word in said
