"""The acquisition: which APIs a batch tries, and what it begins with."""

from datetime import UTC, datetime

import pytest

from tuning.model.acquisition import choose
from tuning.model.design import initial_design
from tuning.model.pooling import Ratings, pool
from tuning.model.priors import prior_modes
from tuning.observations import Observation
from tuning.spaces import Mode

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def rated(mode: Mode, count: int, **worth: float) -> Ratings:
    """So many settings of a design, each rated as its API is worth."""
    settings = [setting for setting, _ in zip(initial_design(mode, "3"), range(count), strict=False)]
    return pool(mode, [Observation(mode.name, setting, worth[setting.api], NOW) for setting in settings])


def apis(mode: Mode, ratings: Ratings, count: int) -> list[str]:
    return [setting.api for setting in choose(mode, ratings, prior_modes(mode), (), count=count, seed="1")]


def test_a_batch_begins_with_what_is_best_of_all_and_keeps_a_place_for_each_api(mode: Mode) -> None:
    ratings = rated(mode, 20, leonardo=4.5, stablediffusion=1.0)
    assert apis(mode, ratings, 4) == ["leonardo"] * 3 + ["stablediffusion"]


def test_up_to_twenty_four_ratings_every_api_is_tried_whatever_they_say(mode: Mode) -> None:
    worth = {"leonardo": 5.0, "stablediffusion": 1.0}
    assert set(apis(mode, rated(mode, 24, **worth), 2)) == {"leonardo", "stablediffusion"}
    assert set(apis(mode, rated(mode, 25, **worth), 2)) == {"leonardo"}


@pytest.mark.parametrize(("other", "tried"), [(2.9, False), (3.3, True)])
def test_an_api_is_tried_while_it_has_a_fair_chance_of_the_best(mode: Mode, other: float, tried: bool) -> None:
    # Below the best mean by 2.3 posterior deviations at least, and by 1.9: a chance of one in fifty is at 2.05.
    ratings = rated(mode, 400, leonardo=4.5, stablediffusion=other)
    assert ("stablediffusion" in apis(mode, ratings, 2)) == tried
