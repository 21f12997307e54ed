"""The façade: ask and tell, the same answers for the same calls, nothing told when anything is wrong.

What is particular to the file that a tuner is saved to is in `test_file`.
"""

import copy
import json
import math
import pickle
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.spaces import MIXED, assert_legal
from tuning import Tuner
from tuning.errors import (
    EntryMissingError,
    EntryStateError,
    InvalidRequestError,
    NoRatingsError,
    SpaceError,
    SpaceExhaustedError,
    StoreUrlError,
    StudyArchivedError,
    StudyMissingError,
    SuggestionMissingError,
    TooFewRatingsError,
    TooManyOutstandingError,
)
from tuning.model import learning
from tuning.model.ancestors import MAX_INHERITED
from tuning.model.pooling import MAX_POINTS, Ratings
from tuning.observations import Setting
from tuning.relearning import ALWAYS_REFIT
from tuning.spaces import Mode, Spaces
from tuning.stats import Progress, summarize
from tuning.stores import open_store
from tuning.stores.lineage import MAX_GENERATIONS
from tuning.stores.port import ObservationStore
from tuning.study import INITIAL_RATINGS, Hyperparameters, Study
from tuning.suggest import MAX_OUTSTANDING, OUTSTANDING_FOR
from tuning.tuner import facade
from tuning.tuner.facade import Trial
from tuning.update import update
from tuning.validation.requests import MAX_COUNT

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


def without_moments(stats: Progress) -> Progress:
    """Stats that two studies share which were told the same at different times."""
    best = replace(stats.best, recorded_at=datetime(2030, 1, 1, tzinfo=UTC)) if stats.best else None
    return replace(stats, best=best, modes=tuple(replace(mode, best=best) for mode in stats.modes))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A space of three settings."""
    path = tmp_path / "three.toml"
    table = '[apis.a.p]\nkind = "categorical"\ncoordinate = "p"\nchoices = ["x", "y", "z"]\n'
    path.write_text(f'default_mode = "m"\n[modes.m]\napis = ["a"]\n{table}')
    return path


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a shared store that nobody has used yet."""
    return f"sqlite:///{tmp_path}/shared.db"


@pytest.fixture
def shared(url: str) -> Iterator[Tuner]:
    """A tuner of the default study of a shared store."""
    with closing(Tuner.from_store(url)) as tuner:
        yield tuner


def test_the_first_ask_takes_four_lines() -> None:
    printed: dict[str, Any] = {}
    exec(  # noqa: S102 - as a notebook does
        "from tuning import Tuner\ntuner = Tuner()\ntrial = tuner.ask(1)[0]\ntuner.tell(trial, 4)", printed
    )
    assert repr(printed["tuner"]) == "<Tuner structure: 1 of 50 ratings, best 4, 0 pending>"


def test_a_study_is_tuned_from_nothing() -> None:
    tuner = tuned(12, seed=1)
    best = tuner.recommend()
    assert worth(best.parameters) > 4.3
    assert best.mean == pytest.approx(4.5, abs=0.4)
    assert 0 < best.deviation < 0.5
    stats = tuner.stats()
    assert (stats.samples_seen, stats.convergence) == (24, 0.48)
    assert stats.recommendation == best


def test_it_tells_what_people_ask_of_a_study() -> None:
    tuner = tuned(12, seed=1)
    (mode,) = tuner.stats().modes
    best = tuner.recommend()

    assert 1.0 <= best.interval[0] <= best.mean <= best.interval[1] <= 5.0
    assert tuner.chances() == dict(mode.chances)
    assert tuner.importance() == mode.importance
    assert tuner.raters() == mode.raters == ()
    assert tuner.progress().steps[-1].recommendation == best
    (only,) = tuner.surrogate("init_strength", fixed={"guidance_scale": 7.0}, api="leonardo", points=9).slices
    assert len(only.points) == 9
    assert dict(only.through.values)["guidance_scale"] == 7.0
    tuner.tell(tuner.ask(1)[0], 2, rater="ana")
    assert [(one.rater, one.ratings) for one in tuner.raters()] == [("ana", 1)]


def test_before_six_ratings_it_says_what_is_missing() -> None:
    tuner = Tuner()
    assert tuner.raters() == ()
    assert tuner.progress().steps == ()
    for ask in (tuner.chances, tuner.importance, lambda: tuner.surrogate("guidance_scale")):
        with pytest.raises(TooFewRatingsError, match="has 0 ratings"):
            ask()
    with pytest.raises(InvalidRequestError, match="did you mean guidance_scale"):
        tuner.surrogate("guidance_scal")


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
        return [tuner.ask(3), tuner.recommend(), without_moments(tuner.stats())]

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


def test_a_small_space_is_exhausted_and_free_again_once_told_skipped_or_given_back(three: Path) -> None:
    tuner = Tuner(space=three)
    first, second, third = tuner.ask(3)
    with pytest.raises(
        SpaceExhaustedError, match="fewer than 1 settings left that are not pending: tell, skip or give"
    ):
        tuner.ask(1)
    tuner.tell([(first.parameters, 4)])
    assert tuner.ask(1) == [first]
    tuner.skip(second, "the enhancer refused it")
    # Nothing else is left, so that what was skipped is tried again.
    assert tuner.ask(1) == [second]
    assert tuner.give_back(third)
    assert tuner.ask(1) == [third]
    with pytest.raises(SpaceExhaustedError, match="settings left with what is fixed that"):
        tuner.ask(1, fixed={"p": "x"})


def test_what_was_skipped_is_not_tried_again_while_others_are_left(three: Path) -> None:
    tuner = Tuner(space=three)
    (skipped,) = tuner.ask(1)
    tuner.skip(skipped)
    others = tuner.ask(2)
    assert skipped not in others
    for one in others:
        tuner.tell(one, 3)
    assert skipped not in tuner.ask(2)
    assert tuner.ask(1) == [skipped]


def test_it_knows_what_the_functions_know(store: ObservationStore, spaces: Spaces, now: datetime) -> None:
    told = [(LEONARDO | {"init_strength": 0.1 + step / 50}, 1 + step / 5) for step in range(20)]
    tuner = Tuner(seed=store.mode_study("structure", now=now).seed)
    for start in (0, 10):
        tuner.tell(told[start : start + 10])
        results = [{"parameters": parameters, "rating": rating} for parameters, rating in told[start : start + 10]]
        update(store, spaces, request={"results": results}, now=now)
    assert without_moments(tuner.stats()) == without_moments(summarize(store, spaces, mode="structure"))


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
    tuner.withdraw("default-7")
    assert fitted_on[3:] == [2 * ALWAYS_REFIT - 1]


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
        ((LEONARDO, 4, {}, 4), (), "must be a pair of parameters and rating, not a list"),
        (
            (LEONARDO, 4, "ana"),
            (),
            "has a third part, which must be a dictionary of rater, picture, comment, not 'ana'",
        ),
        ((LEONARDO, 4, {"Rater": "ana"}), ("Rater",), "is not known; did you mean rater?"),
        ((LEONARDO, 4, {"mode": "surfaces"}), ("mode",), "is not known; there are rater, picture, comment"),
        ((LEONARDO, 4, {"rater": "a\nb"}), ("rater",), "must be a pseudonym of 1 to 64 characters"),
        ((LEONARDO, 4, {"comment": "x" * 501}), ("comment",), "must be a text of 1 to 500 characters"),
        ((Trial("none", {"api": "leonardo"}), 4), ("parameters", "init_strength"), "is missing"),
        (4, (), "must be a pair of parameters and rating, not 4"),
    ],
)
def test_one_wrong_rating_is_named_and_nothing_is_told(wrong: Any, place: tuple[str, ...], message: str) -> None:
    tuner = Tuner()
    (held,) = tuner.ask(1)
    with pytest.raises(InvalidRequestError) as caught:
        tuner.tell([(held.parameters, 4), wrong])
    field = caught.value.fields[0]
    assert field.location == ("results", 1, *place)
    assert message in field.message
    assert tuner.stats().samples_seen == 0
    assert held not in tuner.ask(MAX_COUNT)


def test_what_ask_gives_is_a_list_and_whoever_tells_it_whole_is_told_what_to_do() -> None:
    tuner = Tuner()
    trials = tuner.ask(2)
    one = "must be one trial with its rating, and ask gives a list of them: tell(trials[0], 4), or several by tell([("
    for call, message in (
        (lambda: tuner.tell(trials, 4), one),
        (lambda: tuner.tell(tuple(trials[:1]), 4), one),
        (lambda: tuner.tell([(trials, 4)]), one),
        (lambda: tuner.tell(trials), "not a value of type Trial: tell([(trial, 4), (another, 2)])"),
        (lambda: tuner.skip(trials), "must be one trial, and ask gives a list of them: skip(trials[0])"),
        (lambda: tuner.give_back(trials), "not a list; ask gives a list of them: give_back(trials[0])"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            call()
        assert message in str(caught.value)
    assert tuner.stats().samples_seen == 0
    assert tuner.pending() == trials


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


@pytest.mark.parametrize("seed", ["abc", 2.5, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    with pytest.raises(InvalidRequestError, match="seed: must be a whole number"):
        Tuner(seed=seed)


def test_a_seed_of_numpy_and_a_negative_one_are_seeds() -> None:
    assert Tuner(seed=np.int64(3)).ask(4) == Tuner(seed=3).ask(4)
    assert Tuner(seed=-3).ask(4) != Tuner(seed=3).ask(4)


def test_a_space_of_ones_own_is_a_path_or_a_value(tmp_path: Path, mixed: Spaces) -> None:
    path = tmp_path / "own.toml"
    path.write_text(MIXED)
    answers = [Tuner("portraits", space=space).ask(4) for space in (path, str(path), mixed)]
    answers.append(Tuner(space=path).ask(4))
    assert answers[0] == answers[1] == answers[2] == answers[3]
    for one in answers[0]:
        assert_legal(mixed.modes[0], Setting.from_plain(one.parameters))
    path.write_text(MIXED.replace("low = 10", "low = 100"))
    with pytest.raises(SpaceError, match=r"\[apis.painter.steps\]: high"):
        Tuner("portraits", space=path)


def test_a_trial_is_told_by_its_id_whatever_else_is_asked_for() -> None:
    tuner = Tuner()
    first, second = tuner.ask(2)
    (identity,) = tuner.tell(first, 4.5)
    assert tuner.pending() == [second]
    (entry,) = tuner.history()
    assert entry["id"] == identity == "default-1"
    assert (entry["suggestion_id"], entry["rating"], entry["mode"]) == (first.id, 4.5, "structure")
    # Rated by somebody else, though it is pending no more.
    assert tuner.tell(first, 2, rater="ana") == ["default-2"]
    assert tuner.stats().samples_seen == 2


def test_a_trial_whose_parameters_were_changed_is_refused() -> None:
    tuner = Tuner()
    (trial,) = tuner.ask(1)
    trial.parameters["guidance_scale"] = 5.0 if trial.parameters["guidance_scale"] == 12 else 12.0
    with pytest.raises(InvalidRequestError, match="was suggested as"):
        tuner.tell(trial, 4)
    assert (tuner.stats().samples_seen, len(tuner.pending())) == (0, 1)


def test_a_recommendation_is_rated_like_a_trial() -> None:
    tuner = tuned(4)
    best = tuner.recommend()
    tuner.tell(best, 5)
    assert tuner.history()[0].items() >= best.parameters.items()


def test_what_stands_with_a_rating_goes_before_what_is_said_for_all() -> None:
    tuner = Tuner()
    first, second, third = tuner.ask(3)
    told = [(first, 4), (second, 2, {"picture": "cat.jpg", "comment": "too dark"}), [third, 3, {"rater": "bo"}]]
    identities = tuner.tell(told, rater="ana", picture="dog.jpg")
    assert identities == ["default-1", "default-2", "default-3"]
    seen = [(row["rater"], row["picture"], row["comment"]) for row in reversed(tuner.history())]
    assert seen == [("ana", "dog.jpg", None), ("ana", "cat.jpg", "too dark"), ("bo", "dog.jpg", None)]
    tuner.tell(LEONARDO, 4, rater="eve", comment="by hand")
    assert (tuner.history()[0]["rater"], tuner.history()[0]["comment"]) == ("eve", "by hand")


def test_the_same_rater_again_replaces_the_rating() -> None:
    tuner = Tuner()
    (trial,) = tuner.ask(1)
    (identity,) = tuner.tell(trial, 1, rater="ana")
    assert tuner.tell(trial, 5, rater="ana") == [identity]
    (entry,) = tuner.history()
    assert (entry["rating"], entry["revision"]) == (5.0, 2)


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (lambda tuner: tuner.tell(tuner.ask(1)[0]), r"rating: is missing: tell\(trial, 4\)"),
        (lambda tuner: tuner.tell(LEONARDO), "rating: is missing"),
        (lambda tuner: tuner.tell(4), "results: must be pairs of parameters and rating, not 4"),
        (lambda tuner: tuner.tell("leonardo"), "results: must be pairs of parameters and rating, not 'leonardo'"),
        (
            lambda tuner: tuner.tell((*tuner.ask(1), 4)),
            "results.0: must be a pair of parameters and rating, not",
        ),
        (lambda tuner: tuner.tell([(LEONARDO, 4)], comment="all"), "comment: belongs to each rating"),
        (lambda tuner: tuner.tell([(LEONARDO, 4)], 4), "results.0.parameters: must be an object, not a list"),
        (lambda tuner: tuner.tell(LEONARDO, None), "results.0.rating: must be a number, not null"),
        (lambda tuner: tuner.tell(LEONARDO, 4, rater=""), "rater: must not be blank"),
        (lambda tuner: tuner.tell(LEONARDO, 4, picture=7), "picture: must be an id of 1 to 128 characters"),
        (lambda tuner: tuner.skip(LEONARDO, ""), "failed: must be why it failed, in 1 to 500 characters"),
        (lambda tuner: tuner.skip(LEONARDO, None), "failed: must be why it failed"),
        (lambda tuner: tuner.skip("an id"), "parameters: must be an object, not 'an id'"),
        (lambda tuner: tuner.give_back(LEONARDO), "suggestion: must be a trial that was asked for, or its id"),
        (lambda tuner: tuner.ask(1, fixed={"colour": 3}), "colour"),
        (lambda tuner: tuner.ask(1, fixed={"api": "dalle"}), "api"),
        (lambda tuner: tuner.ask(1, fixed={}), "fixed: must be an object with an api, parameters or both"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_taken_in(tell: Any, message: str) -> None:
    tuner = Tuner()
    with pytest.raises(InvalidRequestError, match=message):
        tell(tuner)
    assert tuner.history(withdrawn=True) == []


def test_all_that_is_asked_for_has_what_is_fixed(spaces: Spaces) -> None:
    tuner = tuned(4)
    for fixed in ({"api": "stablediffusion"}, {"guidance_scale": 7.0}, {"api": "leonardo", "init_strength": 0.3}):
        for one in tuner.ask(3, fixed=fixed):
            assert one.parameters.items() >= fixed.items()
            assert_legal(spaces.modes[0], Setting.from_plain(one.parameters))


def test_what_was_skipped_is_in_the_history_and_is_no_rating() -> None:
    tuner = Tuner()
    (trial,) = tuner.ask(1)
    identity = tuner.skip(trial, "the enhancer refused it")
    (entry,) = tuner.history()
    assert (entry["id"], entry["failed"]) == (identity, "the enhancer refused it")
    assert "rating" not in entry
    assert (tuner.stats().samples_seen, tuner.pending()) == (0, [])
    assert trial not in tuner.ask(MAX_COUNT)
    with pytest.raises(EntryStateError, match="failed and has no rating"):
        tuner.correct(identity, rating=3)


def test_what_is_given_back_is_as_if_it_had_not_been_asked_for() -> None:
    tuner = Tuner()
    first, second = tuner.ask(2)
    assert tuner.give_back(first)
    assert not tuner.give_back(first.id)
    assert tuner.pending() == [second]
    assert tuner.history() == []
    with pytest.raises(SuggestionMissingError, match="nothing was ever suggested under the id nobody's"):
        tuner.give_back("nobody's")


def test_what_is_withdrawn_counts_no_more_and_comes_back() -> None:
    def rounds(tuner: Tuner) -> list[str]:
        settings = [LEONARDO | {"init_strength": 0.1 + step / 50} for step in range(10)]
        return tuner.tell([(one, worth(one)) for one in settings])

    tuner, expected = Tuner(), Tuner()
    rounds(tuner)
    rounds(expected)
    before = expected.recommend()
    (mistaken,) = tuner.tell(LEONARDO | {"init_strength": 0.49}, 5)
    assert tuner.stats().samples_seen == 11
    gone = tuner.withdraw(mistaken)
    assert (gone["withdrawn"], gone["revision"], gone["rating"]) == (True, 2, 5.0)
    assert tuner.stats().samples_seen == 10
    assert tuner.recommend().mean == pytest.approx(before.mean, abs=0.05)
    assert mistaken not in [row["id"] for row in tuner.history()]
    assert mistaken == tuner.history(withdrawn=True)[0]["id"]
    with pytest.raises(EntryStateError, match="is withdrawn"):
        tuner.correct(mistaken, rating=4)
    assert tuner.correct(mistaken, withdrawn=False)["revision"] == 3
    assert tuner.stats().samples_seen == 11


def test_a_correction_says_what_is_known_now_and_by_whom() -> None:
    tuner = Tuner()
    (identity,) = tuner.tell(LEONARDO, 1, comment="so dark")
    row = tuner.correct(identity, rating=np.float32(4.5), comment=None, reviser="ana")
    assert (row["rating"], row["comment"], row["reviser"]) == (4.5, None, "ana")
    assert tuner.history() == [row]
    assert tuner.correct(identity, comment="bright")["comment"] == "bright"
    best = tuner.stats().best
    assert best is not None
    assert best.rating == 4.5


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "says nothing to correct"),
        ({"reviser": "ana"}, "says nothing to correct"),
        ({"rating": 6}, "rating: must lie within 1 to 5, not 6"),
        ({"rating": None}, "rating: must be a number, not null"),
        ({"rating": "five"}, "rating: must be a number, not 'five'"),
        ({"comment": 7}, "comment: must be a text"),
        ({"withdrawn": "yes"}, "withdrawn: must be true or false"),
        ({"rating": 3, "reviser": "a\nb"}, "reviser: must be a pseudonym"),
    ],
)
def test_a_wrong_correction_changes_nothing(how: dict[str, Any], message: str) -> None:
    tuner = Tuner()
    (identity,) = tuner.tell(LEONARDO, 1)
    with pytest.raises(InvalidRequestError, match=message):
        tuner.correct(identity, **how)
    assert tuner.history()[0]["revision"] == 1


@pytest.mark.parametrize("identity", ["default-2", "default-0", "other-1", "default", "", 1, None, "default-1-1"])
def test_nothing_is_corrected_that_was_not_told_here(identity: Any) -> None:
    tuner = Tuner()
    tuner.tell(LEONARDO, 1)
    for correct in (tuner.withdraw, lambda which: tuner.correct(which, rating=3)):
        with pytest.raises(EntryMissingError):
            correct(identity)
    assert tuner.history()[0]["revision"] == 1


def test_the_history_is_plain_newest_first_and_says_when() -> None:
    before = datetime.now(UTC)
    tuner = Tuner()
    tuner.tell([(LEONARDO | {"init_strength": 0.1 + step / 10_000}, 3) for step in range(1_000)])
    tuner.tell([(LEONARDO | {"init_strength": 0.3 + step / 10_000}, 3) for step in range(500)])
    rows = tuner.history()
    assert [row["id"] for row in rows] == [f"default-{position}" for position in range(1_500, 0, -1)]
    assert json.loads(json.dumps(rows)) == rows
    moments = [datetime.fromisoformat(str(row["recorded_at"])) for row in rows]
    assert before <= moments[-1] <= moments[0] <= datetime.now(UTC)


def test_a_clock_that_is_put_back_makes_no_later_rating_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [datetime(2030, 1, day, tzinfo=UTC) for day in (3, 2, 1)]

    class PutBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moments.pop(0).astimezone(tz)

    monkeypatch.setattr(facade, "datetime", PutBack)
    tuner = Tuner()
    tuner.tell(LEONARDO, 4)
    tuner.tell(LEONARDO | {"init_strength": 0.4}, 4)
    tuner.save(tmp_path / "back.tuner")
    tuner = Tuner.load(tmp_path / "back.tuner")
    tuner.tell(LEONARDO | {"init_strength": 0.5}, 4)
    best = tuner.stats().best
    assert (best and best.setting.to_plain()) == LEONARDO
    assert len({row["recorded_at"] for row in tuner.history()}) == 1


def test_a_frame_has_a_column_for_every_field_and_a_row_for_every_entry() -> None:
    pandas = pytest.importorskip("pandas")
    tuner = Tuner()
    columns = list(tuner.to_frame().columns)
    assert {"id", "api", "init_strength", "strength", "rating", "failed", "rater"} <= set(columns)
    first, second = tuner.ask(2)
    tuner.tell(first, 4, rater="ana")
    tuner.skip(second, "refused")
    identity = tuner.tell(LEONARDO, 1)[0]
    tuner.withdraw(identity)
    frame = tuner.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == columns
    assert list(frame["id"]) == [row["id"] for row in tuner.history()]
    assert frame["rating"].mean() == 4.0
    assert list(frame["failed"].dropna()) == ["refused"]
    assert len(tuner.to_frame(withdrawn=True)) == 3


def test_without_pandas_there_is_no_frame_and_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas, or use history\(\)"):
        Tuner().to_frame()


def test_a_tuner_says_how_far_it_is() -> None:
    tuner = Tuner("surfaces")
    assert repr(tuner) == "<Tuner surfaces: 0 of 50 ratings, 0 pending>"
    tuner.ask(3)
    tuner.tell([(LEONARDO, 3), (LEONARDO, 4.25)])
    assert repr(tuner) == "<Tuner surfaces: 2 of 50 ratings, best 4.25, 3 pending>"
    tuner.tell([(LEONARDO, 1)] * 60)
    assert repr(tuner) == "<Tuner surfaces: 62 ratings, best 4.25, 3 pending>"


def test_a_thousand_may_be_pending_and_then_some_must_go() -> None:
    tuner = Tuner()
    held = [one for _ in range(MAX_OUTSTANDING // MAX_COUNT) for one in tuner.ask(MAX_COUNT)]
    message = "mode structure has 1,000 settings pending, as many as it may have: tell, skip or give back some"
    with pytest.raises(TooManyOutstandingError, match=message):
        tuner.ask(1)
    tuner.give_back(held[500])
    assert len(tuner.ask(1)) == 1
    assert tuner.pending()[:500] == held[:500]


def test_what_is_pending_stays_so_for_ever() -> None:
    tuner = Tuner()
    held = tuner.ask(3)
    tuner.tell(LEONARDO, 4)
    last_moment = datetime.max.replace(tzinfo=UTC) - timedelta.resolution
    assert len(tuner._store.outstanding(now=last_moment)) == 3
    assert tuner.pending() == held


def test_threads_share_a_tuner() -> None:
    tuner = Tuner()
    with ThreadPoolExecutor(8) as pool:
        asked = [one for some in pool.map(lambda _: tuner.ask(2), range(16)) for one in some]
        identities = [one for some in pool.map(lambda trial: tuner.tell(trial, 3), asked) for one in some]
    assert len({json.dumps(one.parameters) for one in asked}) == 32
    assert len(set(identities)) == 32
    assert (tuner.stats().samples_seen, tuner.pending()) == (32, [])


@pytest.mark.parametrize("of", [copy.deepcopy, lambda tuner: pickle.loads(pickle.dumps(tuner))])  # noqa: S301 - our own
def test_a_copy_goes_on_by_itself(of: Any) -> None:
    tuner = tuned(5, seed=2)
    held = tuner.ask(2)
    other = of(tuner)
    tuner.tell(held[0], 5)
    assert (len(other.pending()), len(tuner.pending())) == (2, 1)
    other.tell(held[0], 5)
    assert other.ask(3) == tuner.ask(3)


# Based on another


def test_a_tuner_knows_from_the_start_what_another_was_told_and_learns_how_alike_they_are() -> None:
    base = tuned(15, seed=1)
    fresh, based = Tuner(seed=2), Tuner(seed=2, based_on=base)
    with pytest.raises(NoRatingsError):
        fresh.recommend()
    assert worth(based.recommend().parameters) > 4.0
    assert (based.history(), based.stats().samples_seen, based.stats().recommendation) == ([], 0, None)
    for _ in range(3):
        assert based.ask(2) == fresh.ask(2)
        for tuner in (fresh, based):
            tuner.tell([(one, worth(one.parameters)) for one in tuner.pending()])
    assert based.ask(2) != fresh.ask(2)
    learned = based._known().hyperparameters
    assert learned is not None
    assert learned.task_similarity is not None
    assert worth(based.recommend().parameters) > worth(fresh.recommend().parameters)


def test_what_the_base_is_told_later_is_not_known_to_a_tuner_in_memory() -> None:
    base = tuned(4, seed=1)
    tuner = Tuner(seed=2, based_on=base)
    before = tuner.recommend()
    base.tell([(LEONARDO, 1)] * 5)
    assert tuner.recommend() == before
    assert len(base.history()) == 13


def test_at_any_depth_a_tuner_is_based_on_so_much() -> None:
    tuner = tuned(3, seed=0)
    for seed in range(1, MAX_GENERATIONS + 3):
        tuner = Tuner(seed=seed, based_on=tuner)
        tuner.tell([(one, worth(one.parameters)) for one in tuner.ask(2)])
    assert len(tuner._known().ancestors) == MAX_GENERATIONS
    many = Tuner(seed=1)
    rows = [{**LEONARDO, "init_strength": low / 1000, "guidance_scale": 5.0} for low in range(200, 500)]
    many.tell([(one, 3) for one in rows])
    heir = Tuner(seed=2, based_on=many)
    assert sum(len(one.observations) for one in heir._known().ancestors) == MAX_INHERITED


@pytest.mark.parametrize("of", [copy.deepcopy, lambda tuner: pickle.loads(pickle.dumps(tuner))])  # noqa: S301 - our own
def test_a_copy_is_based_on_the_same(of: Any) -> None:
    tuner = Tuner(seed=2, based_on=tuned(5, seed=1))
    tuner.tell([(one, worth(one.parameters)) for one in tuner.ask(8)])
    other = of(tuner)
    assert other.recommend() == tuner.recommend()
    assert other.ask(3) == tuner.ask(3)


def test_a_base_in_a_space_of_another_kind_teaches_nothing(mixed: Spaces) -> None:
    with pytest.raises(InvalidRequestError, match="based_on: must be a Tuner of mode portraits, not of structure"):
        Tuner(space=mixed, based_on=tuned(3))
    named_alike = replace(mixed, modes=(replace(mixed.modes[0], name="structure"),), default_mode="structure")
    tuner = Tuner(space=named_alike, based_on=tuned(4))
    with pytest.raises(NoRatingsError):
        tuner.recommend()
    trial = tuner.ask(1)[0]
    tuner.tell(trial, 4)
    assert tuner.recommend().mode == "structure"


def test_a_base_without_ratings_changes_nothing() -> None:
    tuner = Tuner(seed=3, based_on=Tuner(based_on=Tuner()))
    for _ in range(4):
        tuner.tell([(one, worth(one.parameters)) for one in tuner.ask()])
    assert tuner.recommend() == tuned(4, seed=3).recommend()


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("garden", "must be a Tuner, not 'garden'"),
        (Tuner("surfaces"), "must be a Tuner of mode structure, not of surfaces"),
        (3, "must be a Tuner, not 3"),
    ],
)
def test_what_a_tuner_cannot_be_based_on_is_refused(base: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"based_on: {message}"):
        Tuner(based_on=base)


def test_a_study_of_a_shared_store_goes_on_from_another_and_so_does_a_tuner(url: str, shared: Tuner) -> None:
    shared.tell(
        [
            ({**LEONARDO, "init_strength": s / 100}, worth({**LEONARDO, "init_strength": s / 100}))
            for s in range(20, 50, 2)
        ]
    )
    with closing(open_store(url)) as store:
        store.begin(Study("next", datetime.now(UTC), based_on="default"))
    with closing(Tuner.from_store(url, "next")) as tuner:
        assert tuner.recommend().parameters["api"] == "leonardo"
        assert tuner.recommend() != shared.recommend()
        tuner.tell(LEONARDO, 4)
        heir = Tuner(based_on=tuner)
    assert [len(one.observations) for one in heir._known().ancestors] == [1, 15]
    assert heir.recommend().parameters["api"] == "leonardo"


# On a shared store


def test_two_tuners_share_a_study(url: str, shared: Tuner) -> None:
    with closing(Tuner.from_store(url)) as other, ThreadPoolExecutor(8) as pool:
        both = [shared, other] * 8
        asked = [one for some in pool.map(lambda tuner: tuner.ask(2), both) for one in some]
        assert len({json.dumps(one.parameters) for one in asked}) == 32
        assert sorted(one.id for one in shared.pending()) == sorted(one.id for one in asked)
        told = list(pool.map(lambda place: both[place % 2].tell(asked[place], 3), range(30)))
        assert len({one for some in told for one in some}) == 30
        other.skip(asked[30])
        assert shared.give_back(asked[31])
        for tuner in both[:2]:
            assert repr(tuner) == "<Tuner structure of study default: 30 of 50 ratings, best 3, 0 pending>"
        assert shared.stats() == other.stats()
        assert shared.history() == other.history()
        assert len(shared.history()) == 31
        other.withdraw(told[0][0])
        assert shared.stats().samples_seen == 29
        assert shared.recommend() == other.recommend()


def test_of_a_shared_store_a_tuner_sees_one_mode_of_one_study(url: str, shared: Tuner) -> None:
    with closing(open_store(url)) as store:
        store.begin(Study("garden-2", datetime.now(UTC)))
    garden = Tuner.from_store(url, "garden-2", "surfaces"), Tuner.from_store(url, "garden-2")
    with closing(garden[0]) as tuner, closing(garden[1]) as other_mode:
        (trial,) = tuner.ask(1)
        (identity,) = tuner.tell(trial, 4)
        assert identity == "garden-2-1"
        assert repr(tuner) == "<Tuner surfaces of study garden-2: 1 of 50 ratings, best 4, 0 pending>"
        for one in (shared, other_mode):
            assert (one.history(), one.stats().samples_seen) == ([], 0)
        with pytest.raises(EntryMissingError, match=r"nothing of the id 'garden-2-1' was told in study default"):
            shared.withdraw(identity)
        # A trial belongs where it was asked for.
        with pytest.raises(InvalidRequestError, match="was suggested in study garden-2, not in default"):
            shared.tell(trial, 4)
        with pytest.raises(InvalidRequestError, match="was made in mode surfaces"):
            other_mode.tell(trial, 4)


def test_in_a_shared_store_time_passes(url: str, shared: Tuner) -> None:
    before = datetime.now(UTC)
    (trial,) = shared.ask(1)
    with closing(open_store(url)) as store:
        (held,) = store.outstanding(now=before)
        assert held.id == trial.id
        assert before <= held.suggested_at <= datetime.now(UTC)
        assert held.expires_at - held.suggested_at == OUTSTANDING_FOR


def test_a_shared_study_must_have_begun_and_take_something(url: str, shared: Tuner) -> None:
    with pytest.raises(StudyMissingError, match="there is no study gardne"):
        Tuner.from_store(url, "gardne")
    with pytest.raises(InvalidRequestError, match="study: must be"):
        Tuner.from_store(url, "Garden")
    with pytest.raises(InvalidRequestError, match="mode: must be one of"):
        Tuner.from_store(url, mode="colour")
    with pytest.raises(StoreUrlError):
        Tuner.from_store("postgres://nothing")
    (trial,) = shared.ask(1)
    with closing(open_store(url)) as store:
        store.archive("default", archived_at=datetime.now(UTC))
    for use in (lambda: shared.ask(1), lambda: shared.tell(trial, 4), lambda: shared.skip(trial)):
        with pytest.raises(StudyArchivedError):
            use()


def test_a_store_that_cannot_be_read_is_said_and_a_repr_never_fails(tmp_path: Path, shared: Tuner) -> None:
    shared.tell(LEONARDO, 4)
    shared.close()
    for file in tmp_path.glob("shared.db*"):
        file.unlink()
    (tmp_path / "shared.db").write_bytes(b"not a database " * 500)
    assert repr(shared).startswith("<Tuner structure of study default: cannot be read now, ")


def test_a_tuner_of_a_shared_store_is_not_saved(tmp_path: Path, shared: Tuner) -> None:
    with pytest.raises(RuntimeError, match="works on a shared store, which keeps all of it"):
        shared.save(tmp_path / "own.tuner")
    assert not (tmp_path / "own.tuner").exists()


def test_a_tuner_of_a_shared_store_is_copied_as_another_door_to_it(shared: Tuner) -> None:
    shared.tell(LEONARDO, 4)
    with closing(copy.deepcopy(shared)) as other:
        other.tell(LEONARDO, 3)
        assert shared.stats().samples_seen == 2
