"""Stores full of what moves: studies with ratings, failures, revisions and suggestions, and all that a store tells."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tuning.observations import DEFAULT_STUDY, Correction, Failure, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.log import Record
from tuning.stores.port import ObservationStore
from tuning.study import Hyperparameters, Study, StudySummary

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LEARNED = Hyperparameters((("strength", 0.1 + 0.2), ("guidance", 1 / 3)), 1.5, 0.25, 0.7, fitted_on=41)
ADVICE = Suggestion("out", "surfaces", Setting("leonardo", (("p", 0.125),)), NOW - HOUR, NOW + 5 * HOUR)
STALE = Suggestion("old", "surfaces", Setting("leonardo", (("p", 0.5),)), NOW - 5 * HOUR, NOW - HOUR)
GARDEN = Study("garden", NOW - 30 * HOUR, None, "«ñ»;\n'x'")
PAST = Study("past", NOW - 40 * HOUR, DEFAULT_STUDY, archived_at=NOW - HOUR)


def rated(number: int, *, suggestion_id: str | None = None, rater: str | None = None) -> Observation:
    """A rating that differs by its number, with numbers that are kept only by those who keep every bit."""
    api, mode = ("leonardo", "structure") if number % 3 else ("stablediffusion", "surfaces")
    guidance = 5e-324 if number == 4 else 7.2
    values = (("init_strength", 0.1 + number / 7), ("guidance_scale", guidance), ("steps", number), ("sampler", "é"))
    moment = NOW - timedelta(seconds=10_000 - number, microseconds=number)
    return Observation(mode, Setting(api, values), 1 + number % 9 / 2.1, moment, suggestion_id, rater)


def fill(url: str, count: int) -> None:
    """Rate so many times in the default study, every fifth time with an id that nobody suggested."""
    store = open_store(url)
    ratings = [rated(number, suggestion_id=f"é {number}" if number % 5 == 0 else None) for number in range(count)]
    for start in range(0, count, 1_000):
        store.record(ratings[start : start + 1_000], idempotency_key=None)
    store.save_hyperparameters("structure", LEARNED, as_of=count)
    store.claim([STALE], now=NOW - 5 * HOUR)
    store.claim([ADVICE], now=NOW - HOUR)
    store.close()


def suggestion(identity: str, number: int, study: str, *, hours_ago: float) -> Suggestion:
    """A suggestion of the setting of a rating, which lasts for a day."""
    one, start = rated(number), NOW - hours_ago * HOUR
    return Suggestion(identity, one.mode, one.setting, start, start + 24 * HOUR, study)


def fill_with_studies(url: str) -> None:
    """Fill three studies with everything that people may do in one."""
    fill(url, 5)
    store = open_store(url)
    store.begin(GARDEN)
    store.begin(replace(PAST, archived_at=None))
    first, again = suggestion("first", 1, "garden", hours_ago=5), suggestion("again", 1, "garden", hours_ago=4)
    late, open_ = suggestion("late", 2, "garden", hours_ago=3), suggestion("open", 7, "garden", hours_ago=2)
    # The same place twice: the first was given back, then suggested again, and is rated late, after the second.
    store.claim([first], now=first.suggested_at)
    store.give_back("first", now=first.suggested_at)
    store.claim([again, late, open_], now=NOW - 4 * HOUR)
    ana = rated(2, suggestion_id="late", rater="ana")
    told: list[Observation | Failure] = [
        rated(1, suggestion_id="again", rater="bo"),
        replace(ana, picture="p1", comment="hm"),
        Failure("surfaces", rated(3).setting, "refused", NOW - 2 * HOUR, None, "bo", "p2", "«no»"),
        replace(rated(4), suggestion_id="never suggested"),
    ]
    store.record(told, study="garden", idempotency_key=None)
    store.record([rated(1, suggestion_id="first")], study="garden", idempotency_key=None)
    # Told again by the same rater, twice.
    store.record([replace(ana, rating=4.0, recorded_at=NOW - HOUR)], study="garden", idempotency_key=None)
    store.record([replace(ana, rating=4.5, recorded_at=NOW - HOUR / 2)], study="garden", idempotency_key=None)
    other = replace(ana, picture="p2", recorded_at=NOW - HOUR / 3)
    store.record([other, replace(other, rating=3.5), rated(6)], study="garden", idempotency_key=None)
    for position, changes in (
        (1, {"rating": 2.25, "comment": "better", "reviser": "eva"}),
        (1, {"comment": ""}),
        (3, {"comment": "again"}),
        (3, {"withdrawn": True}),
        (4, {"withdrawn": True, "reviser": "bo"}),
        (4, {"withdrawn": False, "rating": 5.0}),
    ):
        correction = Correction(NOW - timedelta(minutes=position), **changes)
        store.revise("garden", position, correction, seen=None, idempotency_key=None)
    store.record([rated(8), rated(9)], study="garden", idempotency_key=None)
    # Two ratings of one rater: without a picture, that without one is meant, though the other is later.
    cy = rated(11, suggestion_id="twice", rater="cy")
    position, _ = store.record([cy, rated(12)], study="garden", idempotency_key=None).positions or ()
    store.revise("garden", position, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None)
    store.record([replace(cy, picture="p1")], study="garden", idempotency_key=None)
    store.revise("garden", position, Correction(NOW, withdrawn=False), seen=None, idempotency_key=None)
    store.record([replace(cy, rating=2.0, recorded_at=NOW)], study="garden", idempotency_key=None)
    store.save_hyperparameters("surfaces", LEARNED, study="garden", as_of=3)
    store.record([rated(10)], study="past", idempotency_key=None)
    store.archive("past", archived_at=PAST.archived_at)
    store.close()


Told = tuple[
    StudySummary, tuple[tuple[int, str, Record], ...], tuple[Suggestion, ...], tuple[Hyperparameters | None, ...]
]


def everything(url: str) -> dict[str, Told]:
    """All that a store tells of its studies, seeds aside."""
    store = open_store(url)
    told = {name: _everything(store, name) for name in store.study_names()}
    store.close()
    return told


def known(url: str, ids: Iterable[str]) -> set[Suggestion]:
    """The suggestions of those ids that a store knows."""
    store = open_store(url)
    found = set(store.find_suggestions(list(ids)))
    store.close()
    return found


def _everything(store: ObservationStore, study: str) -> Told:
    summary = store.summary(study)
    learned = [store.mode_study(mode, study=study, now=None).hyperparameters for mode, _ in summary.counts]
    return (
        summary,
        store.records(study, limit=100_000),
        store.outstanding(study=study, now=NOW),
        tuple(learned),
    )
