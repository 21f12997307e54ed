"""Files of the release before (`tests/databases`) open as the study `default`, whole, wherever that is cut off."""

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.observations import DAY, NOW, failure, key, observation, setting, suggestion
from tuning.errors import AlreadyPendingError, IdempotencyMismatchError, StoreCorruptError
from tuning.observations import Correction, Observation, Setting
from tuning.stores.port import Recorded
from tuning.stores.sqlite import SqliteObservationStore
from tuning.study import Best, Hyperparameters, Study

OLD = Path(__file__).parents[3] / "databases/observations-1.sql"
KEPT = Observation(
    "structure",
    Setting("stablediffusion", (("strength", 1 / 3), ("steps", 30), ("sampler", "dpm++ & 'ñ'"))),
    1 + 2 / 3,
    NOW + DAY,
)
RATED = [
    observation(0, suggestion_id="rated"),
    observation(3),
    observation(4, mode="surfaces", suggestion_id="rated elsewhere"),
    observation(0, suggestion_id="rated", at=NOW + timedelta(hours=1)),
    observation(5, suggestion_id="of the caller's own"),
    observation(6, mode="relief"),
    KEPT,
]
LEARNED = Hyperparameters((("strength", 1 / 3), ("guidance", 0.1 + 0.2)), 1.1, 0.16, 2 / 3, 5)


def write_old(path: Path, more: str = "") -> None:
    """Make the file that the release before left behind."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(OLD.read_text())
    connection.executescript(more)
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "observations.db"
    write_old(path)
    return path


def dump(path: Path) -> list[str]:
    """All that a file holds, and its version."""
    connection = sqlite3.connect(path)
    content = [str(connection.execute("PRAGMA user_version").fetchone()), *connection.iterdump()]
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return content


def test_an_old_file_opens_as_the_default_study_and_goes_on(path: Path) -> None:
    for opened in range(2):
        store = SqliteObservationStore(path)
        assert store.verify(now=NOW) == store.count() == 7 + opened
        entries = store.history(limit=100).entries[::-1]
        assert [entry.told for entry in entries][:7] == RATED
        assert [entry.id for entry in entries] == [f"default-{position}" for position in range(1, 8 + opened)]
        for mode in ("structure", "surfaces", "relief"):
            study, expected = store.mode_study(mode, now=NOW), tuple(one for one in RATED if one.mode == mode)
            assert study.observations[: len(expected)] == expected
            assert study.as_of == 7 + opened
        if not opened:
            assert store.record([observation(9, mode="surfaces")], idempotency_key=None).positions == (8,)
        store.close()


def test_what_was_learned_and_begun_stays(path: Path) -> None:
    store = SqliteObservationStore(path)
    structure, surfaces = (store.mode_study(mode, now=NOW) for mode in ("structure", "surfaces"))
    assert (structure.seed, structure.hyperparameters) == (161903345564517, LEARNED)
    assert (surfaces.seed, surfaces.hyperparameters) == (86152781129473, None)
    assert store.mode_study("relief", now=NOW).seed == SqliteObservationStore(path).mode_study("relief", now=NOW).seed
    summary = store.summary("default")
    assert summary.study == Study("default")
    assert summary.counts == (("relief", 1), ("structure", 5), ("surfaces", 1))
    assert summary.best == Best("relief", setting(6), 4.0, NOW)
    assert summary.last_activity == NOW + DAY
    store.save_hyperparameters("structure", LEARNED, as_of=7)
    store.close()


def test_old_receipts_are_answered_again(path: Path) -> None:
    store = SqliteObservationStore(path)
    for name, fingerprint, samples_seen in (("first", "a", 3), ("second", "b", 6)):
        expected = Recorded(samples_seen, replayed=True, positions=None)
        assert store.find_receipt(key(name, fingerprint)) == expected
        assert store.record(RATED, idempotency_key=key(name, fingerprint)) == expected
        with pytest.raises(IdempotencyMismatchError):
            store.revise("default", 1, Correction(NOW, rating=2.0), seen=None, idempotency_key=key(name, fingerprint))
    assert store.count() == 7
    store.close()


def test_old_suggestions_are_outstanding_or_known(path: Path) -> None:
    store = SqliteObservationStore(path)
    assert {one.id for one in store.outstanding(now=NOW)} == {"outstanding", "elsewhere"}
    answered = ["rated", "rated elsewhere", "of the caller's own"]
    known = {one.id: one for one in store.find_suggestions(["expired", "outstanding", "elsewhere", *answered, "?"])}
    assert known.keys() == {"expired", "outstanding", "elsewhere", *answered}
    assert known["expired"] == suggestion("expired", 1, now=NOW - DAY)
    assert known["outstanding"] == suggestion("outstanding", 2)
    for name, step, mode in (("rated", 0, "structure"), ("rated elsewhere", 4, "surfaces")):
        assert known[name] == suggestion(name, step, mode=mode, lasting=timedelta(0))
    places = [("structure", setting(step)) for step in range(6)]
    found = {one.id: outstanding for one, outstanding in store.find_suggested(places, now=NOW)}
    assert found == {"rated": False, "expired": False, "outstanding": True, "of the caller's own": False}
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("again", 2)], now=NOW)
    store.claim([suggestion("a", 0), suggestion("b", 1)], now=NOW)
    assert {one.id for one in store.outstanding(mode="structure", now=NOW)} == {"outstanding", "a", "b"}
    store.record([failure(2, suggestion_id="outstanding")], idempotency_key=None)
    assert {one.id for one in store.outstanding(mode="structure", now=NOW)} == {"a", "b"}
    store.close()


def test_old_ratings_are_corrected_like_new_ones(path: Path) -> None:
    store = SqliteObservationStore(path)
    revised = store.revise("default", 6, Correction(NOW, withdrawn=True), seen=1, idempotency_key=None)
    assert (revised.entry.told, revised.samples_seen) == (RATED[5], 6)
    assert store.mode_study("relief", now=NOW).observations == ()
    assert store.verify(now=NOW) == 6
    store.close()


def test_a_migrated_file_has_the_tables_of_a_new_one(path: Path, tmp_path: Path) -> None:
    schemas = []
    for file in (path, tmp_path / "new.db"):
        store = SqliteObservationStore(file)
        store.count()
        store.close()
        connection = sqlite3.connect(file)
        schemas.append(connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall())
        connection.close()
    assert schemas[0] == schemas[1]


OPEN = f"""
import sys
sys.path[:0] = {sys.path!r}
from tests.support.observations import NOW, observation
from tuning.stores.sqlite import SqliteObservationStore
store = SqliteObservationStore(sys.argv[1])
"""


def run(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", OPEN + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_many_who_open_an_old_file_at_once_find_one_study(path: Path) -> None:
    script = """
recorded = store.record([observation(9)], idempotency_key=None)
print(recorded.samples_seen, recorded.positions[0], store.mode_study("relief", now=NOW).seed)
"""
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: run(script, path), range(8)))
    assert [process.stderr for process in done] == [""] * 8
    answers = [tuple(map(int, process.stdout.split())) for process in done]
    assert sorted(answer[:2] for answer in answers) == [(count, count) for count in range(8, 16)]
    assert len({seed for *_, seed in answers}) == 1
    store = SqliteObservationStore(path)
    assert store.verify(now=NOW) == 15
    store.close()


def test_whoever_is_killed_while_migrating_leaves_the_old_file_or_the_new(path: Path, tmp_path: Path) -> None:
    killing = """
import functools, os, signal, sqlite3
class Killing(sqlite3.Connection):
    left = int(sys.argv[2])
    def execute(self, *arguments):
        Killing.left -= 1
        if not Killing.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)
sqlite3.connect = functools.partial(sqlite3.connect, factory=Killing)
print(store.count())
"""
    old, versions = dump(path), []
    for statement in range(2, 80, 7):
        copy = tmp_path / f"{statement}.db"
        write_old(copy)
        process = run(killing, copy, statement)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, process.stderr
        content = dump(copy)
        versions.append(content[0])
        assert content == old or content[0] == "(2,)"
        store = SqliteObservationStore(copy)
        assert store.verify(now=NOW) == 7
        store.close()
    assert process.stdout == "7\n"
    assert versions.count("(1,)") >= 5


def test_a_file_that_there_is_no_room_to_migrate_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    rows = (
        "INSERT INTO observations (mode, setting, rating, recorded_at) SELECT mode, setting, rating, recorded_at"
        " FROM observations;"
    ) * 9
    large = tmp_path / "large.db"
    write_old(large, rows)
    before = dump(large)
    script = """
import os, resource
from tuning.errors import StoreUnavailableError
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1]), resource.RLIM_INFINITY))
try:
    store.count()
except StoreUnavailableError as error:
    print("unavailable")
"""
    process = run(script, large)
    assert process.stdout == "unavailable\n", process.stderr
    assert dump(large) == before
    store = SqliteObservationStore(large)
    assert store.count() == store.verify(now=NOW) == 7 * 2**9
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO observations (mode, setting, rating, recorded_at, suggestion_id) VALUES ('m', '', 1, '', 's')",
        "INSERT INTO suggestions VALUES ('i', 'm', 'k', '', '', '') ON CONFLICT (mode, setting_key) DO NOTHING",
        "INSERT INTO studies (mode, seed) VALUES ('m', 1) ON CONFLICT DO NOTHING",
        "SELECT seed, hyperparameters FROM studies WHERE mode = 'm'",
        "SELECT COUNT(*) FROM observations",
        "SELECT fingerprint, samples_seen FROM idempotency_keys WHERE key = 'k'",
    ],
)
def test_a_process_of_the_release_before_that_has_the_file_open_fails_and_writes_nothing(
    path: Path, statement: str
) -> None:
    old = sqlite3.connect(path, isolation_level=None)
    assert old.execute("SELECT COUNT(*) FROM observations").fetchone() == (7,)
    store = SqliteObservationStore(path)
    store.count()
    before = dump(path)
    with pytest.raises(sqlite3.OperationalError):
        old.execute(statement)
    old.close()
    store.close()
    assert dump(path) == before


def test_a_damaged_row_of_an_old_file_is_named_by_its_new_name_and_stops_no_other(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    write_old(path, "UPDATE observations SET setting = 'null', recorded_at = 'yesterday' WHERE id = 1;")
    store = SqliteObservationStore(path)
    with pytest.raises(StoreCorruptError, match=r"observations\.db: entry default-1 is damaged"):
        store.mode_study("structure", now=NOW)
    assert store.mode_study("surfaces", now=NOW).observations == (RATED[2],)
    assert store.record([observation(1)], idempotency_key=None).samples_seen == 8
    assert store.summary("default").last_activity == NOW + DAY
    store.close()
