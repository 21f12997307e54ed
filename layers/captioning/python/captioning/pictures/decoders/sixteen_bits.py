"""PNGs of 16 bits per sample: the upper and the lower 8 bits, each as a picture that Pillow can decode.

Pillow keeps the upper 8 bits, which of a picture that uses fewer than 16 are nearly black
(`captioning.pictures.whites`), and takes a transparent level of 16 bits for one of 8.
"""

import io
import zlib
from functools import reduce

from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngImageFile

from captioning.pictures.whites import used_bits

_DEPTH_AT, _COLOUR_AT, _CHECKED, _CHECKSUM = 24, 25, slice(12, 29), slice(29, 33)
_GREY, _RGB, _GREY_AND_OPACITY, _RGB_AND_OPACITY = 0, 2, 4, 6
# Two bytes per sample, and so many samples, are the bytes of a pixel of this colour type with 8 bits.
_ALIKE = {_GREY: _GREY_AND_OPACITY, _GREY_AND_OPACITY: _RGB_AND_OPACITY}
_COLOURS = {_GREY: 1, _RGB: 3, _GREY_AND_OPACITY: 1, _RGB_AND_OPACITY: 3}
_BITS, _BYTE = 16, 8


def is_deep(content: bytes, transparent: bytes) -> bool:
    """Tell whether a PNG has 16 bits per sample and is not plain grey, which Pillow decodes whole.

    `transparent` is the level or colour that is transparent, two bytes per sample; empty if there is none.
    """
    return content[_DEPTH_AT] == _BITS and (content[_COLOUR_AT] != _GREY or bool(transparent))


def eight_bits(content: bytes, transparent: bytes) -> Image.Image:
    """Decode a PNG of 16 bits per sample to 8: grey or RGB, with opacity if it has any.

    Raises:
        Exception: any error of Pillow's.
    """
    colour = content[_COLOUR_AT]
    lower: Image.Image | None = None
    if colour in _ALIKE:
        bands = _decoded(_relabelled(content, _ALIKE[colour])).split()
        upper, lower = _merged(bands[::2]), _merged(bands[1::2])
    else:
        upper = _decoded(content)
    used = [used_bits(high << _BYTE | 0xFF, _BITS) for high in _highest(upper, _COLOURS[colour])]
    if min(used) == _BITS and not transparent:
        return upper
    if lower is None:
        lower = _decoded(content, lower=True)
    levels = ImageChops.add(
        upper.point([level << (_BITS - bits) & 0xFF for bits in used for level in range(256)]),
        lower.point([level >> (bits - _BYTE) for bits in used for level in range(256)]),
    )
    if len(transparent) == 2 * len(used):
        levels.putalpha(ImageChops.invert(_equal(upper, lower, transparent)))
    return levels


def _decoded(content: bytes, *, lower: bool = False) -> Image.Image:
    image = PngImageFile(io.BytesIO(content))
    if lower:
        # Little-endian, the lower bytes are taken for the upper ones.
        (tile,) = image.tile
        image.tile = [tile._replace(args=str(tile.args).replace("16B", "16L"))]
    image.load()
    return image


def _relabelled(content: bytes, colour: int) -> bytes:
    """Return the PNG as one of 8 bits per sample and of another colour type."""
    header = bytearray(content[:33])
    header[_DEPTH_AT], header[_COLOUR_AT] = _BYTE, colour
    header[_CHECKSUM] = zlib.crc32(header[_CHECKED]).to_bytes(4, "big")
    return bytes(header) + content[33:]


def _merged(bands: tuple[Image.Image, ...]) -> Image.Image:
    return bands[0] if len(bands) == 1 else Image.merge("LA", bands)


def _highest(upper: Image.Image, colours: int) -> list[int]:
    """Return per band the highest of the upper 8 bits: one for all colours, and that of the opacity."""
    highest = [int(band.getextrema()[1]) for band in upper.split()]  # type: ignore[arg-type]
    return [max(highest[:colours])] * colours + highest[colours:]


def _equal(upper: Image.Image, lower: Image.Image, level: bytes) -> Image.Image:
    """Return where all bands have that level: white there, black elsewhere."""
    masks = [
        part.point([255 * (number == wanted) for number in range(256)])
        for whole, values in ((upper, level[::2]), (lower, level[1::2]))
        for part, wanted in zip(whole.split(), values, strict=True)
    ]
    return reduce(ImageChops.darker, masks)
