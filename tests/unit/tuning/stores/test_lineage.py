"""Lineage: which studies are read with a study, in which order, how many, and what stops the chain."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation, recommend
from tuning.observations import DEFAULT_STUDY, Observation
from tuning.relearning import relearn
from tuning.spaces import Mode, Spaces
from tuning.stats import summarize
from tuning.stores.lineage import MAX_GENERATIONS, read_study
from tuning.stores.port import ObservationStore
from tuning.study import INITIAL_RATINGS, Hyperparameters, ModeStudy, Study
from tuning.suggest import propose, suggest
from tuning.update import update

RateMany = Callable[[int], list[Observation]]


def recommended(mode: Mode, study: ModeStudy) -> Recommendation | None:
    known = Knowledge.of(mode, study)
    return None if known is None else recommend(known)


def begin(store: ObservationStore, now: datetime, name: str, based_on: str | None, *told: Observation) -> None:
    store.begin(Study(name, now, based_on))
    if told:
        store.record(told, study=name, idempotency_key=None)


def names(known: ModeStudy) -> list[str]:
    return [one.study.name for one in known.ancestors]


def test_ancestors_are_read_the_nearest_first_and_each_with_its_own_ratings(
    store: ObservationStore, now: datetime, rate_many: RateMany
) -> None:
    first, second, third = rate_many(3)
    store.record([first], idempotency_key=None)
    begin(store, now, "b", DEFAULT_STUDY, second)
    begin(store, now, "a", "b", third)
    known = read_study(store, "structure", study="a", now=now)
    assert names(known) == ["b", DEFAULT_STUDY]
    assert [one.observations for one in (known, *known.ancestors)] == [(third,), (second,), (first,)]
    assert read_study(store, "surfaces", study="a", now=now).ancestors[0].observations == ()
    assert replace(known, ancestors=()) == store.mode_study("structure", study="a", now=now)


def test_a_study_that_is_based_on_none_is_read_as_it_is(store: ObservationStore, now: datetime) -> None:
    assert read_study(store, "structure", study=DEFAULT_STUDY, now=now) == store.mode_study("structure", now=now)


def test_an_archived_base_and_an_empty_one_are_read(
    store: ObservationStore, now: datetime, rate_many: RateMany
) -> None:
    store.record(rate_many(9), idempotency_key=None)
    begin(store, now, "empty", DEFAULT_STUDY)
    begin(store, now, "new", "empty")
    store.archive("empty", archived_at=now)
    known = read_study(store, "structure", study="new", now=now)
    assert [len(one.observations) for one in known.ancestors] == [0, 9]


def test_at_any_depth_so_many_are_read(store: ObservationStore, now: datetime) -> None:
    chain = [f"s{number:02}" for number in range(MAX_GENERATIONS + 4)]
    for name, base in zip(chain, [None, *chain], strict=False):
        begin(store, now, name, base)
    known = read_study(store, "structure", study=chain[-1], now=now)
    assert names(known) == chain[-2 : -2 - MAX_GENERATIONS : -1]
    assert len(names(known)) == MAX_GENERATIONS == 8


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        ({"a": "a"}, []),
        ({"a": "b", "b": "a"}, ["b"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b", "c"]),
        ({"a": "gone"}, []),
        ({"a": "b", "b": "gone"}, ["b"]),
    ],
)
def test_a_store_that_another_hand_has_filled_is_read_as_far_as_it_leads(
    store: ObservationStore, now: datetime, bases: dict[str, str], expected: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name, base in bases.items():
        begin(store, now, name, base)
    with caplog.at_level(logging.WARNING):
        assert names(read_study(store, "structure", study="a", now=now)) == expected
    assert ("gone, which is not there" in caplog.text) == ("gone" in bases.values())


def test_what_a_base_is_told_later_counts_too(
    store: ObservationStore, spaces: Spaces, mode: Mode, now: datetime, rate_many: RateMany
) -> None:
    begin(store, now, "base", None)
    begin(store, now, "new", "base", *rate_many(8))
    before = summarize(store, spaces, study="new", mode="structure").recommendation
    store.record([replace(one, rating=6.0 - one.rating) for one in rate_many(40)], study="base", idempotency_key=None)
    after = summarize(store, spaces, study="new", mode="structure").recommendation
    assert before is not None
    assert after is not None
    assert after.mean != before.mean
    known = read_study(store, "structure", study="new", now=None)
    assert after == recommended(mode, known)
    alone = replace(known, ancestors=())
    assert propose(mode, known, count=4) != propose(mode, alone, count=4)


def test_suggesting_and_learning_read_the_base(
    store: ObservationStore, spaces: Spaces, mode: Mode, now: datetime, rate_many: RateMany
) -> None:
    begin(store, now, "base", None, *rate_many(30))
    begin(store, now, "new", "base", *rate_many(INITIAL_RATINGS - 1))
    last = rate_many(INITIAL_RATINGS)[-1]
    results = [{"parameters": last.setting.to_plain(), "rating": last.rating, "mode": "structure"}]
    update(store, spaces, request={"results": results, "study": "new"}, time_budget=60.0, now=now)
    known = read_study(store, "structure", study="new", now=now)
    expected = relearn(mode, replace(known, hyperparameters=None), time_budget=60.0)
    assert known.hyperparameters == expected
    assert isinstance(expected, Hyperparameters)
    assert expected.task_similarity is not None
    made = suggest(store, spaces, mode="structure", count=2, study="new", now=now)
    assert tuple(one.setting for one in made) == propose(mode, known, count=2)


def test_a_study_based_on_another_begins_with_its_own_design(
    store: ObservationStore, mode: Mode, now: datetime, rate_many: RateMany
) -> None:
    begin(store, now, "base", None, *rate_many(30))
    begin(store, now, "new", "base")
    known = read_study(store, "structure", study="new", now=now)
    assert propose(mode, known, count=2) == propose(mode, replace(known, ancestors=()), count=2)
    assert recommended(mode, replace(known, ancestors=())) is None
    found = recommended(mode, known)
    assert found is not None
    assert not found.rated
    assert found.setting.api == "leonardo"
