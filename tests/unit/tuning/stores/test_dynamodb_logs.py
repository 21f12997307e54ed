"""How heads and logs are read from a table: what is read anew and what not, and what is there only in part."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from storage import deadline as storage_deadline
from tests.support.observations import NOW, observation, setting, suggestion
from tests.support.stores import calls_of, client_of, delete_item, items_of, meanwhile, store_url
from tuning.errors import StoreCorruptError
from tuning.observations import MAX_POSITION, Correction, Entry, Failure
from tuning.stores import dynamodb_items as items
from tuning.stores import dynamodb_logs as logs
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.study import Study


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, "dynamodb")


@pytest.fixture
def store(url: str) -> Iterator[ObservationStore]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses; the number of readings is what it is."""
    monkeypatch.setattr(storage_deadline, "_BASE_PAUSE", 0.001)


def test_a_warm_store_reads_what_is_new_and_nothing_else(store: ObservationStore, url: str) -> None:
    for step in range(5):
        store.record([observation(step)], idempotency_key=None)
    assert len(store.mode_study("structure", now=NOW).observations) == 5
    made = calls_of(store)
    assert len(store.mode_study("structure", now=NOW).observations) == 5
    assert made == [("Query", 0), ("GetItem", 1), ("GetItem", 0)]  # suggestions, head, hyperparameters
    other = open_store(url)
    other.record([observation(7), observation(8)], idempotency_key=None)
    other.close()
    made.clear()
    assert len(store.mode_study("structure", now=NOW).observations) == 7
    assert made == [("Query", 0), ("GetItem", 1), ("Query", 1), ("GetItem", 0)]


def test_a_large_batch_is_few_items(store: ObservationStore) -> None:
    store.record([observation(step) for step in range(1_000)], idempotency_key=None)
    made = calls_of(store)
    assert len(store.mode_study("structure", now=NOW).observations) == 1_000
    assert ("Query", 1_000 // items.CHUNK) in made


def test_a_study_of_several_megabytes_is_read_page_by_page_and_whole(store: ObservationStore, url: str) -> None:
    """Names drawn at random do not compress, so that what is stored is longer than a query's page of a megabyte."""
    draw = random.Random(7)  # noqa: S311 - no secret
    batches = [
        [
            observation(step, suggestion_id="".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(64)))
            for step in range(1_000)
        ]
        for _ in range(12)
    ]
    for batch in batches:
        store.record(batch, idempotency_key=None)
    expected = [observation for batch in batches for observation in batch]
    cold = open_store(url)
    made = calls_of(cold)
    assert list(cold.mode_study("structure", now=NOW).observations) == expected
    assert len([name for name, items in made if name == "Query" and items]) > 1

    made.clear()
    before: int | None = MAX_POSITION
    seen: list[Entry] = []
    while before is not None:
        page = cold.history(limit=200, before=before)
        before = page.next_before
        seen += page.entries
    assert [entry.told for entry in seen] == expected[::-1]
    # A page reads what it shows and little more.
    assert sum(items for name, items in made if name == "Query") * items.CHUNK < 4 * len(expected)
    cold.close()


def test_records_that_are_missing_are_noticed(store: ObservationStore, url: str, quick: None) -> None:
    store.record([observation(0), observation(1)], idempotency_key=None)
    store.record([observation(2)], idempotency_key=None)
    key = next(key for key in items_of(url) if key[1].startswith("observation#"))
    delete_item(url, key)
    with pytest.raises(StoreCorruptError, match="of 3 records of mode structure of study default"):
        store.mode_study("structure", now=NOW)


def test_a_table_emptied_under_a_warm_store_is_read_anew(store: ObservationStore, url: str) -> None:
    store.record([observation(step) for step in range(3)], idempotency_key=None)
    assert len(store.mode_study("structure", now=NOW).observations) == 3
    for key in items_of(url):
        delete_item(url, key)
    assert store.mode_study("structure", now=NOW).observations == ()
    store.record([observation(9)], idempotency_key=None)
    assert store.mode_study("structure", now=NOW).observations == (observation(9),)


def test_threads_share_a_warm_store(store: ObservationStore) -> None:
    """What one thread has read must not be taken for what another sees at its own moment."""
    failures = []

    def read() -> None:
        seen = 0
        for _ in range(20):
            found = store.mode_study("structure", now=NOW).observations
            if [o.setting for o in found] != [observation(step).setting for step in range(len(found))]:
                failures.append("out of order")
            if len(found) < seen:
                failures.append("went back")
            seen = len(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(20):
        store.record([observation(step)], idempotency_key=None)
    for reader in readers:
        reader.join()
    assert failures == []


@pytest.mark.parametrize("call", range(1, 5))
def test_a_study_is_one_view_whatever_is_recorded_while_it_is_read(
    call: int, store: ObservationStore, url: str
) -> None:
    other = open_store(url)
    other.claim([suggestion("s", 5)], now=NOW)
    other.record([observation(0)], idempotency_key=None)
    batch = [observation(5, suggestion_id="s"), observation(6)]
    calls = meanwhile(store, "after-call.dynamodb", call, lambda: other.record(batch, idempotency_key=None))
    study = store.mode_study("structure", now=NOW)
    assert len(calls) == 4
    assert list(study.observations) in ([observation(0)], [observation(0), *batch])
    # A suggestion is with a rater or rated: never neither, never both.
    assert (len(study.outstanding) == 1) == (len(study.observations) == 1)
    assert store.mode_study("structure", now=NOW).observations == (observation(0), *batch)
    other.close()


@pytest.fixture
def revised(store: ObservationStore) -> ObservationStore:
    """A hundred ratings, each in an item of its own; the 20th is revised after the 60th, which is then withdrawn."""
    for step in range(60):
        store.record([observation(step)], idempotency_key=None)
    store.revise("default", 20, Correction(NOW, rating=5.0), seen=None, idempotency_key=None)
    store.revise("default", 60, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None)
    for step in range(62, 100):
        store.record([observation(step)], idempotency_key=None)
    return store


def reads(made: list[tuple[str, int]]) -> int:
    return sum(count for name, count in made if name == "Query")


def test_a_page_of_the_history_reads_the_page_and_little_more(revised: ObservationStore, url: str) -> None:
    cold = open_store(url)
    made = calls_of(cold)
    page = cold.history(limit=5)
    assert [entry.position for entry in page.entries] == [100, 99, 98, 97, 96]
    assert reads(made) <= 4 + 16
    made.clear()
    # Nothing was revised after these.
    assert [entry.position for entry in cold.history(limit=2, before=64).entries] == [63, 59]
    assert reads(made) <= 4 + 16
    made.clear()
    # After these there are revisions, which may be of them.
    (entry,) = cold.history(limit=1, before=21).entries
    assert (entry.position, entry.revision.number, entry.told) == (20, 2, observation(19, rating=5.0))
    assert reads(made) >= 80
    cold.close()


def test_pages_show_every_entry_once_and_as_it_stands(revised: ObservationStore, url: str) -> None:
    cold = open_store(url)
    for withdrawn in (False, True):
        seen: list[Entry] = []
        before: int | None = MAX_POSITION
        while before is not None:
            page = cold.history(limit=7, before=before, withdrawn=withdrawn)
            seen += page.entries
            before = page.next_before
        expected = [at for at in range(100, 0, -1) if at not in {61, 62} and (withdrawn or at != 60)]
        assert [entry.position for entry in seen] == expected
        standing = {entry.position: (entry.revision.number, entry.revision.withdrawn) for entry in seen}
        assert standing[20] == (2, False)
        assert standing.get(60) == ((2, True) if withdrawn else None)
        assert {number for at, (number, _) in standing.items() if at not in {20, 60}} == {1}
    cold.close()


def hide_newest(store: ObservationStore, times: int) -> list[int]:
    """From now on, so many queries do not show the item with the highest key. Gives how many did not so far."""
    hidden: list[int] = []

    def hide(parsed: dict[str, Any], **_: Any) -> None:
        found = [item for item in parsed["Items"] if item["sk"]["S"].startswith("observation#")]
        if found and len(hidden) < times:
            parsed["Items"].remove(max(found, key=lambda item: str(item["sk"]["S"])))
            hidden.append(len(found))

    client_of(store).meta.events.register("after-call.dynamodb.Query", hide)
    return hidden


@pytest.mark.parametrize("times", [1, 100])
def test_a_revision_that_a_query_does_not_show_yet_is_waited_for(
    times: int, store: ObservationStore, url: str, quick: None
) -> None:
    store.record([observation(0), observation(1)], idempotency_key=None)
    store.revise("default", 2, Correction(NOW, rating=5.0), seen=None, idempotency_key=None)
    for use in ("mode", "history", "alone"):
        cold = open_store(url)
        if use == "alone":  # with what it revises known already
            cold.mode_study("structure", now=None)
            store.revise("default", 1, Correction(NOW, rating=4.0), seen=None, idempotency_key=None)
        hidden = hide_newest(cold, times)
        try:
            if use == "history":
                assert [entry.told for entry in cold.history(limit=1).entries] == [observation(1, rating=5.0)]
            else:
                assert cold.mode_study("structure", now=None).observations[1] == observation(1, rating=5.0)
            assert times == 1
        except StoreCorruptError:
            assert times == 100
        assert hidden
        cold.close()


def test_a_revision_without_its_entry_is_noticed(store: ObservationStore, url: str, quick: None) -> None:
    store.record([observation(0)], idempotency_key=None)
    store.record([observation(1)], idempotency_key=None)
    store.revise("default", 1, Correction(NOW, rating=5.0), seen=None, idempotency_key=None)
    store.revise("default", 1, Correction(NOW, rating=4.0), seen=None, idempotency_key=None)
    written = sorted(key for key in items_of(url) if key[1].startswith("observation#"))
    cold = open_store(url)
    delete_item(url, written[2])
    with pytest.raises(StoreCorruptError, match="default-1 has revision 3 after 1"):
        cold.history(limit=5)
    delete_item(url, written[0])
    with pytest.raises(StoreCorruptError, match="lacks the entry default-1"):
        cold.history(limit=5)
    cold.close()


def test_what_is_remembered_is_bounded_and_what_was_forgotten_is_read_again(
    store: ObservationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_REMEMBERED", 30)
    for name in ("a", "b", "c"):
        store.begin(Study(name, NOW))
        store.record([observation(step) for step in range(20)], study=name, idempotency_key=None)
    made = calls_of(store)
    for _ in range(2):
        for name in ("a", "b", "c"):
            assert len(store.mode_study("structure", study=name, now=None).observations) == 20
    assert reads(made) == 6
    made.clear()
    assert len(store.mode_study("structure", study="c", now=None).observations) == 20
    assert reads(made) == 0


def test_a_thread_behind_another_does_not_undo_what_that_has_read(store: ObservationStore, url: str) -> None:
    other = open_store(url)
    other.record([observation(0)], idempotency_key=None)

    def read_on() -> None:
        other.record([observation(1)], idempotency_key=None)
        assert len(store.mode_study("structure", now=None).observations) == 2

    meanwhile(store, "after-call.dynamodb.GetItem", 1, read_on)
    assert len(store.mode_study("structure", now=None).observations) == 1
    made = calls_of(store)
    assert len(store.mode_study("structure", now=None).observations) == 2
    assert reads(made) == 0
    other.close()


def test_a_batch_of_the_longest_texts_is_recorded_and_read(store: ObservationStore, url: str) -> None:
    """Drawn at random from all of Unicode they hardly compress: four megabytes are all that a transaction takes."""
    draw = random.Random(7)  # noqa: S311 - no secret

    def text(length: int) -> str:
        return "".join(chr(draw.randrange(0x10000, 0x110000)) for _ in range(length))

    told = [
        Failure("structure", setting(step), text(500), NOW, text(64), text(64), text(128), text(500))
        for step in range(1_000)
    ]
    store.record(told, idempotency_key=None)
    cold = open_store(url)
    assert [entry.told for entry in cold.history(limit=1_000).entries] == told[::-1]
    assert len(cold.mode_study("structure", now=None).failed) == 1_000
    cold.close()
