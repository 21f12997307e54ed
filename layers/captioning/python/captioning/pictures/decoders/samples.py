"""The samples of a TIFF, of any depth, number format and order, by its `Layout`: what Pillow does not decode right.

A picture is decoded some rows at a time, which are converted and shrunk at once, so that it is never whole in memory.
libtiff decompresses: it is told that the picture is one of bytes, and leaves the meaning of these to us.

- Grey and RGB of more than 8 bits, signed or float, keep all their levels until they are shrunk. Which level is white
  is known when all have been seen: see `captioning.pictures.whites`.
- Other colours are converted to 8 bits first. CMYK becomes RGB by Pillow's plain formula.

This module imports NumPy, which the process does without otherwise.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from captioning.errors import DamagedPictureError
from captioning.pictures.colours import is_foreign, to_srgb
from captioning.pictures.formats.metadata import UPRIGHT
from captioning.pictures.formats.tiff_layout import Layout
from captioning.pictures.protocol import Levels
from captioning.pictures.shrinking import Shrinking
from captioning.pictures.whites import float_white, integer_white

Bytes = NDArray[np.uint8]
"""Rows of bytes, (rows, bytes per row)."""
Samples = NDArray[Any]
"""Samples, (rows, columns, samples per pixel)."""

_GROUP_BYTES = 4 << 20
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_GREY_OR_RGB, _COLOURED = frozenset((_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)), frozenset((_RGB, _PALETTE, _YCBCR))
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_LETTERS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}
_DIFFERENCES = 2
_MULTIPLIED, _OPACITY = 1, 2
_BYTE = 8
_REVERSED = bytes(int(f"{level:08b}"[::-1], 2) for level in range(256))
_FULL = 255.0


class _Segment(NamedTuple):
    """Rows of one plane that lie together: where, in how many bytes, and how many rows."""

    offset: int
    size: int
    rows: int


def shrink(
    content: bytes, layout: Layout, size: tuple[int, int], resampling: Image.Resampling, profile: bytes
) -> Levels:
    """Decode the picture and resize it to `size`, which is width and height; its orientation is not known here.

    Raises:
        DamagedPictureError: samples are missing, or not finite.
        Exception: any error of Pillow's on broken data.
    """
    if layout.photometric in _GREY_OR_RGB and (layout.bits > _BYTE or layout.form != _UNSIGNED):
        planes = _deep(content, layout, size, resampling)
        if layout.base == 1 or not is_foreign(profile):
            return Levels("F", UPRIGHT, _FULL, planes.tobytes())
        image = _image("RGB", np.moveaxis(planes, 0, 2).round().astype(np.uint8))
    else:
        image = _shallow(content, layout, size, resampling)
    if layout.photometric in _COLOURED and is_foreign(profile):
        image = to_srgb(image, profile)
    return Levels(image.mode, UPRIGHT, _FULL, image.tobytes())


def _deep(content: bytes, layout: Layout, size: tuple[int, int], resampling: Image.Resampling) -> NDArray[np.float32]:
    """Return grey or RGB over white, float32 (1 or 3, height, width), 0 to 255."""
    opacity = next((at for at, kind in enumerate(layout.extra) if kind in {_MULTIPLIED, _OPACITY}), None)
    count = layout.base + (opacity is not None)
    planes = [Shrinking("F", layout.height, size, resampling) for _ in range(count)]
    highest = highest_opacity = 0.0
    for rows in _rows(content, layout):
        colours = rows[:, :, : layout.base]
        highest = max(highest, float(colours.max()))
        with np.errstate(over="ignore"):
            levels = colours.astype(np.float32)
        if not np.isfinite(levels.max() - levels.min()):
            raise DamagedPictureError("the picture's levels are not finite")
        if opacity is not None:
            opaque = np.clip(np.nan_to_num(rows[:, :, layout.base + opacity].astype(np.float32)), 0, None)
            highest_opacity = max(highest_opacity, float(opaque.max()))
            if layout.extra[opacity] == _OPACITY:
                # Only premultiplied colours may be averaged.
                levels = levels * opaque[:, :, np.newaxis]
            levels = np.concatenate([levels, opaque[:, :, np.newaxis]], axis=2)
        for number, plane in enumerate(planes):
            plane.add(_image("F", np.ascontiguousarray(levels[:, :, number])))
    found = np.stack([np.asarray(plane.finish()) for plane in planes])
    white, opaque_white = _white(layout, highest), _white(layout, highest_opacity)
    share = found[layout.base :] / opaque_white if opacity is not None else np.ones(1, np.float32)
    multiplied = opacity is not None and layout.extra[opacity] == _OPACITY
    seen = found[: layout.base] / (white * (opaque_white if multiplied else 1))
    if layout.photometric == _WHITE_IS_ZERO:
        seen = share - seen
    over_white = (np.clip(seen, 0, None) + 1 - share) * _FULL
    return np.clip(over_white, 0, _FULL).astype(np.float32)


def _white(layout: Layout, highest: float) -> float:
    if layout.form == _FLOAT:
        return float_white(highest)
    return integer_white(highest, layout.bits - (layout.form == _SIGNED))


def _shallow(content: bytes, layout: Layout, size: tuple[int, int], resampling: Image.Resampling) -> Image.Image:
    """Return the shrunk picture in the mode RGB, or in RGBa if it has opacity."""
    opacity = next((at for at, kind in enumerate(layout.extra) if kind in {_MULTIPLIED, _OPACITY}), None)
    shrinking = Shrinking("RGB" if opacity is None else "RGBa", layout.height, size, resampling)
    for rows in _rows(content, layout):
        strip = _coloured(rows[:, :, : layout.base], layout)
        if opacity is not None:
            strip.putalpha(_image("L", _scaled(rows[:, :, layout.base + opacity], layout.bits)))
            if layout.extra[opacity] == _MULTIPLIED:
                strip = Image.frombytes("RGBa", strip.size, strip.tobytes())
            else:
                strip = strip.convert("RGBa")
        shrinking.add(strip)
    return shrinking.finish()


def _coloured(samples: Samples, layout: Layout) -> Image.Image:
    """Return an image in the mode RGB of samples of 8 bits and fewer, or of other colours than grey and RGB."""
    if layout.photometric == _PALETTE:
        # Levels of 16 bits; some programs write levels of 8.
        colours = np.array(layout.colours) >> (_BYTE if max(layout.colours) > _FULL else 0)
        return _image("RGB", colours.reshape(3, -1).T.astype(np.uint8)[samples[:, :, 0]])
    if layout.photometric == _YCBCR:
        return _image("RGB", _from_ycbcr(samples, layout))
    levels = _scaled(samples, layout.bits)
    if layout.photometric == _SEPARATED:
        return _image("CMYK", levels).convert("RGB")
    if layout.photometric == _WHITE_IS_ZERO:
        levels = 255 - levels
    return _image("RGB", levels if layout.photometric == _RGB else levels.repeat(3, axis=2))


def _scaled(samples: Samples, bits: int) -> Bytes:
    """Return whole numbers of `bits` as levels of 8 bits."""
    if bits > _BYTE:
        return (samples >> (bits - _BYTE)).astype(np.uint8)
    table = np.round(np.arange(1 << bits) * _FULL / ((1 << bits) - 1)).astype(np.uint8)
    return table[samples]


def _from_ycbcr(samples: Samples, layout: Layout) -> Bytes:
    """Return red, green and blue, by TIFF 6.0, section 21."""
    low, high = np.array(layout.references).reshape(3, 2).T.astype(np.float32)
    # Full range of luminance and of colour differences.
    levels = (samples - low) / (high - low) * np.array([255, 127, 127], np.float32)
    in_red, in_green, in_blue = layout.coefficients
    luminance, blueness, redness = np.moveaxis(levels, 2, 0)
    red = redness * (2 - 2 * in_red) + luminance
    blue = blueness * (2 - 2 * in_blue) + luminance
    green = (luminance - in_blue * blue - in_red * red) / in_green
    found: Bytes = np.clip(np.round(np.stack([red, green, blue], axis=2)), 0, _FULL).astype(np.uint8)
    return found


def _image(mode: str, levels: NDArray[np.generic]) -> Image.Image:
    return Image.frombytes(mode, (levels.shape[1], levels.shape[0]), np.ascontiguousarray(levels).tobytes())


# From the file to samples.


def _rows(content: bytes, layout: Layout) -> Iterator[Samples]:
    """Yield the picture's samples from the top, some rows at a time, without what pads strips and tiles."""
    planes = layout.samples if layout.planar else 1
    groups = [
        _tile_rows(layout, plane) if layout.tiled else _strip_groups(content, layout, plane) for plane in range(planes)
    ]
    left = layout.height
    for together in zip(*groups, strict=True):
        found = [_decoded(content, layout, segments)[:left, : layout.width] for segments in together]
        left -= found[0].shape[0]
        yield np.concatenate(found, axis=2) if len(found) > 1 else found[0]


def _strip_groups(content: bytes, layout: Layout, plane: int) -> list[list[_Segment]]:
    """Return the strips of a plane in groups of some bytes; uncompressed ones are cut for this."""
    per_plane = -(-layout.height // layout.down)
    row_bytes, unit = _row_bytes(layout), _rows_per_unit(layout)
    most = max(1, _GROUP_BYTES // row_bytes) * unit
    groups: list[list[_Segment]] = []
    room = 0
    for number in range(per_plane):
        at = plane * per_plane + number
        rows = min(layout.down, layout.height - number * layout.down)
        if not layout.compressed:
            groups += [
                [_Segment(layout.offsets[at] + top // unit * row_bytes, 0, min(most, rows - top))]
                for top in range(0, rows, most)
            ]
            continue
        if room < rows:
            groups.append([])
            room = max(most, rows)
        room -= rows
        groups[-1].append(_Segment(layout.offsets[at], _size(content, layout, at), rows))
    return groups


def _tile_rows(layout: Layout, plane: int) -> list[list[_Segment]]:
    """Return the tiles of a plane, row by row."""
    across, down = -(-layout.width // layout.across), -(-layout.height // layout.down)
    first = plane * across * down
    return [
        [
            _Segment(layout.offsets[at], layout.sizes[at] if layout.compressed else 0, layout.down)
            for at in range(first + row * across, first + (row + 1) * across)
        ]
        for row in range(down)
    ]


def _size(content: bytes, layout: Layout, at: int) -> int:
    # A single strip may do without.
    return layout.sizes[at] if at < len(layout.sizes) else len(content) - layout.offsets[at]


def _columns(layout: Layout) -> int:
    """Return the width of a strip or tile, in pixels, or in units of subsampled YCbCr."""
    return -(-layout.across // layout.subsampling[0]) if _is_subsampled(layout) else layout.across


def _is_subsampled(layout: Layout) -> bool:
    return layout.photometric == _YCBCR and layout.subsampling != (1, 1)


def _rows_per_unit(layout: Layout) -> int:
    return layout.subsampling[1] if _is_subsampled(layout) else 1


def _per_column(layout: Layout) -> int:
    """Return how many samples lie together: those of a pixel, or of a unit of subsampled YCbCr."""
    if _is_subsampled(layout):
        return layout.subsampling[0] * layout.subsampling[1] + 2
    return 1 if layout.planar else layout.samples


def _row_bytes(layout: Layout) -> int:
    return -(-_columns(layout) * _per_column(layout) * layout.bits // _BYTE)


def _decoded(content: bytes, layout: Layout, segments: Sequence[_Segment]) -> Samples:
    """Return the samples of strips below each other, or of tiles beside each other."""
    row_bytes, unit = _row_bytes(layout), _rows_per_unit(layout)
    if layout.compressed:
        raw = _decompressed(content, layout, segments, row_bytes, unit)
    else:
        raw = b"".join(content[one.offset : one.offset + -(-one.rows // unit) * row_bytes] for one in segments)
        if layout.fill_order == _DIFFERENCES:
            raw = raw.translate(_REVERSED)
    lines = sum(-(-one.rows // unit) for one in segments)
    if len(raw) < lines * row_bytes:
        raise DamagedPictureError("the picture is truncated or broken: samples are missing")
    found = _samples(np.frombuffer(raw, np.uint8).reshape(lines, row_bytes), layout)
    if unit > 1 or _is_subsampled(layout):
        found = _upsampled(found, layout)
    if layout.tiled and len(segments) > 1:
        # Tiles came below each other.
        rows = found.reshape(len(segments), -1, *found.shape[1:])
        found = np.concatenate(list(rows), axis=1)
    return found


def _decompressed(content: bytes, layout: Layout, segments: Sequence[_Segment], row_bytes: int, unit: int) -> bytes:
    """Have libtiff decompress strips or tiles, as a grey picture of bytes in strips."""
    pieces = [content[one.offset : one.offset + one.size] for one in segments]
    rows = [-(-one.rows // unit) for one in segments]
    order, count = layout.order, len(pieces)
    head = 8 + 2 + 12 * 10 + 4
    first = head + 8 * count
    offsets: list[int] = []
    sizes: list[int] = []
    for piece in pieces:
        offsets.append(first + sum(sizes))
        sizes.append(len(piece))
    lists = struct.pack(f"{order}{count}I", *offsets), struct.pack(f"{order}{count}I", *sizes)
    entries = [
        (256, 4, 1, row_bytes), (257, 4, 1, sum(rows)), (258, 3, 1, 8), (259, 3, 1, layout.compression), (262, 3, 1, 1),
        (266, 3, 1, layout.fill_order), (273, 4, count, head if count > 1 else offsets[0]), (277, 3, 1, 1),
        (278, 4, 1, rows[0]), (279, 4, count, head + 4 * count if count > 1 else sizes[0]),
    ]  # fmt: skip
    directory = b"".join(
        struct.pack(order + "HHI", tag, kind, values)
        + (struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value))  # noqa: PLR2004
        for tag, kind, values, value in entries
    )
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    with TiffImageFile(io.BytesIO(b"".join((start, directory, bytes(4), *lists, *pieces)))) as image:
        return image.tobytes()


def _samples(lines: Bytes, layout: Layout) -> Samples:
    """Return samples (rows, columns, samples that lie together) from rows of bytes."""
    shape = lines.shape[0], _columns(layout), _per_column(layout)
    count = shape[1] * shape[2]
    if layout.predictor > _DIFFERENCES:
        return _from_float_differences(lines, layout, shape)
    if layout.bits in {8, 16, 32, 64}:
        found = lines.view(f"{layout.order}{_LETTERS[layout.form]}{layout.bits // _BYTE}").reshape(shape)
        if layout.predictor == _DIFFERENCES:
            whole = found.view(f"{layout.order}u{layout.bits // _BYTE}")
            return np.cumsum(whole, axis=1, dtype=whole.dtype.newbyteorder("=")).view(
                f"{_LETTERS[layout.form]}{layout.bits // _BYTE}"
            )
        return found
    return _unpacked(lines, layout, count).reshape(shape)


def _unpacked(lines: Bytes, layout: Layout, count: int) -> Samples:
    """Return `count` whole numbers per row that are not of whole words; they are packed from the highest bit on."""
    bits = layout.bits
    if bits == 24:  # noqa: PLR2004 - libtiff takes these for words in the file's order
        triples = lines[:, : 3 * count].reshape(lines.shape[0], count, 3).astype(np.uint32)
        first, second, third = np.moveaxis(triples, 2, 0)
        return first << 16 | second << 8 | third if layout.order == ">" else third << 16 | second << 8 | first
    starts = np.arange(count) * bits
    padded = np.pad(lines, ((0, 0), (0, 5)))
    at, within = starts // _BYTE, starts % _BYTE
    found = np.zeros((lines.shape[0], count), np.uint64)
    # 32 bits that begin within a byte lie in five.
    for number in range(-(-(bits + 7) // _BYTE)):
        found = found << np.uint64(_BYTE) | padded[:, at + number]
    held = -(-(bits + 7) // _BYTE) * _BYTE
    found >>= (held - bits - within).astype(np.uint64)
    return (found & np.uint64((1 << bits) - 1)).astype(np.uint32)


def _from_float_differences(lines: Bytes, layout: Layout, shape: tuple[int, int, int]) -> Samples:
    """Undo the predictor of floats: differences of bytes, the highest bytes of all samples first (Technical Note 3)."""
    size = layout.bits // _BYTE
    stride = shape[2]
    summed: Samples = np.cumsum(lines.reshape(shape[0], -1, stride), axis=1, dtype=np.uint8)
    summed = summed.reshape(shape[0], size, -1)
    return np.ascontiguousarray(summed.swapaxes(1, 2)).view(f">f{size}").reshape(shape)


def _upsampled(units: Samples, layout: Layout) -> Samples:
    """Return a sample of each kind per pixel, from the units of subsampled YCbCr (TIFF 6.0, section 21)."""
    across, down = layout.subsampling
    rows, columns, _ = units.shape
    luminance: Samples = units[:, :, : across * down].reshape(rows, columns, down, across)
    luminance = luminance.swapaxes(1, 2).reshape(rows * down, columns * across, 1)
    differences = units[:, :, across * down :].repeat(down, axis=0).repeat(across, axis=1)
    return np.concatenate([luminance, differences], axis=2)
