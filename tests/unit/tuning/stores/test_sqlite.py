"""What is particular to SQLite: URLs, the file itself, and every way in which a file can fail."""

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.observations import NOW, setting, suggestion
from tests.support.observations import observation as observation_of
from tuning.errors import StoreCorruptError, StoreUnavailableError, StoreUrlError
from tuning.observations import Correction, Observation, Setting, Told
from tuning.stores import open_store
from tuning.stores import sqlite as store_sqlite
from tuning.stores.records import load_told
from tuning.stores.sqlite import SqliteObservationStore
from tuning.study import Study

Damage = Callable[[Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "observations.db"


@pytest.fixture
def observation(leonardo: Setting, now: datetime) -> Observation:
    return Observation("structure", leonardo, 4.0, now)


def run_sql(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def filled(path: Path, observation: Observation) -> None:
    store = SqliteObservationStore(path)
    store.record([observation], idempotency_key=None)
    store.close()


def test_three_slashes_are_relative_and_four_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, observation: Observation
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a/deep/relative.db", f"sqlite:///{tmp_path}/absolute.db"):
        store = open_store(url)
        monkeypatch.chdir("/")  # a later change of folder must not move the file
        store.record([observation], idempotency_key=None)
        store.close()
        monkeypatch.chdir(tmp_path)
    assert (tmp_path / "a/deep/relative.db").is_file()
    assert (tmp_path / "absolute.db").is_file()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "must be sqlite:///relative/path.db"),
        ("observations.db", "must be sqlite:///relative/path.db"),
        ("postgres://host/db", "must be .* or sqlite:////absolute/path.db, or dynamodb://table"),
        ("sqlite://observations.db", "must be sqlite:///relative/path.db or sqlite:////absolute/path.db"),
        ("sqlite:///", "must be sqlite:///"),
        ("sqlite:///folder/", "must be sqlite:///"),
        ("sqlite:///a.db?mode=ro", "must be sqlite:///"),
        ("sqlite://[bad/a.db", "must be sqlite:///"),
        ("sqlite:///a/..", "must be sqlite:///"),
        ("sqlite:///a\t.db", "control character"),
    ],
)
def test_a_wrong_url_is_refused_by_the_name_of_its_setting(url: str, complaint: str) -> None:
    with pytest.raises(StoreUrlError, match=f"^OBSERVATION_STORE: .*{complaint}"):
        open_store(url)


def test_opening_touches_no_disk(path: Path) -> None:
    open_store(f"sqlite:///{path}")
    assert not path.exists()


def test_a_warm_store_reads_what_is_new_and_nothing_else(
    path: Path, observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 0

    def counted(*row: Any) -> Told:
        nonlocal rows
        rows += 1
        return load_told(*row)

    monkeypatch.setattr(store_sqlite, "load_told", counted)
    store, other = SqliteObservationStore(path), SqliteObservationStore(path)
    read = []
    for new in (100, 0, 2, 0, 1):
        if new:
            other.record([observation] * new, idempotency_key=None)
        rows = 0
        known = len(store.mode_study("structure", now=observation.recorded_at).observations)
        read.append((rows, known))
    assert read == [(100, 100), (0, 100), (2, 102), (0, 102), (1, 103)]
    assert store.mode_study("structure", now=observation.recorded_at).observations == (observation,) * 103
    # A revision is one row, and the entry that it revises is remembered.
    rows = 0
    correction = Correction(observation.recorded_at, rating=2.0)
    other.revise("default", 50, correction, seen=1, idempotency_key=None)
    rows = 0
    assert store.mode_study("structure", now=None).observations[49] == replace(observation, rating=2.0)
    assert rows == 0
    store.close()
    other.close()


def test_a_store_remembers_so_many_studies_and_reads_the_others_anew(
    path: Path, observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_sqlite, "_REMEMBERED", 3)
    store = SqliteObservationStore(path)
    for name in "abcde":
        store.begin(Study(name, observation.recorded_at))
        store.record([observation] * 2, study=name, idempotency_key=None)
    for name in "abcdeabcde":
        assert store.mode_study("structure", study=name, now=None).observations == (observation,) * 2
    assert [name for name, _ in store._known] == ["c", "d", "e"]
    store.mode_study("structure", study="c", now=None)
    store.mode_study("structure", study="a", now=None)
    assert [name for name, _ in store._known] == ["e", "c", "a"]
    store.close()


def test_a_study_of_a_file_that_was_put_back_while_nobody_used_it_is_read_anew(
    path: Path, observation: Observation
) -> None:
    filled(path, observation)
    backup = path.read_bytes()
    store = SqliteObservationStore(path)
    seed = store.mode_study("structure", now=None).seed
    store.record([observation] * 3, idempotency_key=None)
    assert len(store.mode_study("structure", now=None).observations) == 4
    store.close()
    path.write_bytes(backup)
    study = store.mode_study("structure", now=None)
    assert (study.seed, study.observations, study.as_of) == (seed, (observation,), 1)
    store.close()


def test_a_file_without_its_default_study_is_corrupt(path: Path, observation: Observation) -> None:
    filled(path, observation)
    run_sql(path, "DELETE FROM studies")
    store = SqliteObservationStore(path)
    with pytest.raises(StoreCorruptError, match="study default, which is always there, is missing"):
        store.count()
    store.close()


USES: dict[str, tuple[Callable[[SqliteObservationStore], object], set[str]]] = {
    "a mode": (
        lambda store: store.mode_study("structure", now=NOW),
        {"entries_of_mode", "revisions_of_mode", "outstanding_of_place"},
    ),
    "history": (lambda store: store.history(limit=3), {"PRIMARY KEY (study=? AND position<?)", "revisions_of_entry"}),
    "a mode's": (lambda store: store.history(mode="structure", limit=3), {"entries_of_mode", "revisions_of_entry"}),
    "a rater's": (
        lambda store: store.history(mode="structure", rater="ana", limit=3),
        {"entries_of_rater", "revisions_of_entry"},
    ),
    "a picture's": (
        lambda store: store.history(rater="ana", picture="p", limit=3),
        {"entries_of_picture", "revisions_of_entry"},
    ),
    "record": (
        lambda store: store.record([observation_of(suggestion_id="s", rater="ana")], idempotency_key=None),
        {"entries_of_suggestion", "revisions_of_entry", "modes USING PRIMARY KEY"},
    ),
    "revise": (
        lambda store: store.revise("default", 1, Correction(NOW, rating=2.0), seen=None, idempotency_key=None),
        {"PRIMARY KEY (study=? AND position=?)", "revisions_of_entry", "modes USING PRIMARY KEY"},
    ),
    "claim": (lambda store: store.claim([suggestion("t", 9)], now=NOW), {"outstanding_by_expiry"}),
    "outstanding": (lambda store: store.outstanding(now=NOW), {"outstanding_of_place"}),
    "by id": (lambda store: store.find_suggestions(["s"]), {"suggestions USING INDEX sqlite_autoindex_suggestions_1"}),
    "by place": (
        lambda store: store.find_suggested([("structure", setting())], now=NOW),
        {"suggestions_of_place (study=? AND mode=? AND setting_key=?)", "suggestions USING INTEGER PRIMARY KEY"},
    ),
    "count": (lambda store: store.count(), {"modes USING PRIMARY KEY (study=?)"}),
    "studies": (lambda store: store.studies(limit=3), {"entries_that_count", "PRIMARY KEY (name>?)"}),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_asked_for_is_looked_up_and_not_searched_for(path: Path, use: str) -> None:
    store = SqliteObservationStore(path)
    store.mode_study("structure", now=NOW)
    store.claim([suggestion("s")], now=NOW)
    store.record([observation_of(suggestion_id="s", rater="ana", picture="p")], idempotency_key=None)
    statements: list[str] = []
    store._database._idle[0].connection.set_trace_callback(statements.append)
    ask, expected = USES[use]
    ask(store)
    store.close()
    connection = sqlite3.connect(path)
    steps = [
        str(step[3])
        for statement in statements
        if statement.startswith(("SELECT", "UPDATE"))
        for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    connection.close()
    assert not [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    assert not [index for index in expected if not any(index in step for step in steps)], steps


def test_every_commit_is_synced_to_a_write_ahead_log(path: Path) -> None:
    store = SqliteObservationStore(path)
    with store._database.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_locked_store_is_unavailable_and_then_available(path: Path, observation: Observation) -> None:
    filled(path, observation)
    store = SqliteObservationStore(path, busy_timeout=0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked") as caught:
        store.record([observation], idempotency_key=None)
    assert caught.value.retry_after > 0
    assert store.count() == 1  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    assert store.record([observation], idempotency_key=None).samples_seen == 2
    store.close()


def test_a_writer_waits_for_its_turn(path: Path, observation: Observation) -> None:
    filled(path, observation)
    store = SqliteObservationStore(path, busy_timeout=10)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, lambda: holder.execute("ROLLBACK"))
    release.start()
    assert store.record([observation], idempotency_key=None).samples_seen == 2
    release.join()
    holder.close()
    store.close()


def test_a_full_disk_is_unavailable_and_nothing_is_half_written(path: Path, observation: Observation) -> None:
    filled(path, observation)
    script = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
from datetime import UTC, datetime
from tuning.errors import StoreUnavailableError
from tuning.observations import Correction, Observation, Setting, Told
from tuning.stores.sqlite import SqliteObservationStore
store = SqliteObservationStore({str(path)!r})
size = {path.stat().st_size} + 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
batch = [Observation("structure", Setting("a", (("p", 1.0),)), 3.0, datetime.now(UTC))] * 1_000
try:
    store.record(batch, idempotency_key=None)
except StoreUnavailableError as error:
    print("unavailable", error.retry_after > 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.count(), store.record(batch, idempotency_key=None).samples_seen)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["unavailable", "True", "1", "1001"]


@pytest.mark.parametrize("place", ["file/observations.db", "folder"])
def test_a_place_that_cannot_hold_a_file_is_unavailable(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreUnavailableError):
        SqliteObservationStore(tmp_path / place).count()


def overwrite_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200:] = os.urandom(len(content) - 200)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.write_text("This is a text and no database at all. " * 40), "not a readable"),
        (overwrite_pages, "not a readable"),
        (lambda path: run_sql(path, "PRAGMA user_version = 99"), "schema version 99, written by a newer release"),
        (lambda path: run_sql(path, "PRAGMA application_id = 7"), "a SQLite database of something else"),
        (lambda path: run_sql(path, "PRAGMA application_id = 0; PRAGMA user_version = 0"), "of something else"),
    ],
    ids=["text", "damaged", "newer", "foreign", "foreign without version"],
)
def test_a_file_that_is_no_store_is_corrupt_and_left_alone(
    damage: Damage, complaint: str, path: Path, observation: Observation
) -> None:
    filled(path, observation)
    damage(path)
    before = path.read_bytes()
    store = SqliteObservationStore(path)
    with pytest.raises(StoreCorruptError, match=complaint):
        store.record([observation], idempotency_key=None)
    store.close()
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(path: Path, observation: Observation) -> None:
    path.touch()
    filled(path, observation)


def test_a_forked_child_uses_connections_of_its_own(path: Path, observation: Observation) -> None:
    filled(path, observation)
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from datetime import UTC, datetime
from tuning.stores.sqlite import SqliteObservationStore
store = SqliteObservationStore({str(path)!r})
batch = store.mode_study("structure", now=datetime.now(UTC)).observations
parents = [id(connection) for connection in store._database._idle]
child = os.fork()
if child == 0:
    good = store.record(batch, idempotency_key=None).samples_seen == 2
    good = good and parents != [id(connection) for connection in store._database._idle]
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
assert parents == [id(connection) for connection in store._database._idle]
print(store.record(batch, idempotency_key=None).samples_seen)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "3"


@pytest.mark.parametrize(("takes", "rests"), [(0.5, 5.0), (20.0, 60.0)])
def test_what_was_verified_is_taken_for_sound_ten_times_as_long_as_that_took_and_a_minute_at_most(
    path: Path,
    observation: Observation,
    now: datetime,
    takes: float,
    rests: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()

    def tick() -> float:
        clock.advance(takes)
        return clock.seconds

    monkeypatch.setattr(store_sqlite, "time", SimpleNamespace(monotonic=tick))
    filled(path, observation)
    store = SqliteObservationStore(path)
    assert store.verify(now=now) == 1
    end = clock.seconds + rests
    run_sql(path, "UPDATE entries SET rating = 'five'")
    clock.seconds = end - takes - 0.001
    assert store.verify(now=now) == 1
    clock.seconds = end - takes
    with pytest.raises(StoreCorruptError, match="entry default-1"):
        store.verify(now=now)
    store.close()
