"""The reliability diagram: an SVG in which every bin is where its confidence and what came true say."""

from xml.etree.ElementTree import fromstring

import pytest

from tools.captioner.reliability import to_svg
from tools.captioner.trust import Bin

CIRCLE = "{http://www.w3.org/2000/svg}circle"


def test_every_bin_is_a_point_where_it_belongs_the_largest_for_most_captions() -> None:
    drawing = fromstring(to_svg([Bin(100, 0.0, 0.0), Bin(25, 0.5, 0.75), Bin(1, 1.0, 1.0)], "a model"))  # noqa: S314
    points = [[float(one.attrib[name]) for name in ("cx", "cy", "r")] for one in drawing.iter(CIRCLE)]
    (left, bottom, large), (middle, high, half), (right, top, small) = points
    assert middle == pytest.approx((left + right) / 2)
    assert high == pytest.approx(bottom + 0.75 * (top - bottom))
    assert left < right
    assert top < bottom
    assert large == pytest.approx(2 * half)
    assert small < half


def test_a_set_without_captions_is_an_empty_diagram() -> None:
    assert not list(fromstring(to_svg([], "nothing")).iter(CIRCLE))  # noqa: S314
