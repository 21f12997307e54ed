"""Studies, each a log of its own: begun, looked at, archived, and apart from one another.

Held against every adapter (`tests.support.stores`).
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.support.observations import DAY, NOW, failure, key, observation, setting, suggestion
from tests.support.stores import EVERY, store_url
from tuning.errors import (
    AlreadyPendingError,
    EntryMissingError,
    IdempotencyMismatchError,
    StudyArchivedError,
    StudyExistsError,
    StudyMissingError,
)
from tuning.observations import Correction
from tuning.stores import open_store
from tuning.stores.port import ObservationStore, Recorded
from tuning.study import Best, Hyperparameters, Study, StudySummary

LATER = NOW + DAY
SECOND = timedelta(seconds=1)
LEARNED = Hyperparameters((("strength", 0.3),), 1.0, 0.2, 0.5, 1)
FULL = Study("z-2030.portraits_x", NOW, "default", "For Ana's «ñ» portraits;\n'x' -- all of them")


@pytest.fixture(params=EVERY)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a store that nobody has used yet."""
    return store_url(request, request.param)


@pytest.fixture
def begun(store: ObservationStore) -> ObservationStore:
    """A store with a study `garden` beside the default one."""
    store.begin(Study("garden", NOW))
    return store


def test_the_default_study_is_there_from_the_start(store: ObservationStore) -> None:
    empty = StudySummary(Study("default"), (), None, None)
    assert store.summary("default") == empty
    assert store.studies(limit=5).summaries == (empty,)
    assert store.study_names() == ("default",)
    for _ in range(2):
        with pytest.raises(StudyExistsError, match="default"):
            store.begin(Study("default", NOW))
        store.record([observation()], idempotency_key=None)


def test_a_study_comes_back_as_it_was_begun(url: str, store: ObservationStore) -> None:
    bare = Study("a", NOW + SECOND)
    store.begin(FULL)
    store.begin(bare)
    other = open_store(url)
    for each in (store, other):
        assert each.summary(FULL.name) == StudySummary(FULL, (), None, None)
        assert each.summary("a").study == bare
        assert each.study_names() == ("a", "default", FULL.name)
    assert other.mode_study("structure", study=FULL.name, now=NOW).study == FULL
    other.close()


def test_a_name_is_taken_once_archived_or_not(begun: ObservationStore) -> None:
    with pytest.raises(StudyExistsError, match="garden"):
        begun.begin(Study("garden", LATER, note="another"))
    begun.archive("garden", archived_at=LATER)
    with pytest.raises(StudyExistsError):
        begun.begin(Study("garden", LATER))
    assert begun.summary("garden").study == Study("garden", NOW, archived_at=LATER)


def test_of_many_who_begin_a_study_at_once_one_does(store: ObservationStore) -> None:
    def begin(index: int) -> bool:
        try:
            store.begin(Study("garden", NOW, note=str(index)))
        except StudyExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(begin, range(16)))
    assert sum(done) == 1
    assert store.summary("garden").study.note == str(done.index(True))


CORRECTION = Correction(NOW, rating=2.0)
USES: dict[str, Callable[[ObservationStore], object]] = {
    "summary": lambda store: store.summary("gardne"),
    "archive": lambda store: store.archive("gardne", archived_at=NOW),
    "restore": lambda store: store.archive("gardne", archived_at=None),
    "record": lambda store: store.record([observation()], study="gardne", idempotency_key=key()),
    "record nothing": lambda store: store.record([], study="gardne", idempotency_key=None),
    "revise": lambda store: store.revise("gardne", 1, CORRECTION, seen=None, idempotency_key=key()),
    "claim": lambda store: store.claim([suggestion("s", study="gardne")], now=NOW),
    "outstanding": lambda store: store.outstanding(study="gardne", now=NOW),
    "find suggested": lambda store: store.find_suggested([("structure", setting())], study="gardne", now=NOW),
    "mode": lambda store: store.mode_study("structure", study="gardne", now=NOW),
    "mode alone": lambda store: store.mode_study("structure", study="gardne", now=None),
    "learned": lambda store: store.save_hyperparameters("structure", LEARNED, study="gardne", as_of=1),
    "count": lambda store: store.count("gardne"),
    "history": lambda store: store.history(study="gardne", limit=1),
}


@pytest.mark.parametrize("use", USES)
def test_a_study_that_is_not_there_is_not_made(begun: ObservationStore, use: str) -> None:
    begun.record([observation()], study="garden", idempotency_key=None)
    for _ in range(2):
        with pytest.raises(StudyMissingError, match="there is no study gardne") as caught:
            USES[use](begun)
        assert caught.value.name == "gardne"
    assert begun.study_names() == ("default", "garden")
    assert begun.find_receipt(key()) is None
    assert begun.find_suggestions(["s"]) == ()


def test_studies_know_nothing_of_each_other(begun: ObservationStore) -> None:
    ours = begun.record([observation(0), observation(1, mode="surfaces")], study="garden", idempotency_key=None)
    assert ours == Recorded(2, replayed=False, positions=(1, 2), study="garden")
    assert begun.record([observation(2)], idempotency_key=None) == Recorded(1, replayed=False, positions=(1,))
    assert begun.record([failure(3)], study="garden", idempotency_key=None).positions == (3,)
    begun.revise("garden", 1, CORRECTION, seen=1, idempotency_key=None)
    assert (begun.count(), begun.count("garden")) == (1, 2)
    assert begun.mode_study("structure", now=NOW).observations == (observation(2),)
    garden = begun.mode_study("structure", study="garden", now=NOW)
    assert (garden.observations, garden.failed, garden.as_of) == ((observation(0, rating=2.0),), (setting(3),), 4)
    assert garden.seed != begun.mode_study("structure", now=NOW).seed
    assert [entry.id for entry in begun.history(limit=5).entries] == ["default-1"]
    assert [entry.id for entry in begun.history(study="garden", limit=5).entries] == [
        "garden-3",
        "garden-2",
        "garden-1",
    ]
    assert [entry.revision.number for entry in begun.history(limit=5).entries] == [1]
    with pytest.raises(EntryMissingError, match="default-2"):
        begun.revise("default", 2, CORRECTION, seen=None, idempotency_key=None)
    begun.save_hyperparameters("structure", LEARNED, study="garden", as_of=4)
    assert begun.mode_study("structure", now=NOW).hyperparameters is None
    assert begun.mode_study("structure", study="garden", now=NOW).hyperparameters == LEARNED


def test_a_setting_is_outstanding_in_each_study_by_itself(begun: ObservationStore) -> None:
    ours, theirs = suggestion("a", study="garden"), suggestion("b")
    begun.claim([ours], now=NOW)
    begun.claim([theirs], now=NOW)
    with pytest.raises(AlreadyPendingError):
        begun.claim([suggestion("c", study="garden")], now=NOW)
    assert begun.outstanding(now=NOW) == (theirs,)
    assert begun.outstanding(study="garden", now=NOW) == (ours,)
    assert begun.mode_study("structure", study="garden", now=NOW).outstanding == (ours,)
    place = ("structure", setting())
    assert begun.find_suggested([place], now=NOW) == ((theirs, True),)
    assert begun.find_suggested([place], study="garden", now=NOW) == ((ours, True),)
    assert {one.id: one.study for one in begun.find_suggestions(["a", "b"])} == {"a": "garden", "b": "default"}
    begun.record([observation(suggestion_id="a")], study="garden", idempotency_key=None)
    assert begun.outstanding(study="garden", now=NOW) == ()
    assert begun.outstanding(now=NOW) == (theirs,)
    assert begun.give_back("b", now=NOW) == theirs
    assert begun.find_suggested([place], study="garden", now=NOW) == ((ours, False),)


def test_the_same_rater_is_another_in_another_study(begun: ObservationStore) -> None:
    rated = observation(suggestion_id="s", rater="ana")
    begun.record([rated], idempotency_key=None)
    recorded = begun.record([rated], study="garden", idempotency_key=None)
    assert recorded == Recorded(1, replayed=False, positions=(1,), study="garden")


def test_a_key_is_for_one_request_in_whatever_study(begun: ObservationStore) -> None:
    begun.record([observation()], study="garden", idempotency_key=key())
    with pytest.raises(IdempotencyMismatchError):
        begun.record([observation()], idempotency_key=key(fingerprint="other"))
    with pytest.raises(IdempotencyMismatchError):
        begun.revise("default", 1, CORRECTION, seen=None, idempotency_key=key(fingerprint="other"))
    assert begun.count() == 0


def test_a_study_at_a_glance(begun: ObservationStore) -> None:
    begun.record(
        [observation(0, rating=3.0), observation(1, rating=4.0, mode="surfaces"), failure(2, mode="surfaces")],
        study="garden",
        idempotency_key=None,
    )
    begun.record([observation(3, rating=5.0, at=LATER)], idempotency_key=None)
    summary = begun.summary("garden")
    assert summary == StudySummary(
        Study("garden", NOW), (("structure", 1), ("surfaces", 1)), Best("surfaces", setting(1), 4.0, NOW), NOW
    )
    assert summary.samples_seen == begun.count("garden") == 2
    # Ratings with old dates, as are imported, are not the last that happened.
    begun.record([observation(4, rating=1.0, at=NOW - DAY)], study="garden", idempotency_key=None)
    assert begun.summary("garden").last_activity == NOW
    begun.revise("garden", 2, Correction(LATER, withdrawn=True), seen=None, idempotency_key=None)
    assert begun.summary("garden") == StudySummary(
        Study("garden", NOW), (("structure", 2), ("surfaces", 0)), Best("structure", setting(0), 3.0, NOW), LATER
    )
    begun.claim([suggestion("s", study="garden", now=LATER + DAY)], now=LATER + DAY)
    assert begun.summary("garden").last_activity == LATER
    assert begun.summary("default").last_activity == LATER


def test_a_mode_that_has_begun_counts_though_nothing_was_rated_in_it(begun: ObservationStore) -> None:
    begun.mode_study("surfaces", study="garden", now=NOW)
    begun.record([failure(0)], study="garden", idempotency_key=None)
    assert begun.summary("garden").counts == (("structure", 0), ("surfaces", 0))


def test_studies_are_listed_by_name_a_page_at_a_time(store: ObservationStore) -> None:
    names = [f"s{index:02}" for index in range(23)] + ["a", "a-1", "a.1", "a_1", "0"]
    for name in reversed(names):
        store.begin(Study(name, NOW))
    store.record([observation()], study="s07", idempotency_key=None)
    store.archive("s08", archived_at=LATER)
    expected = sorted([*names, "default"])
    assert list(store.study_names()) == expected
    seen: list[StudySummary] = []
    after: str | None = ""
    while after is not None:
        page = store.studies(limit=7, after=after)
        assert len(page.summaries) == 7 or page.next_after is None
        seen += page.summaries
        after = page.next_after
    assert [one.study.name for one in seen] == expected
    assert [one.study.name for one in seen if one.counts] == ["s07"]
    assert [one.study.name for one in seen if one.study.archived_at] == ["s08"]
    assert seen == [store.summary(name) for name in expected]
    assert store.studies(limit=len(expected)).next_after is None
    assert store.studies(limit=len(expected) - 1).next_after == expected[-2]
    assert store.studies(limit=5, after="zzz").summaries == ()


def test_an_archived_study_takes_nothing_and_is_read_as_before(begun: ObservationStore) -> None:
    begun.record([observation(0)], study="garden", idempotency_key=key())
    begun.revise("garden", 1, CORRECTION, seen=None, idempotency_key=key("revised"))
    begun.claim([suggestion("s", 3, study="garden")], now=NOW)
    archived = begun.archive("garden", archived_at=LATER)
    assert archived.study == Study("garden", NOW, archived_at=LATER)
    assert archived == begun.summary("garden")
    refused = pytest.raises(StudyArchivedError, match="study garden is archived")
    with refused:
        begun.record([observation(1)], study="garden", idempotency_key=key("new"))
    with refused:
        begun.record([], study="garden", idempotency_key=None)
    with refused:
        begun.revise("garden", 1, Correction(NOW, withdrawn=True), seen=None, idempotency_key=key("new"))
    with refused:
        begun.revise("garden", 1, CORRECTION, seen=None, idempotency_key=None)  # though it would change nothing
    with refused:
        begun.claim([suggestion("t", 4, study="garden")], now=NOW)
    assert begun.find_receipt(key("new")) is None
    # What was acknowledged before is acknowledged again.
    assert begun.record([observation(0)], study="garden", idempotency_key=key()).replayed
    assert begun.revise("garden", 1, CORRECTION, seen=None, idempotency_key=key("revised")).replayed
    study = begun.mode_study("structure", study="garden", now=NOW)
    assert (study.observations, study.study) == ((observation(0, rating=2.0),), archived.study)
    assert begun.outstanding(study="garden", now=NOW) == (suggestion("s", 3, study="garden"),)
    assert begun.count("garden") == len(begun.history(study="garden", limit=5).entries) == 1
    # The others go on.
    begun.record([observation(1)], idempotency_key=None)


def test_archiving_twice_is_archiving_once_and_restoring_undoes_it(begun: ObservationStore) -> None:
    assert begun.archive("garden", archived_at=None).study.archived_at is None
    begun.archive("garden", archived_at=NOW)
    assert begun.archive("garden", archived_at=LATER).study.archived_at == NOW
    for _ in range(2):
        assert begun.archive("garden", archived_at=None).study == Study("garden", NOW)
    assert begun.record([observation()], study="garden", idempotency_key=None).positions == (1,)
    assert begun.archive("garden", archived_at=LATER).study.archived_at == LATER
    assert begun.summary("garden").last_activity == NOW


def test_the_default_study_is_archived_and_restored_like_any_other(store: ObservationStore) -> None:
    assert store.archive("default", archived_at=NOW).study == Study("default", archived_at=NOW)
    with pytest.raises(StudyArchivedError):
        store.record([observation()], idempotency_key=None)
    assert store.archive("default", archived_at=None) == StudySummary(Study("default"), (), None, None)
    assert store.record([observation()], idempotency_key=None).positions == (1,)


def test_a_rating_on_its_way_comes_before_the_archiving_or_is_refused(begun: ObservationStore) -> None:
    begun.record([observation()], study="garden", idempotency_key=None)
    going = threading.Barrier(5)

    def write(index: int) -> int:
        acknowledged = 0
        going.wait()
        try:
            for _ in range(40):
                if index % 2:
                    acknowledged += len(
                        begun.record([observation(1)] * 2, study="garden", idempotency_key=None).positions or ()
                    )
                else:
                    correction = Correction(NOW, rating=1 + acknowledged % 5)
                    begun.revise("garden", 1, correction, seen=None, idempotency_key=None)
        except StudyArchivedError:
            pass
        return acknowledged

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, index) for index in range(4)]
        going.wait()
        archived = begun.archive("garden", archived_at=LATER)
        as_of = begun.mode_study("structure", study="garden", now=None).as_of
        acknowledged = sum(writer.result() for writer in writers)
    assert archived.samples_seen == begun.count("garden") == acknowledged + 1
    assert begun.summary("garden") == archived
    assert begun.mode_study("structure", study="garden", now=None).as_of == as_of


def test_writers_of_several_studies_at_once_count_exactly(store: ObservationStore) -> None:
    names = ["default", "a", "b", "c"]
    for name in names[1:]:
        store.begin(Study(name, NOW))

    def record(index: int) -> tuple[str, Recorded]:
        name = names[index % 4]
        return name, store.record([observation(step) for step in range(2)], study=name, idempotency_key=None)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(record, range(40)))
    for name in names:
        counted = sorted(recorded.samples_seen for study, recorded in done if study == name)
        assert counted == list(range(2, 22, 2))
        positions = sorted(at for study, recorded in done if study == name for at in recorded.positions or ())
        assert positions == list(range(1, 21))
        assert store.count(name) == 20
