"""What every caption store promises, whatever keeps it; and what the one in SQLite does when its file is in trouble.

What the one in DynamoDB does when the service is in trouble: tests/unit/captioning/stores/test_dynamodb.py.
"""

import multiprocessing
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from captioning.caption import Alternative, Caption
from captioning.captions import caption_key
from captioning.errors import (
    CaptionStoreDamagedError,
    CaptionStoreUnavailableError,
    CaptionStoreUrlError,
)
from captioning.model.decoding import Decoding
from captioning.outcomes import Outcome
from captioning.stores import open_caption_store
from captioning.stores.port import CaptionStore
from storage.errors import TransientError
from tests.support.dynamodb import make_table

DOG = Caption("a dog runs through the grass", 0.1 + 0.2, "v1")
OTHER = Caption("two dogs' ball — été", 1e-12, "v2", (Alternative("a ball", 2 / 3), Alternative("ñandú", 1e-300)))

Opener = Callable[[], CaptionStore]


@pytest.fixture(params=["sqlite", "dynamodb", "ministack"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a folder/captions.db"
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    return f"dynamodb://{make_table(endpoint, 'CaptionsTable')}?region=eu-west-1&endpoint={endpoint}"


@pytest.fixture
def reopen(url: str) -> Iterator[Opener]:
    """Open the store under test; every call gives another one over the same storage."""
    opened: list[CaptionStore] = []

    def open_one() -> CaptionStore:
        opened.append(open_caption_store(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def test_what_was_never_stored_is_not_there(reopen: Opener) -> None:
    assert reopen().get("a") is None


def test_what_was_stored_comes_back_equal(reopen: Opener) -> None:
    store = reopen()
    store.put("a", DOG)
    store.put("b", OTHER)
    assert store.get("a") == DOG
    assert store.get("b") == OTHER
    assert store.get("A") is None


def test_the_first_caption_under_a_key_stays(reopen: Opener) -> None:
    store = reopen()
    store.put("a", DOG)
    store.put("a", OTHER)
    assert store.get("a") == DOG


def test_captions_survive_closing_and_a_closed_store_opens_again(reopen: Opener) -> None:
    store = reopen()
    store.put("a", DOG)
    store.close()
    assert reopen().get("a") == DOG
    assert store.get("a") == DOG


def test_a_caption_is_seen_at_once_through_another_store(reopen: Opener) -> None:
    first, second = reopen(), reopen()
    assert second.get("a") is None
    first.put("a", DOG)
    assert second.get("a") == DOG


KEY = "uploads/two dogs + a été 🐶/100%.jpg"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(KEY, "0065A1", caption=DOG),
        Outcome(KEY, "0065A1", caption=DOG, sure=True),
        Outcome(KEY, "0065A1", caption=DOG, sure=False),
        Outcome(KEY, "0065A1", caption=replace(OTHER, alternatives=())),
        Outcome(KEY, "0065A1", reason="the picture is empty"),
        Outcome(KEY, "0065A1"),
    ],
)
def test_an_outcome_comes_back_equal(reopen: Opener, outcome: Outcome) -> None:
    store = reopen()
    assert store.outcome(KEY) is None
    assert store.record(outcome) == outcome
    store.close()
    assert reopen().outcome(KEY) == outcome
    assert store.outcome(KEY.upper()) is None


def test_how_sure_the_captioner_was_is_told_of_the_version_that_stays(reopen: Opener) -> None:
    store = reopen()
    sure, unsure = Outcome(KEY, "0A", caption=DOG, sure=True), Outcome(KEY, "0A1", caption=DOG, sure=False)
    assert store.record(sure) == sure
    assert store.record(replace(unsure, sequencer="09")) == sure
    assert store.record(unsure) == unsure
    uncalibrated = Outcome(KEY, "0B", caption=DOG)
    assert store.record(uncalibrated) == uncalibrated
    assert store.outcome(KEY) == uncalibrated


def test_outcomes_are_asked_for_together_and_those_that_are_not_there_are_left_out(reopen: Opener) -> None:
    store = reopen()
    kinds = (
        lambda key: Outcome(key, "A", caption=DOG),
        lambda key: Outcome(key, "A", reason="no"),
        lambda key: Outcome(key, "A"),
        lambda key: Outcome(key, "A", caption=DOG, sure=True),
        lambda key: Outcome(key, "A", caption=DOG, sure=False),
    )
    # More than one request of DynamoDB has.
    recorded = [kinds[number % len(kinds)](f"uploads/été 🐶/{number}") for number in range(105)]
    for outcome in recorded:
        store.record(outcome)
    keys = [outcome.key for outcome in recorded]
    assert reopen().outcomes([*keys, "uploads/none of them", KEY]) == {outcome.key: outcome for outcome in recorded}
    assert store.outcomes(keys[:1]) == {keys[0]: recorded[0]}
    assert store.outcomes([]) == {}


def test_the_newest_version_of_an_upload_stays_and_of_one_version_the_first_outcome(reopen: Opener) -> None:
    store = reopen()
    first = Outcome(KEY, "0A", caption=DOG)
    assert store.record(first) == first
    assert store.record(Outcome(KEY, "0A", caption=OTHER)) == first
    # Older, though it has more digits.
    assert store.record(Outcome(KEY, "09FFFF")) == first
    newer = Outcome(KEY, "0A1", reason="it is damaged")
    assert store.record(newer) == newer
    assert store.record(first) == newer
    newest = Outcome(KEY, "B")
    assert reopen().record(newest) == newest
    assert store.outcome(KEY) == newest


def test_an_upload_and_a_caption_of_its_bytes_do_not_meet(reopen: Opener) -> None:
    store = reopen()
    key = caption_key(b"picture", "v1", Decoding(3, 0.7, 20))
    store.put(key, DOG)
    outcome = store.record(Outcome(KEY, "1", caption=replace(OTHER, alternatives=())))
    assert (store.get(key), store.outcome(KEY)) == (DOG, outcome)


def test_many_threads_lose_nothing(reopen: Opener) -> None:
    shared, own = reopen(), threading.local()

    def write(number: int) -> None:
        if number % 2:
            put_patiently(shared, f"{number % 60}")
        else:
            own.store = getattr(own, "store", None) or reopen()
            put_patiently(own.store, f"{number % 60}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(240)))
    assert all(shared.get(f"{number}") == DOG for number in range(60))


def put_patiently(store: CaptionStore, key: str) -> None:
    """Do as the error says: on a busy machine a second may not be enough."""
    for _ in range(30):
        try:
            return store.put(key, DOG)
        except CaptionStoreUnavailableError as error:
            time.sleep(error.retry_after / 10)
    return store.put(key, DOG)


def _write_from_another_process(url: str, start: Barrier, first: int) -> None:
    store = open_caption_store(url)
    start.wait(60)
    for number in range(first, first + 40):
        put_patiently(store, f"{number}")
    store.close()


def test_many_processes_opening_a_new_store_at_once_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/captions.db"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    writers = [context.Process(target=_write_from_another_process, args=(url, start, 20 * i)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    store = open_caption_store(url)
    assert all(store.get(f"{number}") == DOG for number in range(100))
    store.close()


def test_opening_touches_nothing_until_the_first_use(tmp_path: Path) -> None:
    open_caption_store(f"sqlite:///{tmp_path}/new/captions.db")
    assert list(tmp_path.iterdir()) == []


def test_three_slashes_are_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_caption_store("sqlite:///data/captions.db")
    store.put("a", DOG)
    store.close()
    assert (tmp_path / "data" / "captions.db").is_file()


@pytest.mark.parametrize(
    "url",
    ["", "captions.db", "sqlite://", "sqlite:///", "sqlite://captions.db", "sqlite:///x.db?mode=ro", "redis://x"],
)
def test_a_url_that_names_no_store_is_refused_with_what_would_do(url: str) -> None:
    with pytest.raises(
        CaptionStoreUrlError, match=r"must be sqlite:///relative/path\.db or sqlite:////absolute/path\.db"
    ):
        open_caption_store(url)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("dynamodb://", "dynamodb://table"),
        ("dynamodb:///captions", "dynamodb://table"),
        ("dynamodb://captions/more", "dynamodb://table"),
        ("dynamodb://captions#more", "dynamodb://table"),
        ("dynamodb://no spaces", "dynamodb://table"),
        ("dynamodb://ab", "dynamodb://table"),
        ("dynamodb://[captions", "dynamodb://table"),
        ("dynamodb://captions?region", "bad query field"),
        ("dynamodb://captions?region=", "each once"),
        ("dynamodb://captions?region=a&region=b", "each once"),
        ("dynamodb://captions?timeout=5", "nothing else"),
        ("dynamodb://captions?endpoint=127.0.0.1:8001", "endpoint must be a URL"),
        ("dynamodb://captions?region=not a region", "not a region"),
    ],
)
def test_a_url_that_names_no_table_is_refused_with_what_would_do(url: str, complaint: str) -> None:
    with pytest.raises(CaptionStoreUrlError, match=complaint) as caught:
        open_caption_store(url)
    assert str(caught.value).startswith("dynamodb://")


def test_a_locked_file_can_be_read_is_unavailable_for_writing_and_then_works(tmp_path: Path) -> None:
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    store.put("a", DOG)
    other = sqlite3.connect(tmp_path / "captions.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = time.monotonic()
    with pytest.raises(CaptionStoreUnavailableError, match="locked") as caught:
        store.put("b", DOG)
    assert time.monotonic() - before < 3
    assert isinstance(caught.value, TransientError)
    assert caught.value.retry_after >= 1
    assert store.get("a") == DOG
    other.close()
    store.put("b", DOG)
    assert store.get("b") == DOG
    store.close()


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_damaged_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "captions.db"
    path.write_bytes(content)
    store = open_caption_store(f"sqlite:///{path}")
    with pytest.raises(CaptionStoreDamagedError, match=r"captions\.db"):
        store.get("a")
    with pytest.raises(CaptionStoreDamagedError, match=r"captions\.db"):
        store.put("a", DOG)
    assert path.read_bytes() == content
    path.unlink()
    store.put("a", DOG)
    assert store.get("a") == DOG
    store.close()


def test_a_file_that_breaks_while_it_is_open_is_damaged_and_a_new_one_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "captions.db"
    store, other = (open_caption_store(f"sqlite:///{path}") for _ in range(2))
    store.put("a", DOG)
    other.put("b", DOG)
    for file in tmp_path.iterdir():
        os.truncate(file, 0)
        file.write_bytes(b"no database any more" * 1000)
    with pytest.raises(CaptionStoreDamagedError):
        store.get("c")
    for file in tmp_path.iterdir():
        file.unlink()
    store.put("a", OTHER)
    assert store.get("a") == OTHER
    store.close()
    other.close()


def test_somebody_elses_table_is_damaged(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "captions.db")
    other.execute("CREATE TABLE ranked_captions (something TEXT)")
    other.close()
    store = open_caption_store(f"sqlite:///{tmp_path}/captions.db")
    with pytest.raises(CaptionStoreDamagedError, match="no such column"):
        store.get("a")
    store.close()


def test_a_file_from_before_there_were_uploads_takes_outcomes_in(tmp_path: Path) -> None:
    path = tmp_path / "captions.db"
    store = open_caption_store(f"sqlite:///{path}")
    store.put("a", DOG)
    store.close()
    other = sqlite3.connect(path)
    other.execute("DROP TABLE outcomes")
    other.close()
    store.record(Outcome(KEY, "1"))
    assert (store.get("a"), store.outcome(KEY)) == (DOG, Outcome(KEY, "1"))
    store.close()


def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.db").mkdir()
    for place in ("file/captions.db", "folder.db"):
        store = open_caption_store(f"sqlite:///{tmp_path}/{place}")
        with pytest.raises(CaptionStoreUnavailableError, match=place):
            store.get("a")
