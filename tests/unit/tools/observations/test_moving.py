"""Moving studies between stores: nothing lost, nothing twice, nothing changed, whatever interrupts it."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import ROOT
from tests.support.stores import ADAPTERS, store_url
from tests.support.studies import (
    ADVICE,
    GARDEN,
    NOW,
    STALE,
    everything,
    fill,
    known,
    rated,
)
from tools.observations import moving, patience
from tools.observations.__main__ import main
from tools.observations.errors import MoveError
from tools.observations.moving import MovedStudy, bring, collect
from tuning.errors import StoreUnavailableError, StudyMissingError
from tuning.observations import Correction, Observation, Suggestion, Told
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore, Recorded

IDS = ("out", "first", "again", "late", "open", "never suggested", "é 0")


@pytest.fixture(params=ADAPTERS)
def elsewhere(request: pytest.FixtureRequest) -> str:
    """An empty store of each adapter, to move to."""
    return store_url(request, request.param)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A store with 450 ratings: more than two batches."""
    url = f"sqlite:///{tmp_path}/source.db"
    fill(url, 450)
    return url


@pytest.fixture
def moved(studies: str) -> tuple[MovedStudy, ...]:
    """The three studies, on the move."""
    with closing(open_store(studies)) as store:
        return collect(store, now=NOW)


def log(url: str, study: str = "default") -> list[object]:
    with closing(open_store(url)) as store:
        return [record for _, _, record in store.records(study, limit=100_000)]


def test_a_copy_is_equal_to_the_last_bit_and_every_entry_has_its_id(
    studies: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    assert everything(elsewhere) == everything(studies)
    # What was answered or is outstanding is known there too; what ended unanswered no store lists.
    assert known(elsewhere, IDS) == known(studies, IDS)
    assert {one.id for one in known(elsewhere, IDS)} == {"out", "first", "again", "late", "open"}
    assert known(elsewhere, ["old"]) == set()
    assert known(studies, ["old"]) == {STALE}
    assert capsys.readouterr().out == (
        "default: 5 rated, 1 pending\n"
        "past: 1 rated, archived\n"
        "garden: 11 rated, 1 failed, 6 corrected, 1 withdrawn, 1 pending\n"
        "30 moved; all verified\n"
    )


def test_positions_revisions_and_ids_are_those_of_the_old_store(studies: str, elsewhere: str) -> None:
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    histories = []
    for url in (studies, elsewhere):
        with closing(open_store(url)) as store:
            histories.append(store.history(study="garden", withdrawn=True, limit=1_000).entries)
    assert histories[0] == histories[1]
    assert [entry.id for entry in histories[1]][-3:] == ["garden-3", "garden-2", "garden-1"]
    assert [one.number for one in histories[1][-1].earlier] == [1, 2]


def test_what_is_rated_after_a_copy_goes_where_it_would_have_gone(studies: str, elsewhere: str) -> None:
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    again = replace(rated(2, suggestion_id="late", rater="ana"), rating=1.5, picture="p2", recorded_at=NOW)
    answers = []
    for url in (studies, elsewhere):
        with closing(open_store(url)) as store:
            places = [("structure", rated(1).setting), ("structure", rated(7).setting)]
            suggested = store.find_suggested(places, study="garden", now=NOW)
            answers.append((store.record([again], study="garden", idempotency_key=None), set(suggested)))
    assert answers[0] == answers[1]
    assert answers[0][0].replaced == (8,)


def test_copying_twice_moves_nothing_the_second_time(
    studies: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    assert capsys.readouterr().out.endswith("0 moved, 30 were there already; all verified\n")
    assert everything(elsewhere) == everything(studies)


def test_one_study_is_moved_to_where_others_are(studies: str, target: str) -> None:
    with closing(open_store(target)) as store:
        store.record([rated(77)], idempotency_key=None)
    assert main(["copy", "--from", studies, "--to", target, "--study", "garden"]) == 0
    assert everything(target)["garden"] == everything(studies)["garden"]
    assert log(target) == [rated(77)]


def test_a_study_goes_nowhere_without_that_which_it_is_based_on(
    studies: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(studies)) as store:
        store.begin(replace(GARDEN, name="next", based_on="garden"))
    assert main(["copy", "--from", studies, "--to", target, "--study", "next"]) == 1
    assert "study next is based on garden, which is not there: move it too (--study garden)" in capsys.readouterr().err
    assert main(["copy", "--from", studies, "--to", target, "--study", "next", "--study", "garden"]) == 0
    assert everything(target).keys() == {"default", "garden", "next"}


def test_an_export_says_which_study_its_import_will_need(
    studies: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(studies)) as store:
        store.begin(replace(GARDEN, name="next", based_on="garden"))
    alone, both = (str(tmp_path / name) for name in ("alone.jsonl", "both.jsonl"))
    assert main(["export", "--from", studies, "--to", alone, "--study", "next"]) == 0
    assert capsys.readouterr().err == (
        "note: study next is based on garden, which is not in the archive: import takes it only where garden is;"
        " add --study garden to have both\n"
    )
    assert main(["import", "--from", alone, "--to", target]) == 1
    said = capsys.readouterr().err
    assert "study next is based on garden, which is not there: move it too (--study garden)" in said
    assert said.endswith("or import it first; nothing was written\n")
    assert everything(target).keys() == {"default"}
    assert log(target) == []

    assert main(["export", "--from", studies, "--to", both, "--study", "next", "--study", "garden"]) == 0
    assert "based on" not in capsys.readouterr().err
    assert main(["import", "--from", both, "--to", target, "--study", "next"]) == 1
    assert main(["import", "--from", both, "--to", target, "--study", "garden"]) == 0
    assert main(["import", "--from", alone, "--to", target]) == 0
    assert everything(target).keys() == {"default", "garden", "next"}


def test_a_study_that_is_not_there_is_named_with_the_nearest(
    studies: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", "--from", studies, "--to", target, "--study", "gardne"]) == 1
    assert capsys.readouterr().err == "tools.observations: there is no study gardne; did you mean garden?\n"
    with closing(open_store(studies)) as store, pytest.raises(StudyMissingError):
        collect(store, names=["zzz"], now=NOW)


def test_a_study_archived_meanwhile_is_brought_up_to_date_and_archived_again(studies: str, elsewhere: str) -> None:
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    with closing(open_store(studies)) as store:
        store.archive("past", archived_at=None)
        store.record([rated(11)], study="past", idempotency_key=None)
        store.archive("past", archived_at=NOW)
        store.archive("garden", archived_at=NOW)
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    assert everything(elsewhere) == everything(studies)


class Interrupted(BaseException):
    """The process ends here."""


_WRITES = ("begin", "claim", "record", "revise", "save_hyperparameters", "archive")


def fail_at(
    store: ObservationStore, patch: pytest.MonkeyPatch, error: BaseException, *, call: int, after: bool
) -> None:
    """Lets the use of a store end, before or after it has written, at that call of all that write."""
    calls = iter(range(1, 1_000))

    def failing(whole: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            now = next(calls) == call
            if now and not after:
                raise error
            done = whole(*arguments, **named)
            if now:
                raise error
            return done

        return write

    for name in _WRITES:
        patch.setattr(store, name, failing(getattr(store, name)))


def writes(moved: Sequence[MovedStudy], tmp_path: Path) -> int:
    """How many calls write when these studies are moved."""
    count = 0
    with closing(open_store(f"sqlite:///{tmp_path}/counted.db")) as store, pytest.MonkeyPatch.context() as patch:
        for name in _WRITES:
            whole = getattr(store, name)

            def counting(*arguments: Any, whole: Callable[..., Any] = whole, **named: Any) -> Any:
                nonlocal count
                count += 1
                return whole(*arguments, **named)

            patch.setattr(store, name, counting)
        bring(moved, store, now=NOW)
    return count


@pytest.mark.parametrize("after", [False, True])
def test_a_move_interrupted_at_any_write_goes_on_without_recording_twice(
    moved: tuple[MovedStudy, ...], studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    total = writes(moved, tmp_path)
    assert total > 20
    all_told, all_known = everything(studies), known(studies, IDS)
    for call in range(1, total + 1):
        url = f"sqlite:///{tmp_path}/target-{call}.db"
        with closing(open_store(url)) as store:
            with monkeypatch.context() as patch:
                fail_at(store, patch, Interrupted(), call=call, after=after)
                with pytest.raises(Interrupted):
                    bring(moved, store, now=NOW)
            bring(moved, store, now=NOW)
        assert everything(url) == all_told
        assert known(url, IDS) == all_known


# At any write, before and after it, on SQLite above.
@pytest.mark.parametrize(("call", "after"), [(1, True), (3, False), (8, True), (21, False)])
def test_on_every_adapter_an_interrupted_move_goes_on(
    moved: tuple[MovedStudy, ...],
    studies: str,
    elsewhere: str,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    after: bool,
) -> None:
    with closing(open_store(elsewhere)) as store:
        with monkeypatch.context() as patch:
            fail_at(store, patch, Interrupted(), call=call, after=after)
            with pytest.raises(Interrupted):
                bring(moved, store, now=NOW)
        bring(moved, store, now=NOW)
    assert everything(elsewhere) == everything(studies)


def test_an_acknowledgement_that_was_lost_is_asked_for_again_and_not_recorded_twice(
    moved: tuple[MovedStudy, ...], studies: str, tmp_path: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in (2, 9, 12):
        url = elsewhere if call == 2 else f"sqlite:///{tmp_path}/lost-{call}.db"
        with closing(open_store(url)) as store, monkeypatch.context() as patch:
            fail_at(store, patch, StoreUnavailableError("try again", retry_after=0), call=call, after=True)
            assert bring(moved, store, now=NOW).written == 30
        assert everything(url) == everything(studies)


def test_two_moves_of_the_same_studies_at_once_record_them_once(
    moved: tuple[MovedStudy, ...], studies: str, elsewhere: str
) -> None:
    # Of two that archive at once, the other is still at work: what is archived takes nothing.
    there = [one for one in moved if one.study.archived_at is None]
    start = threading.Barrier(2)

    def run(_: int) -> int:
        store = open_store(elsewhere)
        start.wait()
        with closing(store):
            return bring(there, store, now=NOW).written

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    assert everything(elsewhere) == {name: told for name, told in everything(studies).items() if name != "past"}


def test_a_store_that_stays_away_ends_the_move_with_its_reason(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    (tmp_path / "target.db").mkdir()
    assert main(["copy", "--from", source, "--to", f"sqlite:///{tmp_path}/target.db"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"waiting: {tmp_path}/target.db cannot be used now") for line in said[:-1]] == [True]
    assert said[-1].startswith(f"tools.observations: {tmp_path}/target.db cannot be used now")


def test_a_source_that_grew_moves_only_what_is_new(
    source: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", "--from", source, "--to", elsewhere]) == 0
    with closing(open_store(source)) as store:
        store.record([rated(number) for number in range(450, 620)], idempotency_key=None)
        store.revise("default", 7, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None)
    assert main(["copy", "--from", source, "--to", elsewhere]) == 0
    assert capsys.readouterr().out.endswith("171 moved, 450 were there already; all verified\n")
    assert everything(elsewhere) == everything(source)


@pytest.mark.parametrize(
    "theirs", [rated(2), replace(rated(449), rating=1.0), Observation("third", rated(0).setting, 3.0, NOW)]
)
def test_other_records_in_the_target_stop_the_move_before_it_begins(
    studies: str, target: str, theirs: Observation, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(target)) as store:
        store.record([theirs], idempotency_key=None)
    assert main(["copy", "--from", studies, "--to", target]) == 1
    assert "other records of study default" in capsys.readouterr().err
    assert log(target) == [theirs]
    assert everything(target).keys() == {"default"}


@pytest.mark.parametrize("changes", [{"note": None}, {"created_at": NOW}, {"based_on": "default"}])
def test_another_study_of_the_name_stops_the_move(
    studies: str, target: str, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(target)) as store:
        store.begin(replace(GARDEN, **changes))
    assert main(["copy", "--from", studies, "--to", target]) == 1
    assert "has another study garden" in capsys.readouterr().err
    assert log(target) == []


def test_another_suggestion_of_the_id_stops_the_move(
    studies: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(target)) as store:
        store.claim([Suggestion("late", "surfaces", rated(2).setting, NOW, NOW)], now=NOW)
    assert main(["copy", "--from", studies, "--to", target]) == 1
    assert "another suggestion late, of study default" in capsys.readouterr().err


def test_a_suggestion_whose_setting_somebody_holds_stays_behind_and_it_is_said(
    studies: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = replace(ADVICE, id="theirs")
    with closing(open_store(elsewhere)) as store:
        store.claim([theirs], now=NOW)
    assert main(["copy", "--from", studies, "--to", elsewhere]) == 0
    assert "1 suggestions were not moved: their settings are pending there under other ids" in capsys.readouterr().out
    with closing(open_store(elsewhere)) as store:
        assert store.outstanding(now=NOW) == (theirs,)
    assert log(elsewhere) == log(studies)


def test_ratings_that_come_in_meanwhile_are_seen_in_the_end(
    moved: tuple[MovedStudy, ...], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(target)) as store:

        def save(*_: object, study: str, as_of: int) -> None:
            store.record([rated(1)], study=study, idempotency_key=None)

        monkeypatch.setattr(store, "save_hyperparameters", save)
        with pytest.raises(MoveError, match="other records of study default"):
            bring(moved, store, now=NOW)


def test_ratings_that_come_in_between_two_batches_are_seen_at_once(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(source)) as store:
        studies = collect(store, now=NOW)
    with closing(open_store(target)) as store:
        whole = store.record

        def record(told: Sequence[Told], *, study: str, idempotency_key: IdempotencyKey | None) -> Recorded:
            recorded = whole(told, study=study, idempotency_key=idempotency_key)
            whole([rated(1)], study=study, idempotency_key=None)
            return recorded

        monkeypatch.setattr(store, "record", record)
        with pytest.raises(MoveError, match="other records of study default"):
            bring(studies, store, now=NOW)
        assert store.count() == 2 * moving.BATCH + 2


@pytest.mark.parametrize("position", [1, 3, 6])
def test_a_log_with_a_hole_is_not_moved(studies: str, position: int) -> None:
    with closing(sqlite3.connect(studies.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("DELETE FROM entries WHERE study = 'garden' AND position = ?", (position,))
        connection.execute("DELETE FROM revisions WHERE study = 'garden' AND position = ?", (position,))
    with closing(open_store(studies)) as store, pytest.raises(MoveError, match=f"at position {position}"):
        collect(store, now=NOW)


def test_a_killed_copy_goes_on_where_it_ended(tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/large.db"
    fill(source, 5_000)
    command = [sys.executable, "-m", "tools.observations", "copy", "--from", source, "--to", target]
    store = open_store(target)
    copying = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while store.count() < 600:
        assert copying.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    copying.send_signal(signal.SIGKILL)
    copying.communicate()
    assert copying.returncode == -signal.SIGKILL
    there = store.count()
    store.close()
    assert 600 <= there < 5_000
    assert there % moving.BATCH == 0
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{5_000 - there:,} moved, {there:,} were there already; all verified" in done.stdout
    assert done.stderr == ""
    assert everything(target) == everything(source)


def test_a_terminal_sees_a_bar(source: str, target: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "tools.observations", "copy", "--from", source, "--to", target]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, check=True)
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "recording:" in shown
    assert "/450" in shown
    assert b"%" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["export", "--from", "sqlite:///{0}/empty.db", "--to", "{0}/new.jsonl"], "there is no such file"),
        (["copy", "--from", "sqlite:///{0}/empty.db", "--to", "{1}"], "there is no such file"),
        (["export", "--from", "{1}", "--to", "{0}/nowhere/new.jsonl"], "No such file or directory"),
        (["import", "--from", "{0}/absent.jsonl", "--to", "{1}"], "absent.jsonl"),
        (["import", "--from", "{0}/absent.csv", "--to", "{1}"], "absent.csv"),
        (["import", "--from", "{0}", "--to", "{1}"], "Is a directory"),
        (["copy", "--from", "{1}", "--to", "redis://x"], "redis://x: must be sqlite:///relative/path.db"),
        (["copy", "--from", "{1}", "--to", "dynamodb://observations?timeout=3"], "dynamodb://table"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    source: str, tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(tmp_path, source) for part in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("tools.observations: ")
    assert complaint in said.err


def test_help_names_the_commands_and_the_urls(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in ("export", "import", "copy", "sqlite:///", "dynamodb://", "run the same command again"):
        assert word in said
