"""Whatever the space and whatever was rated in it: suggestions are legal, different, the same for the same study."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.spaces import assert_legal, at_the_bounds, grants, modes, settings_of, wishes, write_toml
from tests.support.thorough import examples
from tuning.errors import SpaceExhaustedError
from tuning.model.acquisition import find_optimum
from tuning.model.design import enumerate_points, initial_design
from tuning.model.encoding import decode, snap
from tuning.model.learning import fit
from tuning.model.pooling import pool
from tuning.model.priors import complete
from tuning.observations import Observation, Setting, Suggestion
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, RealParameter, Spaces
from tuning.study import INITIAL_RATINGS, Hyperparameters, ModeStudy
from tuning.suggest import propose
from tuning.validation.settings import parse_fixed
from tuning.validation.space_file import load_spaces

NOW = datetime(2030, 1, 2, tzinfo=UTC)
SHIPPED = load_spaces().modes[0]
AT_LENGTH = settings(
    deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def hold(settings: tuple[Setting, ...]) -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion(str(place), "any", setting, NOW, NOW + timedelta(1)) for place, setting in enumerate(settings)
    )


def rate(settings: list[Setting], *ratings: float) -> tuple[Observation, ...]:
    return tuple(
        Observation("any", setting, ratings[place % len(ratings)], NOW) for place, setting in enumerate(settings)
    )


@st.composite
def studies(draw: st.DrawFn, mode: Mode) -> ModeStudy:
    """Ratings of every provenance, some repeated, suggestions of other spaces outstanding, and anything learned."""
    rated = draw(st.lists(st.tuples(settings_of(mode), st.floats(1, 5)), max_size=12))
    observations = tuple(Observation("any", setting, rating, NOW) for setting, rating in rated)
    old = tuple(draw(st.lists(settings_of(mode), max_size=3)))
    positive = partial(st.floats, allow_nan=False)
    lengthscales = tuple((name, draw(positive(0.03, 3.0))) for name in draw(st.permutations(mode.coordinates)))
    learned = Hyperparameters(
        lengthscales, draw(positive(0.5, 20.0)), draw(positive(0.01, 4.0)), draw(positive(0.01, 0.99)), 9
    )
    hyperparameters = draw(st.sampled_from([None, learned]))
    repeats = draw(st.integers(1, 3))
    return ModeStudy("any", draw(st.integers(0, 2**48)), hyperparameters, observations * repeats, hold(old))


@AT_LENGTH
@given(modes(), st.data(), st.integers(1, 4))
def test_suggestions_are_legal_different_and_the_same_for_the_same_study(
    mode: Mode, data: st.DataObject, count: int
) -> None:
    study = data.draw(studies(mode))
    assume(mode.size >= 2 * count + len(study.outstanding))
    first = propose(mode, study, count=count)
    assert propose(mode, study, count=count) == first
    held = replace(study, outstanding=(*study.outstanding, *hold(first)))
    second = propose(mode, held, count=count)
    assert len({setting.key for setting in (*first, *second)}) == 2 * count
    assert not {suggestion.setting for suggestion in held.outstanding} & {*second}
    for setting in (*first, *second):
        assert_legal(mode, setting)


@AT_LENGTH
@given(modes(), st.data())
def test_a_recommendation_is_legal_and_finite(mode: Mode, data: st.DataObject) -> None:
    study = data.draw(studies(mode))
    ratings = pool(mode, study.observations)
    assume(len(ratings) > 0)
    found = find_optimum(mode, ratings, complete(mode, study.hyperparameters), seed="1")
    assert_legal(mode, found.setting)
    assert np.isfinite([found.mean, found.deviation, found.expected_improvement]).all()
    assert find_optimum(mode, ratings, complete(mode, study.hyperparameters), seed="1") == found


@settings(AT_LENGTH, max_examples=examples(15))
@given(modes(), st.data())
def test_whatever_was_rated_can_be_learned_from(mode: Mode, data: st.DataObject) -> None:
    study = data.draw(studies(mode))
    ratings = pool(mode, study.observations)
    assume(len(ratings) > 0)
    learned = fit(mode, ratings, study.hyperparameters)
    assert [name for name, _ in learned.lengthscales] == list(mode.coordinates)
    numbers = [value for _, value in learned.lengthscales]
    assert np.isfinite([*numbers, learned.signal_variance, learned.noise_variance, learned.similarity]).all()


@settings(AT_LENGTH, max_examples=examples(30))
@given(modes())
def test_a_space_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, mode: Mode) -> None:
    path: Path = tmp_path_factory.mktemp("space") / "any.toml"
    spaces = Spaces((mode,), "any")
    path.write_text(write_toml(spaces), encoding="utf-8")
    assert load_spaces(path) == spaces


@settings(AT_LENGTH, max_examples=examples(10))
@given(modes(digits=0).filter(lambda mode: mode.size <= 40), st.integers(0, 9))
def test_a_small_space_is_given_out_whole_and_then_refused(mode: Mode, rated: int) -> None:
    """Before the model speaks, and when it does."""
    everything = list({setting for setting, _ in zip(initial_design(mode, "s"), range(9), strict=False)})
    study = ModeStudy("any", 1, None, rate(everything[:1] * rated, 4.0), ())
    given_out: tuple[Setting, ...] = ()
    while len(given_out) < mode.size:
        given_out += propose(mode, replace(study, outstanding=hold(given_out)), count=1)
    assert len(set(given_out)) == mode.size
    with pytest.raises(SpaceExhaustedError):
        propose(mode, replace(study, outstanding=hold(given_out)), count=1)


@AT_LENGTH
@given(modes(), st.data(), st.integers(1, 3))
def test_all_suggestions_have_what_is_fixed(mode: Mode, data: st.DataObject, count: int) -> None:
    study, wish = data.draw(studies(mode)), data.draw(wishes(mode))
    fixed = parse_fixed(wish, mode)
    assume(mode.size_within(fixed) >= 2 * count + len(study.outstanding))
    first = propose(mode, study, count=count, fixed=fixed)
    assert propose(mode, study, count=count, fixed=fixed) == first
    held = replace(study, outstanding=(*study.outstanding, *hold(first)))
    second = propose(mode, held, count=count, fixed=fixed)
    assert len({setting.key for setting in (*first, *second)}) == 2 * count
    for setting in (*first, *second):
        assert_legal(mode, setting)
        assert grants(setting, wish)


def all_of(mode: Mode) -> list[Setting]:
    points = enumerate_points(mode)
    return [decode(mode, api, row) for api, row in zip(points.apis.tolist(), points.coordinates, strict=True)]


SMALL = modes(digits=0).filter(lambda mode: mode.size <= 40)


@settings(AT_LENGTH, max_examples=examples(25))
@given(SMALL, st.data(), st.sampled_from([0, 9]))
def test_what_failed_comes_when_nothing_else_is_left_and_what_is_not_fixed_never(
    mode: Mode, data: st.DataObject, rated: int
) -> None:
    """Before the model speaks, and when it does; with something fixed, and without."""
    everything = all_of(mode)
    wish = data.draw(wishes(mode) | st.none())
    fixed = parse_fixed(wish, mode)
    wanted = [setting for setting in everything if wish is None or grants(setting, wish)]
    assert mode.size_within(fixed) == len(wanted)
    failed = tuple(data.draw(st.lists(st.sampled_from(everything))))
    study = replace(ModeStudy("any", 1, None, rate(everything[:1] * rated, 4.0), ()), failed=failed)
    given_out: tuple[Setting, ...] = ()
    while left := {*wanted} - {*given_out}:
        count = data.draw(st.integers(1, min(len(left), 4)))
        given = propose(mode, replace(study, outstanding=hold(given_out)), count=count, fixed=fixed)
        assert len(set(given)) == count
        assert left.issuperset(given)
        assert len({*given} - {*failed}) == min(count, len(left - {*failed}))
        given_out += given
    with pytest.raises(SpaceExhaustedError):
        propose(mode, replace(study, outstanding=hold(given_out)), count=1, fixed=fixed)


@AT_LENGTH
@given(modes(), st.data())
def test_the_nearest_suggestible_setting_is_legal_and_its_own_nearest(mode: Mode, data: st.DataObject) -> None:
    setting = data.draw(settings_of(mode))
    api = mode.find_api(setting.api)
    values = dict(setting.values)
    assume(api is not None and len(values) == len(api.parameters))
    assert api is not None
    offered = all(
        values[parameter.name] in parameter.choices
        for parameter in api.parameters
        if isinstance(parameter, CategoricalParameter)
    )
    if not offered:
        with pytest.raises(ValueError, match="is one of"):
            snap(api, setting)
        return
    nearest = snap(api, setting)
    assert_legal(mode, nearest)
    assert snap(api, nearest) == nearest


def one(parameter: RealParameter | IntegerParameter | CategoricalParameter) -> Mode:
    return Mode("any", (Api("only", (parameter,)),))


MODES = {
    "shipped": SHIPPED,
    "one real": one(RealParameter("p", "p", -1.0, 1.0, 1)),
    "one whole": one(IntegerParameter("p", "p", 1, 20)),
    "one choice": one(CategoricalParameter("p", "p", tuple("abcdefghijkl"))),
    "every kind": Mode(
        "any",
        (
            Api("a", (RealParameter("r", "r", 0.0, 1.0, 2), CategoricalParameter("c", "c", ("x", "y", "z")))),
            Api("b", (IntegerParameter("n", "n", 1, 99), CategoricalParameter("c", "c", ("z", "w")))),
        ),
    ),
}


def poor_studies(mode: Mode) -> dict[str, tuple[Observation, ...]]:
    some = [setting for setting, _ in zip(initial_design(mode, "poor"), range(12), strict=False)]
    bounds = [setting for api in mode.apis for setting in at_the_bounds(api)]
    return {
        "one rating": rate(some[:1], 4.0),
        "one rating of each": rate(some, 1.0, 2.0, 5.0),
        "all alike": rate(some, 3.0),
        "all the best": rate(some, 5.0),
        "all the worst": rate(some, 1.0),
        "one setting": rate(some[:1] * 12, 2.0, 4.0),
        "a thousand duplicates": rate(some[:1] * 1_000, 3.0),
        "at the bounds alone": rate(bounds * 3, 4.0, 2.0),
        "one API alone": rate([setting for setting in some if setting.api == mode.apis[0].name], 3.0, 4.0),
        "contradictory": rate(some[:1] * 40 + some[1:2] * 40, 1.0, 5.0),
        "contradictory everywhere": rate([*some, *some[::-1]], 1.0, 5.0),
    }


@pytest.mark.parametrize("space", MODES)
@pytest.mark.parametrize("poor", poor_studies(SHIPPED))
def test_a_poor_study_is_learned_from_and_goes_on(space: str, poor: str) -> None:
    mode = MODES[space]
    study = ModeStudy("any", 7, None, poor_studies(mode)[poor], ())
    ratings = pool(mode, study.observations)
    learned = replace(study, hyperparameters=fit(mode, ratings, None))
    for known in (study, learned):
        chosen = propose(mode, known, count=4)
        assert len(set(chosen)) == 4
        for setting in chosen:
            assert_legal(mode, setting)
        found = find_optimum(mode, ratings, complete(mode, known.hyperparameters), seed="1")
        assert_legal(mode, found.setting)
        assert 1.0 - 0.5 < found.mean < 5.0 + 0.5
        assert 0.0 < found.deviation < 5.0
        assert found.expected_improvement >= 0.0


def test_ratings_beyond_todays_bounds_pull_the_model_their_way() -> None:
    """A value beyond the bounds still teaches: what pleased past the upper one is looked for at the upper one."""
    mode = MODES["one whole"]

    def recommended(beyond: int) -> int:
        settings = [Setting("only", (("p", value),)) for value in (*range(beyond, beyond + 6), 10)]
        ratings = pool(mode, rate(settings, *[5.0] * 6, 2.5))
        value = find_optimum(mode, ratings, complete(mode, None), seed="1").setting.values[0][1]
        return int(value)

    assert recommended(21) == 20
    assert recommended(-5) == 1


def test_settings_that_hardly_differ_do_not_make_the_kernel_singular() -> None:
    near = [
        Setting(
            "leonardo", (("init_strength", 0.3 + step * 1e-12), ("guidance_scale", 7.0), ("controlnet_weight", 0.8))
        )
        for step in range(200)
    ]
    smooth = Hyperparameters(tuple((name, 3.0) for name in SHIPPED.coordinates), 20.0, 0.01, 0.99, 200)
    study = ModeStudy("any", 1, smooth, rate(near, 1.0, 5.0), ())
    assert len(set(near)) > INITIAL_RATINGS
    for setting in propose(SHIPPED, study, count=4):
        assert_legal(SHIPPED, setting)


def test_ratings_of_a_space_in_quite_other_units_do_not_make_the_kernel_singular() -> None:
    parameters = (RealParameter("p", "p", 0.0, 0.001, 3), RealParameter("q", "q", 0.0, 0.001, 3))
    mode = Mode("any", (Api("only", parameters),))
    rough = Hyperparameters((("p", 0.03), ("q", 0.3)), 1.0, 0.01, 0.5, 40)
    for seed in range(10):
        generator = np.random.default_rng(seed)
        far = generator.uniform(-1e6, 1e6, (20, 2))
        values = np.concatenate([far, far + generator.normal(0.0, 1e-5, (20, 2))])
        settings = [Setting("only", (("p", float(p)), ("q", float(q)))) for p, q in values]
        study = ModeStudy("any", seed, rough, rate(settings, 1.0, 5.0, 3.0), ())
        for setting in propose(mode, study, count=2):
            assert_legal(mode, setting)
