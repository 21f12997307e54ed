"""Pictures that cost much to read: small files that make a decoder do, or hold, far more than they are.

`COSTLY` has each by name with the answers that are allowed, for the tests of every entry point. None is a secret: they
are made here, by hand, when they are asked for.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from captioning.errors import DamagedPictureError, NotAPictureError, PictureError, PictureTooLargeError
from captioning.pictures.limits import MAX_BYTES
from tests.support.handwritten import (
    Entry,
    bmp,
    chunk,
    encoded,
    entry,
    gif,
    gif_codes,
    gif_extension,
    gif_frame,
    jpeg_segment,
    jpeg_with,
    photograph,
    plain_entries,
    png,
    png_with,
    riff,
    riff_chunks,
    strips,
    tiff,
    tiles,
)

DAMAGED, TOO_LARGE, OTHER = DamagedPictureError, PictureTooLargeError, NotAPictureError
DEFLATE, LZW, PACKBITS, JPEG, OLD_JPEG, FAX3, FAX4, LZMA, ZSTD, WEBP = 8, 5, 32773, 7, 6, 3, 4, 34925, 50000, 50001
SIDE = 7_000  # 49 megapixels


@dataclass(frozen=True, slots=True)
class Costly:
    """A picture, and what may come of it: errors, or None for a picture that is read.

    `slow` says that it takes all the time there is, so that it is the processor limit that ends it; None says that this
    depends on the processor.
    """

    make: Callable[[], bytes]
    answers: tuple[type[PictureError] | None, ...]
    slow: bool | None = False


def _compressed(kind: str, **options: object) -> bytes:
    """49 megapixels of one grey, in a TIFF of that compression."""
    return encoded(Image.new("1" if "group" in kind else "L", (SIDE, SIDE)), "TIFF", compression=kind, **options)


def _overlapping(count: int, width: int, compression: int, data: bytes, *, apart: int = 1) -> bytes:
    """Strips of one row, each beginning so many bytes behind the other."""

    def made(first: int) -> bytes:
        offsets = entry(273, 4, *range(first, first + count * apart, apart) if apart else [first] * count)
        sizes = entry(279, 4, *[len(data)] * count)
        return tiff([*plain_entries(width, count, compression=compression), offsets, entry(278, 4, 1), sizes], [data])

    return made(len(made(0)) - len(data)) + bytes(count * apart)


def _tile_bomb() -> bytes:
    packed = zlib.compress(bytes(1000), 9)
    entries = plain_entries(1, 1, bits=(8, 8, 8), compression=DEFLATE, photometric=2)
    return tiff([*entries, *tiles(26_000, 26_000)], [packed])


def _strips_with_a_tiles_sides() -> bytes:
    """The same to libtiff, which goes by the sides."""
    entries = plain_entries(1, 1, bits=(8, 8, 8), compression=DEFLATE, photometric=2)
    return tiff([*entries, *strips(1), entry(322, 4, 26_000), entry(323, 4, 26_000)], [zlib.compress(bytes(1000), 9)])


def _edge_tiles() -> bytes:
    """A row of pixels in tiles of 2,048 x 2,048: each is decompressed whole for one row of it."""
    packed = zlib.compress(bytes(2_048 * 2_048), 9)
    return tiff([*plain_entries(65_535, 1, compression=DEFLATE), *tiles(2_048, 2_048)], [packed] * 32)


def _narrow_tiles(compression: int) -> bytes:
    """The most tiles that are read, of the smallest size."""
    data = zlib.compress(bytes(16 * 16), 9) if compression == DEFLATE else bytes(80)
    entries = plain_entries(4_080, 4_080, compression=compression)
    return tiff([*entries, *tiles(16, 16)], [data] * (255 * 255)) + bytes(200)


def _scans(side: int, size: int) -> bytes:
    """A progressive JPEG of scans that say nothing, over and over."""
    head = encoded(Image.new("L", (side, side), 128), "JPEG", quality=50, progressive=True)
    first = head.index(b"\xff\xda")
    end = next(at for at in range(first + 10, len(head)) if head[at] == 0xFF and head[at + 1])
    table = jpeg_segment(0xC4, bytes([0x10, 1, 1] + [0] * 14 + [0xE0, 0]))
    blocks = (-(-side // 8)) ** 2
    bits = ("0" + "1" * 14) * -(-blocks // 32_767)
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    scan = jpeg_segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + data
    return head[:end] + table + scan * ((size - end) // len(scan)) + b"\xff\xd9"


def _jpeg_in_tiff(side: int, jpeg: bytes, compression: int = JPEG, *extra: Entry) -> bytes:
    entries = plain_entries(side, side, compression=compression)
    return tiff([*entries, *strips(side), *extra], [jpeg])


def _without_end(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG that says it has that many pixels, cut off within its first ones."""
    at = next(at for at in range(2, len(jpeg)) if jpeg[at] == 0xFF and jpeg[at + 1] in {0xC0, 0xC2, 0xC3, 0xC9, 0xCA})
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def _marker(jpeg: bytes, old: int, new: int) -> bytes:
    at = jpeg.index(bytes([0xFF, old]))
    return jpeg[: at + 1] + bytes([new]) + jpeg[at + 2 :]


def _small_jpeg(**options: object) -> bytes:
    return encoded(photograph(), "JPEG", **options)


def _animated_webp(count: int) -> bytes:
    """An animation whose frames are one pixel each."""
    pixel = riff_chunks(encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True))[0]
    frame = bytes(16) + pixel[0] + struct.pack("<I", len(pixel[1])) + pixel[1] + bytes(len(pixel[1]) % 2)
    canvas = bytes([2, 0, 0, 0]) + (9).to_bytes(3, "little") * 2
    return riff((b"VP8X", canvas), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * count)


def _webp_canvas(width: int, height: int) -> bytes:
    """One pixel on a canvas."""
    frames = riff_chunks(_animated_webp(1))
    canvas = bytes([2, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff((b"VP8X", canvas), *frames[1:])


def _exif_of_many_entries() -> bytes:
    entries = b"".join(struct.pack("<HHII", 0x0112, 3, 1_200_000, 0) for _ in range(5_000))
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 5_000) + entries


def _rle(lines: int, width: int) -> bytes:
    """Lines that end after their first pixel."""
    return bmp(width, lines, b"\1\0\0\0" * lines, compression=1)


def _clears(count: int) -> bytes:
    """LZW codes that clear the table, over and over: of 9 bits each, as they then are."""
    return gif_codes([256, 0] * count, 9)


def _texts(kind: bytes, count: int) -> bytes:
    """Compressed texts of a megabyte, each of which may say which way up the picture is."""
    keyword = b"Raw profile type exif\0\0" if kind == b"zTXt" else b"XML:com.adobe.xmp\0\1\0\0\0"
    return png_with(encoded(photograph(), "PNG"), *[chunk(kind, keyword + zlib.compress(bytes(1 << 20), 9))] * count)


def _filled(picture: bytes, at: int, fill: bytes) -> bytes:
    return picture[:at] + fill * ((MAX_BYTES - len(picture)) // len(fill)) + picture[at:]


def _noise(size: int) -> bytes:
    state = zlib.compress(b"noise")
    return (state * (size // len(state) + 1))[:size]


COSTLY: dict[str, Costly] = {
    # TIFF: tiles and strips
    "tiff-tile-of-26000": Costly(_tile_bomb, (DAMAGED, TOO_LARGE)),
    "tiff-strips-with-a-tiles-sides": Costly(_strips_with_a_tiles_sides, (None,)),
    "tiff-tiles-for-one-row": Costly(_edge_tiles, (None,)),
    "tiff-overlapping-tiles": Costly(lambda: _narrow_tiles(1), (DAMAGED,)),
    "tiff-65025-tiles-deflate": Costly(lambda: _narrow_tiles(DEFLATE), (None,)),
    "tiff-65535-strips-one-byte-apart": Costly(lambda: _overlapping(65_535, 700, 1, bytes(700)), (DAMAGED,)),
    "tiff-overlapping-deflate": Costly(
        lambda: _overlapping(700, 65_535, DEFLATE, zlib.compress(bytes(65_535), 9)), (DAMAGED,)
    ),
    "tiff-strips-of-the-whole-file": Costly(
        lambda: _overlapping(9_000, 5_000, PACKBITS, b"\x81\0" * 20_000, apart=0), (DAMAGED,)
    ),
    "tiff-more-strips-than-rows": Costly(
        lambda: tiff([*plain_entries(65_535, 2), entry(273, 4, *range(200, 300)), entry(278, 4, 1)], [bytes(131_070)]),
        (DAMAGED,),
    ),
    "tiff-2500000-strips": Costly(
        lambda: tiff([*plain_entries(1, 2_500_000), entry(273, 4, *[8] * 2_500_000), entry(278, 4, 1)]),
        (DAMAGED, TOO_LARGE),
    ),
    "tiff-1200000-orientations": Costly(
        lambda: tiff([*plain_entries(9, 9), *strips(9), Entry(274, 5, 1_200_000, bytes(9_600_000))], [bytes(81)]),
        (None,),
    ),
    "tiff-directory-of-itself": Costly(
        lambda: tiff([*plain_entries(9, 9), *strips(9)], [bytes(81)], following=8), (None,)
    ),
    "tiff-9000-entries": Costly(lambda: tiff([entry(256, 4, 9)] * 9_000), (DAMAGED,)),
    # TIFF: what decompresses far
    **{
        f"tiff-49-megapixels-{kind}": Costly(lambda kind=kind: _compressed(kind), (None, DAMAGED))  # type: ignore[misc]
        for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "group3", "group4", "zstd", "jpeg")
    },
    "tiff-webp": Costly(
        lambda: tiff(
            [*plain_entries(120, 90, bits=(8, 8, 8), compression=WEBP, photometric=2), *strips(90)],
            [encoded(photograph(), "WEBP")],
        ),
        (DAMAGED,),
    ),
    "tiff-predictor": Costly(
        lambda: tiff(
            [
                *plain_entries(6_800, 6_800, bits=(8, 8, 8), compression=DEFLATE, photometric=2),
                *strips(6_800),
                entry(317, 3, 2),
            ],
            [zlib.compress(bytes(6_800 * 6_800 * 3), 9)],
        ),
        (None, DAMAGED, TOO_LARGE),
    ),
    "tiff-16-bits-of-6-samples": Costly(
        lambda: tiff(
            [*plain_entries(6_000, 6_000, bits=(16,) * 4, compression=DEFLATE, photometric=5), *strips(100)],
            [zlib.compress(bytes(6_000 * 100 * 8), 9)] * 60,
        ),
        (None, DAMAGED, TOO_LARGE),
    ),
    "tiff-64-bits-samples": Costly(
        lambda: tiff([*plain_entries(700, 700, bits=(65_535,) * 64, compression=DEFLATE), *strips(700)], [b""]),
        (OTHER,),
    ),
    "tiff-fax3-of-one-line": Costly(
        lambda: tiff([*plain_entries(65_535, 760, bits=(1,), compression=FAX3), *strips(760)], [bytes(1000)]),
        (None, DAMAGED),
    ),
    "tiff-fax4-noise": Costly(
        lambda: tiff([*plain_entries(65_535, 760, bits=(1,), compression=FAX4), *strips(760)], [_noise(1_000_000)]),
        (None, DAMAGED),
    ),
    "tiff-thunderscan": Costly(
        lambda: tiff([*plain_entries(SIDE, SIDE, bits=(4,), compression=32_809), *strips(SIDE)], [bytes(1000)]),
        (OTHER,),
    ),
    "tiff-subsampling": Costly(
        lambda: tiff(
            [
                *plain_entries(4_000, 4_000, bits=(8, 8, 8), compression=DEFLATE, photometric=6),
                *strips(4_000),
                entry(530, 3, 65_535, 65_535),
            ],
            [zlib.compress(bytes(16_000_000), 9)],
        ),
        (OTHER,),
    ),
    "tiff-colour-map-too-long": Costly(
        lambda: tiff([*plain_entries(9, 9, photometric=3), *strips(9), entry(320, 3, *[0] * 1_000_000)], [bytes(81)]),
        (DAMAGED,),
    ),
    # JPEG within TIFF
    "tiff-jpeg-of-thousands-of-scans": Costly(
        lambda: _jpeg_in_tiff(2_000, _scans(2_000, 1_000_000)), (DAMAGED, TOO_LARGE)
    ),
    "tiff-jpeg-of-100-scans-of-49-megapixels": Costly(
        lambda: _jpeg_in_tiff(SIDE, _scans(SIDE, 13_000)), (None, TOO_LARGE)
    ),
    "tiff-old-jpeg-of-thousands-of-scans": Costly(
        lambda: _jpeg_in_tiff(2_000, _scans(2_000, 1_000_000), OLD_JPEG), (DAMAGED, TOO_LARGE)
    ),
    "tiff-old-jpeg-tables": Costly(
        lambda: _jpeg_in_tiff(
            64, bytes(1000), OLD_JPEG, *(entry(tag, 4, *[8] * 64) for tag in (519, 520, 521)), entry(512, 3, 1)
        ),
        (DAMAGED,),
    ),
    "tiff-jpeg-tables-of-fill-bytes": Costly(
        lambda: _jpeg_in_tiff(64, _small_jpeg(), JPEG, Entry(347, 7, 65_536, b"\xff" * 65_536)), (DAMAGED,)
    ),
    "tiff-jpeg-larger-than-it-says": Costly(
        lambda: _jpeg_in_tiff(64, encoded(Image.new("L", (SIDE, SIDE)), "JPEG", progressive=True)), (DAMAGED,)
    ),
    # JPEG
    "jpeg-thousands-of-scans": Costly(lambda: _scans(5_600, 1_000_000), (DAMAGED,)),
    "jpeg-99-scans-of-31-megapixels": Costly(lambda: _scans(5_600, 26_000), (None, DAMAGED, TOO_LARGE)),
    "jpeg-fill-bytes-before-the-scan": Costly(lambda: _filled(_small_jpeg(), 2, b"\xff"), (None,)),
    "jpeg-fill-bytes-within-the-scan": Costly(lambda: _filled(_small_jpeg(), -2, b"\xff"), (None,)),
    "jpeg-restarts-within-the-scan": Costly(lambda: _filled(_small_jpeg(), -2, b"\xff\xd0"), (None, DAMAGED)),
    "jpeg-markers-within-the-scan": Costly(lambda: _filled(_small_jpeg(), -2, b"\xff\x01"), (DAMAGED,)),
    "jpeg-million-comments": Costly(lambda: jpeg_with(_small_jpeg(), jpeg_segment(0xFE, b"") * 1_000_000), (DAMAGED,)),
    "jpeg-huffman-tables": Costly(
        lambda: jpeg_with(_small_jpeg(), jpeg_segment(0xC4, bytes([0, 1] + [0] * 15 + [0]) * 3_000) * 150),
        (None, DAMAGED),
    ),
    "jpeg-quantization-tables": Costly(
        lambda: jpeg_with(_small_jpeg(), jpeg_segment(0xDB, (b"\0" + b"\1" * 64) * 1_000) * 150), (None, DAMAGED)
    ),
    "jpeg-65500-x-760-of-few-bytes": Costly(lambda: _without_end(_small_jpeg(), 65_500, 760), (DAMAGED, None)),
    "jpeg-65500-x-65500": Costly(lambda: _without_end(_small_jpeg(), 65_500, 65_500), (TOO_LARGE,)),
    "jpeg-progressive-of-few-bytes": Costly(
        lambda: _without_end(_small_jpeg(progressive=True), 5_600, 5_600), (DAMAGED, None)
    ),
    "jpeg-of-no-height": Costly(lambda: _without_end(_small_jpeg(), 120, 0), (DAMAGED, TOO_LARGE)),
    "jpeg-height-afterwards": Costly(
        lambda: _without_end(_small_jpeg(), 120, 0)[:-2] + jpeg_segment(0xDC, b"\xff\xff") + b"\xff\xd9", (DAMAGED,)
    ),
    "jpeg-restart-interval": Costly(
        lambda: jpeg_with(_small_jpeg(), jpeg_segment(0xDD, b"\xff\xff") * 1_000), (None, DAMAGED)
    ),
    "jpeg-restart-interval-of-one": Costly(
        lambda: _without_end(jpeg_with(_small_jpeg(), jpeg_segment(0xDD, b"\0\1")), 7_000, 7_000), (DAMAGED, None)
    ),
    **{
        f"jpeg-{name}": Costly(lambda marker=marker: _marker(_small_jpeg(), 0xC0, marker), (DAMAGED, OTHER, None))  # type: ignore[misc]
        for name, marker in (
            ("lossless", 0xC3),
            ("hierarchical", 0xC5),
            ("hierarchical-progressive", 0xC6),
            ("arithmetic", 0xC9),
            ("arithmetic-progressive", 0xCA),
            ("arithmetic-lossless", 0xCB),
        )
    },
    "jpeg-arithmetic-49-megapixels": Costly(
        lambda: _without_end(_marker(_small_jpeg(), 0xC0, 0xC9), SIDE, SIDE), (DAMAGED, TOO_LARGE, None)
    ),
    "jpeg-arithmetic-progressive-31-megapixels": Costly(
        lambda: _without_end(_marker(_small_jpeg(), 0xC0, 0xC9), 5_600, 5_600).replace(b"\xff\xc9", b"\xff\xca"),
        (DAMAGED, TOO_LARGE, None),
    ),
    "jpeg-lossless-49-megapixels": Costly(
        lambda: _without_end(_small_jpeg(), SIDE, SIDE).replace(b"\xff\xc0", b"\xff\xc3"), (OTHER,)
    ),
    "jpeg-12-bits": Costly(lambda: _small_jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), (OTHER,)),
    "jpeg-exif-of-5000-orientations": Costly(
        lambda: jpeg_with(_small_jpeg(), jpeg_segment(0xE1, _exif_of_many_entries())), (None,)
    ),
    "jpeg-exif-that-points-to-itself": Costly(
        lambda: jpeg_with(
            _small_jpeg(),
            jpeg_segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8)),
        ),
        (None,),
    ),
    "jpeg-scaled": Costly(lambda: encoded(Image.new("CMYK", (7_000, 7_000)), "JPEG"), (None, TOO_LARGE)),
    # PNG
    "png-million-empty-chunks": Costly(
        lambda: _filled(encoded(photograph(), "PNG"), 33, chunk(b"IDAT", b"")), (DAMAGED,)
    ),
    "png-50000-empty-chunks": Costly(
        lambda: png_with(encoded(photograph(), "PNG"), *[chunk(b"IDAT", b"")] * 49_000), (None, DAMAGED)
    ),
    "png-chunks-of-one-byte": Costly(
        lambda: png_with(encoded(photograph(), "PNG"), *[chunk(b"teSt", b"1")] * 49_000), (None, DAMAGED)
    ),
    "png-10-gigabytes-of-rows": Costly(lambda: png(9, 9, bytes(10_000_000)).replace(b"IEND", b"IDAT"), (None, DAMAGED)),
    "png-rows-far-too-long": Costly(lambda: png(1, 1, bytes(50_000_000)), (None, DAMAGED)),
    "png-49-megapixels-of-64-bits": Costly(
        lambda: png(SIDE, SIDE, bytes((SIDE * 8 + 1) * SIDE), depth=16, colour=6), (None, TOO_LARGE)
    ),
    "png-interlaced-of-one-column": Costly(lambda: png(1, 65_535, bytes(2 * 65_535), interlaced=1), (None, DAMAGED)),
    "png-interlaced-49-megapixels": Costly(
        lambda: png(SIDE, SIDE, bytes(50_000_000), interlaced=1), (None, DAMAGED, TOO_LARGE)
    ),
    "png-profile": Costly(
        lambda: png_with(encoded(photograph(), "PNG"), chunk(b"iCCP", b"i\0\0" + zlib.compress(bytes(50_000_000), 9))),
        (None,),
    ),
    "png-comment": Costly(
        lambda: png_with(encoded(photograph(), "PNG"), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))),
        (None,),
    ),
    "png-9000-profiles": Costly(lambda: _texts(b"zTXt", 9_000), (None, DAMAGED)),
    "png-9000-packets": Costly(lambda: _texts(b"iTXt", 9_000), (None, DAMAGED)),
    "png-palettes": Costly(
        lambda: png_with(encoded(photograph().quantize(9), "PNG"), *[chunk(b"PLTE", bytes(768))] * 13_000),
        (None, DAMAGED),
    ),
    "png-transparencies": Costly(
        lambda: png_with(encoded(photograph(), "PNG"), *[chunk(b"tRNS", bytes(6))] * 49_000), (None, DAMAGED)
    ),
    "png-animation-of-49000-frames": Costly(
        lambda: png_with(
            encoded(photograph(), "PNG"),
            chunk(b"acTL", struct.pack(">II", 49_000, 0)),
            *[chunk(b"fcTL", bytes(26))] * 49_000,
        ),
        (None, DAMAGED),
    ),
    "png-tail": Costly(lambda: _filled(encoded(photograph(), "PNG"), 10**9, b"\0"), (None,)),
    # WebP
    "webp-100000-frames": Costly(lambda: _animated_webp(99_000), (None, DAMAGED)),
    "webp-200000-chunks": Costly(
        lambda: riff(*riff_chunks(_animated_webp(1)), *[(b"JUNK", b"")] * 200_000), (DAMAGED,)
    ),
    "webp-canvas-of-16383": Costly(lambda: _webp_canvas(16_383, 16_383), (TOO_LARGE, DAMAGED)),
    "webp-canvas-of-24-megapixels": Costly(lambda: _webp_canvas(4_900, 4_900), (None,)),
    "webp-canvas-of-2-to-the-48": Costly(lambda: _webp_canvas(1 << 24, 1 << 24), (TOO_LARGE, DAMAGED)),
    "webp-lossless-24-megapixels": Costly(
        lambda: encoded(Image.new("RGBA", (4_900, 4_900), (1, 2, 3, 4)), "WEBP", lossless=True, method=0, quality=0),
        (None,),
    ),
    "webp-noise-for-transparency": Costly(
        lambda: riff(
            (b"VP8X", bytes([16, 0, 0, 0]) + (119).to_bytes(3, "little") + (89).to_bytes(3, "little")),
            (b"ALPH", b"\x01" + _noise(1_000_000)),
            riff_chunks(encoded(photograph(), "WEBP"))[0],
        ),
        (None, DAMAGED),
    ),
    "webp-noise-of-lossless": Costly(
        lambda: riff((b"VP8L", b"\x2f" + (4_899 | 4_899 << 14).to_bytes(4, "little") + _noise(5_000_000))),
        (DAMAGED, TOO_LARGE),
    ),
    # GIF
    "gif-clear-codes": Costly(
        lambda: gif(SIDE, SIDE, gif_frame((0, 0, 3_000, 3_000), _clears(30_000))), (None, DAMAGED)
    ),
    "gif-49-megapixels-of-clear-codes-alone": Costly(
        lambda: gif(SIDE, SIDE, gif_frame((0, 0, SIDE, SIDE), b"\0\2" * 2_000_000)), (DAMAGED, None)
    ),
    "gif-sub-blocks-of-one-byte": Costly(
        lambda: gif(120, 90, gif_frame((0, 0, 120, 90), bytes(1_000_000), size=1)), (None, DAMAGED)
    ),
    "gif-frame-far-away": Costly(lambda: gif(9, 9, gif_frame((65_000, 65_000, 9, 9), _clears(81))), (TOO_LARGE,)),
    "gif-frame-far-to-the-right": Costly(
        lambda: gif(9, 700, gif_frame((65_000, 0, 9, 9), _clears(81))), (None, DAMAGED)
    ),
    "gif-comments": Costly(
        lambda: gif(9, 9, gif_extension(0xFE, *[b"1"] * 1_000_000), gif_frame((0, 0, 9, 9), _clears(81))), (DAMAGED,)
    ),
    "gif-million-frames": Costly(lambda: gif(9, 9, gif_frame((0, 0, 9, 9), _clears(81)) * 40_000), (None, DAMAGED)),
    "gif-graphic-controls": Costly(
        lambda: gif(9, 9, gif_extension(0xF9, b"\x0d\0\0\0") * 199_000, gif_frame((0, 0, 9, 9), _clears(81))),
        (None, DAMAGED),
    ),
    "gif-empty-extensions": Costly(
        lambda: gif(9, 9, b"!\xfe\0" * 3_000_000, gif_frame((0, 0, 9, 9), _clears(81))), (None, DAMAGED)
    ),
    "gif-zeros-before-the-frame": Costly(
        lambda: gif(9, 9, bytes(10_000_000), gif_frame((0, 0, 9, 9), _clears(81))), (None, DAMAGED)
    ),
    "gif-extensions-cut-off": Costly(lambda: b"GIF89a" + bytes(7) + b"!" * 10_000_000, (DAMAGED,)),
    # BMP
    "bmp-lines-that-end-at-once": Costly(lambda: _rle(760, 65_535), (TOO_LARGE,), slow=True),
    "bmp-deltas": Costly(
        lambda: bmp(SIDE, SIDE, b"\0\2\xff\xff" * 1_000_000, compression=1), (None, DAMAGED, TOO_LARGE)
    ),
    "bmp-runs-of-one": Costly(
        lambda: bmp(5_000, 1_000, b"\1\0" * 5_000_000, compression=1), (TOO_LARGE, DAMAGED), slow=None
    ),
    "bmp-rle4": Costly(
        lambda: bmp(SIDE, SIDE, b"\xff\x12" * 200_000, bits=4, compression=2), (None, DAMAGED, TOO_LARGE)
    ),
    "bmp-palette": Costly(
        lambda: bmp(9, 9, bytes(108), colours=65_536, palette=bytes(4 * 65_536)), (None, DAMAGED, OTHER)
    ),
    "bmp-palette-of-4-gigabytes": Costly(lambda: bmp(9, 9, bytes(108), colours=2**32 - 1), (DAMAGED, OTHER)),
    "bmp-header-of-os-2": Costly(lambda: bmp(65_535, 65_535, b"", header=12), (TOO_LARGE,)),
    "bmp-header-of-4-gigabytes": Costly(lambda: b"BM" + bytes(12) + b"\xff" * 100, (DAMAGED, OTHER)),
    "bmp-negative-height": Costly(lambda: bmp(9, 2**32 - 2**31, b""), (DAMAGED, TOO_LARGE, OTHER)),
    "bmp-negative-width": Costly(lambda: bmp(2**32 - 9, 9, b""), (DAMAGED, TOO_LARGE, OTHER)),
    "bmp-upside-down": Costly(lambda: bmp(9, 2**32 - 9, bytes(108)), (None,)),
    # Of two kinds at once
    "jpeg-and-zip": Costly(lambda: _small_jpeg() + b"PK\3\4" + bytes(1000), (None,)),
    "gif-and-tiff": Costly(lambda: b"GIF89a" + b"II*\0\x08\0\0\0" * 100, (DAMAGED,)),
    "bmp-and-tiff": Costly(lambda: b"BM" + tiff([*plain_entries(9, 9), *strips(9)], [bytes(81)]), (DAMAGED, OTHER)),
    "riff-of-sound": Costly(lambda: b"RIFF\xff\xff\xff\xffWAVE" + bytes(1000), (OTHER,)),
}

_SOME = (
    "tiff-tile-of-26000",
    "tiff-more-strips-than-rows",
    "tiff-2500000-strips",
    "tiff-1200000-orientations",
    "jpeg-thousands-of-scans",
    "jpeg-fill-bytes-before-the-scan",
    "bmp-lines-that-end-at-once",
)
_STATUSES: dict[type[PictureError] | None, int] = {None: 200, DAMAGED: 422, TOO_LARGE: 413, OTHER: 415}


def some_costly_pictures() -> dict[str, tuple[bytes, set[int]]]:
    """One of each kind by name, with the statuses that are allowed: for the tests of the entry points."""
    return {name: (COSTLY[name].make(), {_STATUSES[answer] for answer in COSTLY[name].answers}) for name in _SOME}
