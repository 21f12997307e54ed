"""What is particular to the store in memory: seeds that are derived from one, and snapshots."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from storage.deadline import Deadline
from tests.support.observations import NOW, failure, key, observation, suggestion
from tuning.errors import StoreUnavailableError
from tuning.observations import Correction
from tuning.stores.memory import MemoryObservationStore, Snapshot
from tuning.stores.port import ObservationStore
from tuning.study import Hyperparameters, Study

LEARNED = Hyperparameters((("strength", 0.3),), 1.0, 0.2, 0.5, 3)
PLACES = list(itertools.product(("default", "a", "b"), ("structure", "surfaces")))


def seeds(store: ObservationStore) -> list[int]:
    for name in ("a", "b"):
        store.begin(Study(name, NOW))
    return [store.mode_study(mode, study=name, now=None).seed for name, mode in PLACES]


def test_the_same_seed_gives_the_same_seeds_and_another_seed_others() -> None:
    assert seeds(MemoryObservationStore(3)) == seeds(MemoryObservationStore(3))
    everything = seeds(MemoryObservationStore(3)) + seeds(MemoryObservationStore(4))
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("seed", [0, 7, -1, 2**70])
def test_the_first_mode_has_the_seed_itself(seed: int) -> None:
    store = MemoryObservationStore(seed)
    assert store.mode_study("surfaces", now=None).seed == seed
    assert store.mode_study("structure", now=None).seed != seed
    recorded_first = MemoryObservationStore(seed)
    recorded_first.record([observation(mode="relief")], idempotency_key=None)
    assert recorded_first.mode_study("structure", now=None).seed != seed
    assert recorded_first.mode_study("relief", now=None).seed == seed


@pytest.fixture
def lived() -> MemoryObservationStore:
    """A store with entries of two modes, revisions, and suggestions of every fate."""
    store = MemoryObservationStore(5)
    store.claim([suggestion(name, step) for step, name in enumerate("abcd")], now=NOW)
    store.record([observation(0, suggestion_id="a", rater="ana"), failure(1, suggestion_id="b")], idempotency_key=key())
    store.record(
        [observation(4, mode="surfaces"), observation(0, suggestion_id="a", rater="ana")], idempotency_key=None
    )
    store.revise("default", 3, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None)
    store.give_back("c", now=NOW)
    store.save_hyperparameters("structure", LEARNED, as_of=4)
    return store


def seen(store: ObservationStore) -> list[object]:
    """All that there is to be read."""
    return [
        store.summary("default"),
        store.history(withdrawn=True, limit=9),
        sorted(store.find_suggestions(["a", "b", "c", "d", "e"]), key=lambda one: one.id),
        *(store.mode_study(mode, now=NOW) for mode in ("structure", "surfaces", "relief")),
    ]


def test_a_store_goes_on_from_its_snapshot(lived: MemoryObservationStore) -> None:
    snapshot = lived.snapshot()
    other = MemoryObservationStore.restored(snapshot)
    assert seen(other) == seen(lived)
    for store in (lived, other):
        again = observation(0, suggestion_id="a", rater="ana", rating=2.0)
        assert store.record([again], idempotency_key=None).replaced == (1,)
        store.revise("default", 3, Correction(NOW, withdrawn=False), seen=2, idempotency_key=None)
        store.claim([suggestion("e", 2)], now=NOW)
    assert seen(other) == seen(lived)
    assert other.snapshot() == lived.snapshot() != snapshot


def test_a_snapshot_stays_as_it_was_taken(lived: MemoryObservationStore) -> None:
    snapshot = lived.snapshot()
    before = seen(MemoryObservationStore.restored(snapshot))
    lived.record([observation(7)], idempotency_key=None)
    lived.give_back("d", now=NOW)
    assert seen(MemoryObservationStore.restored(snapshot)) == before


def broken(snapshot: Snapshot) -> dict[str, Snapshot]:
    first, second = snapshot.modes
    (held,) = [one for one, outstanding in snapshot.suggestions if outstanding]
    twice = (replace(held, id="z"), True)
    return {
        "mode structure is there twice": replace(snapshot, modes=(first, first)),
        "mode surfaces has records and has not begun": replace(snapshot, modes=(first,)),
        "mode structure has learned of more than there is": replace(
            snapshot, modes=(replace(first, as_of=len(snapshot.records) + 1), second)
        ),
        "revises what is not there": replace(snapshot, records=snapshot.records[::-1]),
        "suggestion d is there twice, or is of another study": replace(
            snapshot, suggestions=(*snapshot.suggestions, (held, False))
        ),
        "suggestions d and z hold the same setting": replace(snapshot, suggestions=(*snapshot.suggestions, twice)),
        "suggestion y is there twice, or is of another study": replace(
            snapshot, suggestions=((replace(held, id="y", study="a"), True),)
        ),
    }


@pytest.mark.parametrize("place", range(7))
def test_what_does_not_belong_together_is_not_restored(lived: MemoryObservationStore, place: int) -> None:
    message, snapshot = list(broken(lived.snapshot()).items())[place]
    with pytest.raises(ValueError, match=message):
        MemoryObservationStore.restored(snapshot)


def test_moments_are_kept_as_utc(lived: MemoryObservationStore) -> None:
    zone = datetime.fromisoformat("2031-01-02T05:04:05.678901+02:00")
    lived.record([observation(8, at=zone)], idempotency_key=None)
    recorded = lived.history(limit=1).entries[0].told.recorded_at
    assert recorded == zone
    assert recorded.isoformat() == "2031-01-02T03:04:05.678901+00:00"


def test_of_the_same_ratings_at_the_same_moment_the_first_is_the_best() -> None:
    store = MemoryObservationStore(1)
    store.record([observation(5, rating=4.0, mode="surfaces"), observation(3, rating=4.0)], idempotency_key=None)
    best = store.summary("default").best
    assert best is not None
    assert (best.mode, best.setting) == ("surfaces", observation(5).setting)


def test_what_is_told_in_one_study_ends_no_suggestion_of_another() -> None:
    store = MemoryObservationStore(1)
    store.begin(Study("garden", NOW))
    store.claim([suggestion("a")], now=NOW)
    store.record([observation(0, suggestion_id="a")], study="garden", idempotency_key=None)
    assert [one.id for one in store.outstanding(now=NOW)] == ["a"]


def test_nothing_begins_after_the_deadline(lived: MemoryObservationStore) -> None:
    seen(lived)  # which begins a mode
    over, before = Deadline(0.0), seen(lived)
    uses: list[Callable[[], object]] = [
        lambda: lived.record([observation(9)], idempotency_key=None, deadline=over),
        lambda: lived.find_receipt(key(), deadline=over),
        lambda: lived.revise("default", 1, Correction(NOW, rating=1.0), seen=None, idempotency_key=None, deadline=over),
        lambda: lived.claim([suggestion("e", 9)], now=NOW, deadline=over),
        lambda: lived.find_suggestions(["a"], deadline=over),
        lambda: lived.find_suggested([], now=NOW, deadline=over),
        lambda: lived.mode_study("structure", now=NOW, deadline=over),
        lambda: lived.save_hyperparameters("structure", LEARNED, as_of=5, deadline=over),
    ]
    for use in uses:
        with pytest.raises(StoreUnavailableError, match="no time is left"):
            use()
    assert seen(lived) == before
