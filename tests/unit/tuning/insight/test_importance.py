"""How much each parameter matters."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spaces import modes
from tests.support.thorough import examples
from tests.unit.tuning.insight.conftest import Study
from tuning.insight.importance import ApiImportance, importance, sobol_shares
from tuning.insight.knowledge import Knowledge
from tuning.model.arrays import Floats
from tuning.model.design import initial_design
from tuning.observations import Observation, Setting
from tuning.spaces import Mode, Spaces
from tuning.study import ModeStudy


def of(mode: Mode, study: ModeStudy) -> dict[str, ApiImportance]:
    known = Knowledge.of(mode, study)
    assert known is not None
    return {one.api: one for one in importance(known)}


def test_an_additive_function_has_the_shares_of_its_terms() -> None:
    weights = np.array([1.0, 2.0, 3.0, 0.0])
    spread, first, total = sobol_shares(lambda unit: unit @ weights, 4, count=512)

    assert spread == pytest.approx(math.sqrt(14 / 12), rel=0.02)
    assert first == pytest.approx(weights**2 / 14, abs=0.02)
    assert total == pytest.approx(first, abs=0.03)


def test_ishigamis_function_has_the_shares_that_are_known_of_it() -> None:
    def ishigami(unit: Floats) -> Floats:
        x = np.pi * (2 * unit - 1)
        return np.asarray(np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))

    _, first, total = sobol_shares(ishigami, 3, count=2048)

    # T. Homma and A. Saltelli, Reliability Engineering and System Safety 52 (1996).
    assert first == pytest.approx([0.3139, 0.4424, 0.0], abs=0.03)
    assert total == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)


def test_a_product_acts_together_alone() -> None:
    _, first, total = sobol_shares(lambda unit: (unit[:, 0] - 0.5) * (unit[:, 1] - 0.5), 2, count=1024)

    assert first == pytest.approx([0.0, 0.0], abs=0.05)
    assert total == pytest.approx([1.0, 1.0], abs=0.05)


def test_fifteen_dimensions_have_shares_too() -> None:
    weights = np.arange(15.0)
    _, first, total = sobol_shares(lambda unit: unit @ weights, 15, count=2048)

    assert first == pytest.approx(weights**2 / (weights**2).sum(), abs=0.05)
    assert total == pytest.approx(first, abs=0.05)


def test_where_nothing_varies_nothing_matters() -> None:
    spread, first, total = sobol_shares(lambda unit: np.full(len(unit), 3.0), 3, count=64)

    assert (spread, first.tolist(), total.tolist()) == (0.0, [0.0] * 3, [0.0] * 3)


def test_the_parameter_that_ratings_follow_matters_most(mode: Mode, study: Study) -> None:
    found = of(mode, study(150, lambda setting: 1.5 + 3 * (float(setting.values[1][1]) - 5) / 7))

    for api in mode.apis:
        shares = {one.parameter: one for one in found[api.name].parameters}
        assert list(shares) == [parameter.name for parameter in api.parameters]
        assert shares["guidance_scale"].first > 0.8
        assert 0.5 < found[api.name].spread < 1.0  # it is 3 / √12 of the ratings, which the prior makes less of


def test_each_api_has_its_own_parameters_and_choices_count(mixed: Spaces) -> None:
    mode, now = mixed.modes[0], datetime(2030, 1, 1, tzinfo=UTC)
    rated = [
        Observation(mode.name, setting, 4.5 if dict(setting.values)["sampler"] == "heun" else 2.0, now)
        for setting, _ in zip(initial_design(mode, "1"), range(120), strict=False)
    ]
    found = of(mode, ModeStudy(mode.name, 1, None, tuple(rated), ()))

    assert [one.parameter for one in found["painter"].parameters] == ["strength", "steps", "sampler"]
    assert [one.parameter for one in found["printer"].parameters] == ["sampler", "passes"]
    assert all(max(api.parameters, key=lambda one: one.first).parameter == "sampler" for api in found.values())


def test_shares_of_any_study_lie_within_their_bounds(mode: Mode, study: Study) -> None:
    for count in (6, 20, 50):
        for api in of(mode, study(count, raters=3)).values():
            assert sum(one.first for one in api.parameters) <= 1.1
            assert all(0.0 <= one.first <= one.total <= 1.0 for one in api.parameters)


@settings(max_examples=examples(20), deadline=None)
@given(st.data())
def test_any_space_has_finite_shares(data: st.DataObject) -> None:
    mode, now = data.draw(modes()), datetime(2030, 1, 1, tzinfo=UTC)
    drawn = [setting for setting, _ in zip(initial_design(mode, "1"), range(8), strict=False)]
    rated = [Observation("any", setting, 1.0 + number % 9 / 2, now) for number, setting in enumerate(drawn)]

    for api in of(mode, ModeStudy("any", 1, None, tuple(rated), ())).values():
        assert math.isfinite(api.spread)
        assert all(0.0 <= one.first <= one.total <= 1.0 for one in api.parameters)


def test_a_parameter_that_was_only_ever_rated_at_one_value_has_finite_shares(mode: Mode, study: Study) -> None:
    """No space has a parameter of a single value (tests/unit/tuning/validation/test_space_file.py); ratings may."""
    observations = tuple(
        replace(one, setting=Setting("leonardo", (*one.setting.values[:2], ("controlnet_weight", 0.85))))
        for one in study(40).observations
        if one.setting.api == "leonardo"
    )
    shares = of(mode, replace(study(0), observations=observations))["leonardo"].parameters

    assert all(0.0 <= one.first <= one.total <= 1.0 for one in shares)
