"""The façade: ask and tell in memory, the same answers for the same calls, nothing told when anything is wrong."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.spaces import MIXED, assert_legal
from tuning import Tuner
from tuning.errors import InvalidRequestError, NoRatingsError, SpaceError, SpaceExhaustedError
from tuning.model import learning
from tuning.model.pooling import MAX_POINTS, Ratings
from tuning.observations import Setting
from tuning.spaces import Mode, Spaces
from tuning.stats import summarize
from tuning.stores.port import ObservationStore
from tuning.studies import INITIAL_RATINGS, Hyperparameters
from tuning.update import ALWAYS_REFIT, update
from tuning.validation import MAX_COUNT

LEONARDO = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}


def worth(parameters: Mapping[str, object]) -> float:
    """What a rater without noise, who likes leonardo at a strength of 0.3, thinks."""
    strength = float(str(parameters.get("init_strength", 0.1)))
    return max(1.0, 4.5 - 20 * (strength - 0.3) ** 2 - (parameters["api"] != "leonardo"))


def tuned(rounds: int, **how: Any) -> Tuner:
    tuner = Tuner(**how)
    for _ in range(rounds):
        tuner.tell([(one.parameters, worth(one.parameters)) for one in tuner.ask()])
    return tuner


def test_a_study_is_tuned_from_nothing() -> None:
    tuner = tuned(12, seed=1)
    best = tuner.recommend()
    assert worth(best.parameters) > 4.3
    assert best.mean == pytest.approx(4.5, abs=0.4)
    assert 0 < best.deviation < 0.5
    stats = tuner.stats()
    assert (stats.samples_seen, stats.convergence) == (24, 0.48)
    assert stats.recommendation == best


def test_what_is_asked_for_is_legal_plain_json(spaces: Spaces) -> None:
    tuner = Tuner()
    for count in (1, 2, MAX_COUNT):
        asked = tuner.ask(count)
        assert len(asked) == count
        for one in asked:
            assert json.loads(json.dumps(one.parameters)) == one.parameters
            assert_legal(spaces.modes[0], Setting.from_plain(one.parameters))


def test_the_same_seed_and_calls_give_the_same_answers_and_another_seed_others() -> None:
    def answers(seed: int) -> list[Any]:
        tuner = tuned(5, seed=seed)
        return [tuner.ask(3), tuner.recommend(), tuner.stats()]

    assert answers(3) == answers(3)
    assert answers(3)[0] != answers(4)[0]


@pytest.mark.parametrize("rounds", [0, 4])
def test_what_was_asked_for_is_not_suggested_again_until_it_is_told(rounds: int) -> None:
    tuner = tuned(rounds)
    held = tuner.ask(MAX_COUNT)
    for _ in range(3):
        more = tuner.ask(MAX_COUNT)
        assert not [one for one in more if one in held]
        held += more
        tuner.tell([(LEONARDO, 3)])


def test_a_small_space_is_exhausted_and_free_again_once_told(tmp_path: Path) -> None:
    path = tmp_path / "tiny.toml"
    table = '[apis.a.p]\nkind = "categorical"\ncoordinate = "p"\nchoices = ["x", "y"]\n'
    path.write_text(f'default_mode = "m"\n[modes.m]\napis = ["a"]\n{table}')
    tuner = Tuner("m", space=path)
    first, _ = tuner.ask(2)
    with pytest.raises(SpaceExhaustedError):
        tuner.ask(1)
    tuner.tell([(first.parameters, 4)])
    assert tuner.ask(1) == [first]


def test_it_knows_what_the_functions_know(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    told = [(LEONARDO | {"init_strength": 0.1 + step / 50}, 1 + step / 5) for step in range(20)]
    tuner = Tuner(seed=store.study("structure", now=now).seed)
    for start in (0, 10):
        tuner.tell(told[start : start + 10])
        results = [{"parameters": parameters, "rating": rating} for parameters, rating in told[start : start + 10]]
        update(store, spaces, results=results, now=now)
    assert tuner.stats() == summarize(store, spaces, mode="structure")


def test_it_learns_when_an_update_does(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted_on: list[int] = []
    fit = learning.fit

    def note(mode: Any, ratings: Any, start: Any, *, time_budget: float) -> Any:
        # A budget would make what is learned depend on the machine's speed.
        assert time_budget == math.inf
        fitted_on.append(ratings.total)
        return fit(mode, ratings, start, time_budget=time_budget)

    monkeypatch.setattr(learning, "fit", note)
    tuner = Tuner()
    for size in (INITIAL_RATINGS - 1, 1, ALWAYS_REFIT - INITIAL_RATINGS, 1, ALWAYS_REFIT - 1):
        tuner.tell([(LEONARDO, 3)] * size)
    assert fitted_on == [INITIAL_RATINGS, ALWAYS_REFIT, 2 * ALWAYS_REFIT]


def test_learning_goes_on_when_more_settings_are_rated_than_the_model_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted_on: list[int] = []

    def note(mode: Mode, ratings: Ratings, start: Hyperparameters | None, *, time_budget: float) -> Hyperparameters:
        fitted_on.append(ratings.total)
        return Hyperparameters((), 1.0, 0.2, 0.5, ratings.total)  # a fit of hundreds of settings takes a minute

    monkeypatch.setattr(learning, "fit", note)
    tuner = Tuner()
    settings = [LEONARDO | {"guidance_scale": 5 + step / 400} for step in range(2_000)]
    assert 4 * ALWAYS_REFIT > MAX_POINTS
    for start in range(0, len(settings), ALWAYS_REFIT):
        tuner.tell([(one, 3) for one in settings[start : start + ALWAYS_REFIT]])
    assert fitted_on == [ALWAYS_REFIT, 2 * ALWAYS_REFIT, 4 * ALWAYS_REFIT, 8 * ALWAYS_REFIT]


def test_before_the_first_rating_there_is_no_recommendation_and_after_it_there_is() -> None:
    tuner = Tuner()
    tuner.ask(2)
    with pytest.raises(NoRatingsError, match="before the first rating"):
        tuner.recommend()
    assert tuner.stats().samples_seen == 0
    tuner.tell([(LEONARDO, 5)])
    assert tuner.recommend().mean > 3


@pytest.mark.parametrize(
    ("wrong", "place", "message"),
    [
        ((LEONARDO | {"guidance_scale": 99}, 4), ("parameters", "guidance_scale"), "must lie within 5 to 12, not 99"),
        ((LEONARDO | {"guidance_scale": object()}, 4), ("parameters", "guidance_scale"), "not a value of type object"),
        ((LEONARDO, 6), ("rating",), "must lie within 1 to 5, not 6"),
        ((LEONARDO, None), ("rating",), "must be a number, not null"),
        ((LEONARDO, math.nan), ("rating",), "must be a finite number"),
        ((LEONARDO, np.ones(2)), ("rating",), "must be a number, not a value of type ndarray"),
        (({"api": "dalle"}, 4), ("parameters", "api"), "must be one of leonardo, stablediffusion, not 'dalle'"),
        ((None, 4), ("parameters",), "must be an object, not null"),
        ((LEONARDO,), (), "must be a pair of parameters and rating, not a list"),
        (LEONARDO, (), "must be a pair of parameters and rating, not an object"),
        (4, (), "must be a pair of parameters and rating, not 4"),
    ],
)
def test_one_wrong_rating_is_named_and_nothing_is_told(wrong: Any, place: tuple[str, ...], message: str) -> None:
    tuner = Tuner()
    (held,) = tuner.ask(1)
    with pytest.raises(InvalidRequestError) as caught:
        tuner.tell([(held.parameters, 4), wrong])
    (field,) = caught.value.fields
    assert field.location == ("results", 1, *place)
    assert message in field.message
    assert tuner.stats().samples_seen == 0
    assert held not in tuner.ask(MAX_COUNT)


@pytest.mark.parametrize("count", [0, 1_001])
def test_one_to_a_thousand_ratings_are_told_at_once(count: int) -> None:
    with pytest.raises(InvalidRequestError, match="must have 1 to 1,000 entries"):
        Tuner().tell([(LEONARDO, 3)] * count)


def test_numbers_of_numpy_and_of_text_are_numbers() -> None:
    tuner = Tuner()
    tuner.tell(
        [
            (LEONARDO | {"init_strength": np.float32(0.25), "guidance_scale": np.int64(7)}, np.int64(4)),
            (LEONARDO | {"init_strength": "0.25", "guidance_scale": "7"}, "4"),
        ]
    )
    best = tuner.stats().best
    assert best is not None
    assert best.setting.to_plain() == LEONARDO | {"init_strength": 0.25, "guidance_scale": 7.0}
    assert {type(value) for _, value in best.setting.values} == {float}
    assert tuner.stats().samples_seen == 2


@pytest.mark.parametrize("n", [0, MAX_COUNT + 1, -1, 2.0, "2", True, None])
def test_a_count_that_is_not_one_to_ten_is_not_asked_for(n: Any) -> None:
    with pytest.raises(InvalidRequestError, match="n: must be a whole number from 1 to 10"):
        Tuner().ask(n)


def test_a_mode_that_the_space_has_not_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="mode: must be one of structure, surfaces, not 'colour'"):
        Tuner(mode="colour")


def test_a_space_of_ones_own_is_a_path_or_a_value(tmp_path: Path, mixed: Spaces) -> None:
    path = tmp_path / "own.toml"
    path.write_text(MIXED)
    answers = [Tuner("portraits", space=space).ask(4) for space in (path, str(path), mixed)]
    assert answers[0] == answers[1] == answers[2]
    for one in answers[0]:
        assert_legal(mixed.modes[0], Setting.from_plain(one.parameters))
    path.write_text(MIXED.replace("low = 10", "low = 100"))
    with pytest.raises(SpaceError, match=r"\[apis.painter.steps\]: high"):
        Tuner("portraits", space=path)
