"""The reliability diagram, as an SVG: how often captions of each confidence were as good as a person's.

A point per bin, as large as its captions are many, with two standard errors up and down; on the diagonal, what was said
came true. (DeGroot, Fienberg, "The comparison and evaluation of forecasters", 1983.)
"""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.captioner.trust import Bin

__all__ = ["to_svg"]

_SIDE: Final = 320
_MARGIN: Final = 56
_TICKS: Final = 5
_LARGEST: Final = 11.0
_SMALLEST: Final = 2.5
_FRAME: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {width}" width="{width}" height="{width}" role="img">
<title>{title}</title>
<style>text {{ font: 13px system-ui, sans-serif; fill: #222 }} .axis {{ stroke: #bbb }} .bin {{ fill: #1f77b4 }}
.error {{ stroke: #1f77b4; stroke-width: 1.5 }} .diagonal {{ stroke: #888; stroke-dasharray: 5 4 }}</style>
<rect width="{width}" height="{width}" fill="#fff"/>
{shapes}
</svg>
"""


def to_svg(bins: "Sequence[Bin]", title: str) -> str:
    """Draw the bins; `title` is plain text without marks of HTML."""
    low, high = _MARGIN, _MARGIN + _SIDE

    def across(share: float) -> float:
        return low + share * _SIDE

    def up(share: float) -> float:
        return high - share * _SIDE

    shapes = []
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        shapes += [
            f'<path class="axis" d="M{across(share):.0f} {low}V{high}M{low} {up(share):.0f}H{high}"/>',
            f'<text x="{across(share):.0f}" y="{high + 20}" text-anchor="middle">{share:.1f}</text>',
            f'<text x="{low - 8}" y="{up(share) + 4:.0f}" text-anchor="end">{share:.1f}</text>',
        ]
    shapes += [
        f'<path class="diagonal" d="M{low} {high}L{high} {low}"/>',
        f'<text x="{(low + high) / 2:.0f}" y="{high + 42}" text-anchor="middle">confidence</text>',
        (
            f'<text transform="translate(16 {(low + high) / 2:.0f}) rotate(-90)" text-anchor="middle">'
            "as good as a person's</text>"
        ),
        f'<text x="{(low + high) / 2:.0f}" y="28" text-anchor="middle">{title}</text>',
    ]
    most = max((one.captions for one in bins), default=1)
    for one in bins:
        error = 2 * math.sqrt(one.came_true * (1 - one.came_true) / one.captions)
        top, bottom = up(min(1.0, one.came_true + error)), up(max(0.0, one.came_true - error))
        radius = max(_SMALLEST, _LARGEST * math.sqrt(one.captions / most))
        x = across(one.confidence)
        shapes += [
            f'<path class="error" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>',
            (
                f'<circle class="bin" cx="{x:.1f}" cy="{up(one.came_true):.1f}" r="{radius:.1f}">'
                f"<title>{one.captions} captions of {one.confidence:.2f}: {one.came_true:.2f}</title></circle>"
            ),
        ]
    return _FRAME.format(width=_SIDE + 2 * _MARGIN, title=title, shapes="\n".join(shapes))
