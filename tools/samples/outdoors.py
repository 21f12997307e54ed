"""Four scenes as the caption model knows them: a dog in a meadow, a man at the sea, one who jumps, a surfer."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tools.samples.canvas import (
    HEIGHT,
    WIDTH,
    Colour,
    Floats,
    Point,
    blurred,
    colours,
    gradient,
    noise,
    picture,
    smooth,
)

_ROWS = np.arange(HEIGHT)[:, None]
_COLUMNS = np.arange(WIDTH)[None, :]

_DOG: tuple[Point, ...] = (
    (18, 30), (10, 24), (4, 16), (2, 9), (5, 9), (9, 15), (16, 21), (26, 23), (42, 22), (56, 21), (66, 18), (71, 11),
    (75, 6), (80, 4), (82, 2), (85, 5), (88, 8), (93, 10), (99, 12), (100, 15), (97, 17.5), (91, 18.5), (86, 20),
    (82, 24), (79, 29), (79, 35), (84, 41), (91, 46), (96, 50), (97, 53), (93, 53), (86, 49), (78, 44), (72, 40),
    (68, 41), (71, 48), (76, 55), (78, 60), (74, 60), (68, 53), (63, 45), (60, 39), (50, 37), (40, 36), (33, 37),
    (29, 42), (22, 47), (13, 51), (8, 56), (4, 57), (5, 53), (10, 48), (16, 43), (19, 39), (14, 41), (7, 43), (0, 46),
    (-2, 44), (5, 40), (13, 36),
)  # fmt: skip
_EAR: tuple[Point, ...] = ((78, 6), (73, 10), (71, 17), (74, 21), (78, 17), (81, 10))
_TONGUE: tuple[Point, ...] = ((93, 18), (96, 18), (97, 22), (95, 24), (93, 22))
"""A dog that runs to the right, from the tail on, in hundredths of its length."""


def dog() -> Image.Image:
    """Draw a brown dog that runs through the grass."""
    meadow = _grass(_meadow(), blades=9000, horizon=430, seed=1)
    return _grass(_run(meadow, at=(150, 250), scale=6.2, coat=(150, 98, 52)), blades=2500, horizon=590, seed=2)


def _meadow() -> Image.Image:
    scene = gradient((150, 190, 225), (225, 235, 240))
    edge = 340 - 40 * noise(160, 11, octaves=6)[:1]
    trees = (edge < _ROWS) & (_ROWS < 410)  # noqa: PLR2004 - where the meadow begins
    scene[trees] = (np.array([70, 95, 55]) + noise(40, 12)[..., None] * np.array([14, 18, 10]))[trees]
    grass = gradient((120, 150, 70), (70, 125, 40)) + noise(60, 16, stretch=3)[..., None] * 10
    return blurred(picture(np.where(_ROWS[..., None] > 395, grass, scene)), 3)  # noqa: PLR2004 - as above


def _grass(scene: Image.Image, *, blades: int, horizon: int, seed: int) -> Image.Image:
    """Return the scene with blades of grass below the horizon; nearer ones are longer and in front."""
    scene = scene.copy()
    draw = ImageDraw.Draw(scene)
    generator = np.random.default_rng(seed)
    depth = HEIGHT - horizon
    for y in np.sort(horizon + (depth + 30) * generator.random(blades) ** 0.8):
        near = (y - horizon) / depth
        length = 8 + 38 * near
        x, light, lean = generator.random() * WIDTH, generator.normal(), generator.normal(0, length * 0.35)
        colour = (np.array((90, 142, 50)) + light * 18 + 20 * near - 8).clip(0, 255).astype(int)
        draw.line([(x, y), (x + lean, y - length)], fill=tuple(colour.tolist()), width=1 + int(2 * near))
    return scene


def _run(scene: Image.Image, *, at: Point, scale: float, coat: Colour) -> Image.Image:
    """Return the scene with the dog in it: lighter above, with fur, eye, nose, ear and tongue."""

    def placed(points: Sequence[Point]) -> list[Point]:
        return [(x * scale + at[0], y * scale + at[1]) for x, y in points]

    def spot(centre: Point, radius: float, colour: Colour) -> None:
        (x, y), r = placed([centre])[0], radius * scale
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    # Twice as large and then halved, so that the outline has no steps.
    mask = Image.new("L", (2 * WIDTH, 2 * HEIGHT), 0)
    ImageDraw.Draw(mask).polygon([(2 * x, 2 * y) for x, y in placed(smooth(_DOG, 12))], fill=255)
    cover = np.asarray(blurred(mask, 2).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))[..., None] / 255
    shade = (
        1.18 - 0.6 * np.clip((_ROWS - at[1]) / (60 * scale), 0, 1) + 0.09 * noise(scale * 5, 4, octaves=4, stretch=3)
    )
    scene = picture(colours(scene) * (1 - cover) + np.array(coat) * shade[..., None] * cover)
    draw = ImageDraw.Draw(scene)
    spot((86.5, 10.5), 1.0, (20, 15, 12))
    spot((98.5, 13.0), 1.4, (20, 18, 18))
    draw.polygon(placed(smooth(_EAR)), fill=(int(coat[0] * 0.55), int(coat[1] * 0.55), int(coat[2] * 0.55)))
    draw.polygon(placed(smooth(_TONGUE)), fill=(205, 90, 100))
    return scene


_SHORE = 430
_SUN = (620, 395)
_DARK: Colour = (12, 10, 14)


def beach() -> Image.Image:
    """Draw a man who stands at the sea while the sun goes down."""
    return _figure(
        _evening(),
        feet=(340, 640),
        scale=2.9,
        limbs=(
            ((-4, -38), (-6, -18), (-6, 0)),
            ((4, -38), (6, -18), (7, 0)),
            ((-8, -65), (-13, -52), (-14, -38)),
            ((8, -65), (13, -52), (14, -38)),
        ),
    )


def jump() -> Image.Image:
    """Draw a man who jumps on the shore, with his arms up."""
    return _figure(
        _evening(),
        feet=(430, 580),
        scale=2.9,
        limbs=(
            ((-4, -38), (-18, -20), (-26, -30)),
            ((4, -38), (16, -18), (12, 0)),
            ((-8, -65), (-17, -74), (-24, -86)),
            ((8, -65), (17, -74), (24, -88)),
        ),
    )


def _evening() -> Image.Image:
    scene = np.concatenate(
        [
            gradient((60, 60, 110), (255, 150, 60), height=_SHORE),
            gradient((200, 110, 60), (40, 35, 60), height=HEIGHT - _SHORE),
        ]
    )
    away = (_COLUMNS - _SUN[0]) ** 2 + (_ROWS - _SUN[1]) ** 2
    scene += np.exp(-away / (2 * 120**2))[..., None] * np.array([120, 110, 60])
    scene[(away < 42**2) & (_ROWS < _SHORE)] = (255, 245, 190)
    scene[_SHORE:] += noise(16, 31, stretch=8)[_SHORE:, :, None] * 16
    scene[:_SHORE] += np.clip(noise(120, 33, octaves=6, stretch=4)[:_SHORE], 0, 2)[..., None] * np.array([22, 4, -12])
    evening = picture(scene)
    sand = [(x, 630 + 8 * math.sin(x / 90)) for x in range(0, WIDTH + 1, 10)]
    ImageDraw.Draw(evening).polygon([(0, 640), *sand, (WIDTH, HEIGHT), (0, HEIGHT)], fill=(16, 14, 18))
    return evening


def _figure(
    scene: Image.Image, *, feet: Point, scale: float, limbs: Sequence[tuple[Point, Point, Point]]
) -> Image.Image:
    """Draw a person against the light, 84 units tall; `limbs` are two legs and two arms, each by its three joints."""

    def placed(points: Sequence[Point]) -> list[Point]:
        return [(2 * (feet[0] + x * scale), 2 * (feet[1] + y * scale)) for x, y in points]

    # Twice as large and then halved, as the dog.
    shape = Image.new("L", (2 * WIDTH, 2 * HEIGHT), 0)
    draw = ImageDraw.Draw(shape)
    draw.ellipse((*placed([(-6, -84)])[0], *placed([(6, -70)])[0]), fill=255)
    draw.line(placed([(0, -72), (0, -60)]), fill=255, width=int(10 * scale))
    draw.polygon(placed(smooth([(-9, -68), (9, -68), (8, -50), (7, -36), (-7, -36), (-8, -50)])), fill=255)
    for number, joints in enumerate(limbs):
        radius = (6 if number < 2 else 4.5) * scale  # noqa: PLR2004 - legs are thicker
        draw.line(placed(joints), fill=255, width=int(2 * radius), joint="curve")
        for x, y in placed(joints):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    small = shape.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return Image.composite(Image.new("RGB", (WIDTH, HEIGHT), _DARK), scene, small)


def surfer() -> Image.Image:
    """Draw a surfer on a wave that breaks behind him."""
    scene = blurred(picture(_wave()), 1.5)
    draw = ImageDraw.Draw(scene)
    suit, skin = (25, 25, 32), (190, 140, 110)
    x, y = 430, 430

    def placed(*points: Point) -> list[Point]:
        return [(x + across, y + down) for across, down in points]

    board = ((-110, 28), (-20, 4), (90, -12), (120, -12), (60, 12), (-40, 34))
    draw.polygon(smooth(placed(*board)), fill=(240, 240, 230))
    draw.line(placed((-30, 12), (-38, -30), (-4, -62)), fill=suit, width=22, joint="curve")
    draw.line(placed((52, -2), (42, -42), (-2, -64)), fill=suit, width=22, joint="curve")
    draw.line(placed((-4, -60), (22, -124)), fill=suit, width=36)
    draw.ellipse((x + 16, y - 166, x + 50, y - 128), fill=skin)
    draw.chord((x + 14, y - 170, x + 50, y - 134), 170, 360, fill=(50, 35, 25))
    draw.line(placed((20, -116), (80, -100), (112, -112)), fill=skin, width=13, joint="curve")
    draw.line(placed((14, -112), (-44, -120), (-80, -104)), fill=skin, width=13, joint="curve")
    generator = np.random.default_rng(8)
    for _ in range(1200):
        across, down, size = generator.normal(0, 60), generator.normal(0, 16), generator.random() * 4
        (at,) = placed((-120 + across, 20 + down))
        draw.ellipse((at[0] - size, at[1] - size, at[0] + size, at[1] + size), fill=(235, 240, 240))
    return blurred(scene, 0.8)


def _wave() -> Floats:
    scene = gradient((50, 120, 150), (30, 90, 120)) + noise(60, 41, octaves=6, stretch=4)[..., None] * 14
    crest = 210 - 120 * np.exp(-(((_COLUMNS - 620) / 260) ** 2)) + 0.1 * _COLUMNS
    foam = noise(30, 43, octaves=6)
    face = (crest < _ROWS) & (crest + 260 > _ROWS)
    scene[face] = (np.array([40, 130, 140]) + noise(40, 42, stretch=0.4)[..., None] * 12)[face]
    lip = np.abs(_ROWS - crest) < 30 + 14 * foam
    scene[lip] = 235 + foam[lip][:, None] * 12
    broken = (620 + 40 * noise(60, 44, octaves=4)[:, :1] < _COLUMNS) & (crest - 10 < _ROWS) & (crest + 250 > _ROWS)
    scene[broken] = (225 + noise(26, 45, octaves=6)[..., None] * np.array([22, 18, 16]))[broken]
    scene[(crest + 230 + 25 * foam < _ROWS) & (foam > 0.1) & (_COLUMNS > 300)] = 220  # noqa: PLR2004 - as it looks
    return scene
