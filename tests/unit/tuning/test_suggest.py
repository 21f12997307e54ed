"""What is suggested: legal, distinct, balanced, reproducible; and better as ratings come in."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from tests.support.spaces import assert_legal, grants
from tests.support.thorough import examples
from tuning.errors import InvalidRequestError, SpaceExhaustedError
from tuning.model.acquisition import expected_improvement, find_optimum, knowledge_gradient
from tuning.model.design import candidates, initial_design
from tuning.model.encoding import decode, encode
from tuning.model.pooling import pool
from tuning.model.priors import prior_modes
from tuning.model.surrogate import Surrogate
from tuning.observations import Observation, Setting, Suggestion
from tuning.spaces import Api, Fixed, Mode, RealParameter, Spaces, Value
from tuning.stores.port import ObservationStore
from tuning.study import INITIAL_RATINGS, Hyperparameters, ModeStudy
from tuning.suggest import OUTSTANDING_FOR, propose, suggest
from tuning.validation.requests import MAX_COUNT
from tuning.validation.settings import parse_fixed
from tuning.validation.space_file import load_spaces

RateMany = Callable[[int], list[Observation]]

SPACES = load_spaces()
MODE = SPACES.modes[0]
NOW = datetime(2030, 1, 2, tzinfo=UTC)


def study(observations: list[Observation], outstanding: tuple[Setting, ...] = (), seed: int = 1) -> ModeStudy:
    claimed = tuple(
        Suggestion(f"s{index}", "structure", setting, NOW, NOW + OUTSTANDING_FOR)
        for index, setting in enumerate(outstanding)
    )
    return ModeStudy("structure", seed, None, tuple(observations), claimed)


@st.composite
def observed(draw: st.DrawFn) -> Observation:
    api = draw(st.sampled_from(MODE.apis))
    bounds = [(p.name, p.low, p.high) for p in api.parameters if isinstance(p, RealParameter)]
    values = tuple((name, draw(st.floats(low, high) | st.sampled_from([low, high]))) for name, low, high in bounds)
    return Observation("structure", Setting(api.name, values), draw(st.floats(1, 5)), NOW)


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(observed(), max_size=14), st.integers(1, 4), st.integers(0, 2**48), st.integers(1, 3))
def test_suggestions_are_legal_distinct_and_the_same_for_the_same_study(
    observations: list[Observation], count: int, seed: int, repeats: int
) -> None:
    before = study(observations * repeats, seed=seed)
    first = propose(MODE, before, count=count)
    assert propose(MODE, before, count=count) == first
    after = study(observations * repeats, first, seed=seed)
    second = propose(MODE, after, count=count)
    assert len({*first, *second}) == 2 * count
    for setting in (*first, *second):
        assert_legal(MODE, setting)


def constant(count: int) -> list[Observation]:
    found = zip(initial_design(MODE, "x"), range(count), strict=False)
    return [Observation("structure", setting, 3.0, NOW) for setting, _ in found]


@pytest.mark.parametrize(
    "observations",
    [
        constant(1),
        [replace(o, rating=5.0) for o in constant(20)],
        [replace(o, rating=1.0) for o in constant(20)],
        constant(1) * 1_000,
        [replace(constant(1)[0], rating=rating) for rating in (1.0, 5.0) * 30],
        [o for o in constant(40) if o.setting.api == "leonardo"],
        [
            Observation("structure", decode(MODE, index, np.ones(3)), 4.0, NOW)
            for index in range(len(MODE.apis))
            for _ in range(5)
        ],
    ],
    ids=["one rating", "all five", "all one", "one setting", "contradictory", "one API", "at the bounds"],
)
def test_a_poor_study_still_gets_good_suggestions(observations: list[Observation]) -> None:
    chosen = propose(MODE, study(observations), count=4)
    assert len(set(chosen)) == 4
    assert {setting.api for setting in chosen} == {"leonardo", "stablediffusion"}
    for setting in chosen:
        assert_legal(MODE, setting)


def test_the_first_points_are_balanced_over_the_apis_and_spread_over_the_space() -> None:
    found = [setting for setting, _ in zip(initial_design(MODE, "9"), range(32), strict=False)]
    for pair in zip(found[::2], found[1::2], strict=True):
        assert {setting.api for setting in pair} == {"leonardo", "stablediffusion"}
    for column in range(3):
        scaled = encode(MODE, found).coordinates[:, column]
        quarters = Counter(int(4 * (value - 0.125) / 0.75) for value in scaled)
        assert min(quarters.values()) >= 6
        assert min(scaled) >= 0.12
        assert max(scaled) <= 0.88


def test_the_design_of_three_apis_is_balanced_too() -> None:
    parameter = RealParameter("p", "p", 0.0, 1.0, 3)
    mode = Mode("m", tuple(Api(name, (parameter,)) for name in "abc"))
    found = [setting for setting, _ in zip(initial_design(mode, "9"), range(30), strict=False)]
    for start in range(0, 30, 3):
        assert {setting.api for setting in found[start : start + 3]} == {"a", "b", "c"}
    assert len({tuple(setting.api for setting in found[start : start + 3]) for start in range(0, 30, 3)}) > 1


def test_each_study_has_its_own_design() -> None:
    assert propose(MODE, study([], seed=1), count=5) != propose(MODE, study([], seed=2), count=5)


def test_the_model_speaks_from_the_sixth_rating_on(rate_many: RateMany) -> None:
    for rated in range(INITIAL_RATINGS + 1):
        observations = rate_many(rated)
        fresh = [replace(o, rating=6 - o.rating) for o in observations]
        heeded = propose(MODE, study(observations), count=2) != propose(MODE, study(fresh), count=2)
        assert heeded == (rated >= INITIAL_RATINGS)


def test_the_model_finds_what_the_rater_likes(rate_many: RateMany) -> None:
    observations = rate_many(40)
    for _ in range(6):
        chosen = propose(MODE, study(observations), count=2)
        for setting in chosen:
            strength = float(dict(setting.values).get("init_strength", 0.1))
            rating = 4.5 - 20 * (strength - 0.3) ** 2 - (setting.api != "leonardo")
            observations.append(Observation("structure", setting, rating, NOW))
    found = find_optimum(MODE, pool(MODE, observations), prior_modes(MODE), seed="1")
    assert found.setting.api == "leonardo"
    assert dict(found.setting.values)["init_strength"] == pytest.approx(0.3, abs=0.08)
    assert found.mean > 4
    assert 0 < found.deviation < 1
    assert found.expected_improvement >= 0
    assert_legal(MODE, found.setting)


def test_a_batch_forgets_an_api_that_has_lost(now: datetime) -> None:
    values = {"leonardo": 4.9, "stablediffusion": 1.0}
    rated = [
        Observation("structure", setting, values[setting.api], now)
        for setting, _ in zip(initial_design(MODE, "3"), range(300), strict=False)
    ]
    assert {s.api for s in propose(MODE, study(rated), count=2)} == {"leonardo"}
    assert {s.api for s in propose(MODE, study(rated[:20]), count=2)} == {"leonardo", "stablediffusion"}


def test_what_is_outstanding_repels(rate_many: RateMany) -> None:
    observations = rate_many(30)
    asked: tuple[Setting, ...] = ()
    for _ in range(6):
        asked += propose(MODE, study(observations, asked), count=1)
    points = encode(MODE, asked)
    gaps = [
        np.linalg.norm(points.coordinates[i] - points.coordinates[j])
        for i in range(6)
        for j in range(i)
        if points.apis[i] == points.apis[j]
    ]
    assert min(gaps) > 0.15


def test_candidates_lie_where_their_settings_do() -> None:
    considered = candidates(MODE, "1", np.array([[0.5, 1.3, 0.0]]), rated=1)
    settings = [decode(MODE, api, row) for api, row in zip(considered.apis, considered.coordinates, strict=True)]
    located = encode(MODE, settings)
    assert np.array_equal(located.apis, considered.apis)
    assert np.abs(located.coordinates - considered.coordinates).max() < 1e-12


def test_a_small_space_is_suggested_whole_and_then_is_exhausted(now: datetime) -> None:
    mode = Mode("structure", (Api("a", (RealParameter("p", "p", 0.0, 0.9, 1),)),))
    everything = {Setting("a", (("p", step / 10),)) for step in range(10)}
    assert set(propose(mode, study([]), count=10)) == everything
    rated = [Observation("structure", setting, 3.0, now) for setting in everything]
    for observations in ([], rated):
        outstanding = propose(mode, study(observations), count=8)
        assert set(propose(mode, study(observations, outstanding), count=2)) | set(outstanding) == everything
        with pytest.raises(SpaceExhaustedError):
            propose(mode, study(observations, outstanding), count=3)


def test_suggestions_outstanding_from_another_space_do_no_harm(rate_many: RateMany) -> None:
    strangers = (Setting("dalle", (("strength", 0.3),)), Setting("leonardo", (("strength", 0.3),)))
    for rated in (0, 10):
        assert len(propose(MODE, study(rate_many(rated), strangers), count=2)) == 2


def test_many_who_ask_without_rating_do_not_run_out_of_candidates() -> None:
    mode = Mode("structure", (Api("a", tuple(RealParameter(name, name, 0.0, 0.49, 2) for name in ("x", "y"))),))
    rated = [
        Observation("structure", setting, 3.0, NOW)
        for setting, _ in zip(initial_design(mode, "1"), range(5), strict=False)
    ]
    asked: tuple[Setting, ...] = ()
    for _ in range(80):
        asked += propose(mode, study(rated, asked), count=10)
    assert len(set(asked)) == 800


# Proposed by the release that knew neither what is fixed nor what failed: by space, ratings and pending suggestions.
PUBLISHED = {
    ("structure", 0, 0): [
        "stablediffusion&controlnet_conditioning_scale=0.94&guidance_scale=9.2&strength=0.27",
        "leonardo&controlnet_weight=0.83&guidance_scale=6.6&init_strength=0.42",
        "leonardo&controlnet_weight=0.89&guidance_scale=10.5&init_strength=0.19",
        "stablediffusion&controlnet_conditioning_scale=0.78&guidance_scale=7.9&strength=0.34",
    ],
    ("structure", 12, 3): [
        "leonardo&controlnet_weight=0.91&guidance_scale=10.3&init_strength=0.37",
        "leonardo&controlnet_weight=0.96&guidance_scale=8.8&init_strength=0.31",
        "leonardo&controlnet_weight=0.81&guidance_scale=11.3&init_strength=0.33",
        "stablediffusion&controlnet_conditioning_scale=0.83&guidance_scale=10.9&strength=0.43",
    ],
    ("structure", 60, 3): [
        "stablediffusion&controlnet_conditioning_scale=0.83&guidance_scale=11.8&strength=0.26",
        "leonardo&controlnet_weight=0.82&guidance_scale=11.2&init_strength=0.22",
        "leonardo&controlnet_weight=0.86&guidance_scale=11.3&init_strength=0.46",
        "leonardo&controlnet_weight=0.88&guidance_scale=9.3&init_strength=0.5",
    ],
    ("portraits", 3, 3): [
        "painter&sampler='dpm++ 2m'&steps=35.0&strength=0.07",
        "painter&sampler='heun'&steps=27.0&strength=-0.12",
        "painter&sampler='euler'&steps=16.0&strength=0.35",
        "painter&sampler='heun'&steps=38.0&strength=-0.21",
    ],
    ("portraits", 60, 0): [
        "painter&sampler='heun'&steps=50.0&strength=-0.24",
        "painter&sampler='euler'&steps=49.0&strength=0.38",
        "painter&sampler='heun'&steps=50.0&strength=-0.06",
        "printer&passes=4.0&sampler='heun'",
    ],
    ("sketches", 3, 0): ["printer&passes=3.0&sampler='heun'", "printer&passes=2.0&sampler='ancestral'"],
    ("sketches", 12, 3): ["printer&passes=1.0&sampler='ancestral'", "printer&passes=4.0&sampler='ancestral'"],
}


@pytest.mark.parametrize(("name", "rated", "held"), PUBLISHED)
def test_where_nothing_is_fixed_and_nothing_failed_all_is_as_it_was(
    name: str, rated: int, held: int, mixed: Spaces
) -> None:
    mode = SPACES.find_mode(name) or mixed.find_mode(name)
    assert mode is not None
    settings = zip(initial_design(mode, "golden"), range(rated), strict=False)
    observations = [Observation(name, setting, 1.0 + (i * 7 % 9) / 2, NOW) for setting, i in settings]
    pending = tuple(setting for setting, _ in zip(initial_design(mode, "pending"), range(held), strict=False))
    lengthscales = tuple((name, 0.2 + 0.1 * index) for index, name in enumerate(mode.coordinates))
    learned = Hyperparameters(lengthscales, 1.3, 0.4, 0.6, 9) if held else None
    before = replace(study(observations, pending, seed=42), hyperparameters=learned)
    expected = PUBLISHED[name, rated, held]
    found = propose(mode, before, count=len(expected), salt="x" if held else "")
    assert [setting.key for setting in found] == expected


@pytest.mark.parametrize("rated", [0, 12, 60])
@pytest.mark.parametrize(
    "wish",
    [
        {"api": "leonardo"},
        {"guidance_scale": 7.0},
        {"strength": 0.5},
        {"api": "stablediffusion", "guidance_scale": 12.0, "strength": 0.1},
    ],
    ids=str,
)
def test_every_suggestion_has_what_is_fixed(rated: int, wish: dict[str, Value], rate_many: RateMany) -> None:
    chosen = propose(MODE, study(rate_many(rated)), count=10, fixed=parse_fixed(wish, MODE))
    assert len(set(chosen)) == 10
    for setting in chosen:
        assert_legal(MODE, setting)
        assert grants(setting, wish)


@pytest.mark.parametrize("rated", [0, 12])
def test_where_all_is_fixed_one_setting_of_each_api_is_left(rated: int, rate_many: RateMany, leonardo: Setting) -> None:
    before = study(rate_many(rated))
    whole = parse_fixed(leonardo.to_plain(), MODE)
    assert propose(MODE, before, count=1, fixed=whole) == (leonardo,)
    with pytest.raises(SpaceExhaustedError, match=r"no more than 1 settings with api leonardo and init_strength 0\.28"):
        propose(MODE, before, count=2, fixed=whole)
    with pytest.raises(SpaceExhaustedError, match="or fix less"):
        propose(MODE, study(rate_many(rated), (leonardo,)), count=1, fixed=whole)
    both = Mode("any", tuple(Api(name, (RealParameter("p", "p", 0.0, 1.0, 3),)) for name in "ab"))
    found = propose(both, study(rate_many(rated)), count=2, fixed=Fixed(("a", "b"), (("p", 0.5),)))
    assert set(found) == {Setting(name, (("p", 0.5),)) for name in "ab"}
    with pytest.raises(SpaceExhaustedError, match=r"no more than 2 settings with p 0\.5"):
        propose(both, study(rate_many(rated)), count=3, fixed=Fixed(("a", "b"), (("p", 0.5),)))


def test_the_first_points_fill_what_is_left_free_evenly() -> None:
    fixed = parse_fixed({"guidance_scale": 7.0}, MODE)
    found = [setting for setting, _ in zip(initial_design(MODE, "9", fixed), range(32), strict=False)]
    for pair in zip(found[::2], found[1::2], strict=True):
        assert {setting.api for setting in pair} == {"leonardo", "stablediffusion"}
    only = parse_fixed({"api": "leonardo"}, MODE)
    alone = [setting for setting, _ in zip(initial_design(MODE, "9", only), range(32), strict=False)]
    assert {setting.api for setting in alone} == {"leonardo"}
    for some, columns in ((found, (0, 2)), (alone, (0, 1, 2))):
        for column in columns:
            scaled = encode(MODE, some).coordinates[:, column]
            quarters = Counter(int(4 * (value - 0.125) / 0.75) for value in scaled)
            assert min(quarters.values()) >= 6


def test_the_model_finds_the_best_of_what_is_fixed(rate_many: RateMany) -> None:
    """Which is not the best of all: here the strength that is liked falls as the guidance rises."""

    def worth(setting: Setting) -> float:
        strength, guidance, _ = map(float, encode(MODE, [setting]).coordinates[0])
        return 4.5 - 6 * (strength - 0.8 + 0.6 * guidance) ** 2 - (guidance - 0.2) ** 2

    observations = [replace(o, rating=worth(o.setting)) for o in rate_many(16)]
    fixed = parse_fixed({"guidance_scale": 12.0}, MODE)
    for _ in range(6):
        chosen = propose(MODE, study(observations), count=2, fixed=fixed)
        observations += [Observation("structure", setting, worth(setting), NOW) for setting in chosen]
    late = [encode(MODE, [o.setting]).coordinates[0, 0] for o in observations[-4:]]
    assert np.mean(late) == pytest.approx(0.2, abs=0.12)
    free = propose(MODE, study(observations), count=2)
    assert all(float(dict(setting.values)["guidance_scale"]) < 10 for setting in free)


@pytest.mark.parametrize(("worse", "tried"), [(2.9, {"a", "b"}), (1.0, {"a"})])
def test_a_batch_tries_the_apis_that_may_be_best_of_what_is_fixed(worse: float, tried: set[str]) -> None:
    """Whatever is better where it is not fixed so."""
    parameters = (RealParameter("p", "p", 0.0, 1.0, 3), RealParameter("q", "q", 0.0, 1.0, 3))
    mode = Mode("any", tuple(Api(name, parameters) for name in "ab"))

    def worth(setting: Setting) -> float:
        return 5.0 if float(dict(setting.values)["q"]) < 0.4 else {"a": 3.0, "b": worse}[setting.api]

    rated = [Observation("any", s, worth(s), NOW) for s, _ in zip(initial_design(mode, "3"), range(120), strict=False)]
    for seed in range(5):
        found = propose(mode, study(rated, seed=seed), count=2, fixed=Fixed(("a", "b"), (("q", 0.8),)))
        assert {setting.api for setting in found} == tried


def test_a_slice_that_is_small_is_given_out_whole_and_a_large_one_too(rate_many: RateMany) -> None:
    """And is exhausted then, not before: 3,001 settings are more than are considered at once."""
    line = Mode("structure", (Api("a", (RealParameter("p", "p", 0.0, 3.0, 3), RealParameter("q", "q", 0.0, 1.0, 2))),))
    fixed = Fixed(("a",), (("q", 0.5),))
    everything = [Setting("a", (("p", step / 1_000), ("q", 0.5))) for step in range(3_001)]
    rated = [Observation("structure", setting, 3.0, NOW) for setting in everything[1_000:1_008]]
    for observations in ([], rated):
        taken = tuple(setting for setting in everything if setting != everything[7] and setting != everything[2_999])
        held = study(observations, taken)
        assert set(propose(line, held, count=2, fixed=fixed)) == {everything[7], everything[2_999]}
        with pytest.raises(SpaceExhaustedError, match=r"with q 0\.5"):
            propose(line, held, count=3, fixed=fixed)
        failed = replace(study(observations), failed=taken)
        assert set(propose(line, failed, count=2, fixed=fixed)) == {everything[7], everything[2_999]}
        third = {*propose(line, failed, count=3, fixed=fixed)} - {everything[7], everything[2_999]}
        assert len(third) == 1
        assert third < set(everything)


@pytest.mark.parametrize("rated", [0, 12])
def test_what_failed_is_not_suggested_again(rated: int, rate_many: RateMany) -> None:
    failed: tuple[Setting, ...] = ()
    for _ in range(8):
        found = propose(MODE, replace(study(rate_many(rated)), failed=failed), count=3)
        assert not {*found} & {*failed}
        failed += found
    strangers = (Setting("dalle", (("strength", 0.3),)), Setting("leonardo", (("strength", 0.3),)))
    assert len(propose(MODE, replace(study(rate_many(rated)), failed=strangers), count=2)) == 2


def test_the_model_learns_nothing_of_what_failed() -> None:
    """What is pending makes what is near less worth a rating; what failed does not."""
    line = Mode("structure", (Api("a", (RealParameter("p", "p", 0.0, 1.0, 2),)),))
    places = (0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 1.0)
    rated = [Observation("structure", Setting("a", (("p", place),)), 4 - 2 * place, NOW) for place in places]

    def next_of(failed: tuple[Setting, ...], pending: tuple[Setting, ...]) -> tuple[Setting, float]:
        (chosen,) = propose(line, replace(study(rated, pending), failed=failed), count=1)
        return chosen, float(chosen.values[0][1])

    best, at = next_of((), ())
    assert abs(next_of((best,), ())[1] - at) == pytest.approx(0.01)
    assert abs(next_of((), (best,))[1] - at) > 0.1


def test_expected_improvement_is_that_of_the_integral() -> None:
    draws = np.random.default_rng(0).normal(3.2, 0.5, 1_000_000)
    estimate = np.maximum(draws - 3.5, 0).mean()
    assert expected_improvement(np.array([3.2]), np.array([0.5]), 3.5) == pytest.approx([estimate], rel=0.01)
    assert expected_improvement(np.array([4.0, 3.0]), np.zeros(2), 3.5) == pytest.approx([0.5, 0.0])


def test_the_knowledge_gradient_is_what_one_more_rating_adds_to_the_best_mean(rate_many: RateMany) -> None:
    ratings = pool(MODE, rate_many(12))
    surrogate = Surrogate(ratings.points, ratings.means, ratings.counts, prior_modes(MODE))
    posterior = surrogate.posterior(candidates(MODE, "1", ratings.points.coordinates[:4], rated=12))
    indices = np.array([0, 17, 400, 900])
    found = knowledge_gradient(posterior, indices)
    noise = posterior.hyperparameters.noise_variance
    for index, gain in zip(indices, found, strict=True):
        deviation = math.sqrt(posterior.variance[index] + noise)
        outcomes = posterior.mean[index] + deviation * ndtri((np.arange(2_000) + 0.5) / 2_000)
        best = np.mean([posterior.condition(int(index), float(rating)).mean.max() for rating in outcomes])
        assert gain == pytest.approx(best - posterior.mean.max(), abs=0.015)


def test_rating_what_is_known_well_is_worth_nothing(rate_many: RateMany) -> None:
    settings = [observation.setting for observation in rate_many(3)]
    points = encode(MODE, settings)
    surrogate = Surrogate(points, np.array([4.5, 3.0, 2.0]), np.full(3, 1e6), prior_modes(MODE))
    assert knowledge_gradient(surrogate.posterior(points), np.arange(3)) == pytest.approx(np.zeros(3), abs=1e-4)


def test_suggestions_are_claimed_and_expire_after_a_day(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    first = suggest(store, spaces, mode="structure", count=3, now=now)
    assert store.outstanding(now=now) == first
    assert all(suggestion.expires_at - now == OUTSTANDING_FOR == timedelta(hours=24) for suggestion in first)
    assert len({suggestion.id for suggestion in first}) == 3
    second = suggest(store, spaces, mode="structure", count=3, now=now)
    assert not {s.setting for s in first} & {s.setting for s in second}
    later = now + OUTSTANDING_FOR
    assert store.outstanding(now=later) == ()
    again = suggest(store, spaces, mode="structure", count=3, now=later)
    assert {s.setting for s in again} == {s.setting for s in first}


def test_modes_are_separate_studies(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    structure = suggest(store, spaces, mode="structure", count=10, now=now)
    surfaces = suggest(store, spaces, mode="surfaces", count=10, now=now)
    assert {s.mode for s in surfaces} == {"surfaces"}
    assert {s.setting for s in structure} != {s.setting for s in surfaces}


@pytest.mark.parametrize("count", [0, MAX_COUNT + 1, -1, 2.0, "2", True, None])
def test_a_count_that_is_not_one_to_ten_is_refused(
    count: int, store: ObservationStore, spaces: Spaces, now: datetime
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        suggest(store, spaces, mode="structure", count=count, now=now)
    assert [field.location for field in caught.value.fields] == [("num_suggestions",)]


def test_an_unknown_mode_and_a_wrong_count_are_told_together(
    store: ObservationStore, spaces: Spaces, now: datetime
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        suggest(store, spaces, mode="colour", count=11, now=now)
    assert [field.location for field in caught.value.fields] == [("mode",), ("num_suggestions",)]
    assert store.outstanding(now=now) == ()
