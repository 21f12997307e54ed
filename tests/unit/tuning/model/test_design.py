"""The candidates: how many there are, of a small space and of a large one."""

import numpy as np
import pytest

from tuning.model.design import candidates, enumerate_points
from tuning.model.encoding import decode
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode


def test_of_a_small_space_every_setting_is_considered_once_whatever_coordinates_an_api_lacks() -> None:
    steps = IntegerParameter("steps", "steps", 1, 5)
    sampler = CategoricalParameter("sampler", "sampler", ("heun", "euler"))
    mode = Mode("m", (Api("a", (steps, sampler)), Api("b", (steps,)), Api("c", (sampler,))))
    points = enumerate_points(mode)
    found = [decode(mode, int(api), row) for api, row in zip(points.apis, points.coordinates, strict=True)]
    assert len(found) == len(set(found)) == mode.size == 10 + 5 + 2


@pytest.mark.parametrize(
    ("rated", "spread", "neighbours"),
    [(1, 512, 24), (128, 512, 24), (256, 256, 24), (257, 254, 12), (100_000, 128, 12)],
)
def test_of_a_large_space_the_fewer_are_considered_the_more_are_rated(
    mode: Mode, rated: int, spread: int, neighbours: int
) -> None:
    anchors = np.full((4, 3), 0.5)
    # For each of two APIs: half of the spread, the anchors, and their near and their far neighbours.
    assert len(candidates(mode, "1", anchors, rated=rated)) == spread + 2 * (4 + 4 * 2 * neighbours)
