"""PNGs of all kinds: colour types, depths, interlaced or not, with and without transparent levels."""

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.handwritten import chunk

WIDTH, HEIGHT = 29, 23
GREY, RGB, PALETTE, GREY_AND_OPACITY, RGB_AND_OPACITY = 0, 2, 3, 4, 6
_SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_AND_OPACITY: 2, RGB_AND_OPACITY: 4}
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_AND_OPACITY: (8, 16),
    RGB_AND_OPACITY: (8, 16),
}
# First column and row, and the steps, of the seven passes (PNG specification, section 8).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

Samples = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the samples of a PNG are."""

    colour: int
    depth: int
    interlaced: bool
    transparent: bool

    def __str__(self) -> str:
        name = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_AND_OPACITY: "grey-opacity", RGB_AND_OPACITY: "rgba"}
        return "-".join(
            (name[self.colour], str(self.depth), *["interlaced"] * self.interlaced, *["transparent"] * self.transparent)
        )


def _kinds() -> Iterator[Kind]:
    for colour, depths in _DEPTHS.items():
        for depth, interlaced in itertools.product(depths, (False, True)):
            yield Kind(colour, depth, interlaced, transparent=False)
            if colour in {GREY, RGB, PALETTE}:
                yield Kind(colour, depth, interlaced, transparent=True)


KINDS = tuple(_kinds())
"""All kinds of PNG that there are."""


def samples(kind: Kind, *, used_bits: int | None = None) -> Samples:
    """A picture's samples, (height, width, samples)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    bands = (x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT - 2), 1 - x / (WIDTH - 1))
    whole = np.dstack(bands[: _SAMPLES[kind.colour]])
    if kind.colour in {GREY_AND_OPACITY, RGB_AND_OPACITY}:
        whole[:, :, -1] = bands[3]
    return np.round(whole * ((1 << (used_bits or kind.depth)) - 1)).astype(np.uint16)


def palette(kind: Kind) -> NDArray[np.uint8]:
    """The palette of a kind that has one, (levels, 3)."""
    return np.random.default_rng(kind.depth).integers(0, 256, (1 << kind.depth, 3)).astype(np.uint8)


def shown(kind: Kind, levels: Samples, *, used_bits: int | None = None) -> NDArray[np.float64]:
    """What the picture shows, 0 to 255, over white."""
    whole = levels / ((1 << (used_bits or kind.depth)) - 1)
    opacity = np.ones((HEIGHT, WIDTH, 1))
    if kind.colour == PALETTE:
        found = palette(kind)[levels[:, :, 0]] / 255
        if kind.transparent:
            opacity = _opacities(kind)[levels] / 255
    else:
        found = whole[:, :, :3] if kind.colour in {RGB, RGB_AND_OPACITY} else whole[:, :, :1]
        if kind.colour in {GREY_AND_OPACITY, RGB_AND_OPACITY}:
            opacity = whole[:, :, -1:]
        elif kind.transparent:
            opacity = 1.0 - (levels == _transparent(levels)).all(axis=2, keepdims=True)
    return np.broadcast_to((found * opacity + 1 - opacity) * 255, (HEIGHT, WIDTH, 3))


def write(kind: Kind, levels: Samples, *chunks: bytes) -> bytes:
    """A PNG of those samples, with chunks behind its header."""
    passes = _PASSES if kind.interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        _rows(levels[down::step_down, across::step_across], kind) for across, down, step_across, step_down in passes
    )
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, kind.depth, kind.colour, 0, 0, kind.interlaced)),
        *chunks,
    ]
    if kind.colour == PALETTE:
        parts.append(chunk(b"PLTE", palette(kind).tobytes()))
    if kind.transparent:
        said = _opacities(kind).astype(np.uint8) if kind.colour == PALETTE else _transparent(levels).astype(">u2")
        parts.append(chunk(b"tRNS", said.tobytes()))
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _opacities(kind: Kind) -> NDArray[np.uint8]:
    return np.linspace(255, 0, 1 << kind.depth).round().astype(np.uint8)


def _transparent(levels: Samples) -> Samples:
    transparent: Samples = levels[HEIGHT // 2, WIDTH // 2]
    return transparent


def _rows(levels: Samples, kind: Kind) -> bytes:
    """Rows of a pass, each behind its filter byte; of a pass without pixels there are none."""
    if not levels.size:
        return b""
    flat = levels.reshape(levels.shape[0], -1)
    if kind.depth == 16:
        lines = [row.astype(">u2").tobytes() for row in flat]
    else:
        places = np.arange(kind.depth - 1, -1, -1)
        bits = (flat[:, :, np.newaxis] >> places & 1).astype(np.uint8)
        lines = [row.tobytes() for row in np.packbits(bits.reshape(len(flat), -1), axis=1)]
    return b"".join(b"\0" + line for line in lines)
