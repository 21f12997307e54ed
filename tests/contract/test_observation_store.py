"""The promises of an observation store, held against every adapter (`tests.support.stores`): batches and suggestions.

Its studies are in `test_studies`, what people correct in `test_revisions`, and all of it in any order in
`test_store_model`.
"""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from tests.support.observations import DAY, NOW, failure, key, observation, setting, suggestion
from tests.support.stores import EVERY, store_url
from tuning.errors import AlreadyPendingError, IdempotencyMismatchError, StudyMissingError
from tuning.observations import (
    DEFAULT_STUDY,
    MAX_POSITION,
    Correction,
    Entry,
    Observation,
    Revision,
    Setting,
    Suggestion,
)
from tuning.stores import open_store
from tuning.stores.log import Amendment
from tuning.stores.port import MAX_CLAIM, HistoryPage, ObservationStore, Recorded
from tuning.study import Hyperparameters, Study


@pytest.fixture(params=EVERY)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a store that nobody has used yet."""
    return store_url(request, request.param)


def test_a_new_store_is_empty(store: ObservationStore) -> None:
    assert store.count() == 0
    assert store.outstanding(now=NOW) == ()
    assert store.history(limit=5) == HistoryPage((), None)
    study = store.mode_study("structure", now=NOW)
    assert (study.observations, study.outstanding, study.failed, study.hyperparameters) == ((), (), (), None)
    assert (study.study, study.as_of) == (Study(DEFAULT_STUDY), 0)


def test_observations_come_back_as_they_went_in_and_in_order(store: ObservationStore) -> None:
    batch = [
        observation(0, suggestion_id="s", rater="ana", picture="p1", comment="«ñ»\n  'x'; --"),
        observation(1, mode="surfaces"),
        observation(2),
    ]
    assert store.record(batch, idempotency_key=None) == Recorded(3, replayed=False, positions=(1, 2, 3))
    assert store.record([observation(3)], idempotency_key=None) == Recorded(4, replayed=False, positions=(4,))
    assert store.mode_study("structure", now=NOW).observations == (batch[0], batch[2], observation(3))
    assert store.mode_study("surfaces", now=NOW).observations == (batch[1],)
    assert store.count() == 4


@pytest.mark.parametrize("value", [0.1 + 0.2, 0.284, 1 / 3, 0.1, 5e-324, 1.7976931348623157e308, 7.0, -0.0001])
def test_numbers_are_kept_to_the_last_bit(store: ObservationStore, value: float) -> None:
    exact = Observation("structure", Setting("a", (("p", value),)), 1 + 2 / 3, NOW)
    store.record([exact], idempotency_key=None)
    store.claim([Suggestion("s", "structure", exact.setting, NOW, NOW + DAY)], now=NOW)
    (found,) = store.mode_study("structure", now=NOW).observations
    assert float(found.setting.values[0][1]).hex() == value.hex()
    assert found.rating.hex() == (1 + 2 / 3).hex()
    (claimed,) = store.outstanding(now=NOW)
    assert float(claimed.setting.values[0][1]).hex() == value.hex()


def test_whole_numbers_and_choices_are_kept_as_what_they_are(store: ObservationStore) -> None:
    values = (("steps", 30), ("strength", 30.0), ("sampler", "dpm++ & 'ñ'"), ("text", "30"))
    kept = Observation("structure", Setting("a", values), 4.0, NOW)
    store.record([kept], idempotency_key=None)
    store.claim([Suggestion("s", "structure", kept.setting, NOW, NOW + DAY)], now=NOW)
    for found in (store.mode_study("structure", now=NOW).observations[0], store.outstanding(now=NOW)[0]):
        assert found.setting.values == values
        assert [type(value) for _, value in found.setting.values] == [int, float, str, str]


def test_a_batch_of_a_thousand_is_one_batch(store: ObservationStore) -> None:
    assert store.record([observation(step) for step in range(1_000)], idempotency_key=key()).samples_seen == 1_000
    assert len(store.mode_study("structure", now=NOW).observations) == 1_000


def test_a_batch_that_cannot_be_recorded_whole_is_not_recorded_at_all(store: ObservationStore) -> None:
    store.claim([suggestion("answered")], now=NOW)
    broken = Observation("structure", setting(2), 3.0, "yesterday")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        store.record([observation(0, suggestion_id="answered"), observation(1), broken], idempotency_key=key())
    assert store.count() == 0
    assert len(store.outstanding(now=NOW)) == 1
    assert not store.record([observation()], idempotency_key=key()).replayed


def test_an_empty_batch_is_acknowledged_and_changes_nothing(store: ObservationStore) -> None:
    store.record([observation()], idempotency_key=None)
    assert store.record([], idempotency_key=key()) == Recorded(1, replayed=False, positions=())
    assert store.record([], idempotency_key=key()) == Recorded(1, replayed=True, positions=())
    assert store.record([], idempotency_key=None).samples_seen == 1
    assert store.count() == 1


def test_a_study_read_again_and_again_is_the_study(url: str, store: ObservationStore) -> None:
    other = open_store(url)
    for step in range(6):
        (store, other)[step % 2].record(
            [observation(step), observation(step, mode="surfaces"), observation(step + 50)], idempotency_key=None
        )
        expected = [observation(at) for done in range(step + 1) for at in (done, done + 50)]
        assert list(store.mode_study("structure", now=NOW).observations) == expected
        assert len(store.mode_study("surfaces", now=NOW).observations) == step + 1
    assert other.mode_study("structure", now=NOW).observations == store.mode_study("structure", now=NOW).observations
    other.close()


def test_an_idempotency_key_records_once(store: ObservationStore) -> None:
    first = store.record([observation(0), observation(1)], idempotency_key=key())
    store.record([observation(2)], idempotency_key=key("another"))
    again = store.record([observation(0), observation(1)], idempotency_key=key())
    assert first == Recorded(2, replayed=False, positions=(1, 2))
    assert again == Recorded(2, replayed=True, positions=(1, 2))
    assert store.count() == 3


def test_an_idempotency_key_with_another_body_is_refused(store: ObservationStore) -> None:
    store.record([observation()], idempotency_key=key())
    with pytest.raises(IdempotencyMismatchError):
        store.record([observation()], idempotency_key=key(fingerprint="other"))
    assert store.count() == 1


def test_one_key_sent_many_times_at_once_records_once(store: ObservationStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: store.record([observation()], idempotency_key=key()), range(16)))
    assert sorted(recorded.replayed for recorded in done) == [False] + [True] * 15
    assert {recorded.samples_seen for recorded in done} == {1}
    assert store.count() == 1


def test_counts_are_exact_under_concurrent_writers(store: ObservationStore) -> None:
    def record(index: int) -> int:
        mode = ("structure", "surfaces")[index % 2]
        batch = [observation(step, mode=mode) for step in range(3)]
        return store.record(batch, idempotency_key=None).samples_seen

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(record, range(40)))
    assert sorted(done) == list(range(3, 123, 3))
    assert store.count() == 120
    for mode in ("structure", "surfaces"):
        assert len(store.mode_study(mode, now=NOW).observations) == 60


def test_a_reader_sees_what_was_acknowledged_before_and_whole_batches_only(url: str, store: ObservationStore) -> None:
    acknowledged = 0
    stop = threading.Event()

    def write() -> None:
        nonlocal acknowledged
        while not stop.is_set() and acknowledged < 300:
            acknowledged = store.record([observation(), observation(1)], idempotency_key=None).samples_seen

    writer = threading.Thread(target=write)
    writer.start()
    reader = open_store(url)
    try:
        for _ in range(60):
            known = acknowledged
            seen = len(reader.mode_study("structure", now=NOW).observations)
            assert seen >= known
            assert seen % 2 == 0
    finally:
        stop.set()
        writer.join()
        reader.close()


def test_a_claimed_setting_is_outstanding_in_its_mode(store: ObservationStore) -> None:
    store.claim([suggestion("a", 0), suggestion("b", 1)], now=NOW)
    store.claim([suggestion("c", 0, mode="surfaces")], now=NOW + timedelta(seconds=1))
    assert [found.id for found in store.mode_study("structure", now=NOW).outstanding] == ["a", "b"]
    assert store.outstanding(now=NOW) == (suggestion("a", 0), suggestion("b", 1), suggestion("c", 0, mode="surfaces"))
    assert store.outstanding(mode="structure", now=NOW) == (suggestion("a", 0), suggestion("b", 1))
    assert store.outstanding(mode="relief", now=NOW) == ()


def test_a_taken_setting_cannot_be_claimed_nor_its_companions(store: ObservationStore) -> None:
    store.claim([suggestion("a", 0)], now=NOW)
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("b", 1), suggestion("c", 0)], now=NOW)
    assert [found.id for found in store.outstanding(now=NOW)] == ["a"]


def test_a_setting_cannot_be_claimed_twice_at_once(store: ObservationStore) -> None:
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("a", 0), suggestion("b", 0)], now=NOW)
    assert store.outstanding(now=NOW) == ()


def test_a_batch_frees_every_setting_that_it_answers(store: ObservationStore) -> None:
    claimed = [suggestion(f"s{step}", step) for step in range(150)]
    for start in range(0, 150, MAX_CLAIM):
        store.claim(claimed[start : start + MAX_CLAIM], now=NOW)
    batch = [observation(step, suggestion_id=f"s{step}") for step in range(149)]
    store.record(batch, idempotency_key=None)
    assert store.outstanding(now=NOW) == (claimed[149],)
    store.claim([suggestion(f"t{step}", step) for step in range(125, 149)], now=NOW)
    assert len(store.outstanding(now=NOW)) == 25


def test_of_many_claims_at_once_one_wins(store: ObservationStore) -> None:
    def claim(index: int) -> bool:
        try:
            store.claim([suggestion(f"s{index}")], now=NOW)
        except AlreadyPendingError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(16))) == 1


def test_a_rating_frees_its_setting(store: ObservationStore) -> None:
    store.claim([suggestion("a", 0), suggestion("b", 1)], now=NOW)
    store.record([observation(0, suggestion_id="a"), observation(5, suggestion_id="unheard of")], idempotency_key=None)
    assert [found.id for found in store.outstanding(now=NOW)] == ["b"]
    store.claim([suggestion("c", 0)], now=NOW)


def test_a_suggestion_expires_on_its_moment(store: ObservationStore) -> None:
    store.claim([suggestion("a", lasting=timedelta(hours=1))], now=NOW)
    just_before = NOW + timedelta(hours=1) - timedelta(microseconds=1)
    assert len(store.outstanding(now=just_before)) == 1
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("b", now=just_before)], now=just_before)
    at = NOW + timedelta(hours=1)
    assert store.outstanding(now=at) == ()
    assert store.mode_study("structure", now=at).outstanding == ()
    store.claim([suggestion("b", now=at)], now=at)
    assert [found.id for found in store.outstanding(now=at)] == ["b"]


def found(store: ObservationStore, *ids: str) -> dict[str, Suggestion]:
    return {one.id: one for one in store.find_suggestions(ids)}


def places(store: ObservationStore, *steps: int, mode: str = "structure", now: datetime = NOW) -> dict[str, bool]:
    """The ids of what was suggested there, each with whether it is outstanding."""
    suggested = store.find_suggested([(mode, setting(step)) for step in steps], now=now)
    return {one.id: outstanding for one, outstanding in suggested}


@pytest.mark.parametrize("others", [0, 300])
def test_what_was_suggested_is_found_by_id_and_by_place_among_few_and_many(
    store: ObservationStore, others: int
) -> None:
    expired, old = suggestion("gone", 5, now=NOW - DAY), suggestion("old", 0, now=NOW - DAY / 2)
    store.claim([old, expired], now=NOW - DAY)
    new, other = suggestion("new", 1), suggestion("other", 0, mode="surfaces")
    store.claim([new, other], now=NOW)
    for start in range(0, others, 20):
        store.claim([suggestion(f"s{step}", 1_000 + step) for step in range(start, start + 20)], now=NOW)
    assert found(store) == {}
    assert places(store) == {}
    assert found(store, "new", "unheard of", "gone") == {"new": new, "gone": expired}
    assert found(store, "old", "other") == {"old": old, "other": other}
    assert places(store, 0, 2) == {"old": True}
    assert places(store, 0, 1) == {"old": True, "new": True}
    assert places(store, 0, mode="surfaces") == {"other": True}
    assert places(store, 5) == {"gone": False}
    store.record([observation(0, suggestion_id="old")], idempotency_key=None)
    assert places(store, 0) == {"old": False}
    store.claim([suggestion("again", 0)], now=NOW)
    assert places(store, 0, 5) == {"again": True, "gone": False}
    assert found(store, "old", "again").keys() == {"old", "again"}
    if others:
        wanted = [f"s{step}" for step in range(others)]
        assert sorted(found(store, *wanted)) == sorted(wanted)
        assert places(store, *(1_000 + step for step in range(others))) == dict.fromkeys(wanted, True)


def test_a_suggestion_is_known_for_ever_whatever_became_of_it(url: str, store: ObservationStore) -> None:
    names = ("rated", "failed", "given back", "gave way", "expired", "outstanding")
    claimed = {name: suggestion(name, step) for step, name in enumerate(names)}
    claimed["expired"] = suggestion("expired", 4, lasting=timedelta(minutes=1))
    store.claim(list(claimed.values()), now=NOW)
    store.record([observation(0, suggestion_id="rated"), failure(1, suggestion_id="failed")], idempotency_key=None)
    store.give_back("given back", now=NOW)
    later = NOW + timedelta(minutes=1)
    store.claim([suggestion("new", 9, now=later)], giving_way=[claimed["gave way"]], now=later)
    other = open_store(url)
    for each in (store, other):
        assert found(each, *names) == claimed
        assert places(each, *range(len(names)), now=later) == {name: name == "outstanding" for name in names}
        assert {one.id for one in each.outstanding(now=later)} == {"outstanding", "new"}
    other.close()


def test_a_place_is_that_of_equal_settings_whatever_their_form(store: ObservationStore) -> None:
    whole = Setting("a", (("steps", 30), ("strength", 0.0), ("sampler", "ñ & ' =")))
    alike = Setting("a", (("sampler", "ñ & ' ="), ("strength", -0.0), ("steps", 30.0)))
    store.claim([Suggestion("s", "structure", whole, NOW, NOW + DAY)], now=NOW)
    (((one, outstanding)),) = store.find_suggested([("structure", alike)], now=NOW)
    assert (one.id, outstanding) == ("s", True)
    with pytest.raises(AlreadyPendingError):
        store.claim([Suggestion("t", "structure", alike, NOW, NOW + DAY)], now=NOW)


def test_what_is_given_back_is_free_at_once(store: ObservationStore) -> None:
    store.claim([suggestion("a", 0), suggestion("b", 1)], now=NOW)
    assert store.give_back("a", now=NOW) == suggestion("a", 0)
    assert [one.id for one in store.mode_study("structure", now=NOW).outstanding] == ["b"]
    assert store.give_back("a", now=NOW) is None
    store.claim([suggestion("c", 0)], now=NOW)
    assert store.give_back("a", now=NOW) is None
    assert {one.id for one in store.outstanding(now=NOW)} == {"b", "c"}


def test_what_is_not_outstanding_cannot_be_given_back(store: ObservationStore) -> None:
    store.claim([suggestion("answered", 0), suggestion("expired", 1, lasting=timedelta(hours=1))], now=NOW)
    store.record([observation(0, suggestion_id="answered")], idempotency_key=None)
    for name in ("answered", "unheard of", ""):
        assert store.give_back(name, now=NOW) is None
    assert store.give_back("expired", now=NOW + timedelta(hours=1)) is None


def test_a_suggestion_is_given_back_once(store: ObservationStore) -> None:
    store.claim([suggestion("a")], now=NOW)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: store.give_back("a", now=NOW), range(16)))
    assert [one for one in given if one] == [suggestion("a")]


def test_a_failure_frees_its_setting_and_is_no_rating(store: ObservationStore) -> None:
    store.claim([suggestion("a", 0), suggestion("b", 1)], now=NOW)
    recorded = store.record([failure(0, suggestion_id="a"), observation(5)], idempotency_key=None)
    assert (recorded.samples_seen, recorded.positions) == (1, (1, 2))
    study = store.mode_study("structure", now=NOW)
    assert (study.observations, study.failed) == ((observation(5),), (setting(0),))
    assert [one.id for one in study.outstanding] == ["b"]
    assert store.mode_study("surfaces", now=NOW).failed == ()
    assert [entry.told for entry in store.history(limit=5).entries] == [observation(5), failure(0, suggestion_id="a")]
    store.claim([suggestion("c", 0)], now=NOW)


def test_those_that_give_way_end_with_the_claim_or_not_at_all(store: ObservationStore) -> None:
    pending = [suggestion(f"s{step}", step) for step in range(4)]
    store.claim(pending, now=NOW)
    with pytest.raises(AlreadyPendingError):
        store.claim([suggestion("a", 9), suggestion("b", 3)], giving_way=pending[:2], now=NOW)
    assert store.outstanding(now=NOW) == tuple(pending)
    # One of them has ended meanwhile, and its setting is with somebody else.
    store.record([observation(0, suggestion_id="s0")], idempotency_key=None)
    store.claim([suggestion("another", 0)], now=NOW)
    store.claim([suggestion("a", 9), suggestion("b", 1)], giving_way=pending[:2], now=NOW)
    assert {found.id for found in store.outstanding(now=NOW)} == {"s2", "s3", "another", "a", "b"}


def test_a_receipt_is_found_by_its_key_and_its_body(store: ObservationStore) -> None:
    assert store.find_receipt(key()) is None
    store.record([observation(0), observation(1)], idempotency_key=key())
    store.record([observation(2)], idempotency_key=None)
    found = store.find_receipt(key())
    assert found == Recorded(2, replayed=True, positions=(1, 2))
    with pytest.raises(IdempotencyMismatchError):
        store.find_receipt(key(fingerprint="other"))


def test_a_study_without_a_moment_is_without_what_is_outstanding(store: ObservationStore) -> None:
    store.claim([suggestion("a")], now=NOW)
    store.record([observation(1)], idempotency_key=None)
    assert store.mode_study("structure", now=None).outstanding == ()
    assert store.mode_study("structure", now=None).observations == (observation(1),)


def test_a_sound_store_is_verified_by_its_count(store: ObservationStore) -> None:
    assert store.verify(now=NOW) == 0
    store.record([observation(0), observation(1)], idempotency_key=key())
    store.claim([suggestion("a")], now=NOW)
    assert store.verify(now=NOW) == 2


def test_moments_of_any_zone_are_one_time(store: ObservationStore) -> None:
    zone = datetime.fromisoformat("2030-01-02T05:04:05.678901+02:00")
    assert zone == NOW
    store.claim([suggestion("a", now=zone, lasting=timedelta(minutes=1))], now=zone)
    assert len(store.outstanding(now=NOW)) == 1
    assert store.outstanding(now=NOW + timedelta(minutes=1)) == ()


def test_a_study_keeps_its_seed_and_differs_from_others(url: str, store: ObservationStore) -> None:
    seed = store.mode_study("structure", now=NOW).seed
    other = open_store(url)
    assert other.mode_study("structure", now=NOW).seed == seed
    other.close()
    assert store.mode_study("surfaces", now=NOW).seed != seed


def test_many_who_begin_a_study_at_once_begin_the_same(store: ObservationStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: store.mode_study("structure", now=NOW).seed, range(16)))) == 1


def test_hyperparameters_come_back_exactly_and_never_go_back_in_the_log(store: ObservationStore) -> None:
    def learned(fitted_on: int) -> Hyperparameters:
        return Hyperparameters((("strength", 1 / 3), ("guidance", 0.1 + 0.2)), 1.1, 0.16, 2 / 3, fitted_on)

    store.save_hyperparameters("structure", learned(10), as_of=10)
    seed = store.mode_study("structure", now=NOW).seed
    assert store.mode_study("structure", now=NOW).hyperparameters == learned(10)
    # Fewer ratings, since some were withdrawn, but more of the log.
    store.save_hyperparameters("structure", learned(9), as_of=20)
    store.save_hyperparameters("structure", learned(19), as_of=19)
    assert store.mode_study("structure", now=NOW).hyperparameters == learned(9)
    store.save_hyperparameters("structure", learned(8), as_of=20)
    assert store.mode_study("structure", now=NOW).hyperparameters == learned(8)
    assert store.mode_study("structure", now=NOW).seed == seed
    assert store.mode_study("surfaces", now=NOW).hyperparameters is None


def test_the_similarity_to_a_base_comes_back_exactly(store: ObservationStore) -> None:
    for similarity in (None, 0.0, 1 / 3, 1.0):
        learned = Hyperparameters((("strength", 1 / 3),), 1.1, 0.16, 2 / 3, 7, similarity)
        store.save_hyperparameters("structure", learned, as_of=10)
        assert store.mode_study("structure", now=NOW).hyperparameters == learned


def test_history_is_newest_first_and_pages_neither_skip_nor_repeat(store: ObservationStore) -> None:
    for step in range(7):
        store.record([observation(step, mode="surfaces" if step == 3 else "structure")], idempotency_key=None)
    seen: list[Entry] = []
    before: int | None = MAX_POSITION
    while before is not None:
        page = store.history(mode="structure", limit=2, before=before)
        seen += page.entries
        store.record([observation(100)], idempotency_key=None)
        before = page.next_before
    assert [entry.told for entry in seen] == [observation(step) for step in (6, 5, 4, 2, 1, 0)]
    assert [entry.position for entry in seen] == [7, 6, 5, 3, 2, 1]
    everything = store.history(limit=100)
    assert len(everything.entries) == 10
    assert everything.next_before is None
    assert store.history(limit=10).next_before is None
    assert store.history(limit=9).next_before == 2


def test_history_is_of_whom_and_what_is_asked_for(store: ObservationStore) -> None:
    told = [
        observation(step, mode=mode, rater=rater, picture=picture)
        for step, (mode, rater, picture) in enumerate(
            itertools.product(("structure", "surfaces"), ("ana", "bo", None), ("p1", "p2", None))
        )
    ]
    store.record(told, idempotency_key=None)
    for mode, rater, picture in itertools.product((None, "structure", "relief"), (None, "ana", "eve"), (None, "p2")):
        expected = [
            one
            for one in reversed(told)
            if mode in {None, one.mode} and rater in {None, one.rater} and picture in {None, one.picture}
        ]
        seen: list[Entry] = []
        before: int | None = MAX_POSITION
        while before is not None:
            page = store.history(mode=mode, rater=rater, picture=picture, limit=2, before=before)
            seen += page.entries
            before = page.next_before
        assert [entry.told for entry in seen] == expected
        assert [told[entry.position - 1] for entry in seen] == expected


def test_everything_is_there_after_reopening(url: str, store: ObservationStore) -> None:
    store.record([observation()], idempotency_key=key())
    store.claim([suggestion("a")], now=NOW)
    store.close()
    reopened = open_store(url)
    assert reopened.count() == 1
    assert reopened.record([observation()], idempotency_key=key()).replayed
    assert [found.id for found in reopened.outstanding(now=NOW)] == ["a"]
    reopened.close()


def test_a_closed_store_opens_again_when_used(store: ObservationStore) -> None:
    store.record([observation()], idempotency_key=None)
    store.close()
    store.close()
    assert store.count() == 1


def test_the_records_of_a_log_are_read_in_order_and_from_any_position_on(store: ObservationStore) -> None:
    store.begin(Study("garden", NOW))
    assert store.records("garden", limit=9) == ()
    rated = observation(0, suggestion_id="s", rater="ana", picture="p", comment="1", rating=2.0)
    failed = failure(1, mode="surfaces", suggestion_id="t", rater="bo")
    store.record([rated, failed, observation(2)], study="garden", idempotency_key=None)
    correction = Correction(NOW + DAY, withdrawn=True, comment="", reviser="eva")
    store.revise("garden", 2, correction, seen=None, idempotency_key=None)
    again = observation(0, suggestion_id="s", rater="ana", rating=5.0, at=NOW + DAY)
    store.record([observation(3, mode="surfaces"), again], study="garden", idempotency_key=None)
    store.record([observation(9)], idempotency_key=None)
    log = (
        (1, "structure", rated),
        (2, "surfaces", failed),
        (3, "structure", observation(2)),
        (4, "surfaces", Amendment(2, Revision(2, None, None, True, NOW + DAY, "eva"))),
        (5, "surfaces", observation(3, mode="surfaces")),
        (6, "structure", Amendment(1, Revision(2, 5.0, "1", False, NOW + DAY, "ana"))),
    )
    assert store.records("garden", limit=9) == log
    for after in range(8):
        for limit in (1, 2, 9):
            assert store.records("garden", after=after, limit=limit) == log[after : after + limit]
    assert store.records("default", limit=9) == ((1, "structure", observation(9)),)
    with pytest.raises(StudyMissingError):
        store.records("gadren", limit=9)


def test_the_records_of_large_batches_are_read_page_by_page(store: ObservationStore) -> None:
    # The first records of a mode are in an item that begins a batch before the last of them.
    batches = [[observation(step, mode=("structure", "surfaces")[step % 3 == 0]) for step in range(990)]] * 2
    for batch in batches:
        store.record(batch, idempotency_key=None)
    expected = [(at, one.mode, one) for at, one in enumerate((one for batch in batches for one in batch), 1)]
    for limit in (157, 1_000, 5_000):
        found = list(store.records("default", limit=limit))
        while page := store.records("default", after=found[-1][0], limit=limit):
            found += page
        assert found == expected
    assert list(store.records("default", after=1_233, limit=2)) == expected[1_233:1_235]
