"""Two interior renders to tune with, plain as a renderer gives them, and what an enhancer makes of them.

A place in a room is (across, up, away): across from -1 to 1, up from 0, the floor, to 1, away from 0, the nearest, to
1, the back wall.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from tools.samples.canvas import HEIGHT, WIDTH, Colour, Floats, Point, blurred, colours, noise, picture

Place = tuple[float, float, float]
Span = tuple[float, float]

_EYE = 0.55  # how far up the camera is


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What is done to a render: the three parameters that both APIs have, each from 0 to 1 of its range."""

    strength: float
    guidance: float
    control: float


VARIANTS = {
    "soft": Enhancement(strength=0.15, guidance=0.3, control=0.9),
    "balanced": Enhancement(strength=0.5, guidance=0.65, control=0.75),
    "strong": Enhancement(strength=1.0, guidance=1.0, control=0.1),
}
"""The enhanced pictures that are shipped of each room, by the last part of their names."""


class Interior:
    """An empty room of three colours, and the draughtsman of what stands in it, the farthest first."""

    def __init__(self, *, wall: Colour, floor: Colour, ceiling: Colour) -> None:
        self.picture = Image.new("RGB", (WIDTH, HEIGHT), wall)
        self._draw = ImageDraw.Draw(self.picture)
        self.face([(-1, 0, 0), (1, 0, 0), (1, 0, 1), (-1, 0, 1)], floor)
        self.face([(-1, 1, 0), (1, 1, 0), (1, 1, 1), (-1, 1, 1)], ceiling)
        for side, light in ((-1, 0.9), (1, 0.96)):
            self.face([(side, 0, 0), (side, 1, 0), (side, 1, 1), (side, 0, 1)], _lit(wall, light))

    def face(self, corners: list[Place], colour: Colour) -> None:
        """Draw a flat piece by its corners."""
        self._draw.polygon([_seen(corner) for corner in corners], fill=colour)

    def panel(self, left: float, right: float, low: float, high: float, colour: Colour, *, away: float = 1.0) -> None:
        """Draw an upright piece that faces the camera."""
        self.face([(left, low, away), (right, low, away), (right, high, away), (left, high, away)], colour)

    def box(self, across: Span, up: Span, away: Span, colour: Colour) -> None:
        """Draw a block: the top and the one side that the camera sees, then its front."""
        (left, right), (low, high), (near, far) = across, up, away
        if high < _EYE:
            self.face(
                [(left, high, near), (right, high, near), (right, high, far), (left, high, far)], _lit(colour, 1.12)
            )
        for side, is_seen in ((left, left > 0), (right, right < 0)):
            if is_seen:
                corners = [(side, low, near), (side, high, near), (side, high, far), (side, low, far)]
                self.face(corners, _lit(colour, 0.7))
        self.panel(left, right, low, high, _lit(colour, 0.9), away=near)

    def ball(self, centre: Place, radius: float, colour: Colour) -> None:
        """Draw a ball; its radius is measured as places across are."""
        x, y = _seen(centre)
        size = radius * WIDTH / 2 * _scale(centre[2])
        self._draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)


def _scale(away: float) -> float:
    return 1 / (1 + away)


def _seen(place: Place) -> Point:
    across, up, away = place
    return WIDTH / 2 + across * WIDTH / 2 * _scale(away), 330 + (_EYE - up) * 710 * _scale(away)


def _lit(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, int(part * light)) for part in colour)
    return red, green, blue


def living_room() -> Image.Image:
    """Draw a sofa under a window, a table on a rug, a lamp and a plant."""
    room = Interior(wall=(214, 206, 192), floor=(168, 128, 88), ceiling=(238, 236, 230))
    room.panel(-0.55, 0.35, 0.42, 0.86, (245, 245, 242))
    room.panel(-0.52, -0.12, 0.45, 0.83, (176, 208, 232))
    room.panel(-0.08, 0.32, 0.45, 0.83, (176, 208, 232))
    room.panel(0.55, 0.85, 0.5, 0.8, (70, 60, 52))
    room.panel(0.58, 0.82, 0.53, 0.77, (200, 120, 70))
    room.face([(-0.7, 0.001, 0.25), (0.6, 0.001, 0.25), (0.6, 0.001, 0.85), (-0.7, 0.001, 0.85)], (196, 188, 172))
    room.box((-0.7, 0.3), (0.16, 0.4), (0.93, 1.0), (92, 112, 120))
    room.box((-0.7, 0.3), (0.0, 0.18), (0.7, 0.93), (104, 126, 134))
    room.box((-0.76, -0.66), (0.0, 0.27), (0.7, 1.0), (92, 112, 120))
    room.box((0.26, 0.36), (0.0, 0.27), (0.7, 1.0), (92, 112, 120))
    room.panel(-0.6, -0.42, 0.19, 0.34, (214, 150, 60), away=0.9)
    room.panel(0.02, 0.2, 0.19, 0.34, (226, 222, 210), away=0.9)
    for across in (-0.42, 0.18):
        room.box((across, across + 0.03), (0.0, 0.12), (0.36, 0.39), (70, 50, 36))
    room.box((-0.45, 0.24), (0.12, 0.15), (0.34, 0.56), (122, 84, 54))
    room.box((-0.2, -0.1), (0.15, 0.2), (0.42, 0.48), (236, 234, 228))
    room.box((0.62, 0.65), (0.0, 0.5), (0.78, 0.8), (60, 56, 54))
    room.panel(0.54, 0.73, 0.46, 0.64, (246, 226, 176), away=0.77)
    room.box((-0.95, -0.8), (0.0, 0.14), (0.55, 0.66), (176, 96, 64))
    for across, up, radius in ((-0.88, 0.3, 0.12), (-0.95, 0.42, 0.1), (-0.8, 0.44, 0.11), (-0.87, 0.54, 0.09)):
        room.ball((across, up, 0.6), radius, (74, 112, 62))
    return room.picture


def kitchen() -> Image.Image:
    """Draw cupboards around a window, a stove, and a counter with stools under two lamps."""
    room = Interior(wall=(226, 226, 220), floor=(150, 146, 140), ceiling=(242, 242, 240))
    room.panel(-0.95, 0.95, 0.42, 0.56, (206, 218, 214))
    room.panel(-0.28, 0.28, 0.5, 0.85, (246, 246, 244))
    room.panel(-0.25, 0.25, 0.53, 0.82, (184, 214, 236))
    for left in (-0.95, -0.62, 0.32, 0.65):
        room.box((left, left + 0.31), (0.58, 0.9), (0.88, 1.0), (122, 142, 126))
        room.panel(left + 0.02, left + 0.29, 0.6, 0.88, (134, 154, 138), away=0.87)
    for left in (-0.95, -0.63, -0.31, 0.33, 0.65):
        room.box((left, left + 0.31), (0.0, 0.38), (0.78, 1.0), (122, 142, 126))
        room.panel(left + 0.02, left + 0.29, 0.04, 0.35, (134, 154, 138), away=0.77)
    room.box((0.01, 0.32), (0.0, 0.38), (0.78, 1.0), (66, 66, 68))
    room.panel(0.05, 0.28, 0.08, 0.27, (30, 30, 34), away=0.77)
    room.box((-0.96, 0.97), (0.38, 0.41), (0.76, 1.0), (232, 228, 220))
    room.box((-0.5, -0.42), (0.41, 0.52), (0.86, 0.9), (196, 88, 60))
    room.ball((0.62, 0.45, 0.86), 0.06, (232, 180, 60))
    room.box((-0.55, 0.55), (0.0, 0.33), (0.28, 0.5), (182, 138, 96))
    room.box((-0.62, 0.62), (0.33, 0.37), (0.24, 0.54), (240, 238, 232))
    for across in (-0.42, -0.04, 0.34):
        for leg in (0.0, 0.11):
            room.box((across + leg, across + leg + 0.02), (0.0, 0.2), (0.12, 0.14), (54, 50, 48))
        room.box((across - 0.02, across + 0.15), (0.2, 0.24), (0.08, 0.2), (196, 146, 98))
    for across in (-0.3, 0.3):
        room.panel(across - 0.004, across + 0.004, 0.78, 1.0, (60, 60, 60), away=0.38)
        shade = [(across + aside, up, 0.38) for aside, up in ((-0.03, 0.8), (0.03, 0.8), (0.1, 0.7), (-0.1, 0.7))]
        room.face(shade, (214, 160, 70))
    return room.picture


ROOMS: dict[str, Callable[[], Image.Image]] = {"kitchen": kitchen, "living-room": living_room}


def enhance(render: Image.Image, how: Enhancement) -> Image.Image:
    """Return the render enhanced.

    Strength gives materials, shadows and the window's light, guidance contrast and colour; with little control lines
    bend.
    """
    scene = _bent(colours(render), (1 - how.control) * 14)
    grain = 0.6 * noise(3, 61, octaves=3, stretch=9) + 0.4 * noise(60, 62, octaves=6)
    scene *= 1 + how.strength**2 * 0.09 * grain[..., None]
    flat = picture(scene)
    # Where a place is darker than what is around it, there is an edge or a corner: there the shadow goes.
    around = colours(blurred(flat, 28)).mean(axis=2) - colours(blurred(flat, 3)).mean(axis=2)
    scene *= 1 - how.strength * np.clip(around, 0, 60)[..., None] / 110
    away = ((np.arange(WIDTH)[None, :] - 440) / 330) ** 2 + ((np.arange(HEIGHT)[:, None] - 300) / 240) ** 2
    scene *= 1 + how.strength * (0.42 * np.exp(-away) - 0.18)[..., None]
    scene += how.strength * np.exp(-away)[..., None] * np.array([22, 14, -6])
    middle = scene.mean(axis=2, keepdims=True)
    scene = middle + (scene - middle) * (0.85 + 0.75 * how.guidance)
    return picture(128 + (scene - 128) * (0.92 + 0.38 * how.guidance))


def _bent(scene: Floats, pixels: float) -> Floats:
    """Return the scene with every point moved by smooth noise whose deviation is `pixels` / 3."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    down, across = (noise(90, seed, octaves=3) * pixels / 3 for seed in (71, 72))
    from_row = np.clip(rows + down, 0, HEIGHT - 1).astype(int)
    from_column = np.clip(columns + across, 0, WIDTH - 1).astype(int)
    bent: Floats = scene[from_row, from_column]
    return bent
