"""Each API's chance of holding the best setting."""

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.tuning.insight.conftest import Study
from tuning.insight.chances import chances
from tuning.insight.knowledge import Knowledge
from tuning.model.cholesky import Cholesky
from tuning.model.encoding import from_unit, points_at
from tuning.model.sobol import sobol
from tuning.spaces import Api, Mode
from tuning.study import ModeStudy


def of(mode: Mode, study: ModeStudy) -> dict[str, float]:
    known = Knowledge.of(mode, study)
    assert known is not None
    return dict(chances(known))


@pytest.mark.parametrize("count", [6, 24, 80])
def test_chances_add_up_to_one_and_are_the_same_every_time(count: int, mode: Mode, study: Study) -> None:
    found = of(mode, study(count))

    assert list(found) == [api.name for api in mode.apis]
    assert sum(found.values()) == pytest.approx(1.0)
    assert found == of(mode, study(count))


def test_an_api_that_is_far_better_holds_the_best(mode: Mode, study: Study) -> None:
    assert of(mode, study(60, lambda setting: 4.5 if setting.api == "leonardo" else 2.0))["leonardo"] > 0.97


def test_apis_that_are_alike_have_even_chances(mode: Mode, study: Study) -> None:
    found = [of(mode, study(40, lambda _: 3.0, seed=seed))["leonardo"] for seed in range(6)]

    assert 0.35 < np.mean(found) < 0.65


def test_they_are_those_of_draws_over_a_finer_spread(mode: Mode, study: Study) -> None:
    known = Knowledge.of(mode, study(30, lambda setting: 3.5 + 0.2 * (setting.api == "leonardo")))
    assert known is not None
    spread = sobol(700, len(mode.axes), seed="finer")
    placed = np.concatenate([from_unit(mode, api, spread) for api in range(2)])
    posterior = known.surrogate.posterior(points_at(mode, placed, np.repeat(np.arange(2), len(spread))))
    every = np.arange(len(placed))
    factor = Cholesky(posterior.covariance(every), np.zeros(len(placed)))
    drawn = posterior.mean[:, None] + factor.lower @ np.random.default_rng(9).standard_normal((len(placed), 4_000))
    share = np.mean(drawn[:700].max(axis=0) > drawn[700:].max(axis=0))

    assert dict(chances(known))["leonardo"] == pytest.approx(share, abs=0.07)


def test_a_single_api_is_sure_and_many_share(mode: Mode, study: Study) -> None:
    only = Mode(mode.name, mode.apis[:1])
    observations = tuple(one for one in study(20).observations if one.setting.api == "leonardo")
    assert of(only, replace(study(20), observations=observations)) == {"leonardo": 1.0}

    apis = tuple(Api(f"api{number}", mode.apis[0].parameters) for number in range(12))
    many = Mode("many", apis)
    spread = tuple(
        replace(one, setting=replace(one.setting, api=f"api{number % 12}"))
        for number, one in enumerate(one for one in study(80).observations if one.setting.api == "leonardo")
    )
    found = of(many, ModeStudy("many", 1, None, spread, ()))
    assert len(found) == 12
    assert sum(found.values()) == pytest.approx(1.0)
