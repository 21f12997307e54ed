"""Updates: recorded whole or not at all, attributed to the right suggestion, learned from without risk."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from storage.deadline import Deadline
from tuning.errors import IdempotencyMismatchError, InvalidRequestError
from tuning.model import learning
from tuning.observations import Setting, Suggestion
from tuning.relearning import LEARNING_SECONDS
from tuning.spaces import Api, Mode, RealParameter, Spaces
from tuning.stores import sqlite as store_sqlite
from tuning.stores.port import ObservationStore
from tuning.stores.records import load_suggestion
from tuning.suggest import OUTSTANDING_FOR, suggest
from tuning.update import update


def result(setting: Setting, rating: float = 4.0, **more: object) -> dict[str, Any]:
    return {"parameters": setting.to_plain(), "rating": rating, **more}


def claim(store: ObservationStore, mode: str, setting: Setting, now: datetime) -> Suggestion:
    suggestion = Suggestion(f"in-{mode}", mode, setting, now, now + OUTSTANDING_FOR)
    store.claim([suggestion], now=now)
    return suggestion


def locations(caught: pytest.ExceptionInfo[InvalidRequestError]) -> list[tuple[str | int, ...]]:
    return [field.location for field in caught.value.fields]


def test_twenty_four_ratings_of_both_modes_give_048(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    update(store, spaces, request={"results": [result(leonardo, mode="surfaces")] * 4}, now=now)
    receipt = update(store, spaces, request={"results": [result(leonardo)] * 20}, now=now)
    assert (receipt.samples_seen, receipt.convergence_score) == (24, 0.48)
    assert update(store, spaces, request={"results": [result(leonardo)] * 100}, now=now).convergence_score == 1.0


def test_one_bad_result_leaves_nothing_recorded(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        update(store, spaces, request={"results": [result(leonardo), result(leonardo, 6)]}, now=now)
    assert locations(caught) == [("results", 1, "rating")]
    assert store.count() == 0


def test_a_rating_without_mode_belongs_where_its_parameters_are_outstanding(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    claim(store, "surfaces", leonardo, now)
    update(store, spaces, request={"results": [result(leonardo), result(leonardo)]}, now=now)
    update(store, spaces, request={"results": [result(leonardo)]}, now=now)
    found = [entry.told for entry in store.history(limit=9).entries]
    assert [one.mode for one in found] == ["surfaces", "surfaces", "surfaces"]
    assert [one.suggestion_id for one in found] == [None, "in-surfaces", "in-surfaces"]


def test_of_two_modes_with_the_same_parameters_outstanding_the_default_is_meant(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    for mode in ("surfaces", "structure"):
        claim(store, mode, leonardo, now)
    update(store, spaces, request={"results": [result(leonardo)]}, now=now)
    assert [suggestion.mode for suggestion in store.outstanding(now=now)] == ["surfaces"]
    update(store, spaces, request={"results": [result(leonardo, mode="surfaces")]}, now=now)
    assert store.outstanding(now=now) == ()


def test_a_rated_suggestion_is_no_longer_outstanding(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    first, second = suggest(store, spaces, mode="surfaces", count=2, now=now)
    update(store, spaces, request={"results": [result(first.setting, suggestion_id=first.id)]}, now=now)
    assert store.outstanding(now=now) == (second,)
    (recorded,) = store.mode_study("surfaces", now=now).observations
    assert (recorded.setting, recorded.suggestion_id) == (first.setting, first.id)


def test_a_late_or_unknown_suggestion_id_is_kept_with_the_rating(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    claim(store, "surfaces", leonardo, now)
    late = now + OUTSTANDING_FOR
    update(store, spaces, request={"results": [result(leonardo, suggestion_id="in-surfaces")]}, now=late)
    (recorded,) = store.mode_study("surfaces", now=late).observations
    assert recorded.suggestion_id == "in-surfaces"
    update(store, spaces, request={"results": [result(leonardo, suggestion_id="nobodys")]}, now=late)
    assert store.history(limit=1).entries[0].told.suggestion_id == "nobodys"


def test_a_suggestion_id_with_other_parameters_is_refused(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    (suggestion,) = suggest(store, spaces, mode="structure", count=1, now=now)
    with pytest.raises(InvalidRequestError) as caught:
        update(store, spaces, request={"results": [result(leonardo, suggestion_id=suggestion.id)]}, now=now)
    assert locations(caught) == [("results", 0, "suggestion_id")]
    body = result(suggestion.setting, suggestion_id=suggestion.id, mode="surfaces")
    with pytest.raises(InvalidRequestError) as caught:
        update(store, spaces, request={"results": [body]}, now=now)
    assert locations(caught) == [("results", 0, "mode")]
    assert store.count() == 0


def test_a_retry_with_the_same_key_gets_the_first_answer(
    store: ObservationStore, spaces: Spaces, now: datetime
) -> None:
    suggestions = suggest(store, spaces, mode="surfaces", count=2, now=now)
    body = [result(suggestion.setting, suggestion_id=suggestion.id) for suggestion in suggestions]
    first = update(store, spaces, request={"results": body}, idempotency_key="k", now=now)
    update(store, spaces, request={"results": [result(suggestions[0].setting)]}, now=now)
    as_strings = [{**entry, "rating": "4"} for entry in body]
    again = update(store, spaces, request={"results": as_strings}, idempotency_key="k", now=now + timedelta(days=2))
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.samples_seen, again.convergence_score) == (first.samples_seen, first.convergence_score) == (2, 0.04)
    assert store.count() == 3


def test_a_retry_gets_the_first_answer_though_what_it_answered_is_gone(store: ObservationStore, now: datetime) -> None:
    """The default mode has one API and the other two: once it is rated, nothing says which mode the rating was of."""
    strength = RealParameter("strength", "strength", 0.0, 1.0, 2)
    one, two = Api("one", (strength,)), Api("two", (strength,))
    spaces = Spaces((Mode("plain", (one,)), Mode("wide", (one, two))), "plain")
    (found,) = [s for s in suggest(store, spaces, mode="wide", count=2, now=now) if s.setting.api == "two"]
    body = [result(found.setting, suggestion_id=found.id)]
    first = update(store, spaces, request={"results": body}, idempotency_key="k", now=now)
    again = update(store, spaces, request={"results": body}, idempotency_key="k", now=now)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.samples_seen == first.samples_seen == store.count() == 1
    other = {"results": [result(found.setting, 5, suggestion_id="x")]}
    with pytest.raises(IdempotencyMismatchError):
        update(store, spaces, request=other, idempotency_key="k", now=now)
    assert store.count() == 1
    # The parameters were suggested in one mode alone, which is still known.
    update(store, spaces, request=other, now=now)
    assert [entry.told.mode for entry in store.history(limit=9).entries] == ["wide", "wide"]


def test_of_ten_thousand_outstanding_an_update_reads_what_it_answers(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [
        Suggestion(f"s{step}", "surfaces", Setting("leonardo", (("p", step),)), now, now + OUTSTANDING_FOR)
        for step in range(9_900)
    ]
    for start in range(0, len(many), 33):
        store.claim(many[start : start + 33], now=now)
    claimed = claim(store, "surfaces", leonardo, now)
    read: list[object] = []

    def load(*row: object) -> Suggestion:
        read.append(row)
        return load_suggestion(*row)

    monkeypatch.setattr(store_sqlite, "load_suggestion", load)
    update(store, spaces, request={"results": [result(leonardo)] * 1_000}, now=now)
    assert len(read) == 1
    assert {o.suggestion_id for o in store.mode_study("surfaces", now=None).observations} == {claimed.id}


def test_a_key_used_with_another_body_is_refused(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    update(store, spaces, request={"results": [result(leonardo)]}, idempotency_key="k", now=now)
    for other in (result(leonardo, 3), result(leonardo, mode="structure"), result(leonardo, suggestion_id="s")):
        with pytest.raises(IdempotencyMismatchError):
            update(store, spaces, request={"results": [other]}, idempotency_key="k", now=now)
    assert store.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", 7])
def test_a_key_that_is_no_short_printable_text_is_refused(
    key: str, store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        update(store, spaces, request={"results": [result(leonardo)]}, idempotency_key=key, now=now)
    assert locations(caught) == [("Idempotency-Key",)]
    assert caught.value.fields[0].root == "header"


def test_the_surrogate_learns_from_the_sixth_rating_on(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    update(store, spaces, request={"results": [result(leonardo)] * 5}, now=now)
    assert store.mode_study("structure", now=now).hyperparameters is None
    update(store, spaces, request={"results": [result(leonardo, 1.5)]}, now=now)
    learned = store.mode_study("structure", now=now).hyperparameters
    assert learned is not None
    assert learned.fitted_on == 6
    assert store.mode_study("surfaces", now=now).hyperparameters is None


def test_a_large_study_refits_when_its_ratings_have_doubled(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    fitted_on = []
    for size in (200, 1, 198, 1, 1):
        update(store, spaces, request={"results": [result(leonardo)] * size}, now=now)
        learned = store.mode_study("structure", now=now).hyperparameters
        fitted_on.append(learned.fitted_on if learned else None)
    assert fitted_on == [200, 200, 200, 400, 400]


@pytest.fixture
def broken_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(learning, "fit", fail)


@pytest.mark.usefixtures("broken_fit")
def test_a_failed_fit_loses_no_rating(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "tuning.update"):
        receipt = update(store, spaces, request={"results": [result(leonardo)] * 6}, now=now)
    assert (receipt.samples_seen, receipt.learned) == (6, False)
    assert store.count() == 6
    assert "learning failed in mode structure" in caplog.text
    assert len(suggest(store, spaces, mode="structure", count=2, now=now)) == 2


def test_an_update_that_took_long_records_and_leaves_the_learning_to_a_later_one(
    store: ObservationStore,
    spaces: Spaces,
    leonardo: Setting,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = Deadline(LEARNING_SECONDS - 0.1)
    with caplog.at_level(logging.WARNING):
        receipt = update(store, spaces, request={"results": [result(leonardo)] * 6}, now=now, deadline=late)
    assert (receipt.samples_seen, receipt.learned) == (6, False)
    assert "no time left to learn" in caplog.text
    assert store.mode_study("structure", now=now).hyperparameters is None
    again = Deadline(LEARNING_SECONDS + 60)
    assert update(store, spaces, request={"results": [result(leonardo)]}, now=now, deadline=again).learned


@pytest.mark.parametrize(
    "old", [(("init_strength", 0.2),), (("init_strength", 0.2), ("guidance_scale", 7.0), ("x", "y"))]
)
def test_a_suggestion_older_than_the_space_contradicts_and_breaks_nothing(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime, old: tuple[tuple[str, float], ...]
) -> None:
    known = Suggestion("old", "structure", Setting("leonardo", old), now, now + OUTSTANDING_FOR)
    store.claim([known], now=now)
    with pytest.raises(InvalidRequestError) as caught:
        update(store, spaces, request={"results": [result(leonardo, suggestion_id="old")]}, now=now)
    assert locations(caught) == [("results", 0, "suggestion_id")]
    assert store.count() == 0
