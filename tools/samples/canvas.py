"""What pictures are drawn with: gradients, noise as of clouds, grass and fur, smooth outlines, and how one is saved.

A picture in the making is an array of shape (height, width, 3) in 0 to 255. The same seed gives the same picture.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WIDTH, HEIGHT = 960, 720
QUALITY = 88
"""Of a JPEG."""

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]
Point = tuple[float, float]


def picture(colours: Floats) -> Image.Image:
    """Return the picture of an array of colours, which are held to 0 to 255."""
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def colours(of: Image.Image) -> Floats:
    """Return a picture's colours, (height, width, 3)."""
    return np.asarray(of.convert("RGB"), dtype=np.float64)


def gradient(top: Colour, bottom: Colour, *, height: int = HEIGHT) -> Floats:
    """Return (`height`, WIDTH, 3): one colour that becomes another on the way down."""
    share = np.linspace(0.0, 1.0, height)[:, None, None]
    return np.repeat((1 - share) * np.array(top, float) + share * np.array(bottom, float), WIDTH, axis=1)


def noise(scale: float, seed: int, *, octaves: int = 5, stretch: float = 1.0) -> Floats:
    """Return smooth noise of shape (HEIGHT, WIDTH), of mean 0 and deviation 1.

    Its coarsest patches are `scale` pixels high and `stretch` times as wide; each octave halves them.
    """
    generator = np.random.default_rng(seed)
    total = np.zeros((HEIGHT, WIDTH))
    for octave in range(octaves):
        size = scale / 2**octave
        grid = (max(2, int(HEIGHT / size) + 2), max(2, int(WIDTH / (size * stretch)) + 2))
        coarse = Image.fromarray(generator.normal(size=grid).astype(np.float32))
        total += np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) / 2 ** (octave * 0.7)
    standard: Floats = (total - total.mean()) / total.std()
    return standard


def smooth(outline: Sequence[Point], steps: int = 10) -> list[Point]:
    """Return a closed curve through the points: the spline of E. Catmull and R. Rom (1974)."""
    points = np.array(outline, float)
    share = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    curve: list[Point] = []
    for at in range(len(points)):
        before, here, there, after = (points[(at + step) % len(points)] for step in (-1, 0, 1, 2))
        bend = (2 * before - 5 * here + 4 * there - after) * share**2 + (
            3 * here - before - 3 * there + after
        ) * share**3
        curve += [(float(x), float(y)) for x, y in here + 0.5 * ((there - before) * share + bend)]
    return curve


def blurred(of: Image.Image, radius: float) -> Image.Image:
    """Return the picture out of focus; `radius` is in pixels."""
    return of.filter(ImageFilter.GaussianBlur(radius))


def save(of: Image.Image, path: Path) -> None:
    """Write a JPEG without metadata."""
    of.convert("RGB").save(path, "JPEG", quality=QUALITY, optimize=True)
