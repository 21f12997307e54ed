"""The panel: who rated what on which picture, as arrays."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tuning.model.raters.panel import Panel
from tuning.observations import Observation


def test_without_a_name_and_without_a_picture_there_is_no_panel(rate_many: Callable[[int], list[Observation]]) -> None:
    assert Panel.of(rate_many(3), np.arange(3)) is None


def test_names_become_numbers_in_order_of_appearance_and_who_is_not_named_has_none(
    rate_many: Callable[[int], list[Observation]],
) -> None:
    a, b, c, d = (replace(one, rating=4.0) for one in rate_many(4))
    told = [replace(a, rater="ana", picture="p"), b, replace(c, rater="Ana"), replace(d, rater="ana", rating=3.5)]
    panel = Panel.of(told, np.array([0, 1, 2, 2]))
    assert panel is not None
    # A name that differs by case is another's: pseudonyms are opaque.
    assert panel.rater_names == ("ana", "Ana")
    assert panel.raters.tolist() == [0, -1, 1, 0]
    assert panel.pictures.tolist() == [0, -1, -1, -1]
    assert panel.sittings.tolist() == [0, 1, 2, 3]
    # One who ever gave a half gives halves.
    assert panel.steps.tolist() == [0.5, 1.0, 1.0, 0.5]


def test_of_some_settings_the_ratings_stay_in_order_and_sittings_are_those_of_what_is_left(
    rate_many: Callable[[int], list[Observation]],
) -> None:
    a, b, c, d = rate_many(4)
    told = [replace(a, rater="ana"), replace(b, rater="ana"), replace(c, rater="bo"), replace(d, rater="ana")]
    panel = Panel.of(told, np.array([0, 1, 2, 0]))
    assert panel is not None
    left = panel.of_settings(np.array([0, 1]), 3)
    assert left.rows.tolist() == [0, 1, 0]
    assert left.raters.tolist() == [0, 0, 0]
    assert left.sittings.tolist() == [0]
    assert panel.of_settings(np.arange(3), 3) is panel
