"""How a mode came to where it is."""

from collections.abc import Callable

import pytest

from storage.deadline import Deadline
from tests.unit.tuning.insight.conftest import Study
from tuning.errors import InvalidRequestError, StudyMissingError
from tuning.insight.trajectory import Trajectory, follow, moments_of, trace
from tuning.observations import Observation
from tuning.spaces import Mode, Spaces
from tuning.stats import assess
from tuning.stores.port import ObservationStore

RateMany = Callable[[int], list[Observation]]


def counts(found: Trajectory) -> list[int]:
    return [step.samples_seen for step in found.steps]


@pytest.mark.parametrize("ratings", [0, 1, 5])
def test_before_six_ratings_there_is_no_step(ratings: int, mode: Mode, study: Study) -> None:
    found = trace(mode, study(ratings))

    assert (found.samples_seen, found.steps, found.complete) == (ratings, (), True)


def test_every_rating_from_the_sixth_on_has_a_step_and_the_last_is_that_of_stats(mode: Mode, study: Study) -> None:
    known = study(24)
    found = trace(mode, known)

    assert counts(found) == list(range(6, 25))
    assert found.complete
    assert found.steps[-1].recommendation == assess([(mode, known)]).recommendation
    assert [step.recorded_at for step in found.steps] == [one.recorded_at for one in known.observations[5:]]
    ratings = [one.rating for one in known.observations]
    assert [step.best_rating for step in found.steps] == [max(ratings[:count]) for count in range(6, 25)]


@pytest.mark.parametrize("ratings", [6, 50, 51, 59, 60, 61, 1_000, 10_000, 1_000_000])
def test_the_number_of_steps_is_bounded_and_the_last_rating_has_one(ratings: int) -> None:
    moments = moments_of(ratings)

    assert len(moments) <= 100
    assert moments == sorted(set(moments))
    assert (moments[0], moments[-1]) == (6, ratings)
    assert set(range(6, min(ratings, 50) + 1)) <= set(moments)
    # The same ones whenever one looks, but for the last.
    assert set(moments[:-1]) <= set(moments_of(ratings + 1_000))


def test_a_long_study_has_steps_on_the_scale(mode: Mode, study: Study) -> None:
    found = trace(mode, study(140, raters=4))

    assert counts(found) == [*range(6, 51), 60, 72, 86, 103, 123, 140]
    for step in found.steps:
        low, high = step.recommendation.interval
        assert 1.0 <= low <= step.recommendation.mean <= high <= 5.0
        assert 0.0 <= step.recommendation.expected_improvement <= 5.0 - step.recommendation.mean


def test_when_time_runs_out_steps_are_missing_and_it_says_so(mode: Mode, study: Study) -> None:
    known = study(30)
    found = trace(mode, known, deadline=Deadline(0))

    assert (found.steps, found.complete) == ((), False)
    assert trace(mode, known).complete
    assert trace(mode, known, deadline=Deadline(0)).complete  # it is remembered by then


def test_it_is_followed_in_a_store_by_study_and_mode(
    store: ObservationStore, spaces: Spaces, rate_many: RateMany
) -> None:
    store.record(rate_many(10), idempotency_key=None)

    assert counts(follow(store, spaces)) == [6, 7, 8, 9, 10]
    assert counts(follow(store, spaces, mode="surfaces")) == []
    with pytest.raises(StudyMissingError):
        follow(store, spaces, study="kitchens")
    with pytest.raises(InvalidRequestError):
        follow(store, spaces, mode="colour")
