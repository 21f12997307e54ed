"""Pictures with all that programs write around their pixels: each is read to the pixels that plain Pillow reads."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures.tensors import read_picture
from tests.fuzz.pictures import plain
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

SPEC = InputSpec(40, 30, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
ONE_LEVEL = 1.01
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
WIDTH, HEIGHT = 120, 90
PHOTOGRAPH = photograph(WIDTH, HEIGHT)
COLOURS = np.asarray(PHOTOGRAPH)
GREYS = np.asarray(PHOTOGRAPH.convert("L"))
BILEVEL = PHOTOGRAPH.convert("1")


def exif_block(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = "A maker of cameras"
    found.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0a comment"
    found.get_ifd(0x8825)[1] = "N"
    found.get_ifd(0x8825)[2] = (40.0, 26.0, 46.0)
    return found


def jpeg(**options: object) -> bytes:
    return encoded(PHOTOGRAPH, "JPEG", **{"quality": 95, **options})


def without_first(picture: bytes, marker: int) -> bytes:
    """A JPEG without its first segment, which has that marker."""
    size = int.from_bytes(picture[4:6], "big")
    assert picture[2:4] == bytes([0xFF, marker])
    return picture[:2] + picture[4 + size :]


def without_jfif(picture: bytes) -> bytes:
    return without_first(picture, 0xE0)


def adobe(transform: int) -> bytes:
    return jpeg_segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def inverted_cmyk(transform: int) -> bytes:
    """As Photoshop writes it: CMYK or YCCK, upside down in its levels."""
    picture = encoded(PHOTOGRAPH.convert("CMYK"), "JPEG", quality=95)
    at = picture.find(b"\xff\xee")
    size = int.from_bytes(picture[at + 2 : at + 4], "big")
    return picture[:at] + adobe(transform) + picture[at + 2 + size :]


def profile(size: int) -> bytes:
    return b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n%8d\n" % size + exif_block(6).hex().encode() + b"\n")


def rows(levels: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in levels)


def paletted_png() -> bytes:
    return encoded(PHOTOGRAPH.quantize(16), "PNG", transparency=bytes(range(0, 256, 16)))


def webp_with(*chunks: tuple[bytes, bytes], flags: int) -> bytes:
    extended = bytes([flags, 0, 0, 0]) + (WIDTH - 1).to_bytes(3, "little") + (HEIGHT - 1).to_bytes(3, "little")
    return riff((b"VP8X", extended), *riff_chunks(encoded(PHOTOGRAPH, "WEBP")), *chunks)


def grey_tiff(*extra: Entry, big: bool = False, order: str = "<") -> bytes:
    entries = [*plain_entries(WIDTH, HEIGHT, order=order), *strips(HEIGHT, order=order), *extra]
    return tiff(entries, [GREYS.tobytes()], order=order, big=big)


def tiled_tiff(side: int, compression: int = 8, order: str = "<") -> bytes:
    filled = np.pad(GREYS, [(0, -size % side) for size in GREYS.shape])
    cut = [
        filled[top : top + side, left : left + side].tobytes()
        for top in range(0, filled.shape[0], side)
        for left in range(0, filled.shape[1], side)
    ]
    packed = [zlib.compress(tile) if compression == 8 else tile for tile in cut]
    entries = [*plain_entries(WIDTH, HEIGHT, compression=compression, order=order), *tiles(side, side, order=order)]
    return tiff(entries, packed, order=order)


def planar_tiff(compression: int) -> bytes:
    planes = [COLOURS[:, :, number].tobytes() for number in range(3)]
    entries = plain_entries(WIDTH, HEIGHT, bits=(8,) * 3, photometric=2, compression=compression)
    packed = [zlib.compress(plane) if compression == 8 else plane for plane in planes]
    return tiff([*entries, *strips(HEIGHT), entry(284, 3, 2)], packed)


def scanned_tiff(compression: str) -> bytes:
    """One strip, of which nothing is said but where it begins, as old scanners' programs write it."""
    whole = encoded(BILEVEL, "TIFF", compression=compression, strip_size=1 << 20)
    with Image.open(io.BytesIO(whole)) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        (start,), (size,) = tags[273], tags[279]
        photometric, number = tags[262], tags[259]
    entries = [entry(256, 3, WIDTH), entry(257, 3, HEIGHT), entry(259, 3, number), entry(262, 3, photometric)]
    return tiff([*entries, Entry(273, 4, 0, b"")], [whole[start : start + size]])


def pages() -> bytes:
    return encoded(PHOTOGRAPH, "TIFF", save_all=True, append_images=[PHOTOGRAPH.rotate(90), BILEVEL])


def palette_tiff() -> bytes:
    return encoded(PHOTOGRAPH.quantize(64), "TIFF", compression="packbits")


def interlaced_gif() -> bytes:
    return encoded(PHOTOGRAPH.quantize(64), "GIF", interlace=1, transparency=3)


def gif_of(
    *blocks: bytes, box: tuple[int, int, int, int] = (0, 0, 20, 10), screen: tuple[int, int] = (20, 10)
) -> bytes:
    codes = [256]
    for at in range(box[2] * box[3]):
        codes += [at % 256, 256] if at % 100 == 99 else [at % 256]
    return gif(*screen, *blocks, gif_frame(box, gif_codes([*codes, 257], 9)))


def animated(kind: str, **options: object) -> bytes:
    return encoded(PHOTOGRAPH, kind, save_all=True, append_images=[PHOTOGRAPH.rotate(180)], duration=80, **options)


KINDS: dict[str, Callable[[], bytes]] = {
    # JPEG
    "jpeg without JFIF": lambda: without_jfif(jpeg()),
    "jpeg in CMYK": lambda: encoded(PHOTOGRAPH.convert("CMYK"), "JPEG", quality=95),
    "jpeg in CMYK of Adobe": lambda: inverted_cmyk(0),
    "jpeg in YCCK of Adobe": lambda: inverted_cmyk(2),
    "jpeg in RGB by its components' names": lambda: jpeg(keep_rgb=True),
    "jpeg in RGB by its components' names alone": lambda: without_first(jpeg(keep_rgb=True), 0xEE),
    "jpeg in RGB by Adobe's word": lambda: jpeg_with(without_jfif(jpeg()), adobe(0)),
    "jpeg of several pictures": lambda: encoded(
        PHOTOGRAPH, "MPO", save_all=True, append_images=[PHOTOGRAPH.rotate(90)], exif=exif(8)
    ),
    "jpeg with 65 kB of EXIF and more behind it": lambda: jpeg_with(
        jpeg(),
        jpeg_segment(0xE1, b"Exif\0\0" + exif_block(6) + bytes(65_400)),
        jpeg_segment(0xE1, b"Exif\0\0" + bytes(65_400)),
    ),
    "jpeg with a profile in several segments": lambda: jpeg(icc_profile=bytes(range(256)) * 1_000),
    "jpeg with Photoshop's resources": lambda: jpeg_with(
        jpeg(), jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\4abcd")
    ),
    "jpeg turned by XMP": lambda: jpeg_with(jpeg(), jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
    "jpeg with restarts": lambda: jpeg(restart_marker_blocks=3),
    "jpeg, progressive, with restarts": lambda: jpeg(progressive=True, restart_marker_rows=1),
    "jpeg with fill bytes": lambda: (
        jpeg().replace(b"\xff\xdb", b"\xff\xff\xff\xdb").replace(b"\xff\xda", b"\xff\xff\xda")
    ),
    "jpeg with tables in one segment": lambda: jpeg(streamtype=0),
    "jpeg, grey, progressive": lambda: encoded(PHOTOGRAPH.convert("L"), "JPEG", progressive=True),
    "jpeg with another picture behind it": lambda: jpeg() + encoded(PHOTOGRAPH.rotate(90), "PNG"),
    "jpeg with a thumbnail": lambda: jpeg_with(
        jpeg(), jpeg_segment(0xE1, b"Exif\0\0" + exif_block(3) + encoded(photograph(32, 24), "JPEG"))
    ),
    # PNG
    "png with a palette and transparencies": paletted_png,
    "png with a gamma, a profile and a density": lambda: png_with(
        encoded(PHOTOGRAPH, "PNG", dpi=(72, 72)),
        chunk(b"gAMA", struct.pack(">I", 20_000)),
        chunk(b"iCCP", b"a profile\0\0" + zlib.compress(bytes(range(256)))),
        chunk(b"sBIT", b"\5\5\5"),
    ),
    "png with a transparent colour": lambda: png(
        WIDTH, HEIGHT, rows(COLOURS), chunk(b"tRNS", struct.pack(">3H", *COLOURS[0, 0])), colour=2
    ),
    "png with a transparent grey": lambda: png(WIDTH, HEIGHT, rows(GREYS), chunk(b"tRNS", b"\0\x50")),
    "png turned by eXIf": lambda: encoded(PHOTOGRAPH, "PNG", exif=exif(7)),
    "png turned by eXIf behind its pixels": lambda: (
        encoded(PHOTOGRAPH, "PNG")[:-12] + chunk(b"eXIf", exif_block(8)) + chunk(b"IEND", b"")
    ),
    "png turned by ImageMagick's profile": lambda: png_with(encoded(PHOTOGRAPH, "PNG"), chunk(b"zTXt", profile(26))),
    "png turned by XMP": lambda: png_with(
        encoded(PHOTOGRAPH, "PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    ),
    "png of 16 bits": lambda: png(WIDTH, HEIGHT, rows(COLOURS.astype(">u2") * 257), depth=16, colour=2),
    "png that is animated": lambda: animated("PNG"),
    "png that is animated behind a still picture": lambda: animated("PNG", default_image=True),
    "png with something behind it": lambda: encoded(PHOTOGRAPH, "PNG") + bytes(1_000),
    # WebP
    "webp turned by EXIF": lambda: encoded(PHOTOGRAPH, "WEBP", exif=exif(5)),
    "webp turned by EXIF as JPEGs have it": lambda: webp_with((b"EXIF", b"Exif\0\0" + exif_block(6)), flags=8),
    "webp turned by XMP": lambda: webp_with((b"XMP ", XMP), flags=4),
    "webp with EXIF that its header does not name": lambda: webp_with((b"EXIF", exif_block(6)), flags=0),
    "webp with EXIF behind a simple file": lambda: riff(
        *riff_chunks(encoded(PHOTOGRAPH, "WEBP")), (b"EXIF", exif_block(6))
    ),
    "webp with chunks of other programs": lambda: webp_with((b"ABCD", b"odd"), flags=0),
    "webp that is animated": lambda: animated("WEBP", exif=exif(3)),
    # GIF
    "gif, interlaced, with a transparent colour": interlaced_gif,
    "gif that is animated": lambda: animated("GIF", loop=0, disposal=2, comment=b"a comment" * 90),
    "gif with blocks of other programs": lambda: gif_of(
        gif_extension(0xFF, b"NETSCAPE2.0", b"\1\0\0"),
        gif_extension(0xFF, b"XMP DataXMP", XMP[:200], bytes(range(255, 0, -1))),
        gif_extension(0xFE, b"a comment", b"of two blocks"),
        gif_extension(0xF9, b"\1\0\0\x21"),
    ),
    "gif with a frame larger than its screen": lambda: gif_of(screen=(9, 4)),
    "gif with a frame within its screen": lambda: gif_of(box=(3, 2, 20, 10), screen=(40, 30)),
    "gif with a frame within its transparent screen": lambda: gif_of(
        gif_extension(0xF9, b"\1\0\0\x21"), box=(3, 2, 20, 10), screen=(40, 30)
    ),
    # TIFF
    "tiff of several pages": pages,
    "tiff with EXIF and GPS": lambda: encoded(PHOTOGRAPH, "TIFF", exif=exif(6)),
    "tiff with EXIF, compressed": lambda: encoded(PHOTOGRAPH, "TIFF", exif=exif(5), compression="tiff_lzw"),
    "tiff turned by XMP": lambda: grey_tiff(Entry(700, 1, len(XMP), XMP)),
    "tiff in tiles larger than itself": lambda: tiled_tiff(256),
    "tiff in tiles": lambda: tiled_tiff(16),
    "tiff in tiles, uncompressed": lambda: tiled_tiff(32, 1),
    "tiff in tiles, big-endian": lambda: tiled_tiff(64, order=">"),
    "tiff of a scanner, group 4": lambda: scanned_tiff("group4"),
    "tiff of a scanner, group 3": lambda: scanned_tiff("group3"),
    "tiff in planes": lambda: planar_tiff(1),
    "tiff in planes, compressed": lambda: planar_tiff(8),
    "tiff with opacity": lambda: encoded(PHOTOGRAPH.convert("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
    "tiff with a palette": palette_tiff,
    "tiff in CMYK": lambda: encoded(PHOTOGRAPH.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "tiff with a predictor": lambda: encoded(PHOTOGRAPH, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2}),
    "tiff with JPEG within": lambda: encoded(PHOTOGRAPH, "TIFF", compression="jpeg", quality=90),
    "tiff of floats": lambda: encoded(PHOTOGRAPH.convert("F"), "TIFF"),
    "tiff for more than 4 GB": lambda: encoded(PHOTOGRAPH, "TIFF", big_tiff=True, compression="tiff_lzw"),
    "tiff for more than 4 GB, uncompressed": lambda: grey_tiff(big=True),
    "tiff, big-endian": lambda: grey_tiff(order=">"),
    "tiff with its number the wrong way round": lambda: b"II\0*" + grey_tiff()[4:],
    "tiff in one strip by 2^32 - 1 rows": lambda: tiff(
        [*plain_entries(WIDTH, HEIGHT), Entry(273, 4, 0, b""), entry(278, 4, 0xFFFF_FFFF)], [GREYS.tobytes()]
    ),
    # BMP
    "bmp from the top": lambda: bmp(WIDTH, (1 << 32) - HEIGHT, GREYS.tobytes()),
    "bmp of OS/2": lambda: bmp(WIDTH, HEIGHT, GREYS.tobytes(), header=12),
    "bmp with a header of 124 bytes": lambda: bmp(WIDTH, HEIGHT, GREYS.tobytes(), header=124),
    "bmp with opacity": lambda: encoded(PHOTOGRAPH.convert("RGBA"), "BMP"),
    "bmp in runs": lambda: bmp(40, 30, (b"\x28\x60\0\0" * 15 + b"\x14\x30\x14\xc0\0\0" * 15) + b"\0\1", compression=1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_to_the_pixels_that_plain_pillow_reads(kind: str) -> None:
    picture = KINDS[kind]()
    expected = plain.read(picture, SPEC)
    assert expected is not None
    assert np.ptp(expected) > 50, "a picture of one colour would prove little"
    np.testing.assert_allclose(read_picture(picture, SPEC)[0], expected, atol=ONE_LEVEL)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "turned" in kind])
def test_those_that_are_turned_are_turned(kind: str) -> None:
    unturned = InputSpec(40, 30, Resampling.BILINEAR, exif_transpose=False, scale=1.0, offset=0.0)
    picture = KINDS[kind]()
    assert np.abs(read_picture(picture, SPEC) - read_picture(picture, unturned)).mean() > 10


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_big_tiff_is_read_in_either_order(order: str) -> None:
    # Pillow reads those of the one order alone.
    big, classic = (grey_tiff(big=big, order=order) for big in (True, False))
    np.testing.assert_array_equal(read_picture(big, SPEC), read_picture(classic, SPEC))
