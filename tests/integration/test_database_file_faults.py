"""Database files that are deleted, replaced or cut short under those who use them: nothing is acknowledged and lost."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from captioning.caption import Caption
from captioning.errors import CaptionStoreDamagedError
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from tests.support.handwritten import encoded
from tests.support.stack import Stack
from tuning.errors import StoreCorruptError, StoreRefusedError, StoreUnavailableError, TuningError
from tuning.observations import Correction, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.study import Study

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTING = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))
RATING = Observation("structure", SETTING, 4.0, NOW)
RESULT = {"parameters": SETTING.to_plain(), "rating": 4}
DOG = Caption("a dog", 0.5, "v1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "observations.db"


@pytest.fixture
def store(path: Path) -> Iterator[ObservationStore]:
    """A store with three ratings, whose connection is open."""
    store = open_store(f"sqlite:///{path}")
    rate(store, 3)
    yield store
    store.close()


def rate(store: ObservationStore, times: int = 1) -> int:
    return [store.record([RATING], idempotency_key=None).samples_seen for _ in range(times)][-1]


def count(path: Path) -> int:
    """What somebody counts who comes after all others have gone."""
    store = open_store(f"sqlite:///{path}")
    try:
        return store.count()
    finally:
        store.close()


def delete(path: Path, *ends: str) -> None:
    for end in ends:
        Path(f"{path}{end}").unlink()


USES: dict[str, Callable[[ObservationStore], object]] = {
    "record": lambda store: store.record([RATING], idempotency_key=None),
    "claim": lambda store: store.claim([Suggestion("s", "structure", SETTING, NOW, NOW + timedelta(days=1))], now=NOW),
    "revise": lambda store: store.revise("default", 1, Correction(NOW, rating=2.0), seen=None, idempotency_key=None),
    "begin": lambda store: store.begin(Study("garden", NOW)),
    "archive": lambda store: store.archive("default", archived_at=NOW),
    "give back": lambda store: store.give_back("s", now=NOW),
    "study": lambda store: store.mode_study("structure", now=NOW),
    "count": lambda store: store.count(),
    "history": lambda store: store.history(limit=1),
    "verify": lambda store: store.verify(now=NOW),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("ends", [("",), ("", "-wal", "-shm")])
def test_a_deleted_file_is_refused_and_not_made_anew(
    path: Path, store: ObservationStore, ends: tuple[str, ...], use: str
) -> None:
    delete(path, *ends)
    for _ in range(2):
        with pytest.raises(StoreRefusedError, match=r"observations\.db was deleted"):
            USES[use](store)
    assert not path.exists()


def test_a_file_that_comes_back_goes_on_where_it_was(path: Path, store: ObservationStore) -> None:
    path.rename(path.with_name("away.db"))
    with pytest.raises(StoreRefusedError):
        rate(store)
    path.with_name("away.db").rename(path)
    assert rate(store) == 4
    store.close()
    assert count(path) == 4


@pytest.mark.parametrize("log_stays", [True, False])
def test_another_file_in_its_place_is_taken_up_without_the_log_of_the_old(
    path: Path, store: ObservationStore, log_stays: bool
) -> None:
    backup = path.with_name("backup.db")
    source = sqlite3.connect(path)
    with sqlite3.connect(backup) as copy:
        source.backup(copy)
    copy.close()
    source.close()
    rate(store, 5)
    assert store.mode_study("structure", now=None).observations == (RATING,) * 8
    old = path.with_name("old.db")
    os.link(path, old)
    backup.rename(path)
    if not log_stays:
        delete(path, "-wal", "-shm")
    assert store.count() == 3
    assert store.mode_study("structure", now=None).observations == (RATING,) * 3
    assert rate(store) == 4
    store.close()
    assert count(path) == 4
    # The old one, which has another name, is whole.
    assert count(old) == 8


def test_a_copy_that_went_its_own_way_is_not_taken_for_what_is_remembered(path: Path, store: ObservationStore) -> None:
    store.mode_study("structure", now=None)
    store.close()
    shutil.copy(path, path.with_name("copy.db"))
    copy = open_store(f"sqlite:///{path.with_name('copy.db')}")
    other = Observation("structure", SETTING, 1.0, NOW)
    copy.record([other] * 4, idempotency_key=None)
    copy.close()
    rate(store, 2)
    assert store.mode_study("structure", now=None).observations == (RATING,) * 5
    path.with_name("copy.db").rename(path)
    assert store.mode_study("structure", now=None).observations == (RATING,) * 3 + (other,) * 4


def test_the_log_of_a_replaced_file_is_not_taken_for_that_of_the_new_one(path: Path, store: ObservationStore) -> None:
    copy = path.with_name("copy.db")
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    assert count(copy) == 3
    rate(store, 5)
    # Somebody is reading, so that the log cannot be emptied first.
    with store._database.reading():  # type: ignore[attr-defined]
        copy.rename(path)
        assert store.count() == 3
    assert rate(store) == 4
    store.close()
    assert count(path) == 4


@pytest.mark.parametrize("size", [0, 100, 4096, 5000])
@pytest.mark.parametrize("use", USES)
def test_a_file_that_was_cut_short_is_corrupt_until_another_takes_its_place(
    path: Path, store: ObservationStore, size: int, use: str
) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    os.truncate(path, size)
    for _ in range(2):
        with pytest.raises(StoreCorruptError, match="cut short"):
            USES[use](store)
    path.with_name("copy.db").rename(path)
    rate(store)
    store.close()


@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_a_log_that_was_cut_short_loses_nothing_that_is_acknowledged_afterwards(
    path: Path, store: ObservationStore, end: str
) -> None:
    os.truncate(f"{path}{end}", 0) if end == "-wal" else delete(path, end)
    try:
        said = rate(store)
    except TuningError:
        return  # no acknowledgement, no loss
    store.close()
    assert count(path) == said


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
@pytest.mark.parametrize("crash", [False, True])
def test_a_deleted_log_loses_nothing(path: Path, store: ObservationStore, ends: tuple[str, ...], crash: bool) -> None:
    delete(path, *ends)
    assert rate(store) == 4
    if crash:
        copy = path.with_name("copy.db")
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{copy}{end}")
        assert count(copy) == 4
    store.close()
    assert count(path) == 4


# A pair of each: what also happens to the file does not depend on how much of the index is left.
@pytest.mark.parametrize(("size", "also"), [(0, ""), (4096, ""), (0, "delete"), (4096, "replace"), (0, "cut")])
def test_an_index_that_was_cut_short_is_made_anew_and_kills_nobody(tmp_path: Path, size: int, also: str) -> None:
    # In a process of its own: to touch what is missing of the index is SIGBUS.
    stack = Stack(tmp_path)
    try:
        picture = {"file": ("a.png", encoded(Image.new("RGB", (8, 8)), "PNG"))}
        assert stack.post("/ml/update_model", json={"results": [RESULT] * 50}).status_code == 200
        assert stack.post("/generate-caption/", files=picture).json()["cached"] is False
        shutil.copy(tmp_path / "observations.db", tmp_path / "copy.db")
        for name in ("observations.db", "captions.db"):
            os.truncate(tmp_path / f"{name}-shm", size)
        if also == "delete":
            (tmp_path / "observations.db").unlink()
        elif also == "replace":
            (tmp_path / "copy.db").rename(tmp_path / "observations.db")
        elif also == "cut":
            os.truncate(tmp_path / "observations.db", 0)
        answer = stack.post("/ml/update_model", json={"results": [RESULT]})
        assert answer.status_code == (200 if also in {"", "replace"} else 503)
        if not also:
            assert answer.json()["samples_seen"] == 51
        assert stack.post("/generate-caption/", files=picture).json()["cached"] is True
    finally:
        assert stack.stop() == 0
    if not also:
        assert count(tmp_path / "observations.db") == 51


def test_a_vacuumed_file_is_smaller_and_sound(path: Path, store: ObservationStore) -> None:
    long = Observation("structure", SETTING, 4.0, NOW, "x" * 60)
    store.record([long] * 1_000, idempotency_key=None)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.count()
    other.execute("DELETE FROM entries WHERE position > 500")
    other.execute("UPDATE modes SET ratings = 500")
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert store.count() == 500
    assert rate(store) == 501


@pytest.mark.parametrize("how", ["delete", "replace", "delete log"])
def test_what_is_exchanged_while_it_is_written_is_not_acknowledged(
    path: Path, store: ObservationStore, how: str
) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    written = pytest.raises(StoreUnavailableError, match="while it was written")
    with written, store._database.transaction():  # type: ignore[attr-defined]
        if how == "delete":
            delete(path, "")
        elif how == "replace":
            path.with_name("copy.db").rename(path)
        else:
            delete(path, "-wal", "-shm")


def test_many_who_write_while_the_log_is_deleted_lose_nothing_that_was_acknowledged(
    path: Path, store: ObservationStore
) -> None:
    acknowledged: list[int] = []

    def write() -> None:
        for _ in range(30):
            try:
                acknowledged.append(rate(store))
            except StoreUnavailableError:
                continue

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        for end in ("-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
    for writer in writers:
        writer.join()
    store.close()
    assert count(path) >= 3 + len(acknowledged)
    assert len(set(acknowledged)) == len(acknowledged)


def test_a_store_that_nobody_has_used_yet_makes_its_file_though_another_was_there_before(path: Path) -> None:
    for _ in range(2):
        store = open_store(f"sqlite:///{path}")
        assert rate(store) == 1
        store.close()
        path.unlink()


@pytest.fixture
def captions(tmp_path: Path) -> Iterator[CaptionStore]:
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    store.put("a", DOG)
    yield store
    store.close()


@pytest.mark.parametrize("ends", [("",), ("", "-wal", "-shm")])
def test_a_deleted_file_of_captions_is_made_anew_before_anything_is_stored(
    tmp_path: Path, captions: CaptionStore, ends: tuple[str, ...]
) -> None:
    delete(tmp_path / "captions.db", *ends)
    captions.put("b", DOG)
    assert captions.get("a") is None
    captions.close()
    again = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    assert (again.get("a"), again.get("b")) == (None, DOG)
    again.close()


def test_another_file_of_captions_is_taken_up(tmp_path: Path, captions: CaptionStore) -> None:
    other = open_caption_store(f"sqlite:///{tmp_path}/other.db")
    other.put("b", DOG)
    other.close()
    (tmp_path / "other.db").rename(tmp_path / "captions.db")
    assert (captions.get("a"), captions.get("b")) == (None, DOG)
    captions.put("c", DOG)
    captions.close()
    again = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    assert (again.get("b"), again.get("c")) == (DOG, DOG)
    again.close()


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_of_captions_that_was_cut_short_is_damaged_until_it_is_gone(
    tmp_path: Path, captions: CaptionStore, size: int
) -> None:
    # What is in the log alone, as all of a new file is, would not be missed.
    other = sqlite3.connect(tmp_path / "captions.db", isolation_level=None)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert captions.get("a") == DOG
    os.truncate(tmp_path / "captions.db", size)
    for _ in range(2):
        with pytest.raises(CaptionStoreDamagedError, match="cut short"):
            captions.put("b", DOG)
        with pytest.raises(CaptionStoreDamagedError, match="cut short"):
            captions.get("a")
    delete(tmp_path / "captions.db", "")
    captions.put("b", DOG)
    assert captions.get("b") == DOG


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_deleted_log_loses_no_caption(tmp_path: Path, captions: CaptionStore, ends: tuple[str, ...]) -> None:
    delete(tmp_path / "captions.db", *ends)
    captions.put("b", DOG)
    captions.close()
    again = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    assert (again.get("a"), again.get("b")) == (DOG, DOG)
    again.close()


def test_what_one_thread_wrote_to_a_file_that_another_thread_found_exchanged_is_not_acknowledged(
    tmp_path: Path, path: Path, store: ObservationStore
) -> None:
    copy = open_store(f"sqlite:///{tmp_path}/copy.db")
    rate(copy, 5)
    copy.close()
    database = store._database  # type: ignore[attr-defined]

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE entries SET rating = 1, counted = 1")
        (tmp_path / "copy.db").rename(path)
        # Another thread takes the new file up, and knows of no other from now on.
        assert store.count() == 5

    with pytest.raises(StoreUnavailableError), database.transaction() as connection:
        write(connection)
    assert {o.rating for o in store.mode_study("structure", now=NOW).observations} == {4.0}


def test_a_caption_goes_to_the_file_that_is_there_though_it_was_exchanged_while_it_was_written(
    tmp_path: Path, captions: CaptionStore
) -> None:
    other = open_caption_store(f"sqlite:///{tmp_path}/other.db")
    other.put("b", DOG)
    other.close()
    database, times = captions._database, 0  # type: ignore[attr-defined]

    def write(connection: sqlite3.Connection) -> None:
        nonlocal times
        times += 1
        connection.execute("INSERT INTO outcomes VALUES ('k', '1', NULL, NULL, NULL, 'r')")
        if times == 1:
            (tmp_path / "other.db").rename(tmp_path / "captions.db")

    database.write(write)
    assert times == 2
    assert captions.get("b") == DOG
    found = captions.outcome("k")
    assert found is not None
    assert found.reason == "r"


def test_a_running_server_acknowledges_nothing_that_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    stack = Stack(tmp_path)
    try:
        assert stack.post("/ml/update_model", json={"results": [RESULT]}).json()["samples_seen"] == 1
        shutil.copy(path, tmp_path / "copy.db")
        path.rename(tmp_path / "away.db")
        for _ in range(3):
            answer = stack.post("/ml/update_model", json={"results": [RESULT]})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert stack.get("/health").status_code == 503
        assert stack.post("/ml/suggest_parameters", json={}).status_code == 503
        assert "observations.db was deleted" in stack.output
        assert str(tmp_path) not in answer.text
        (tmp_path / "away.db").rename(path)
        assert stack.post("/ml/update_model", json={"results": [RESULT]}).json()["samples_seen"] == 2
        os.truncate(path, 4096)
        assert stack.post("/ml/update_model", json={"results": [RESULT]}).status_code == 503
        assert stack.get("/health").status_code == 503
        (tmp_path / "copy.db").rename(path)
        before = stack.get("/health").json()["optimizer_samples"]
        for _ in range(10):
            assert stack.post("/ml/update_model", json={"results": [RESULT]}).status_code == 200
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("UPDATE entries SET rating = 'good' WHERE position = 1")
        assert stack.get("/health").status_code == 503
        assert stack.get("/ml/history").status_code == 503
        assert "entry default-1 is damaged" in stack.output
        connection.execute("UPDATE entries SET rating = 4 WHERE position = 1")
        connection.close()
        assert stack.get("/health").json()["optimizer_samples"] == before + 10
    finally:
        assert stack.stop() == 0
    assert count(path) == before + 10
