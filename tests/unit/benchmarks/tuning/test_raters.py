"""Simulated raters: pairs of runs err alike, and people differ by as much as the figures say."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.tuning.families import FAMILIES, Truth, draw
from benchmarks.tuning.raters import (
    LENIENCY,
    LEVEL,
    NOISE,
    PEOPLE,
    PER_PICTURE,
    SCATTER,
    SLOPE,
    Alike,
    People,
    Person,
    Raters,
)
from benchmarks.tuning.settings import API, Parameters, real_parameters

_SEEDS = 300


def _settings(truth: Truth, count: int) -> Iterator[Parameters]:
    """Settings along the diagonal of either API."""
    for api in truth.mode.apis:
        for share in np.linspace(0.0, 1.0, count):
            yield {API: api.name, **{p.name: p.unscale(float(share)) for p in real_parameters(api)}}


def _middling(truth: Truth) -> list[Parameters]:
    return [one for one in _settings(truth, 40) if 2.5 < truth.value(one) < 3.5]


@pytest.fixture(scope="module")
def teams() -> list[People]:
    truth = draw("smooth", 0)
    identities = [(*truth.identity[:1], seed) for seed in range(_SEEDS)]
    return [People(Truth("smooth", 0, truth.mode, truth.fields, truth.optimum, one)) for one in identities]


def test_the_nth_rating_errs_by_the_same_amount_whatever_is_rated() -> None:
    raters = Alike(draw("smooth", 4))
    inner = _middling(raters.truth)
    assert len(inner) > 5
    for nth in range(5):
        errors = [raters.rate(one, nth) - raters.truth.value(one) for one in inner]
        assert max(errors) - min(errors) < 1e-9
    errors = [raters.rate(inner[0], nth) - raters.truth.value(inner[0]) for nth in range(400)]
    assert sum(errors) / 400 == pytest.approx(0.0, abs=4 * NOISE / 20)
    assert sum(error**2 for error in errors) / 400 == pytest.approx(NOISE**2, rel=0.3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_ratings_keep_to_the_scale_and_to_its_steps(family: str, seed: int) -> None:
    truth = draw(family, seed)
    steps: list[tuple[Raters, float]] = [(People(truth), 1.0), (People(truth, differ=False), 1.0)]
    if seed % 2:
        steps.append((Alike(truth), 0.5))
    for raters, step in steps:
        ratings = [raters.rate(one, nth) for nth, one in enumerate(_settings(truth, 40))]
        assert all(1.0 <= rating <= 5.0 and rating % step == 0.0 for rating in ratings)
        assert len(set(ratings)) > 2


def test_people_take_turns_and_judge_two_settings_on_one_picture() -> None:
    people = People(draw("trap", 7))
    sittings = [people.sitting(nth) for nth in range(10)]
    assert PER_PICTURE == 2
    assert [one.rater for one in sittings] == [f"team-{n}" for n in (1, 1, 2, 2, 3, 3, 4, 4, 1, 1)]
    assert [one.picture for one in sittings] == [f"team-picture-{n}" for n in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)]
    others = People(draw("trap", 7), team="others")
    assert not {one.rater for one in sittings} & {others.sitting(nth).rater for nth in range(10)}


def test_people_differ_by_as_much_as_people_in_tests_of_picture_quality(teams: list[People]) -> None:
    people = [person for team in teams for person in team.people]
    leniency, slope, deviation = (
        np.array([getattr(person, name) for person in people]) for name in ("leniency", "slope", "deviation")
    )
    levels = np.array([team.level(turn) for team in teams for turn in range(PEOPLE)])
    for values, mean, spread in ((leniency, 0.0, LENIENCY), (slope, 1.0, SLOPE), (levels, 0.0, LEVEL)):
        assert values.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(len(values)))
        assert values.std() == pytest.approx(spread, rel=0.1)
    assert np.sqrt(np.mean(deviation**2)) == pytest.approx(SCATTER, rel=0.03)
    # Rounding to whole stars adds a twelfth to the variance. Among 50 people the extremes were .46 and .87.
    rounded = np.sort(np.sqrt(deviation[:1200] ** 2 + 1 / 12).reshape(24, 50), axis=1)
    assert rounded[:, 0].mean() == pytest.approx(0.46, abs=0.05)
    assert rounded[:, -1].mean() == pytest.approx(0.87, abs=0.05)
    assert np.sqrt(np.mean(rounded**2)) == pytest.approx(0.60, abs=0.02)


def test_ratings_have_the_moments_of_what_is_made_of_them(teams: list[People]) -> None:
    """Of one setting in the middle of the scale, over many teams: bias, level and scatter add up, rounding included."""
    truth = teams[0].truth
    setting = min(_settings(truth, 40), key=lambda one: abs(truth.value(one) - 3.0))
    value = truth.value(setting)
    by_turn = np.array([[team.rate(setting, nth) for nth in range(2 * PEOPLE)] for team in teams]) - value
    single = SCATTER**2 + 1 / 12
    assert by_turn.mean() == pytest.approx(0.0, abs=0.06)
    assert by_turn.var() == pytest.approx(LENIENCY**2 + LEVEL**2 + single, rel=0.12)
    # Two ratings of one sitting share who rated and the picture; of two sittings they share nothing.
    within = np.mean(by_turn[:, 0::2] * by_turn[:, 1::2])
    between = np.mean(by_turn[:, 0] * by_turn[:, 2])
    assert within == pytest.approx(LENIENCY**2 + LEVEL**2, rel=0.25)
    assert between == pytest.approx(0.0, abs=0.08)


def test_where_all_are_alike_a_rating_scatters_as_much_and_nothing_is_shared(teams: list[People]) -> None:
    truth = teams[0].truth
    setting = min(_settings(truth, 40), key=lambda one: abs(truth.value(one) - 3.0))
    alike = [People(team.truth, differ=False) for team in teams]
    errors = np.array([[team.rate(setting, nth) for nth in range(4)] for team in alike]) - truth.value(setting)
    assert errors.var() == pytest.approx(SCATTER**2 + 1 / 12, rel=0.15)
    assert np.mean(errors[:, 0] * errors[:, 1]) == pytest.approx(0.0, abs=0.06)
    assert {person for team in alike for person in team.people} == {Person(0.0, 1.0, SCATTER)}


def test_a_wide_use_of_the_scale_stretches_it_around_its_middle() -> None:
    truth = draw("smooth", 0)
    people = People(truth)
    for value in (2.4, 3.8):
        setting = min(_settings(truth, 200), key=lambda one: abs(truth.value(one) - value))
        for slope in (0.5, 1.3):
            people.people = (Person(0.0, slope, SCATTER),) * PEOPLE
            mean = np.mean([people.rate(setting, nth) for nth in range(1_200)])
            assert mean == pytest.approx(3.0 + slope * (truth.value(setting) - 3.0), abs=0.1)


def test_a_truth_always_has_the_same_people_and_another_has_others() -> None:
    first, again, other = (People(draw("ridge", seed)) for seed in (5, 5, 6))
    setting = next(iter(_settings(first.truth, 3)))
    assert first.people == again.people != other.people
    assert [first.rate(setting, nth) for nth in range(50)] == [again.rate(setting, nth) for nth in range(50)]
    assert [first.level(turn) for turn in range(25)] != [other.level(turn) for turn in range(25)]
    # Whoever asks first, and in what order, changes nothing.
    assert again.rate(setting, 3) == People(draw("ridge", 5)).rate(setting, 3)
