"""Small pictures of every format that is read, in all forms that Pillow or a few lines by hand can write."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from tests.support.handwritten import (
    bmp,
    chunk,
    encoded,
    entry,
    gif,
    gif_codes,
    gif_frame,
    photograph,
    plain_entries,
    png,
    png_with,
    strips,
    tiff,
    tiles,
)
from tests.support.tiffs import KINDS, PALETTE, samples, ways, write

_WIDTH, _HEIGHT = 52, 39


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    return exif


def _transparent(image: Image.Image) -> Image.Image:
    mask = Image.new("L", image.size, 255)
    ImageDraw.Draw(mask).ellipse((5, 5, 30, 30), 90)
    seen = image.convert("RGBA")
    seen.putalpha(mask)
    return seen


def _jpegs(image: Image.Image) -> Iterator[bytes]:
    for progressive, subsampling in product((False, True), ("4:4:4", "4:2:0")):
        yield encoded(image, "JPEG", progressive=progressive, subsampling=subsampling)
    yield encoded(image.convert("L"), "JPEG", progressive=True, optimize=True)
    yield encoded(image.convert("CMYK"), "JPEG")
    yield encoded(image, "JPEG", restart_marker_blocks=2)
    yield encoded(image, "JPEG", restart_marker_rows=1, progressive=True)
    yield encoded(image, "JPEG", keep_rgb=True)
    yield encoded(image, "JPEG", exif=_exif(6), comment=b"comment", icc_profile=bytes(200))
    yield encoded(image, "MPO", save_all=True, append_images=[image.rotate(90)])


def _adam7(levels: Sequence[Sequence[int]]) -> bytes:
    """The rows of an interlaced PNG of 8 bits of grey."""
    rows = b""
    height, width = len(levels), len(levels[0])
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    for left, top, across, down in steps:
        for y in range(top, height, down):
            row = bytes(levels[y][x] for x in range(left, width, across))
            rows += b"\0" + row if row else b""
    return rows


def _pngs(image: Image.Image) -> Iterator[bytes]:
    grey = np.asarray(image.convert("L"))
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P"):
        yield encoded(_transparent(image).convert(mode) if "A" in mode else image.convert(mode), "PNG")
    for bits in (1, 2, 4):
        yield encoded(image.quantize(1 << bits), "PNG", bits=bits, transparency=0)
    yield encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    deep = np.asarray(image).astype(">u2") * 257
    yield png(_WIDTH, _HEIGHT, b"".join(b"\0" + row.tobytes() for row in deep), depth=16, colour=2)
    yield png(_WIDTH, _HEIGHT, _adam7(grey.tolist()), interlaced=1)
    yield png(_WIDTH, _HEIGHT, b"".join(b"\0" + row.tobytes() for row in grey), chunk(b"tRNS", b"\0\x30"))
    yield encoded(image, "PNG", exif=_exif(5), icc_profile=bytes(200))
    packed = zlib.compress(
        b"\nexif\n      26\n" + (b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 7, 0, 0)).hex().encode()
    )
    yield png_with(encoded(image, "PNG"), chunk(b"zTXt", b"Raw profile type exif\0\0" + packed))


def _webps(image: Image.Image) -> Iterator[bytes]:
    seen = _transparent(image)
    yield encoded(image, "WEBP")
    yield encoded(image, "WEBP", lossless=True)
    yield encoded(image.quantize(9).convert("RGB"), "WEBP", lossless=True)
    yield encoded(seen, "WEBP")
    yield encoded(seen, "WEBP", lossless=True)
    yield encoded(image, "WEBP", exif=_exif(8), xmp=b"<x/>", icc_profile=bytes(200))
    yield encoded(seen, "WEBP", save_all=True, append_images=[seen.rotate(90)], duration=50)
    yield encoded(image, "WEBP", save_all=True, append_images=[image.rotate(90)], lossless=True)


def _gifs(image: Image.Image) -> Iterator[bytes]:
    paletted = image.quantize(32)
    for interlaced in (0, 1):
        yield encoded(paletted, "GIF", interlace=interlaced)
    yield encoded(image.convert("L"), "GIF", comment=b"comment" * 60)
    yield encoded(paletted, "GIF", transparency=3)
    yield encoded(image.convert("1"), "GIF")
    yield encoded(paletted, "GIF", save_all=True, append_images=[paletted.rotate(90)], loop=0, disposal=2)
    yield gif(20, 20, gif_frame((0, 0, 40, 30), gif_codes([256, *[80] * 40] * 30 + [257], 9)))
    yield gif(40, 30, gif_frame((10, 5, 20, 20), gif_codes([256, *[200] * 50] * 8 + [257], 9), flags=0x40))


def _avifs(image: Image.Image) -> Iterator[bytes]:
    for subsampling in ("4:2:0", "4:4:4"):
        yield encoded(image, "AVIF", quality=80, subsampling=subsampling, speed=10)
    yield encoded(image.convert("L"), "AVIF", speed=10)
    yield encoded(_transparent(image), "AVIF", speed=10, exif=_exif(6), icc_profile=bytes(200))
    yield encoded(image, "AVIF", speed=10, save_all=True, append_images=[image.rotate(90)])


def _rle8(levels: Sequence[Sequence[int]]) -> bytes:
    codes = b""
    for row in levels:
        for at in range(0, len(row), 6):
            run = row[at : at + 6]
            codes += (
                bytes([0, len(run), *run])
                if len(run) >= 3 and len(run) % 2 == 0
                else b"".join(bytes([1, level]) for level in run)
            )
        codes += b"\0\0"
    return codes + b"\0\1"


def _bmps(image: Image.Image) -> Iterator[bytes]:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield encoded(image.convert(mode), "BMP")
    grey = np.asarray(image.convert("L"))[::-1].tolist()
    yield bmp(_WIDTH, _HEIGHT, _rle8(grey), compression=1)
    yield bmp(_WIDTH, _HEIGHT, b"\x34\x12\0\0" * _HEIGHT + b"\0\1", bits=4, compression=2)
    yield bmp(_WIDTH, _HEIGHT, bytes(range(256)) * 4 + bytes(28), bits=4)
    yield bmp(_WIDTH, 1 << 32 - _HEIGHT.bit_length(), bytes(_WIDTH), header=64)
    yield bmp(_WIDTH, _HEIGHT, bytes(range(208)) * 20, bits=24, header=12)
    masks = {16: (0xF800, 0x7E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0xFF000000)}
    for bits, mask in masks.items():
        pixels = bytes(range(_WIDTH * bits // 8)) * _HEIGHT
        yield bmp(_WIDTH, _HEIGHT, pixels, bits=bits, compression=3, header=56, rest=struct.pack("<4I", *mask))


def _tiffs(image: Image.Image) -> Iterator[bytes]:
    grey, seen = image.convert("L"), _transparent(image)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "jpeg"):
        yield encoded(image, "TIFF", compression=compression)
        yield encoded(grey, "TIFF", compression=compression, big_tiff=True)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield encoded(image.convert("1"), "TIFF", compression=compression)
    for each in (
        seen,
        image.convert("CMYK"),
        image.quantize(9),
        image.convert("1"),
        grey.convert("F"),
        grey.convert("I"),
    ):
        yield encoded(each, "TIFF")
    yield encoded(image, "TIFF", exif=_exif(6), compression="tiff_lzw", tiffinfo={317: 2})
    yield encoded(image, "TIFF", save_all=True, append_images=[grey])
    colours = np.asarray(image)
    planes = [colours[:, :, number].tobytes() for number in range(3)]
    for order in "<>":
        for big in (False, True):
            rgb = plain_entries(_WIDTH, _HEIGHT, bits=(8, 8, 8), photometric=2, order=order)
            planar = entry(284, 3, 2, order=order)
            yield tiff([*rgb, *strips(_HEIGHT, order=order), planar], planes, order=order, big=big)
            yield tiff(
                [*plain_entries(_WIDTH, _HEIGHT, compression=8, order=order), *tiles(16, 16, order=order)],
                [zlib.compress(tile) for tile in _cut(np.asarray(grey), 16)],
                order=order,
                big=big,
            )
    deep = (colours.astype("<u2") * 257).tobytes()
    yield tiff([*plain_entries(_WIDTH, _HEIGHT, bits=(16,) * 3, photometric=2), *strips(_HEIGHT)], [deep])
    yield encoded(image, "TIFF", compression="jpeg", strip_size=1000)
    # Of the grid, which our own decoder reads.
    for kind in [kind for kind in KINDS if kind.photometric != PALETTE][::4]:
        for way in tuple(ways(kind))[::5]:
            yield write(kind, way, samples(kind))


def _cut(levels: np.ndarray, side: int) -> Iterator[bytes]:
    filled = np.pad(levels, [(0, -size % side) for size in levels.shape])
    for top in range(0, filled.shape[0], side):
        for left in range(0, filled.shape[1], side):
            yield filled[top : top + side, left : left + side].tobytes()


def seeds() -> dict[str, list[bytes]]:
    """Pictures by format, the same at every call."""
    image = photograph(_WIDTH, _HEIGHT)
    makers = {"TIFF": _tiffs, "JPEG": _jpegs, "PNG": _pngs, "WEBP": _webps, "GIF": _gifs, "BMP": _bmps, "AVIF": _avifs}
    return {name: list(make(image)) for name, make in makers.items()}
