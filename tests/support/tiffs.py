"""TIFFs of the whole grid: photometric interpretations, depths, number formats, orders, planes, tiles, compressions."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tests.support.handwritten import Entry, entry, strips, tiff, tiles

WIDTH, HEIGHT = 37, 22
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED, YCBCR = 0, 1, 2, 3, 5, 6
RAW, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3}

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the samples are: see `captioning.pictures.formats.tiff_layout.Layout`."""

    photometric: int
    bits: int
    form: int = UNSIGNED
    extra: tuple[int, ...] = ()

    @property
    def samples(self) -> int:
        return _COLOURS[self.photometric] + len(self.extra)

    def __str__(self) -> str:
        form = {UNSIGNED: "unsigned", SIGNED: "signed", FLOAT: "float"}[self.form]
        name = ("white-is-zero", "grey", "rgb", "palette", "", "cmyk", "ycbcr")[self.photometric]
        return "-".join((name, form, str(self.bits), *(f"extra{one}" for one in self.extra)))


@dataclass(frozen=True, slots=True)
class Way:
    """How the samples lie in the file."""

    order: Literal["<", ">"] = "<"
    planar: bool = False
    tiled: bool = False
    rows: int = HEIGHT
    compression: int = RAW
    predictor: int = 1
    big: bool = False
    fill_order: int = 1


def shares(kind: Kind) -> NDArray[np.float64]:
    """The picture: of each sample the share of the largest level, 0 to 1, (height, width, samples)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    bands = [
        x / (WIDTH - 1),
        y / (HEIGHT - 1),
        (x + y) / (WIDTH + HEIGHT - 2),
        1 - x / (WIDTH - 1),
        1 - y / (HEIGHT - 1),
    ]
    found = np.dstack(bands[: kind.samples])
    if kind.extra and kind.extra[0] == 1:
        # Colours that are multiplied by the opacity are at most it.
        colours = _COLOURS[kind.photometric]
        found[:, :, :colours] *= found[:, :, colours : colours + 1]
    return found


def samples(kind: Kind, *, used_bits: int | None = None) -> Array:
    """The picture's samples as numbers; with `used_bits`, those of a depth that is less than what they take."""
    whole = shares(kind)
    if kind.form == FLOAT:
        return whole.astype(f"f{kind.bits // 8}")
    bits = used_bits or kind.bits - (kind.form == SIGNED)
    if bits == 64:
        # Floats have no level 2^64 - 1.
        found = (whole * (2.0**53 - 1)).astype(np.uint64) << np.uint64(11)
        found[whole == 1] = 2**64 - 1
        return found
    found = np.round(whole * (2.0**bits - 1)) if bits < 53 else np.minimum(whole * 2.0**bits, 2**bits - 1024)
    letter = "i" if kind.form == SIGNED else "u"
    return found.astype(f"{letter}{max(1, 1 << (kind.bits - 1).bit_length()) // 8 or 1}")


def write(kind: Kind, way: Way, levels: Array, *extra: Entry) -> bytes:
    """A TIFF of those samples, (height, width, samples)."""
    planes = [levels[:, :, [at]] for at in range(kind.samples)] if way.planar else [levels]
    height, width = levels.shape[:2]
    across, down = (16, 16) if way.tiled else (width, way.rows)
    segments = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                piece = plane[top : top + down, left : left + across]
                if way.tiled:
                    missing = [(0, down - piece.shape[0]), (0, across - piece.shape[1]), (0, 0)]
                    piece = np.pad(piece, missing, mode="edge")
                segments.append(_coded(piece, kind, way))
    entries = [
        entry(256, 4, width, order=way.order),
        entry(257, 4, height, order=way.order),
        entry(258, 3, *[kind.bits] * kind.samples, order=way.order),
        entry(259, 3, way.compression, order=way.order),
        entry(262, 3, kind.photometric, order=way.order),
        entry(266, 3, way.fill_order, order=way.order),
        entry(277, 3, kind.samples, order=way.order),
        entry(284, 3, 2 if way.planar else 1, order=way.order),
        entry(317, 3, way.predictor, order=way.order),
        entry(339, 3, *[kind.form] * kind.samples, order=way.order),
        *(tiles(across, down, order=way.order) if way.tiled else strips(down, order=way.order)),
        *extra,
    ]
    if kind.extra:
        entries.append(entry(338, 3, *kind.extra, order=way.order))
    return tiff(sorted(entries, key=lambda one: one.tag), segments, order=way.order, big=way.big)


def _coded(piece: Array, kind: Kind, way: Way) -> bytes:
    raw = _packed(_predicted(piece, kind, way), kind, way)
    codes: dict[int, Callable[[bytes], bytes]] = {RAW: bytes, DEFLATE: zlib.compress, LZW: _lzw, PACKBITS: _packbits}
    coded = codes[way.compression](raw)
    return (
        coded.translate(bytes(int(f"{level:08b}"[::-1], 2) for level in range(256))) if way.fill_order == 2 else coded
    )


def _predicted(piece: Array, kind: Kind, way: Way) -> Array:
    if way.predictor != DIFFERENCES:
        return piece
    whole = np.ascontiguousarray(piece).view(f"u{kind.bits // 8}")
    return np.diff(whole, axis=1, prepend=whole.dtype.type(0)).astype(whole.dtype)


def _packed(piece: Array, kind: Kind, way: Way) -> bytes:
    rows, _, count = piece.shape
    if way.predictor == FLOAT_DIFFERENCES:
        planes = (
            np.ascontiguousarray(piece.astype(f">f{kind.bits // 8}")).view(np.uint8).reshape(rows, -1, kind.bits // 8)
        )
        line = planes.swapaxes(1, 2).reshape(rows, -1, count)
        return np.diff(line, axis=1, prepend=np.uint8(0)).tobytes()
    if kind.bits in {8, 16, 32, 64}:
        return piece.astype(piece.dtype.newbyteorder(way.order)).tobytes()
    flat = piece.reshape(rows, -1).astype(np.uint64)
    if kind.bits == 24:
        octets = flat.astype(f"{way.order}u4").view(np.uint8).reshape(rows, -1, 4)
        return octets[:, :, :3].tobytes() if way.order == "<" else octets[:, :, 1:].tobytes()
    places = np.arange(kind.bits - 1, -1, -1, dtype=np.uint64)
    bits = (flat[:, :, np.newaxis] >> places & np.uint64(1)).astype(np.uint8)
    return np.packbits(bits.reshape(rows, -1), axis=1).tobytes()


def _lzw(raw: bytes) -> bytes:
    """Codes of 9 bits that use no table: it is cleared before they would grow."""
    codes = [code for at in range(0, len(raw), 250) for code in (256, *raw[at : at + 250])]
    written = "".join(format(code, "09b") for code in (*codes, 257))
    written += "0" * (-len(written) % 8)
    return int(written, 2).to_bytes(len(written) // 8, "big")


def _packbits(raw: bytes) -> bytes:
    return b"".join(bytes([len(raw[at : at + 128]) - 1]) + raw[at : at + 128] for at in range(0, len(raw), 128))


def _depths() -> Iterator[Kind]:
    for photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        yield from (Kind(photometric, bits) for bits in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 24, 32, 64))
        yield from (Kind(photometric, bits, SIGNED) for bits in (8, 16, 32, 64))
        yield from (Kind(photometric, bits, FLOAT) for bits in (16, 32, 64))
    yield from (Kind(RGB, bits) for bits in (1, 2, 4, 5, 8, 10, 12, 16, 24, 32, 64))
    yield from (Kind(RGB, bits, form) for form, sizes in ((SIGNED, (8, 16)), (FLOAT, (16, 32, 64))) for bits in sizes)


KINDS = (
    *_depths(),
    *(Kind(photometric, 8, extra=(extra,)) for photometric in (BLACK_IS_ZERO, RGB) for extra in (0, 1, 2)),
    *(Kind(photometric, 16, extra=(extra,)) for photometric in (BLACK_IS_ZERO, RGB) for extra in (0, 1, 2)),
    Kind(RGB, 8, extra=(2, 0)),
    Kind(RGB, 4, extra=(2,)),
    Kind(RGB, 32, FLOAT, (1,)),
    Kind(WHITE_IS_ZERO, 8, extra=(2,)),
    *(Kind(PALETTE, bits) for bits in (1, 2, 4, 8, 16)),
    *(Kind(SEPARATED, bits) for bits in (8, 16)),
    Kind(SEPARATED, 8, extra=(0,)),
    Kind(YCBCR, 8),
)
"""Kinds that are read."""


def ways(kind: Kind) -> Iterator[Way]:
    """The ways in which a kind may lie in a file: each pair of two choices, and not all at once."""
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        for planar in (False, True) if kind.samples > 1 else (False,):
            yield Way(order, planar, rows=5)
            yield Way(order, planar, tiled=True, big=planar)
            yield Way(order, planar, rows=7, compression=LZW)
            yield Way(order, planar, rows=7, compression=PACKBITS, big=True)
            yield Way(order, planar, tiled=True, compression=DEFLATE)
            if kind.bits in {8, 16, 32, 64}:
                yield Way(order, planar, compression=DEFLATE, predictor=DIFFERENCES)
                yield Way(order, planar, tiled=True, compression=LZW, predictor=DIFFERENCES)
            if kind.form == FLOAT:
                yield Way(order, planar, rows=6, compression=DEFLATE, predictor=FLOAT_DIFFERENCES)
    yield Way(fill_order=2)
    yield Way(fill_order=2, rows=4, compression=LZW)
