"""Every method that is installed keeps to what the comparison asks of it; peers are skipped where they are not."""

from collections.abc import Callable

import pytest

from benchmarks.tuning.families import draw
from benchmarks.tuning.methods import METHODS, Method
from benchmarks.tuning.methods.flat_space import BestRated, to_parameters
from benchmarks.tuning.methods.random_search import RandomSearch
from benchmarks.tuning.raters import Alike
from benchmarks.tuning.runs import rate_batch
from benchmarks.tuning.settings import Parameters, real_parameters, snap
from tuning.spaces import Mode

_BATCHES = 4  # the third is a model's with every method that begins with five ratings


@pytest.fixture(scope="module")
def mode() -> Mode:
    return draw("smooth", 0).mode


@pytest.fixture(scope="module", params=METHODS)
def start(request: pytest.FixtureRequest, mode: Mode) -> Callable[[int], Method]:
    try:
        adapter = METHODS[request.param].load()
    except ImportError as error:
        pytest.skip(f"needs what benchmarks/tuning/requirements.txt lists: {error.name}")
    return lambda seed: adapter(mode, seed)


@pytest.fixture(scope="module")
def tuned(start: Callable[[int], Method], mode: Mode) -> list[Parameters]:
    """What the method of seed 3 had rated, and recommends."""
    return _tune(start(3), mode)


def _tune(method: Method, mode: Mode) -> list[Parameters]:
    """Rates leonardo's settings 4 and more, the other's 2 and less; what was rated, the last being recommended."""
    rated: list[Parameters] = []
    for _ in range(_BATCHES):
        batch = [snap(mode, parameters) for parameters in method.ask(2)]
        method.tell([(one, (4.0 if one["api"] == "leonardo" else 2.0) - len(rated) / 10) for one in batch])
        rated += batch
    return [*rated, snap(mode, method.recommend())]


def test_it_proposes_and_recommends_settings_of_the_space(tuned: list[Parameters], mode: Mode) -> None:
    assert len(tuned) == 2 * _BATCHES + 1
    for setting in tuned:
        api = next(api for api in mode.apis if api.name == setting["api"])
        assert list(setting) == ["api", *(p.name for p in api.parameters)]
        assert all(p.low <= float(str(setting[p.name])) <= p.high for p in real_parameters(api))


def test_it_recommends_what_was_rated_better_by_far(tuned: list[Parameters]) -> None:
    assert {one["api"] for one in tuned[:-1]} == {"leonardo", "stablediffusion"}
    assert tuned[-1]["api"] == "leonardo"


def test_its_seed_makes_it_what_it_is(start: Callable[[int], Method], tuned: list[Parameters], mode: Mode) -> None:
    assert _tune(start(3), mode) == tuned
    assert _tune(start(4), mode) != tuned


def test_a_method_that_gives_fewer_settings_than_asked_for_is_not_measured(mode: Mode) -> None:
    class Stingy(RandomSearch):
        def ask(self, n: int) -> list[Parameters]:
            return super().ask(n - 1)

    with pytest.raises(ValueError, match="asked for 2 settings, Stingy gave 1"):
        rate_batch(Stingy(mode, 0), Alike(draw("smooth", 0)), 0)


def test_a_point_of_the_flat_space_is_each_apis_own_setting(mode: Mode) -> None:
    point = {"api": "stablediffusion", "strength": 0.0, "guidance": 1.0, "control_weight": 0.5}
    assert to_parameters(mode, point) == {
        "api": "stablediffusion",
        "strength": 0.1,
        "guidance_scale": 12.0,
        "controlnet_conditioning_scale": pytest.approx(0.845),
    }


def test_of_equally_rated_settings_the_first_is_best() -> None:
    best = BestRated()
    with pytest.raises(ValueError, match="nothing is rated yet"):
        _ = best.parameters
    for name, rating in (("a", 3.0), ("b", 4.5), ("c", 4.5), ("d", 1.0)):
        best.note({"api": name}, rating)
    assert best.parameters == {"api": "b"}
