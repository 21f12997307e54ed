"""Simulated raters: the same for every method, and what is called their best is."""

import itertools
from collections.abc import Iterator

import pytest

from benchmarks.tuning.raters import FAMILIES, NOISE, Rater, draw
from benchmarks.tuning.settings import real_parameters

_RATERS = [(family, seed) for family in FAMILIES for seed in range(2)]


@pytest.fixture(scope="module", params=_RATERS, ids=str)
def rater(request: pytest.FixtureRequest) -> Rater:
    return draw(*request.param)


def _settings(rater: Rater, every: int) -> Iterator[dict[str, object]]:
    """Every so many-th value of each parameter, of each API."""
    for api in rater.mode.apis:
        values = (
            [(p.name, p.unscale(step / p.steps)) for step in range(0, p.steps + 1, every)] for p in real_parameters(api)
        )
        for chosen in itertools.product(*values):
            yield {"api": api.name, **dict(chosen)}


def test_no_setting_is_better_than_the_optimum_and_one_is_nearly_as_good(rater: Rater) -> None:
    regrets = [rater.regret(setting) for setting in _settings(rater, every=3)]
    assert min(regrets) >= 0.0
    assert min(regrets) < 0.1
    assert max(regrets) > 1.0


def test_a_family_and_a_seed_always_give_the_same_rater_and_another_seed_another(rater: Rater) -> None:
    again, other = draw(rater.family, rater.seed), draw(rater.family, rater.seed + 100)
    settings = list(_settings(rater, every=14))
    assert [again.value(one) for one in settings] == [rater.value(one) for one in settings]
    assert [other.value(one) for one in settings] != [rater.value(one) for one in settings]


def test_the_nth_rating_errs_by_the_same_amount_whatever_is_rated() -> None:
    rater = draw("smooth", 4)
    inner = [one for one in _settings(rater, every=10) if 2.5 < rater.value(one) < 3.5]
    assert len(inner) > 10
    for nth in range(5):
        errors = [rater.rate(one, nth) - rater.value(one) for one in inner if 1.0 < rater.rate(one, nth) < 5.0]
        assert max(errors) - min(errors) < 1e-9
    first = inner[0]
    errors = [rater.rate(first, nth) - rater.value(first) for nth in range(400)]
    assert sum(errors) / 400 == pytest.approx(0.0, abs=4 * NOISE / 20)
    assert sum(error**2 for error in errors) / 400 == pytest.approx(NOISE**2, rel=0.3)


def test_ratings_keep_to_the_scale_and_odd_seeds_give_halves(rater: Rater) -> None:
    settings = list(_settings(rater, every=9))
    ratings = [rater.rate(one, nth) for nth, one in enumerate(settings)]
    assert all(1.0 <= rating <= 5.0 for rating in ratings)
    halves = all(2.0 * rating == round(2.0 * rating) for rating in ratings)
    assert halves == (rater.seed % 2 == 1)
