"""`make backup`, `make restore` and `make reset`: nothing that people recorded is lost by any of them."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from captioning.caption import Caption
from captioning.outcomes import Outcome
from captioning.stores import open_caption_store
from tests.support.dynamodb import make_table
from tests.support.stack import Stack
from tools.data.__main__ import main
from tuning.observations import Observation, Setting
from tuning.stores import open_store

Run = Callable[..., tuple[int, str, str]]
SETTING = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the tool in a folder of its own; gives its status, what it said, and what it complained."""
    monkeypatch.chdir(tmp_path)
    for name in ("OBSERVATION_STORE", "CAPTION_STORE"):
        monkeypatch.delenv(name, raising=False)

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return main(arguments), *capsys.readouterr()

    return ran


def rate(url: str, *ratings: float) -> None:
    with closing(open_store(url)) as store:
        now = datetime(2026, 11, 26, tzinfo=UTC)
        store.record([Observation("structure", SETTING, rating, now) for rating in ratings], idempotency_key=None)


def ratings(url: str) -> list[float]:
    with closing(open_store(url)) as store:
        entries = store.history(limit=100).entries
        return sorted(entry.told.rating for entry in entries if isinstance(entry.told, Observation))


URL = "sqlite:///data/observations.db"


def test_a_backup_of_a_running_system_is_whole_and_restoring_it_keeps_what_was_there(run: Run, tmp_path: Path) -> None:
    stack = Stack(tmp_path, OBSERVATION_STORE=f"sqlite:///{tmp_path}/data/observations.db")
    result = {"parameters": SETTING.to_plain(), "rating": 4}
    stack.post("/ml/update_model", json={"results": [result, result]})
    with closing(open_caption_store("sqlite:///data/captions.db")) as store:
        store.record(Outcome("uploads/a.jpg", "1", caption=Caption("a dog", 0.5, "tiny")))
    assert run("backup", "--to", "monday") == (0, "monday: observations.db, captions.db; copied and checked\n", "")
    stack.post("/ml/update_model", json={"results": [result]})

    # Not under a server that has the file open.
    status, _, told = run("restore", "--from", "monday", "--yes")
    assert status == 1
    assert told == (
        "tools.data: data/observations.db is in use: stop the server first (Ctrl-C), and what else has it open\n"
    )
    status, _, told = run("reset", "--yes")
    assert (status, "is in use" in told) == (1, True)
    stack.stop()
    assert ratings(URL) == [4.0, 4.0, 4.0]

    for asked in (["--dry-run"], []):
        before = ratings(URL)
        run("restore", "--from", "monday", *asked)
        assert ratings(URL) == before
    status, said, _ = run("restore", "--from", "monday", "--yes")
    assert status == 0
    assert ratings(URL) == [4.0, 4.0]
    kept = next(line.rpartition(" ")[2] for line in said.splitlines() if line.startswith("observations: "))
    assert ratings(f"sqlite:///{kept}") == [4.0, 4.0, 4.0]
    stack.start()
    assert stack.get("/health").json()["optimizer_samples"] == 2
    stack.stop()


def test_starting_over_moves_all_away_and_can_be_taken_back(run: Run) -> None:
    assert run("reset")[:2] == (0, "nothing is kept yet: there is nothing to set aside\n")
    rate(URL, 2.0, 5.0)
    status, said, told = run("reset")
    assert (status, ratings(URL)) == (1, [2.0, 5.0])
    assert "data/observations.db: to be moved to backups/" in said
    assert told == "tools.data: nothing was changed: nobody can be asked here; say --yes (make: YES=1)\n"
    assert run("reset", "--dry-run")[0] == 0
    assert ratings(URL) == [2.0, 5.0]

    status, said, _ = run("reset", "--yes")
    assert (status, Path("data/observations.db").exists()) == (0, False)
    assert not list(Path("data").glob("observations.db-*"))
    folder = said.splitlines()[-1].partition("FROM=")[2].partition("`")[0]
    rate(URL, 3.0)
    assert run("restore", "--from", folder, "--yes")[0] == 0
    assert ratings(URL) == [2.0, 5.0]


def test_who_is_asked_may_say_no(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rate(URL, 2.0)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for answer, left in (("n", True), ("", True), ("yes", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert run("reset")[0] == 0
        assert Path("data/observations.db").exists() is left


def test_what_is_no_backup_or_was_altered_is_refused_and_nothing_is_replaced(run: Run) -> None:
    rate(URL, 2.0)
    run("backup", "--to", "good")
    status, _, told = run("backup", "--to", "good")
    assert (status, told) == (1, "tools.data: good is there already: name another (TO=...)\n")
    rate(URL, 3.0)
    for name, spoil in (
        ("altered", lambda folder: (folder / "observations.db").write_bytes(b"no database")),
        ("changed", lambda folder: _execute(folder / "observations.db", "PRAGMA user_version = 7")),
        ("short", lambda folder: (folder / "observations.db").unlink()),
        ("empty", lambda folder: (folder / "backup.json").unlink()),
        ("wrong", lambda folder: (folder / "backup.json").write_text("[]")),
        ("later", lambda folder: (folder / "backup.json").write_text('{"format": 2}')),
        ("away", lambda folder: _point_elsewhere(folder / "backup.json")),
    ):
        shutil.copytree("good", name)
        spoil(Path(name))
        status, _, told = run("restore", "--from", name, "--yes")
        assert (status, told.count("\n")) == (1, 1), told
        assert told.startswith(f"tools.data: {name}"), told
    assert ratings(URL) == [2.0, 3.0]


def _execute(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def test_of_two_databases_neither_is_replaced_while_one_is_in_use(run: Run) -> None:
    rate(URL, 2.0)
    with closing(open_caption_store("sqlite:///data/captions.db")) as store:
        store.record(Outcome("uploads/a.jpg", "1", caption=Caption("a dog", 0.5, "tiny")))
    run("backup", "--to", "both")
    rate(URL, 3.0)
    with closing(sqlite3.connect("data/captions.db")) as held:
        held.execute("PRAGMA journal_mode=WAL")
        held.execute("SELECT count(*) FROM sqlite_master").fetchall()
        status, _, told = run("restore", "--from", "both", "--yes")
    assert (status, "data/captions.db is in use" in told) == (1, True)
    assert ratings(URL) == [2.0, 3.0]


def _point_elsewhere(manifest: Path) -> None:
    said = json.loads(manifest.read_text())
    said["parts"][0]["name"] = "../good/observations.db"
    manifest.write_text(json.dumps(said))


def test_a_damaged_database_is_not_backed_up_and_leaves_no_folder(run: Run) -> None:
    rate(URL, *[2.0] * 500)
    with closing(sqlite3.connect("data/observations.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    with Path("data/observations.db").open("rb+") as stream:
        stream.seek(8192)
        stream.write(b"\xff" * 4096)
    status, _, told = run("backup", "--to", "tuesday")
    assert (status, told.count("\n")) == (1, 1)
    assert told.startswith("tools.data: data/observations.db is not copied: its copy would be damaged ")
    assert [path.name for path in Path().iterdir()] == ["data"]


def test_a_table_is_backed_up_as_an_archive_that_goes_into_an_empty_store_and_is_never_emptied(
    run: Run, dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        f"dynamodb://{make_table(dynamodb_endpoint, 'ObservationsTable')}?endpoint={dynamodb_endpoint}"
        for _ in range(2)
    )
    rate(first, 2.0, 4.5)
    monkeypatch.setenv("OBSERVATION_STORE", first)
    assert run("backup", "--to", "cloud") == (0, "cloud: observations.jsonl; copied and checked\n", "")
    status, _, told = run("reset", "--yes")
    assert (status, "is a table, which is not emptied" in told) == (1, True)

    monkeypatch.setenv("OBSERVATION_STORE", second)
    for _ in range(2):
        assert run("restore", "--from", "cloud", "--yes")[0] == 0
        assert ratings(second) == [2.0, 4.5]
    monkeypatch.setenv("OBSERVATION_STORE", URL)
    assert run("restore", "--from", "cloud", "--yes")[0] == 0
    assert ratings(URL) == [2.0, 4.5]
