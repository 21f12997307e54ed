"""What is expected along one parameter, or over two."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spaces import assert_legal, modes
from tests.support.thorough import examples
from tests.unit.tuning.insight.conftest import NOW, Study
from tuning.errors import StudyMissingError, TooFewRatingsError
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import recommend
from tuning.insight.scale import expected_rating
from tuning.insight.slices import Slice, Slices, explore, slice_through, values_of
from tuning.model.design import initial_design
from tuning.model.encoding import encode
from tuning.observations import Observation, Setting
from tuning.spaces import IntegerParameter, Mode, RealParameter, Spaces
from tuning.stores.port import ObservationStore
from tuning.study import Hyperparameters, ModeStudy
from tuning.validation.slices import parse_slice

RateMany = Callable[[int], list[Observation]]


def sliced(spaces: Spaces, study: ModeStudy, *parameters: str, **asked: Any) -> Slices:
    return slice_through(parse_slice({"parameters": parameters, **asked}, spaces), study)


def of(found: Slices, api: str) -> Slice:
    return next(one for one in found.slices if one.api == api)


def test_a_slice_is_the_posterior_through_the_recommendation(mode: Mode, spaces: Spaces, study: Study) -> None:
    known = study(30)
    knowledge = Knowledge.of(mode, known)
    assert knowledge is not None
    best = recommend(knowledge)
    found = of(sliced(spaces, known, "guidance_scale", points=8), best.setting.api)

    assert found.through == best.setting
    assert [point.values for point in found.points] == [(5.0 + step,) for step in range(8)]
    for point in found.points:
        setting = Setting(found.api, tuple({**dict(best.setting.values), "guidance_scale": point.values[0]}.items()))
        posterior = knowledge.surrogate.posterior(encode(mode, [setting]))
        assert point.mean == pytest.approx(float(expected_rating(posterior.mean, posterior.deviation)[0]))
        assert point.deviation == pytest.approx(float(posterior.deviation[0]))
        assert 1.0 <= point.interval[0] <= point.mean <= point.interval[1] <= 5.0
    # Nothing on the line is better than the recommendation, which is on it up to the grid.
    assert max(point.mean for point in found.points) <= best.mean + 0.02


def test_each_api_has_a_slice_along_its_own_parameter_of_the_coordinate(spaces: Spaces, study: Study) -> None:
    found = sliced(spaces, study(20), "init_strength")

    assert [(one.api, one.parameters) for one in found.slices] == [
        ("leonardo", ("init_strength",)),
        ("stablediffusion", ("strength",)),
    ]
    assert [one.through.api for one in found.slices] == ["leonardo", "stablediffusion"]
    (only,) = sliced(spaces, study(20), "init_strength", api="leonardo").slices
    assert only == of(found, "leonardo")


def test_a_plane_has_its_points_row_by_row(spaces: Spaces, study: Study) -> None:
    found = of(sliced(spaces, study(20), "guidance_scale", "init_strength", points=3), "leonardo")

    assert found.parameters == ("guidance_scale", "init_strength")
    rows = [(guidance, strength) for guidance in (5.0, 8.5, 12.0) for strength in (0.1, 0.3, 0.5)]
    assert [point.values for point in found.points] == rows


def test_what_is_fixed_holds_and_leaves_out_who_cannot_have_it(spaces: Spaces, study: Study) -> None:
    found = sliced(spaces, study(20), "guidance_scale", fixed={"init_strength": "0.22", "controlnet_weight": 0.8})

    assert [one.api for one in found.slices] == ["leonardo"]
    assert dict(found.slices[0].through.values) | {"guidance_scale": 0} == {
        "init_strength": 0.22,
        "guidance_scale": 0,
        "controlnet_weight": 0.8,
    }


def test_rated_settings_on_the_slice_are_near_and_far_ones_are_not(mode: Mode, spaces: Spaces, study: Study) -> None:
    known = study(12)
    on, off = ({"init_strength": 0.3, "guidance_scale": 6.0, "controlnet_weight": weight} for weight in (0.8, 0.99))
    told = [Observation(mode.name, Setting("leonardo", tuple(one.items())), 4.0, NOW) for one in (on, on, off)]
    tight = Hyperparameters((("strength", 0.1), ("guidance", 0.1), ("control_weight", 0.1)), 1.0, 0.1, 0.5, 12)
    known = replace(known, observations=(*known.observations, *told), hyperparameters=tight)
    found = of(
        sliced(spaces, known, "guidance_scale", fixed={"init_strength": 0.3, "controlnet_weight": 0.8}), "leonardo"
    )

    nearest = found.near[0]
    assert (nearest.setting.to_plain(), nearest.ratings, nearest.mean_rating) == ({"api": "leonardo", **on}, 2, 4.0)
    assert nearest.nearness == pytest.approx(1.0)
    assert told[2].setting not in {one.setting for one in found.near}
    assert [one.nearness for one in found.near] == sorted((one.nearness for one in found.near), reverse=True)
    assert all(0.5 <= one.nearness <= 1.0 for one in found.near)


@pytest.mark.parametrize("ratings", [0, 5])
def test_before_six_ratings_it_says_how_many_are_missing(ratings: int, spaces: Spaces, study: Study) -> None:
    with pytest.raises(TooFewRatingsError, match=f"rate {6 - ratings} more"):
        sliced(spaces, study(ratings), "guidance_scale")


def test_values_are_spread_over_the_range_without_repetition(mixed: Spaces) -> None:
    painter, printer = mixed.modes[0].apis
    assert values_of(painter.parameters[2], 2) == ["euler", "heun", "dpm++ 2m"]
    assert values_of(printer.parameters[1], 101) == [1, 2, 3, 4]
    assert values_of(IntegerParameter("n", "n", 0, 100), 3) == [0, 50, 100]
    assert values_of(RealParameter("x", "x", 0.0, 1.0, 1), 101) == pytest.approx([step / 10 for step in range(11)])


def test_a_choice_has_a_point_for_each_choice(mixed: Spaces) -> None:
    mode = mixed.modes[0]
    rated = [
        Observation(mode.name, setting, 3.0, NOW)
        for setting, _ in zip(initial_design(mode, "1"), range(9), strict=False)
    ]
    found = sliced(mixed, ModeStudy(mode.name, 1, None, tuple(rated), ()), "sampler", "steps", points=3)

    painter = of(found, "painter")
    assert len(painter.points) == 9
    assert {point.values[0] for point in painter.points} == {"euler", "heun", "dpm++ 2m"}
    # The printer's `passes` share the coordinate of the painter's `steps`.
    assert of(found, "printer").parameters == ("sampler", "passes")


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_any_space_can_be_sliced_along_any_of_its_parameters(data: st.DataObject) -> None:
    mode = data.draw(modes())
    drawn = [setting for setting, _ in zip(initial_design(mode, "1"), range(8), strict=False)]
    rated = [Observation("any", setting, 1.0 + number % 9 / 2, NOW) for number, setting in enumerate(drawn)]
    names = sorted({parameter.name for api in mode.apis for parameter in api.parameters})
    found = sliced(
        Spaces((mode,), "any"), ModeStudy("any", 1, None, tuple(rated * 2), ()), data.draw(st.sampled_from(names))
    )

    assert found.slices
    for one in found.slices:
        assert_legal(mode, one.through)
        assert np.isfinite([(point.mean, point.deviation, *point.interval) for point in one.points]).all()


def test_it_is_explored_in_a_store(store: ObservationStore, spaces: Spaces, rate_many: RateMany) -> None:
    store.record(rate_many(10), idempotency_key=None)

    found = explore(store, spaces, asked={"parameters": "guidance_scale"})
    assert (found.study, found.mode, found.samples_seen, len(found.slices)) == ("default", "structure", 10, 2)
    with pytest.raises(StudyMissingError):
        explore(store, spaces, asked={"parameters": "guidance_scale"}, study="kitchens")
