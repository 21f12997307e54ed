"""People as they are: whoever rates, and whatever is said of pictures, suggestions and recommendations stay sound."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spaces import assert_legal
from tests.support.thorough import examples
from tuning.model.acquisition import find_optimum
from tuning.model.design import initial_design
from tuning.model.learning import fit
from tuning.model.pooling import pool
from tuning.model.priors import complete
from tuning.model.surrogate import Surrogate
from tuning.observations import Observation
from tuning.spaces import Mode
from tuning.study import Hyperparameters, ModeStudy
from tuning.suggest import propose
from tuning.validation.space_file import load_spaces

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
MODE = load_spaces().modes[0]
DESIGN = [setting for setting, _ in zip(initial_design(MODE, "people"), range(60), strict=False)]

Who = Callable[[int], str | None]


def study(observations: list[Observation], learned: Hyperparameters | None = None) -> ModeStudy:
    return ModeStudy(MODE.name, 3, learned, tuple(observations), ())


def told(count: int, rating: Callable[[int], float], rater: Who, picture: Who) -> list[Observation]:
    """So many ratings of settings of a design, of which every tenth is rated again."""
    return [
        Observation(
            MODE.name,
            DESIGN[(index - index // 10) % len(DESIGN)],
            rating(index),
            NOW,
            rater=rater(index),
            picture=picture(index),
        )
        for index in range(count)
    ]


def assert_sound(mode: Mode, observations: list[Observation]) -> None:
    """Learning, proposing and recommending end well: finite, within the space, the same when done again."""
    ratings = pool(mode, observations)
    learned = fit(mode, ratings, None)
    assert all(math.isfinite(value) and value > 0 for _, value in learned.lengthscales)
    assert math.isfinite(learned.noise_variance)
    known = study(observations, learned)
    chosen = propose(mode, known, count=2)
    assert chosen == propose(mode, known, count=2)
    assert len(set(chosen)) == 2
    best = find_optimum(mode, ratings, complete(mode, learned), seed="3")
    for setting in (*chosen, best.setting):
        assert_legal(mode, setting)
    assert math.isfinite(best.mean)
    assert 0 <= best.deviation < 2
    assert 0 <= best.expected_improvement < 5


def wave(index: int) -> float:
    return 1.0 + (index * 7 % 9) / 2


def nobody(_: int) -> None:
    return None


def ana_or_bo(index: int) -> str:
    return "ana" if index % 3 else "bo"


CROWDS: dict[str, tuple[int, Callable[[int], float], Who, Who]] = {
    "one rater who always says 3": (
        30,
        lambda i: 3.0 if i % 3 else wave(i),
        lambda i: "ana" if i % 3 else "bo",
        nobody,
    ),
    "one rater who always says 5": (
        30,
        lambda i: 5.0 if i % 3 else wave(i),
        lambda i: "ana" if i % 3 else "bo",
        nobody,
    ),
    "nobody but one who always says 5": (16, lambda _: 5.0, lambda _: "ana", lambda _: "dog"),
    "two who contradict each other": (40, lambda i: 5.0 if i % 2 else 1.0, lambda i: f"r{i % 2}", nobody),
    "a rater per rating": (40, wave, lambda i: f"r{i}", nobody),
    "a picture per rating": (40, wave, nobody, lambda i: f"p{i}"),
    "a rater and a picture per rating": (40, wave, lambda i: f"r{i}", lambda i: f"p{i}"),
    "one picture for everything": (40, wave, lambda i: f"r{i % 4}", lambda _: "dog"),
    "one rater for everything": (40, wave, lambda _: "ana", nobody),
    "raters whose names differ by case": (40, wave, lambda i: ("ana", "Ana", "ANA")[i % 3], nobody),
    "ratings with and without a rater": (
        40,
        wave,
        lambda i: "ana" if i % 2 else None,
        lambda i: "p" if i % 3 else None,
    ),
    "1,000 raters": (1_200, wave, lambda i: f"r{i % 1_000}", lambda i: f"p{i // 2}"),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_whoever_rates_the_study_stays_sound(crowd: str) -> None:
    assert_sound(MODE, told(*CROWDS[crowd]))


NAMES = st.one_of(st.none(), st.sampled_from(["ana", "Ana", "bo", "r", "p", "ñandú"]))


@st.composite
def crowds(draw: st.DrawFn) -> list[Observation]:
    """Ratings in whole stars, in halves or in any, by people some of whom are named, on pictures some of which are."""
    step = draw(st.sampled_from([1.0, 0.5, 0.01]))
    count = draw(st.integers(1, 30))
    stars = st.integers(0, round(4 / step)).map(lambda n: 1.0 + n * step)
    return [
        Observation(
            MODE.name, DESIGN[draw(st.integers(0, 20))], draw(stars), NOW, rater=draw(NAMES), picture=draw(NAMES)
        )
        for _ in range(count)
    ]


@settings(max_examples=examples(12), deadline=None)
@given(crowds())
def test_any_crowd_leaves_the_study_sound(observations: list[Observation]) -> None:
    assert_sound(MODE, observations)


@settings(max_examples=examples(12), deadline=None)
@given(crowds())
def test_names_name_and_mean_nothing(observations: list[Observation]) -> None:
    def renamed(name: str | None, prefix: str) -> str | None:
        return name and f"{prefix}-{len(name)}-{name[::-1]}"

    others = [replace(one, rater=renamed(one.rater, "z"), picture=renamed(one.picture, "a")) for one in observations]
    assert propose(MODE, study(observations), count=2) == propose(MODE, study(others), count=2)
    assert fit(MODE, pool(MODE, observations), None) == fit(MODE, pool(MODE, others), None)


def test_without_names_nothing_is_known_of_people() -> None:
    plain = pool(MODE, told(20, wave, nobody, nobody))
    assert Surrogate.of(plain, complete(MODE, None)).judgement is None
    named = pool(MODE, told(20, wave, lambda _: "ana", nobody))
    assert Surrogate.of(named, complete(MODE, None)).judgement is not None
