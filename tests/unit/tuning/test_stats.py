"""What a study says of itself, and the history behind it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tuning.errors import InvalidRequestError
from tuning.history import browse
from tuning.insight.slices import explore
from tuning.insight.trajectory import follow
from tuning.observations import Observation, Setting
from tuning.spaces import Spaces
from tuning.stats import ApiProgress, Progress, check, summarize
from tuning.stores.port import ObservationStore
from tuning.study import Study
from tuning.validation.requests import MAX_PAGE


def best_of(progress: Progress) -> tuple[Setting, float] | None:
    return (progress.best.setting, progress.best.rating) if progress.best else None


def record(store: ObservationStore, mode: str, setting: Setting, ratings: list[float], now: datetime) -> None:
    store.record([Observation(mode, setting, rating, now) for rating in ratings], idempotency_key=None)


@pytest.fixture
def diffusion() -> Setting:
    values = (("strength", 0.2), ("guidance_scale", 6.0), ("controlnet_conditioning_scale", 0.8))
    return Setting("stablediffusion", values)


def test_an_empty_study_has_no_best(store: ObservationStore, spaces: Spaces) -> None:
    progress = summarize(store, spaces)
    assert (progress.samples_seen, progress.convergence, progress.converged) == (0, 0.0, False)
    assert progress.best is None
    assert progress.recommendation is None
    assert progress.apis == (ApiProgress("leonardo", 0, None), ApiProgress("stablediffusion", 0, None))


def test_without_a_mode_all_modes_count_together(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, diffusion: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [4.0, 3.0] * 6, now)
    record(store, "surfaces", diffusion, [4.5, 2.0] * 6, now)
    together = summarize(store, spaces)
    assert (together.samples_seen, together.convergence) == (24, 0.48)
    assert best_of(together) == (diffusion, 4.5)
    assert together.recommendation is not None
    assert together.recommendation.mode == "surfaces"
    narrowed = summarize(store, spaces, mode="structure")
    assert (narrowed.samples_seen, narrowed.convergence) == (12, 0.24)
    assert best_of(narrowed) == (leonardo, 4.0)
    assert narrowed.recommendation is not None
    assert narrowed.recommendation.mode == "structure"
    assert check(store, now=now) == 24


def test_a_study_that_has_just_begun_does_not_hide_what_is_known_of_another(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, diffusion: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [5.0] * 3, now)
    record(store, "surfaces", diffusion, [4.5] * 40, now)
    together = summarize(store, spaces)
    assert best_of(together) == (leonardo, 5.0)
    assert together.recommendation == summarize(store, spaces, mode="surfaces").recommendation
    assert together.recommendation is not None
    assert together.recommendation.mode == "surfaces"
    record(store, "structure", leonardo, [5.0] * 3, now)
    both = summarize(store, spaces)
    assert both.recommendation is not None
    assert both.recommendation.mode == "structure"


def test_the_best_is_the_earliest_of_the_highest(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, diffusion: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [4.5], now)
    record(store, "structure", diffusion, [4.5, 1.0], now + timedelta(seconds=1))
    assert best_of(summarize(store, spaces)) == (leonardo, 4.5)


def test_the_model_recommends_from_the_sixth_rating_on(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    middling = Setting("leonardo", (("init_strength", 0.3), ("guidance_scale", 8.5), ("controlnet_weight", 0.84)))
    record(store, "structure", middling, [4.0] * 5, now)
    assert summarize(store, spaces).recommendation is None
    record(store, "structure", middling, [4.0], now)
    progress = summarize(store, spaces)
    found = progress.recommendation
    assert found is not None
    assert (found.setting, found.parameters) == (middling, middling.to_plain())
    assert found.rated
    assert found.mean == pytest.approx(4.0, abs=0.1)
    assert found.deviation == pytest.approx(0.17, abs=0.05)
    assert found.expected_improvement > 0.05
    assert not progress.converged


def test_a_recommendation_that_nobody_rated_is_told_as_such(
    store: ObservationStore, spaces: Spaces, rate_many: Callable[[int], list[Observation]]
) -> None:
    store.record(rate_many(40), idempotency_key=None)
    found = summarize(store, spaces).recommendation
    assert found is not None
    assert found.setting not in {observation.setting for observation in rate_many(40)}
    assert found.rated is False


def test_each_api_is_counted_with_its_mean(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, diffusion: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [4.1, 4.2, 4.3], now)
    record(store, "surfaces", leonardo, [1.0], now)
    record(store, "surfaces", diffusion, [2.0], now)
    record(store, "surfaces", Setting("dalle", (("strength", 0.3),)), [5.0], now)
    assert summarize(store, spaces, mode="structure").apis == (
        ApiProgress("leonardo", 3, 4.2),
        ApiProgress("stablediffusion", 0, None),
    )
    assert summarize(store, spaces).apis == (
        ApiProgress("leonardo", 4, 3.4),
        ApiProgress("stablediffusion", 1, 2.0),
        ApiProgress("dalle", 1, 5.0),
    )


def test_one_lucky_rating_does_not_make_the_recommendation(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, diffusion: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [4.4] * 12, now)
    record(store, "structure", diffusion, [4.8, 2.0, 2.0, 2.0], now)
    progress = summarize(store, spaces)
    assert best_of(progress) == (diffusion, 4.8)
    assert progress.recommendation is not None
    assert progress.recommendation.setting.api == "leonardo"


def test_a_spent_budget_is_convergence(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [3.0] * 49, now)
    assert not summarize(store, spaces).converged
    record(store, "structure", leonardo, [3.0], now)
    assert summarize(store, spaces).converged


def test_ratings_under_an_older_space_are_counted_still(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    gone = Setting("dalle", (("strength", 0.3),))
    record(store, "structure", gone, [5.0] * 6, now)
    progress = summarize(store, spaces)
    assert (progress.samples_seen, best_of(progress)) == (6, (gone, 5.0))
    assert progress.recommendation is None


def test_an_unknown_mode_is_refused(store: ObservationStore, spaces: Spaces) -> None:
    for ask in (lambda: summarize(store, spaces, mode="colour"), lambda: browse(store, spaces, mode="colour")):
        with pytest.raises(InvalidRequestError) as caught:
            ask()
        assert [field.location for field in caught.value.fields] == [("mode",)]


@pytest.mark.parametrize("limit", [0, MAX_PAGE + 1, True, "5"])
def test_a_page_has_a_bounded_length(limit: int, store: ObservationStore, spaces: Spaces) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        browse(store, spaces, limit=limit)
    assert [field.location for field in caught.value.fields] == [("limit",)]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 30, str(2**63), "1 OR 1", "\u0663"])
def test_a_cursor_that_was_never_given_is_refused(cursor: str, store: ObservationStore, spaces: Spaces) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        browse(store, spaces, cursor=cursor)
    assert [(field.location, field.root) for field in caught.value.fields] == [(("cursor",), "query")]


def test_history_is_browsed_by_mode(store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime) -> None:
    record(store, "structure", leonardo, [1.0, 2.0, 3.0], now)
    record(store, "surfaces", leonardo, [4.0], now)
    first = browse(store, spaces, mode="structure", limit=2)
    assert [entry.revision.rating for entry in first.entries] == [3.0, 2.0]
    last = browse(store, spaces, mode="structure", limit=2, cursor=first.next_cursor)
    assert ([entry.revision.rating for entry in last.entries], last.next_cursor) == ([1.0], None)


def test_a_study_has_converged_when_every_mode_that_has_begun_has(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [3.0] * 25, now)
    record(store, "surfaces", leonardo, [3.0] * 25, now)
    halfway = summarize(store, spaces)
    assert (halfway.samples_seen, halfway.convergence, halfway.converged) == (50, 1.0, False)
    assert [mode.converged for mode in halfway.modes] == [False, False]

    record(store, "structure", leonardo, [3.0] * 25, now)
    assert [mode.converged for mode in summarize(store, spaces).modes] == [True, False]
    assert not summarize(store, spaces).converged

    record(store, "surfaces", leonardo, [3.0] * 25, now)
    assert summarize(store, spaces).converged


def test_sixteen_ratings_of_five_leave_nothing_to_gain(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [5.0] * 16, now)
    progress = summarize(store, spaces)
    found = progress.recommendation
    assert found is not None
    assert 4.6 < found.interval[0] <= found.mean <= found.interval[1] == 5.0
    assert found.expected_improvement <= 5.0 - found.mean
    assert progress.converged
    assert progress.improving is False


def test_each_mode_is_told_by_itself(
    store: ObservationStore, spaces: Spaces, rate_many: Callable[[int], list[Observation]]
) -> None:
    store.record([replace(one, rater="ana") for one in rate_many(30)], idempotency_key=None)
    progress = summarize(store, spaces)
    structure, surfaces = progress.modes
    assert (structure.mode, structure.samples_seen, surfaces.mode, surfaces.samples_seen) == (
        *("structure", 30),
        *("surfaces", 0),
    )
    assert progress.recommendation == structure.recommendation
    assert progress.modes[0] == summarize(store, spaces, mode="structure").modes[0]
    assert sum(chance for _, chance in structure.chances) == pytest.approx(1.0)
    assert [one.api for one in structure.importance] == ["leonardo", "stablediffusion"]
    assert [(one.rater, one.ratings) for one in structure.raters] == [("ana", 30)]
    assert structure.improvement is not None
    assert progress.improving is structure.improvement.improving
    assert (surfaces.recommendation, surfaces.improvement, surfaces.best, surfaces.converged) == (None,) * 3 + (False,)
    assert [surfaces.chances, surfaces.importance, surfaces.raters] == [()] * 3


def test_before_six_ratings_the_model_tells_nothing_of_a_mode(
    store: ObservationStore, spaces: Spaces, leonardo: Setting, now: datetime
) -> None:
    record(store, "structure", leonardo, [4.0] * 5, now)
    progress = summarize(store, spaces, mode="structure")
    (mode,) = progress.modes
    assert (mode.recommendation, mode.improvement, progress.improving) == (None, None, None)
    assert [mode.chances, mode.importance, mode.raters] == [()] * 3
    assert mode.best is not None


def test_a_study_that_is_archived_is_told_all_the_same(
    store: ObservationStore, spaces: Spaces, rate_many: Callable[[int], list[Observation]], now: datetime
) -> None:
    store.begin(Study("past", now))
    store.record(rate_many(10), study="past", idempotency_key=None)
    before = summarize(store, spaces, study="past")
    store.archive("past", archived_at=now)
    assert summarize(store, spaces, study="past") == before
    assert follow(store, spaces, study="past").samples_seen == 10
    assert explore(store, spaces, asked={"parameters": "guidance_scale"}, study="past").slices
