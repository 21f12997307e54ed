"""True ratings: the same for every method, what is called the best is, and related studies are near."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import least_squares

from benchmarks.tuning.families import FAMILIES, RAISED, Truth, draw, related, unrelated
from benchmarks.tuning.settings import real_parameters

_TRUTHS = [(family, seed) for family in FAMILIES for seed in range(2)]


@pytest.fixture(scope="module", params=_TRUTHS, ids=str)
def truth(request: pytest.FixtureRequest) -> Truth:
    return draw(*request.param)


def _settings(truth: Truth, every: int) -> Iterator[dict[str, object]]:
    """Every so many-th value of each parameter, of each API."""
    for api in truth.mode.apis:
        values = (
            [(p.name, p.unscale(step / p.steps)) for step in range(0, p.steps + 1, every)] for p in real_parameters(api)
        )
        for chosen in itertools.product(*values):
            yield {"api": api.name, **dict(chosen)}


def test_no_setting_is_better_than_the_optimum_and_one_is_nearly_as_good(truth: Truth) -> None:
    regrets = [truth.regret(setting) for setting in _settings(truth, every=3)]
    assert min(regrets) >= 0.0
    assert min(regrets) < 0.1
    assert max(regrets) > 1.0


def test_a_family_and_a_seed_always_give_the_same_truth_and_another_seed_another(truth: Truth) -> None:
    again, other = draw(truth.family, truth.seed), draw(truth.family, truth.seed + 100)
    settings = list(_settings(truth, every=14))
    assert [again.value(one) for one in settings] == [truth.value(one) for one in settings]
    assert [other.value(one) for one in settings] != [truth.value(one) for one in settings]


def test_a_related_study_is_near_and_an_unrelated_one_is_not() -> None:
    near, far, shifts = [], [], []
    for family in FAMILIES:
        for seed in range(6):
            truth = draw(family, seed)
            settings = list(_settings(truth, every=9))
            values = np.array([truth.value(one) for one in settings])
            others = [[other.value(one) for one in settings] for other in (related(truth), unrelated(truth))]
            near.append(np.corrcoef(values, others[0])[0, 1])
            far.append(np.corrcoef(values, others[1])[0, 1])
            shifts.append(related(truth).optimum - truth.optimum)
    assert np.mean(near) > 0.75
    assert abs(np.mean(far)) < 0.25
    # An optimum that is moved beyond the bounds is lower.
    assert max(shifts) <= RAISED + 0.01
    assert min(shifts) < -0.1


def test_a_related_study_is_moved_and_raised_as_a_whole() -> None:
    truth = draw("smooth", 3)
    older = related(truth)
    identical = related(draw("smooth", 3))
    inside = np.random.default_rng(0).uniform(0.2, 0.8, (500, 3))
    for field, moved, again in zip(truth.fields, older.fields, identical.fields, strict=True):
        assert np.array_equal(moved(inside), again(inside))
        # Some move of at most 0.1 per coordinate and some rise explain it all.
        found = least_squares(lambda by, f=field, m=moved: f(inside - by[:3]) + by[3] - m(inside), np.zeros(4)).x
        assert np.abs(field(inside - found[:3]) + found[3] - moved(inside)).max() < 1e-6
        assert np.abs(found[:3]).max() <= 0.1
        assert abs(found[3]) <= RAISED
        assert np.abs(found).min() > 0.001
