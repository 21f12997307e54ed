"""What is corrected, withdrawn, restored and replaced: nothing is overwritten, and all that follows from it is exact.

Held against every adapter (`tests.support.stores`).
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.observations import DAY, NOW, failure, key, observation, setting, suggestion
from tests.support.stores import EVERY, store_url
from tuning.errors import EntryMissingError, EntryStateError, IdempotencyMismatchError, RevisionMismatchError
from tuning.observations import Correction, Entry, Observation, Revision
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore, Recorded, Revised
from tuning.study import Best

LATER = NOW + DAY


@pytest.fixture(params=EVERY)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a store that nobody has used yet."""
    return store_url(request, request.param)


def revise(
    store: ObservationStore,
    position: int = 1,
    *,
    rating: float | None = None,
    comment: str | None = None,
    withdrawn: bool | None = None,
    seen: int | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Revised:
    correction = Correction(LATER, rating, comment, withdrawn, "bo")
    return store.revise("default", position, correction, seen=seen, idempotency_key=idempotency_key)


def entry(store: ObservationStore, position: int = 1) -> Entry:
    """The entry at that position, withdrawn or not."""
    (found,) = store.history(withdrawn=True, limit=1, before=position + 1).entries
    assert found.position == position
    return found


def ratings(store: ObservationStore, mode: str = "structure") -> list[float]:
    """The ratings that count, and as many as are counted."""
    counted = [one.rating for one in store.mode_study(mode, now=None).observations]
    assert store.count() == len(counted)
    return counted


def rate(store: ObservationStore, *given: float) -> None:
    """Record these ratings, each of a setting of its own."""
    store.record([observation(step, rating=rating) for step, rating in enumerate(given)], idempotency_key=None)


def test_a_rating_is_corrected_and_what_it_was_is_kept(store: ObservationStore) -> None:
    first = observation(0, rating=1.0, rater="ana", picture="p1", comment="oops", suggestion_id="s")
    store.record([first, observation(1, rating=3.0)], idempotency_key=None)
    revised = revise(store, rating=5.0)
    expected = Entry(
        "default",
        1,
        replace(first, rating=5.0),
        Revision(2, 5.0, "oops", withdrawn=False, made_at=LATER, reviser="bo"),
        (Revision(1, 1.0, "oops", withdrawn=False, made_at=NOW),),
    )
    assert revised == Revised(expected, 2, replayed=False)
    assert expected.id == "default-1"
    assert entry(store) == expected
    assert store.mode_study("structure", now=NOW).observations == (expected.told, observation(1, rating=3.0))
    assert store.summary("default").best == Best("structure", setting(0), 5.0, NOW)
    again = revise(store, rating=2.5, comment="better said").entry
    assert again.earlier == (*expected.earlier, expected.revision)
    assert again.told == replace(first, rating=2.5, comment="better said")
    assert entry(store) == again


def test_a_comment_is_added_changed_and_removed(store: ObservationStore) -> None:
    rate(store, 3.0)
    said = [revise(store, comment=comment).entry.told.comment for comment in ("one", "two «ñ»", "")]
    assert said == ["one", "two «ñ»", None]
    assert [one.comment for one in (*entry(store).earlier, entry(store).revision)] == [None, "one", "two «ñ»", None]
    assert ratings(store) == [3.0]


def test_what_is_withdrawn_counts_nowhere_and_comes_back_where_it_was(store: ObservationStore) -> None:
    rate(store, 1.0, 5.0, 3.0)
    gone = revise(store, 2, withdrawn=True)
    assert (gone.samples_seen, gone.entry.revision.withdrawn) == (2, True)
    assert ratings(store) == [1.0, 3.0]
    assert store.summary("default").best == Best("structure", setting(2), 3.0, NOW)
    assert [one.position for one in store.history(limit=5).entries] == [3, 1]
    assert [one.position for one in store.history(withdrawn=True, limit=5).entries] == [3, 2, 1]
    assert revise(store, 2, withdrawn=False).samples_seen == 3
    assert ratings(store) == [1.0, 5.0, 3.0]
    assert store.summary("default").best == Best("structure", setting(1), 5.0, NOW)
    assert [one.position for one in store.history(limit=5).entries] == [3, 2, 1]
    assert [one.withdrawn for one in entry(store, 2).earlier] == [False, True]


def test_the_only_rating_can_be_withdrawn(store: ObservationStore) -> None:
    rate(store, 4.0)
    assert revise(store, withdrawn=True).samples_seen == 0
    assert ratings(store) == []
    summary = store.summary("default")
    assert (summary.samples_seen, summary.best, summary.counts) == (0, None, (("structure", 0),))
    assert store.history(limit=5).entries == ()
    assert store.verify(now=NOW) == 0


def test_one_of_a_batch_of_a_thousand_can_be_withdrawn(url: str, store: ObservationStore) -> None:
    store.record([observation(step) for step in range(1_000)], idempotency_key=None)
    assert len(ratings(store)) == 1_000
    other = open_store(url)
    assert revise(other, 500, withdrawn=True).samples_seen == 999
    other.close()
    expected = [observation(step) for step in range(1_000) if step != 499]
    assert list(store.mode_study("structure", now=NOW).observations) == expected
    assert [one.position for one in store.history(limit=1_000).entries] == [
        position for position in range(1_000, 0, -1) if position != 500
    ]


def test_a_correction_that_changes_nothing_is_no_revision(store: ObservationStore) -> None:
    store.record([observation(rating=3.0, comment="so")], idempotency_key=None)
    as_of = store.mode_study("structure", now=NOW).as_of
    for same in (revise(store), revise(store, rating=3.0, comment="so", withdrawn=False), revise(store, seen=1)):
        assert (same.entry, same.samples_seen) == (entry(store), 1)
    assert entry(store).revision.number == 1
    assert store.mode_study("structure", now=NOW).as_of == as_of
    revise(store, withdrawn=True)
    assert revise(store, withdrawn=True).entry.revision.number == 2


def test_what_is_withdrawn_is_restored_before_it_is_corrected(store: ObservationStore) -> None:
    rate(store, 3.0)
    revise(store, withdrawn=True)
    for rating, comment in ((5.0, None), (None, "no")):
        with pytest.raises(EntryStateError, match="default-1 is withdrawn: restore it"):
            revise(store, rating=rating, comment=comment)
    assert entry(store).revision.number == 2
    assert revise(store, rating=5.0, withdrawn=False).samples_seen == 1
    assert ratings(store) == [5.0]


def test_a_failure_has_no_rating_and_is_withdrawn_and_commented_on_like_one(store: ObservationStore) -> None:
    store.record([failure(0), failure(1), observation(2)], idempotency_key=None)
    with pytest.raises(EntryStateError, match="default-1 failed and has no rating"):
        revise(store, rating=3.0)
    assert revise(store, comment="a nude").entry.told == replace(failure(0), comment="a nude")
    assert store.mode_study("structure", now=NOW).failed == (setting(0), setting(1))
    assert revise(store, withdrawn=True).samples_seen == 1
    assert store.mode_study("structure", now=NOW).failed == (setting(1),)
    assert [one.position for one in store.history(limit=5).entries] == [3, 2]
    revise(store, withdrawn=False)
    assert store.mode_study("structure", now=NOW).failed == (setting(0), setting(1))


def test_a_correction_of_what_somebody_else_has_corrected_is_refused(store: ObservationStore) -> None:
    rate(store, 3.0)
    assert revise(store, rating=4.0, seen=1).entry.revision.number == 2
    for seen in (1, 3):
        with pytest.raises(RevisionMismatchError, match="default-1 is at revision 2") as caught:
            revise(store, rating=5.0, seen=seen)
        assert caught.value.revision == 2
    # Though it would change nothing, it was made in ignorance of what is there.
    with pytest.raises(RevisionMismatchError):
        revise(store, rating=4.0, seen=1)
    assert revise(store, rating=5.0, seen=2).entry.revision.number == 3
    assert revise(store, rating=1.0).entry.revision.number == 4
    assert ratings(store) == [1.0]


def test_there_is_nothing_to_correct_where_nothing_was_told(store: ObservationStore) -> None:
    rate(store, 3.0, 4.0)
    revise(store, 1, rating=5.0)  # which is at position 3
    for position in (0, 3, 4, 2**63 - 1):
        with pytest.raises(EntryMissingError, match=f"default-{position}"):
            revise(store, position, rating=5.0)


def test_revisions_take_positions_between_entries(store: ObservationStore) -> None:
    rate(store, 1.0, 2.0)
    revise(store, 2, rating=3.0)
    recorded = store.record([observation(7, mode="surfaces"), failure(8), observation(9)], idempotency_key=None)
    assert recorded.positions == (4, 5, 6)
    revise(store, 4, withdrawn=True)
    assert [one.position for one in store.history(withdrawn=True, limit=9).entries] == [6, 5, 4, 2, 1]
    for mode in ("structure", "surfaces"):
        assert store.mode_study(mode, now=NOW).as_of == 7


def test_a_study_that_was_read_before_follows_what_others_correct_in_it(url: str, store: ObservationStore) -> None:
    rate(store, 1.0, 2.0, 3.0)
    assert ratings(store) == [1.0, 2.0, 3.0]
    other = open_store(url)
    for position, rating, expected in ((1, 5.0, [5.0, 2.0, 3.0]), (3, 4.0, [5.0, 2.0, 4.0]), (1, 1.5, [1.5, 2.0, 4.0])):
        revise(other, position, rating=rating)
        assert ratings(store) == expected
        assert ratings(other) == expected
    revise(other, 2, withdrawn=True)
    other.record([observation(5, rating=1.0)], idempotency_key=None)
    assert ratings(store) == [1.5, 4.0, 1.0]
    other.close()


def test_the_best_is_the_highest_that_counts_and_the_earliest_of_those(store: ObservationStore) -> None:
    early = NOW - timedelta(minutes=5)
    store.record(
        [
            observation(0, rating=4.0),
            observation(1, rating=4.0, at=early),
            observation(2, rating=4.0, mode="surfaces", at=early),
            observation(3, rating=4.0, mode="surfaces", at=early - timedelta(minutes=1)),
            failure(4),
        ],
        idempotency_key=None,
    )

    def best() -> Best | None:
        return store.summary("default").best

    assert best() == Best("surfaces", setting(3), 4.0, early - timedelta(minutes=1))
    revise(store, 4, rating=3.5)
    found = best()
    assert found is not None
    assert (found.rating, found.recorded_at) == (4.0, early)
    revise(store, 2, withdrawn=True)
    assert best() == Best("surfaces", setting(2), 4.0, early)
    revise(store, 1, rating=4.5)
    assert best() == Best("structure", setting(0), 4.5, NOW)
    revise(store, 1, rating=1.0)
    revise(store, 3, withdrawn=True)
    assert best() == Best("surfaces", setting(3), 3.5, early - timedelta(minutes=1))


def test_a_correction_with_a_key_is_made_once_and_answered_as_then(url: str, store: ObservationStore) -> None:
    rate(store, 3.0, 1.0)
    first = revise(store, rating=5.0, seen=1, idempotency_key=key())
    revise(store, rating=2.0)
    revise(store, 2, withdrawn=True)
    other = open_store(url)
    for each in (store, other):
        again = revise(each, rating=5.0, seen=1, idempotency_key=key())
        assert again == Revised(first.entry, 2, replayed=True)
    other.close()
    assert entry(store).revision.number == 3
    assert ratings(store) == [2.0]


def test_a_key_is_for_one_request_of_whatever_kind(store: ObservationStore) -> None:
    rate(store, 3.0)
    revise(store, rating=5.0, idempotency_key=key("revised", "a"))
    store.record([observation(1)], idempotency_key=key("recorded", "a"))
    for fingerprint in ("a", "b"):
        with pytest.raises(IdempotencyMismatchError):
            revise(store, rating=1.0, idempotency_key=key("recorded", fingerprint))
        with pytest.raises(IdempotencyMismatchError):
            store.record([observation(1)], idempotency_key=key("revised", fingerprint))
        with pytest.raises(IdempotencyMismatchError):
            store.find_receipt(key("revised", fingerprint))
    with pytest.raises(IdempotencyMismatchError):
        revise(store, rating=1.0, idempotency_key=key("revised", "b"))
    assert entry(store).revision.number == 2
    assert store.count() == 2


def test_a_correction_that_changes_nothing_is_remembered_by_its_key(store: ObservationStore) -> None:
    rate(store, 3.0)
    assert not revise(store, rating=3.0, idempotency_key=key()).replayed
    revise(store, rating=4.0)
    again = revise(store, rating=3.0, idempotency_key=key())
    assert (again.replayed, again.entry.told, again.entry.revision.number) == (True, observation(rating=3.0), 1)
    assert ratings(store) == [4.0]


def test_one_correction_sent_many_times_at_once_is_made_once(store: ObservationStore) -> None:
    rate(store, 3.0)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: revise(store, rating=5.0, idempotency_key=key()), range(16)))
    assert sorted(revised.replayed for revised in done) == [False] + [True] * 15
    assert len({revised.entry for revised in done}) == 1
    assert entry(store).revision.number == 2


def test_of_many_who_have_seen_the_same_one_corrects_it(store: ObservationStore) -> None:
    rate(store, 3.0)

    def correct(index: int) -> float | None:
        try:
            return revise(store, rating=4 + index / 16, seen=1).entry.revision.rating
        except RevisionMismatchError:
            return None

    with ThreadPoolExecutor(8) as pool:
        (won,) = [rating for rating in pool.map(correct, range(16)) if rating is not None]
    assert ratings(store) == [won]
    assert entry(store).revision.number == 2


def test_of_many_who_have_seen_nothing_all_correct_it_and_the_last_wins(store: ObservationStore) -> None:
    rate(store, 3.0, 3.0)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda index: revise(store, rating=4 + index / 32).entry.revision, range(24)))
    last = max(done, key=lambda revision: revision.number)
    assert sorted(revision.number for revision in done) == list(range(2, 26))
    assert entry(store).revision == last
    assert [one.number for one in entry(store).earlier] == list(range(1, 25))
    assert ratings(store) == [last.rating, 3.0]


def test_no_reader_sees_half_a_revision(url: str, store: ObservationStore) -> None:
    store.record([observation(rating=1.0, comment="1.0"), observation(1, rating=1.0)], idempotency_key=None)
    stop = threading.Event()

    def write() -> None:
        for step in range(200):
            if stop.is_set():
                break
            rating = 1 + step % 5
            revise(store, rating=float(rating), comment=f"{rating:.1f}", withdrawn=rating == 5)

    writer = threading.Thread(target=write)
    writer.start()
    reader = open_store(url)
    try:
        for _ in range(40):
            found = entry(reader)
            assert str(found.revision.rating) == found.revision.comment
            assert found.revision.withdrawn == (found.revision.rating == 5)
            assert isinstance(found.told, Observation)
            assert (found.told.rating, found.told.comment) == (found.revision.rating, found.revision.comment)
            assert [one.number for one in (*found.earlier, found.revision)] == list(range(1, found.revision.number + 1))
            for one in reader.mode_study("structure", now=NOW).observations:
                assert one.comment in {None, str(one.rating)}
                assert one.rating < 5
            summary = reader.summary("default")
            assert summary.best is not None
            assert (summary.samples_seen == 1) == (summary.best.setting == setting(1))
    finally:
        stop.set()
        writer.join()
        reader.close()


def told_twice(store: ObservationStore, first: Observation, second: Observation) -> Recorded:
    store.claim([suggestion("s")], now=NOW)
    assert store.record([first, observation(9)], idempotency_key=None).positions == (1, 2)
    return store.record([observation(8), second], idempotency_key=key())


def test_the_same_rater_of_the_same_suggestion_replaces_the_rating(store: ObservationStore) -> None:
    first = observation(rating=1.0, suggestion_id="s", rater="ana", comment="oops")
    second = replace(first, rating=5.0, comment=None, recorded_at=LATER)
    recorded = told_twice(store, first, second)
    assert recorded == Recorded(3, replayed=False, positions=(3, 1), replaced=(1,))
    replaced = entry(store)
    assert replaced.told == replace(first, rating=5.0)
    assert replaced.revision == Revision(2, 5.0, "oops", withdrawn=False, made_at=LATER, reviser="ana")
    assert ratings(store) == [5.0, observation(9).rating, observation(8).rating]
    for found in (store.find_receipt(key()), store.record([second], idempotency_key=key())):
        assert found == Recorded(3, replayed=True, positions=(3, 1), replaced=(1,))
    third = replace(second, rating=2.0, comment="at last")
    assert store.record([third], idempotency_key=None).replaced == (1,)
    assert entry(store).told == replace(first, rating=2.0, comment="at last")
    assert entry(store).revision.number == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (observation(suggestion_id="s", rater="ana"), observation(suggestion_id="s", rater="bo")),
        (observation(suggestion_id="s"), observation(suggestion_id="s")),
        (observation(suggestion_id="s"), observation(suggestion_id="s", rater="ana")),
        (observation(rater="ana"), observation(rater="ana")),
        (observation(suggestion_id="s", rater="ana"), observation(suggestion_id="t", rater="ana")),
        (
            observation(suggestion_id="s", rater="ana", picture="p1"),
            observation(suggestion_id="s", rater="ana", picture="p2"),
        ),
        (
            observation(suggestion_id="s", rater="ana"),
            observation(suggestion_id="s", rater="ana", picture="p2"),
        ),
        (
            observation(suggestion_id="s", rater="ana"),
            observation(1, suggestion_id="s", rater="ana"),
        ),
    ],
    ids=[
        *("another rater", "nobody", "somebody after nobody", "no suggestion", "another suggestion"),
        *("another picture", "a picture after none", "another setting"),
    ],
)
def test_other_ratings_add_up(store: ObservationStore, first: Observation, second: Observation) -> None:
    recorded = told_twice(store, first, second)
    assert (recorded.samples_seen, recorded.positions, recorded.replaced) == (4, (3, 4), ())
    assert entry(store).revision.number == 1


@pytest.mark.parametrize(("first", "second"), [("p1", "p1"), ("p1", None), (None, None)])
def test_a_picture_that_is_the_same_or_not_named_is_no_other(
    store: ObservationStore, first: str | None, second: str | None
) -> None:
    one = observation(rating=1.0, suggestion_id="s", rater="ana", picture=first)
    assert told_twice(store, one, replace(one, rating=4.0, picture=second)).replaced == (1,)
    assert entry(store).told == replace(one, rating=4.0)


def test_a_withdrawn_rating_is_not_replaced(store: ObservationStore) -> None:
    first = observation(rating=1.0, suggestion_id="s", rater="ana")
    store.record([first], idempotency_key=None)
    revise(store, withdrawn=True)
    assert store.record([replace(first, rating=4.0)], idempotency_key=None) == Recorded(
        1, replayed=False, positions=(3,)
    )
    assert ratings(store) == [4.0]


def test_a_failure_neither_replaces_nor_is_replaced(store: ObservationStore) -> None:
    rated = observation(rating=4.0, suggestion_id="s", rater="ana")
    failed = failure(suggestion_id="s", rater="ana")
    recorded = store.record([failed, rated, failed], idempotency_key=None)
    assert (recorded.samples_seen, recorded.positions, recorded.replaced) == (1, (1, 2, 3), ())
    assert store.record([failed], idempotency_key=None).positions == (4,)
    assert store.mode_study("structure", now=NOW).failed == (setting(0),) * 3


def test_a_rating_given_twice_in_one_batch_is_one_entry(store: ObservationStore) -> None:
    one = observation(rating=1.0, suggestion_id="s", rater="ana")
    recorded = store.record([one, replace(one, rating=4.0), observation(5)], idempotency_key=None)
    assert recorded == Recorded(2, replayed=False, positions=(1, 1, 3))
    assert (entry(store).told, entry(store).revision.number) == (replace(one, rating=4.0), 2)
    again = store.record([replace(one, rating=2.0), replace(one, rating=3.0)], idempotency_key=None)
    assert again == Recorded(2, replayed=False, positions=(1, 1), replaced=(1,))
    assert ratings(store) == [3.0, observation(5).rating]
    assert entry(store).revision.number == 4


def test_history_with_what_is_withdrawn_pages_like_any_other(store: ObservationStore) -> None:
    store.record([observation(step, rater=("ana", "bo")[step % 2]) for step in range(12)], idempotency_key=None)
    for position in (1, 2, 5, 6, 7, 12):
        revise(store, position, withdrawn=True)
    for withdrawn, rater, expected in (
        (False, None, [11, 10, 9, 8, 4, 3]),
        (True, None, list(range(12, 0, -1))),
        (False, "ana", [11, 9, 3]),
        (True, "bo", [12, 10, 8, 6, 4, 2]),
    ):
        seen: list[Entry] = []
        before: int | None = 2**63 - 1
        while before is not None:
            page = store.history(rater=rater, withdrawn=withdrawn, limit=2, before=before)
            assert len(page.entries) == 2 or page.next_before is None
            seen += page.entries
            before = page.next_before
            revise(store, 11, comment=str(len(seen)))
        assert [one.position for one in seen] == expected
        assert {one.position for one in seen if one.revision.withdrawn} <= {1, 2, 5, 6, 7, 12}
