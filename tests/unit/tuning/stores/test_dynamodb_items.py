"""The forms of a table's items: those that releases before studies wrote, and limits that the service sets."""

import hashlib
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.observations import DAY, NOW, failure, observation, setting, suggestion
from tests.support.stores import delete_item, items_of, put_item, store_url
from tuning.errors import AlreadyPendingError, IdempotencyMismatchError
from tuning.observations import DEFAULT_STUDY, Correction, Observation, Suggestion, Told
from tuning.stores import dynamodb_items as items
from tuning.stores import open_store
from tuning.stores.log import Record
from tuning.stores.port import MAX_BATCH, IdempotencyKey, ObservationStore, Recorded
from tuning.study import Best, Hyperparameters, Study, StudySummary

KEY = IdempotencyKey("key", "body")
EARLIER = NOW - DAY / 4
LEARNED = Hyperparameters((("strength", 1 / 3),), 1.0, 0.2, 0.5, 3)
RATINGS = (
    Observation("structure", setting(0), 3.5, EARLIER),
    Observation("surfaces", setting(1), 5.0, EARLIER),
    Observation("structure", setting(2), 4.0, EARLIER, "answered early"),
    Observation("structure", setting(3), 4.0, EARLIER + timedelta(hours=1), "answered"),
)
HELD = suggestion("held", 4, now=EARLIER)
BEST = Best("surfaces", setting(1), 5.0, EARLIER)
SUMMARY = StudySummary(Study("default"), (("structure", 3), ("surfaces", 1)), BEST, EARLIER + timedelta(hours=1))


def moment(of: datetime) -> str:
    return of.isoformat(timespec="microseconds")


def plain(rating: Observation) -> list[object]:
    return [json.dumps(rating.setting.to_plain()), rating.rating, moment(rating.recorded_at), rating.suggestion_id]


def place(of: Suggestion) -> str:
    return f"{of.mode}#{hashlib.sha256(of.setting.key.encode()).hexdigest()}"


def written_before_studies() -> Iterator[dict[str, Any]]:
    """The items of a table as the release before studies left it: two batches, a suggestion, what was learned."""
    modes: dict[str, dict[str, object]] = {
        "structure": {"seed": 11, "end": 4, "count": 3, "best": None, "apis": {}},
        "surfaces": {"seed": 12, "end": 2, "count": 1, "best": None, "apis": {}},
    }
    head = {"schema": {"N": "1"}, "version": {"N": "4"}, "count": {"N": "4"}, "studies": {"S": json.dumps(modes)}}
    yield {"pk": {"S": "store"}, "sk": {"S": "head"}, **head}
    chunks = {
        ("structure", 1): [[0, *plain(RATINGS[0])], [2, *plain(RATINGS[2])]],
        ("surfaces", 2): [[0, *plain(RATINGS[1])]],
        ("structure", 4): [[0, *plain(RATINGS[3])]],
    }
    for (mode, first), chunk in chunks.items():
        content = zlib.compress(json.dumps(chunk, ensure_ascii=False).encode())
        yield {
            "pk": {"S": f"study#{mode}"},
            "sk": {"S": f"observation#{first:019d}"},
            "content": {"B": content},
        }
    lengthscales = [[name, value] for name, value in LEARNED.lengthscales]
    learned = {"lengthscales": lengthscales, "signal_variance": 1.0, "noise_variance": 0.2, "similarity": 0.5}
    yield {
        "pk": {"S": "study#structure"},
        "sk": {"S": "hyperparameters"},
        "learned": {"S": json.dumps({**learned, "fitted_on": 3})},
        "fitted_on": {"N": "3"},
    }
    expires_at = {"N": str(int(HELD.expires_at.timestamp()) + 1)}
    yield {
        "pk": {"S": "outstanding"},
        "sk": {"S": place(HELD)},
        "id": {"S": HELD.id},
        "mode": {"S": HELD.mode},
        "setting": {"S": json.dumps(HELD.setting.to_plain())},
        "suggested_at": {"S": moment(HELD.suggested_at)},
        "claimed_at": {"S": moment(HELD.suggested_at)},
        "place": {"N": "0"},
        "ends_at": {"S": moment(HELD.expires_at)},
        "expires_at": expires_at,
    }
    # That of the answer "answered early" has gone: the service deletes what has expired.
    for one in (HELD, suggestion("answered", 3)):
        by_id = {"pk": {"S": f"suggestion#{one.id}"}, "sk": {"S": "suggestion"}}
        yield {**by_id, "place": {"S": place(one)}, "expires_at": expires_at}
    receipt = {"fingerprint": {"S": "body"}, "batch": {"S": "token"}, "samples_seen": {"N": "3"}}
    yield {"pk": {"S": "receipt#key#key"}, "sk": {"S": "receipt"}, **receipt, "expires_at": {"N": "9999999999"}}


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, "dynamodb")


@pytest.fixture
def store(url: str) -> Iterator[ObservationStore]:
    """A store on the table of the release before studies."""
    for item in written_before_studies():
        put_item(url, item)
    store = open_store(url)
    yield store
    store.close()


def assert_same(store: ObservationStore) -> None:
    """What was there before studies is there, whoever asks and however."""
    assert store.count() == store.verify(now=NOW) == 4
    assert store.summary(DEFAULT_STUDY) == SUMMARY
    assert store.studies(limit=5).summaries == (SUMMARY,)
    assert store.study_names() == (DEFAULT_STUDY,)
    structure, surfaces = (store.mode_study(mode, now=NOW) for mode in ("structure", "surfaces"))
    assert (structure.observations, surfaces.observations) == ((RATINGS[0], *RATINGS[2:]), RATINGS[1:2])
    assert (structure.seed, surfaces.seed, structure.as_of) == (11, 12, 4)
    assert (structure.hyperparameters, surfaces.hyperparameters) == (LEARNED, None)
    assert structure.outstanding == store.outstanding(now=NOW) == (HELD,)
    history = store.history(limit=5).entries
    assert [(entry.id, entry.told) for entry in history] == [(f"default-{at}", RATINGS[at - 1]) for at in (4, 3, 2, 1)]
    assert_suggestions_known(store)
    assert store.find_suggested([(HELD.mode, HELD.setting), ("structure", setting(9))], now=NOW) == ((HELD, True),)
    assert store.find_receipt(KEY) == Recorded(3, replayed=True, positions=None)


def assert_suggestions_known(store: ObservationStore) -> None:
    early = Suggestion("answered early", "structure", setting(2), EARLIER, EARLIER)
    late = EARLIER + timedelta(hours=1)
    answered = Suggestion("answered", "structure", setting(3), late, late)
    found = store.find_suggestions(["answered", "held", "unheard of", "answered early"])
    assert sorted(found, key=lambda one: one.id) == [answered, early, HELD]


def schema(url: str) -> str:
    return str(items_of(url)["store", "head"]["schema"]["N"])


def test_a_table_of_the_release_before_is_the_study_default_and_reading_changes_nothing_of_it(
    store: ObservationStore, url: str
) -> None:
    before = items_of(url)
    assert_same(store)
    assert_same(store)
    assert items_of(url) == before


WRITES: dict[str, Callable[[ObservationStore], object]] = {
    "nothing": lambda store: store.record([], idempotency_key=None),
    "archive": lambda store: (
        store.archive("default", archived_at=NOW),
        store.archive("default", archived_at=None),
    ),
    "mode": lambda store: store.mode_study("relief", now=NOW),
}


@pytest.mark.parametrize("write", WRITES)
def test_the_first_write_brings_the_head_up_to_date_and_keeps_everything(
    write: str, store: ObservationStore, url: str
) -> None:
    WRITES[write](store)
    assert schema(url) == "2"
    if write == "mode":
        found = store.summary("default")
        assert found == StudySummary(SUMMARY.study, (("relief", 0), *SUMMARY.counts), BEST, SUMMARY.last_activity)
        assert_suggestions_known(store)
    else:
        assert_same(store)
        cold = open_store(url)
        assert_same(cold)
        cold.close()


def test_ratings_follow_those_of_the_release_before(store: ObservationStore, url: str) -> None:
    told: list[Told] = [observation(4, rating=4.5, suggestion_id="held", rater="ana", at=NOW), failure(5)]
    assert store.record(told, idempotency_key=None) == Recorded(5, replayed=False, positions=(5, 6))
    assert store.outstanding(now=NOW) == ()
    # Once more by the same rater, though the earlier one is read as of old: it replaces her rating.
    again = observation(4, rating=2.0, suggestion_id="held", rater="ana", at=NOW)
    assert store.record([again], idempotency_key=None) == Recorded(5, False, (5,), replaced=(5,))
    cold = open_store(url)
    for each in (store, cold):
        assert each.summary("default") == StudySummary(Study("default"), (("structure", 4), ("surfaces", 1)), BEST, NOW)
        assert each.mode_study("structure", now=NOW).observations == (RATINGS[0], *RATINGS[2:], again)
        assert [entry.position for entry in each.history(limit=9).entries] == [6, 5, 4, 3, 2, 1]
        # Nothing was ever told of it but its answer.
        assert {one.id for one in each.find_suggestions(["held"])} == {"held"}
    cold.close()


def test_ratings_of_the_release_before_can_be_put_right(store: ObservationStore) -> None:
    revised = store.revise("default", 2, Correction(NOW, rating=1.0, comment="no"), seen=1, idempotency_key=None)
    assert (revised.entry.revision.number, revised.samples_seen) == (2, 4)
    # Of two that are equally good, that which is earlier.
    best = Best("structure", setting(2), 4.0, EARLIER)
    assert store.summary("default") == StudySummary(Study("default"), SUMMARY.counts, best, NOW)
    store.revise("default", 3, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None)
    assert store.count() == 3
    assert_suggestions_known(store)


def test_a_retry_of_the_release_before_is_answered_as_then(store: ObservationStore) -> None:
    store.record([observation(7)], idempotency_key=None)
    assert store.record([observation(8)], idempotency_key=KEY) == Recorded(3, replayed=True, positions=None)
    with pytest.raises(IdempotencyMismatchError):
        store.revise("default", 1, Correction(NOW, rating=1.0), seen=None, idempotency_key=KEY)
    assert store.count() == 5


def test_a_suggestion_of_the_release_before_is_held_answered_given_back_and_made_to_give_way(
    store: ObservationStore, url: str
) -> None:
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("new", 4)], now=NOW)
    assert store.give_back("answered", now=NOW) is None
    assert store.give_back("held", now=NOW) == HELD
    assert store.give_back("held", now=NOW) is None
    for item in written_before_studies():
        if item["pk"] == {"S": "outstanding"}:
            put_item(url, item)
    store.claim([suggestion("new", 4)], giving_way=[HELD], now=NOW)
    assert [one.id for one in store.outstanding(now=NOW)] == ["new"]
    assert store.find_suggested([(HELD.mode, HELD.setting)], now=NOW) == ((suggestion("new", 4), True),)


def test_what_is_learned_replaces_what_was_learned_before_studies(store: ObservationStore) -> None:
    newer = Hyperparameters((("strength", 0.5),), 1.0, 0.2, 0.5, 1)
    store.save_hyperparameters("structure", newer, as_of=4)
    store.save_hyperparameters("structure", LEARNED, as_of=3)
    assert store.mode_study("structure", now=None).hyperparameters == newer


def test_in_a_table_that_never_was_of_that_release_no_log_is_searched_for_suggestions(url: str) -> None:
    store = open_store(url)
    store.record([observation(0, suggestion_id="unheard of")], idempotency_key=None)
    assert store.find_suggestions(["unheard of"]) == ()
    store.close()


def test_a_head_of_the_release_before_whose_counts_disagree_is_damaged(store: ObservationStore, url: str) -> None:
    put_item(url, {**items_of(url)["store", "head"], "count": {"N": "5"}})
    with pytest.raises(Exception, match="its modes have 4 observations, and not 5"):
        store.count()
    delete_item(url, ("store", "head"))
    assert store.count() == 0


NAMES = st.text("ab._-0", min_size=1, max_size=3)


@given(st.lists(st.tuples(NAMES | st.just(DEFAULT_STUDY), NAMES), min_size=2, max_size=8, unique=True))
def test_no_two_studies_and_modes_share_a_key(places: list[tuple[str, str]]) -> None:
    logs = {items.log_key(*place) for place in places}
    assert len(logs) == len(places)
    studies = {study for study, _ in places}
    makers: list[Callable[[str], str]] = [
        lambda study: items.head_key(study)[0],
        items.outstanding_key,
        items.suggested_key,
    ]
    others = [{make(study) for study in studies} for make in makers]
    assert [len(each) for each in others] == [len(studies)] * 3
    assert all(one.isdisjoint(other) for one, other in itertools.combinations((logs, *others), 2))


@pytest.mark.parametrize("length", [0, 1_000])
def test_a_batch_is_few_items_and_none_is_too_large_for_the_service(length: int) -> None:
    comment = "".join(chr(0x10000 + (7919 * step) % 0x90000) for step in range(length)) or None
    records: list[tuple[int, str, Record]] = [
        (at, mode, observation(at, mode=mode, comment=comment))
        for at, mode in zip(range(5, 5 + MAX_BATCH), itertools.cycle(("structure", "surfaces")), strict=False)
    ]
    puts = items.put_records("garden", records)
    least = MAX_BATCH // items.CHUNK
    assert (least < len(puts) < 2 * least) if length else (len(puts) == least)
    for put in puts:
        content = put.row["content"]
        assert isinstance(content, bytes)
        assert len(zlib.decompress(content)) < items.CHUNK_BYTES + 10_000
    found = [
        (at, mode, record)
        for put in puts
        for mode in [str(put.row["pk"]).rpartition("#")[2]]
        for at, record in items.load_records(mode, put.row)
    ]
    assert sorted(found, key=lambda each: each[0]) == records


@pytest.mark.parametrize(
    "positions",
    [(), (7,), tuple(range(1, 1_001)), (5, 6, 2, 2, 3, 9, 8), tuple(range(2_000, 0, -2))],
)
def test_a_receipt_has_its_positions_in_their_order_and_in_few_bytes(positions: tuple[int, ...]) -> None:
    receipt = items.Receipt("batch", "garden", "body", "token", 3, positions, positions[:2], 0)
    row = receipt.put("receipt#key#key", 0).row
    assert items.load_receipt(row) == receipt
    if positions == tuple(range(1, 1_001)):
        assert row["positions"] == "[[1, 1000]]"
