"""The demo's people: what they rate follows from who they are and what a setting is worth."""

from collections.abc import Mapping
from itertools import product
from statistics import mean

import pytest

from tools.demo.people import PEOPLE, PICTURES, STRUCTURE, SURFACES, Taste, Turn
from tuning.observations import MAX_RATING, MIN_RATING
from tuning.validation.space_file import load_spaces

BEST = {"api": "leonardo", "init_strength": 0.31, "guidance_scale": 9.7, "controlnet_weight": 0.91}


def settings(mode: str) -> list[Mapping[str, object]]:
    """A grid over the mode of the shipped space: each API's parameters at five places."""
    found = load_spaces(None).find_mode(mode)
    assert found is not None
    return [
        {"api": api.name, **{one.name: one.unscale(at) for one, at in zip(api.parameters, places, strict=True)}}
        for api in found.apis
        for places in product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=len(api.parameters))
    ]


def test_the_best_setting_is_worth_what_is_said_and_no_other_more() -> None:
    assert STRUCTURE.worth(BEST) == pytest.approx(4.6, abs=0.01)
    assert max(map(STRUCTURE.worth, settings("structure"))) <= 4.6


@pytest.mark.parametrize("taste", [STRUCTURE, SURFACES])
def test_every_setting_of_the_shipped_space_is_worth_something_on_the_scale(taste: Taste) -> None:
    worths = [taste.worth(parameters) for parameters in settings(taste.mode)]
    assert min(worths) > MIN_RATING
    assert max(worths) < MAX_RATING
    assert max(worths) - min(worths) > 2, "there must be something to find"


def test_a_later_campaign_has_its_best_nearby() -> None:
    later = STRUCTURE.moved(0.06, raised=-0.1)
    assert 0 < abs(later.worth(BEST) - STRUCTURE.worth(BEST)) < 0.5


def test_ratings_are_stars_and_halves_and_the_same_each_time() -> None:
    for nth, parameters in enumerate(settings("structure")):
        turn = Turn("default", "structure", nth)
        rating = turn.rate(STRUCTURE, parameters)
        assert rating in {1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0}
        assert rating == Turn("default", "structure", nth).rate(STRUCTURE, parameters)


def test_two_settings_are_judged_side_by_side_and_then_it_is_anothers_turn() -> None:
    turns = [(one.person.name, one.picture) for one in (Turn("default", "structure", nth) for nth in range(40))]
    assert turns[::2] == turns[1::2]
    assert {name for name, _ in turns[:8]} == {person.name for person in PEOPLE}
    assert {picture for _, picture in turns[:10]} == PICTURES.keys()
    assert len(set(turns)) == len(PEOPLE) * len(PICTURES)


def test_the_lenient_rate_higher_and_the_timid_use_less_of_the_scale() -> None:
    given: dict[str, list[float]] = {person.name: [] for person in PEOPLE}
    for nth in range(4000):
        turn = Turn("default", "structure", nth)
        parameters = BEST | {"guidance_scale": 5.0 + nth % 71 / 10}
        given[turn.person.name].append(turn.rate(STRUCTURE, parameters))
    assert mean(given["ana"]) > mean(given["dmitri"]) > mean(given["bo"])

    def width(person: str) -> float:
        return max(given[person]) - min(given[person])

    assert width("carmen") < width("dmitri")


def test_some_ratings_have_a_comment_which_fits_them() -> None:
    said = [Turn("default", "structure", nth).comment(4.5) for nth in range(30)]
    assert sum(one is not None for one in said) == 10
    assert set(said).isdisjoint({Turn("default", "structure", nth).comment(1.5) for nth in range(0, 30, 3)})
