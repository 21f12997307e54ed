"""Whole numbers and choices in the model: where they lie, what they teach of each other, what is suggested of them."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.support.spaces import assert_legal
from tuning.model.acquisition import find_optimum
from tuning.model.arrays import Floats
from tuning.model.design import candidates, enumerate_points, initial_design
from tuning.model.encoding import CHOSEN, FARTHEST, Points, decode, encode, snap
from tuning.model.learning import StudyKernel, fit
from tuning.model.pooling import pool
from tuning.model.priors import complete, level_covariance, prior_modes
from tuning.model.surrogate import covariance
from tuning.observations import Observation, Setting, Suggestion
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, RealParameter, Spaces
from tuning.study import Hyperparameters, ModeStudy
from tuning.suggest import propose

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def painted(strength: float, steps: float, sampler: str) -> Setting:
    return Setting("painter", (("strength", strength), ("steps", steps), ("sampler", sampler)))


def printed(sampler: str, passes: int) -> Setting:
    return Setting("printer", (("sampler", sampler), ("passes", passes)))


def rated(settings: list[Setting], rating: float = 4.0) -> list[Observation]:
    return [Observation("portraits", setting, rating, NOW) for setting in settings]


@pytest.fixture
def portraits(mixed: Spaces) -> Mode:
    return mixed.modes[0]


def test_a_choice_is_as_far_from_every_other(portraits: Mode) -> None:
    samplers = ("euler", "heun", "dpm++ 2m")
    points = encode(portraits, [painted(0.0, 30, sampler) for sampler in samplers])
    gaps = np.linalg.norm(points.coordinates[:, None] - points.coordinates, axis=2)
    assert gaps == pytest.approx(np.sqrt(2) * CHOSEN * (1 - np.eye(3)))
    # What one choice teaches of another before any rating is what one API teaches of another.
    level = level_covariance(points.trends, points.trends, np.ones((3, 3), bool))
    prior = covariance(points, points, prior_modes(portraits)) - level
    assert prior[0, 1] / prior[0, 0] == pytest.approx(prior_modes(portraits).similarity, abs=0.05)


def test_equal_choices_of_two_apis_lie_at_one_place(portraits: Mode) -> None:
    points = encode(portraits, [painted(0.0, 50, "heun"), printed("heun", 4), printed("ancestral", 4)])
    assert points.coordinates.tolist() == [
        [0.5, 1.0, 0.0, CHOSEN, 0.0, 0.0],
        [0.5, 1.0, 0.0, CHOSEN, 0.0, 0.0],
        [0.5, 1.0, 0.0, 0.0, 0.0, CHOSEN],
    ]
    assert points.apis.tolist() == [0, 1, 1]


def test_what_has_a_place_teaches_and_what_has_none_is_passed_over(portraits: Mode) -> None:
    placed = [
        painted(0.25, 60, "heun"),  # beyond the bounds
        painted(0.25, 20.5, "heun"),  # from when it was no whole number
        painted(0.25, 20, "ancestral"),  # what this API no longer offers, but another does
        painted(1e9, 20, "heun"),  # from a space that measured in other units
    ]
    nowhere = [
        painted(0.25, 20, "ddim"),
        Setting("painter", (("strength", 0.25), ("steps", "many"), ("sampler", "heun"))),
        Setting("painter", (("strength", 0.25), ("steps", 20), ("sampler", 1.0))),
        Setting("painter", (("strength", 0.25), ("steps", 20))),
        Setting("painter", (("strength", 0.25), ("steps", 20), ("sampler", "heun"), ("seed", 1))),
        Setting("sculptor", (("strength", 0.25),)),
    ]
    ratings = pool(portraits, rated([*nowhere, *placed]))
    assert ratings.settings == tuple(placed)
    assert ratings.points.coordinates[:, 1] == pytest.approx([1.25, 0.2625, 0.25, 0.25])
    assert ratings.points.coordinates[3, 0] == FARTHEST
    for count in (1, 5):
        study = ModeStudy("portraits", 1, None, tuple(rated([*nowhere, *placed] * count)), ())
        for setting in propose(portraits, study, count=4):
            assert_legal(portraits, setting)


def test_the_nearest_suggestible_setting_is_within_bounds_and_rounded_as_declared(portraits: Mode) -> None:
    painter = portraits.apis[0]
    told = Setting("painter", (("sampler", "heun"), ("steps", 60.0), ("strength", -0.1249)))
    nearest = snap(painter, told)
    assert nearest.to_plain() == painted(-0.12, 50, "heun").to_plain()
    assert [type(value) for _, value in nearest.values] == [float, int, str]
    assert str(snap(painter, painted(-0.001, 9.9, "heun")).values[0][1]) == "0.0"
    assert snap(painter, nearest) == nearest
    with pytest.raises(ValueError, match="sampler is one of euler, heun, dpm"):
        snap(painter, painted(0.25, 20, "ancestral"))
    with pytest.raises(KeyError, match="strength"):
        snap(painter, printed("heun", 2))


def test_a_number_far_beyond_its_bounds_counts_as_a_hundred_ranges_away(portraits: Mode) -> None:
    points = encode(portraits, [painted(-1e9, 20, "heun"), painted(1e9, 20, "heun")])
    assert points.coordinates[:, 0].tolist() == [-FARTHEST, FARTHEST]


def test_a_whole_number_and_the_same_real_one_are_one_setting(portraits: Mode) -> None:
    ratings = pool(portraits, rated([painted(0.25, 20, "heun"), painted(0.25, 20.0, "heun")]))
    assert ratings.counts.tolist() == [2.0]


def test_the_lengthscale_of_a_coordinate_is_that_of_all_its_columns(portraits: Mode) -> None:
    learned = Hyperparameters((("sampler", 0.7), ("strength", 0.2)), 1.1, 0.2, 0.4, 9)
    completed = complete(portraits, learned)
    assert portraits.columns == ("strength", "steps", *["sampler"] * 4)
    assert completed.lengthscales == (0.2, 0.3, *[0.7] * 4)
    assert prior_modes(portraits).lengthscales == (0.3,) * 6


def kernel() -> StudyKernel:
    return StudyKernel(np.array([0, 1, 2, 2, 2, 2]), np.array([0.2, 0.35, 0.6]), 1.4, 0.2, 0.7 / 0.3)


def inputs(points: Points, counts: Floats) -> Floats:
    return np.column_stack([points.coordinates, points.trends, points.apis, counts])


def some(mode: Mode, count: int) -> list[Setting]:
    return [setting for setting, _ in zip(initial_design(mode, "some"), range(count), strict=False)]


def test_the_two_kernels_are_one_where_there_are_choices(portraits: Mode) -> None:
    points = encode(portraits, some(portraits, 40))
    named = (("strength", 0.2), ("steps", 0.35), ("sampler", 0.6))
    completed = complete(portraits, Hyperparameters(named, 1.4, 0.2, 0.7))
    ours = covariance(points, points, completed) + np.diag(0.2 / np.arange(1.0, 41.0))
    theirs = inputs(points, np.arange(1.0, 41.0))
    assert np.abs(ours - kernel()(theirs)).max() < 1e-8
    assert kernel().diag(theirs) == pytest.approx(np.diag(ours), abs=1e-12)


def test_the_gradient_of_a_lengthscale_counts_all_its_columns(portraits: Mode) -> None:
    here = inputs(encode(portraits, some(portraits, 12)), np.ones(12))
    _, gradient = kernel()(here, eval_gradient=True)
    assert gradient.shape == (12, 12, 6)
    for index, step in enumerate(1e-6 * np.eye(6)):
        ahead, behind = (kernel().clone_with_theta(kernel().theta + sign * step)(here) for sign in (1, -1))
        assert gradient[:, :, index] == pytest.approx((ahead - behind) / 2e-6, abs=1e-7)


def test_what_is_learned_has_one_lengthscale_a_coordinate(portraits: Mode) -> None:
    def learned(worth: dict[str, float]) -> float:
        steps = [Observation("portraits", s, worth[str(dict(s.values)["sampler"])], NOW) for s in some(portraits, 60)]
        found = fit(portraits, pool(portraits, steps), None)
        assert [name for name, _ in found.lengthscales] == ["strength", "steps", "sampler"]
        assert fit(portraits, pool(portraits, steps), found).fitted_on == 60
        return dict(found.lengthscales)["sampler"]

    alike = dict.fromkeys(("euler", "heun", "dpm++ 2m", "ancestral"), 3.0)
    assert learned({**alike, "heun": 5.0, "euler": 1.0}) < learned(alike)


def test_the_first_points_are_balanced_over_the_choices(portraits: Mode) -> None:
    found = Counter((s.api, dict(s.values)["sampler"]) for s in some(portraits, 96))
    assert all(abs(found["painter", sampler] - 16) <= 3 for sampler in ("euler", "heun", "dpm++ 2m"))
    assert all(abs(found["printer", sampler] - 24) <= 3 for sampler in ("heun", "ancestral"))


def test_candidates_of_every_kind_lie_where_their_settings_do(portraits: Mode) -> None:
    anchors = encode(portraits, [painted(0.7, 20, "heun"), printed("ancestral", 2)]).coordinates
    for considered in (candidates(portraits, "1", anchors, rated=1), enumerate_points(portraits)):
        settings = [
            decode(portraits, api, row) for api, row in zip(considered.apis, considered.coordinates, strict=True)
        ]
        for setting in settings[::17]:
            assert_legal(portraits, setting)
        assert np.abs(encode(portraits, settings).coordinates - considered.coordinates).max() < 1e-12
    assert len(set(settings)) == portraits.size


def test_the_neighbours_of_a_setting_keep_most_choices_and_try_all(portraits: Mode) -> None:
    anchor = encode(portraits, [painted(0.1, 20, "dpm++ 2m")]).coordinates
    considered = candidates(portraits, "1", np.repeat(anchor, 4, axis=0), rated=1)
    # What is near the anchors comes last.
    near = considered.coordinates[considered.apis == 0][-192:, 2:5]
    counts = (near > 0).sum(axis=0)
    assert counts.min() > 0
    assert counts[2] > 0.75 * counts.sum()


@pytest.mark.parametrize(
    "parameter",
    [
        RealParameter("p", "p", -0.1, 0.3, 1),
        IntegerParameter("p", "p", -2, 2),
        CategoricalParameter("p", "p", ("a", "b", "c", "d", "e")),
    ],
    ids=["real", "integer", "categorical"],
)
def test_a_space_of_one_parameter_is_tuned(parameter: RealParameter | IntegerParameter | CategoricalParameter) -> None:
    mode = Mode("portraits", (Api("only", (parameter,)),))
    everything = [decode(mode, 0, row) for row in enumerate_points(mode).coordinates]
    assert len(set(everything)) == 5
    best = everything[3]
    study = ModeStudy("portraits", 3, None, (), ())
    for _ in range(12):
        chosen = propose(mode, study, count=2)
        assert len(set(chosen)) == 2
        for setting in chosen:
            assert_legal(mode, setting)
        new = [Observation("portraits", s, 4.5 if s == best else 2.0, NOW) for s in chosen]
        observations = (*study.observations, *new)
        study = replace(study, observations=observations, hyperparameters=fit(mode, pool(mode, observations), None))
    ratings = pool(mode, study.observations)
    assert find_optimum(mode, ratings, complete(mode, study.hyperparameters), seed="1").setting == best


def test_the_model_finds_the_choice_and_the_number_that_please(portraits: Mode) -> None:
    def worth(setting: Setting) -> float:
        values = dict(setting.values)
        if setting.api == "printer":
            return 2.5
        return 4.6 - 2.0 * (values["sampler"] != "dpm++ 2m") - ((float(values["steps"]) - 38) / 20) ** 2

    study = ModeStudy("portraits", 5, None, (), ())
    for _ in range(15):
        chosen = propose(portraits, study, count=2)
        new = [Observation("portraits", setting, worth(setting), NOW) for setting in chosen]
        observations = (*study.observations, *new)
        learned = fit(portraits, pool(portraits, observations), study.hyperparameters)
        study = replace(study, observations=observations, hyperparameters=learned)
    ratings = pool(portraits, study.observations)
    found = find_optimum(portraits, ratings, complete(portraits, study.hyperparameters), seed="1").setting
    assert worth(found) > 4.4
    assert_legal(portraits, found)


def test_outstanding_suggestions_of_every_kind_are_not_given_again(portraits: Mode) -> None:
    observations = tuple(rated(some(portraits, 8)))
    asked: tuple[Setting, ...] = ()
    for _ in range(10):
        held = tuple(Suggestion(s.key, "portraits", s, NOW, NOW + timedelta(hours=1)) for s in asked)
        asked += propose(portraits, ModeStudy("portraits", 1, None, observations, held), count=3)
    assert len(set(asked)) == len({setting.key for setting in asked}) == 30
