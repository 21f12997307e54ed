"""What a file promises before its pixels are decoded: contradictions are refused, and metadata is left out."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from captioning.errors import DamagedPictureError, NotAPictureError, PictureError, PictureTooLargeError
from captioning.pictures.formats import gif, jpeg, png, prepare, webp
from captioning.pictures.formats.metadata import exif_orientation
from tests.support.handwritten import encoded

Tags = dict[int, tuple[int, list[int]]]

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, ORIENTATION = 256, 257, 258, 259, 262, 273, 274
SAMPLES, ROWS, SIZES, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 277, 278, 279, 322, 323, 324, 325


def gradient() -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L").rotate(angle) for angle in (0, 90, 180)])


def made_tiff(tags: Tags, *, order: str = "<", tail: bytes = b"") -> bytes:
    """A TIFF with these tags and what follows its directory."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    formats = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "Q", UNDEFINED: "B"}
    rows, values = b"", b""
    behind = 8 + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{formats[kind]}", *numbers)
        if len(content) > 4:
            place = struct.pack(order + "I", behind + len(values))
            values += content
        else:
            place = content.ljust(4, b"\0")
        rows += struct.pack(order + "HHI", tag, kind, len(numbers)) + place
    head = start + struct.pack(order + "IH", 8, len(tags))
    return head + rows + bytes(4) + values + tail


def grey_tiff(width: int = 32, height: int = 32, **changed: tuple[int, list[int]] | None) -> bytes:
    """A grey TIFF of one strip, with tags changed or (None) left out."""
    names = {name.lower(): value for name, value in globals().items() if name.isupper()}
    tags: Tags = {
        WIDTH: (LONG, [width]),
        HEIGHT: (LONG, [height]),
        BITS: (SHORT, [8]),
        COMPRESSION: (SHORT, [1]),
        PHOTOMETRIC: (SHORT, [1]),
        OFFSETS: (LONG, [1_000]),
        SAMPLES: (SHORT, [1]),
        ROWS: (LONG, [height]),
        SIZES: (LONG, [width * height]),
    }
    for name, value in changed.items():
        tags.pop(names[name], None)
        if value is not None:
            tags[names[name]] = value
    content = made_tiff(tags)
    return content.ljust(1_000, b"\0") + bytes(min(width * height, 4_096))


def tiled(side: int, *, width: int = 1, height: int = 1, tiles: int = 1) -> bytes:
    return grey_tiff(
        width,
        height,
        offsets=None,
        sizes=None,
        rows=None,
        tile_width=(LONG, [side]),
        tile_height=(LONG, [side]),
        tile_offsets=(LONG, [1_000] * tiles),
        tile_sizes=(LONG, [64] * tiles),
        compression=(SHORT, [8]),
    )


REFUSED: dict[str, tuple[Callable[[], bytes], type[PictureError], str]] = {
    "tiff: a tile larger than the picture": (
        lambda: tiled(26_000),
        DamagedPictureError,
        "its tiles have 26000 x 26000 pixels, and it has 1 x 1",
    ),
    "tiff: too many tiles": (lambda: tiled(64, tiles=2), DamagedPictureError, "it has 2 strips or tiles, and 1 make"),
    "tiff: too few tiles": (lambda: tiled(64, width=65), DamagedPictureError, "it has 1 strips or tiles, and 2 make"),
    "tiff: tiles without a size": (lambda: tiled(0), DamagedPictureError, "its tiles have no width or height"),
    "tiff: too many strips": (
        lambda: grey_tiff(rows=(LONG, [32]), offsets=(LONG, list(range(1_000, 1_100)))),
        DamagedPictureError,
        "it has 100 strips or tiles, and 1 make it up",
    ),
    "tiff: too few strips": (lambda: grey_tiff(rows=(LONG, [16])), DamagedPictureError, "has 1 strips or tiles, and 2"),
    "tiff: no strips": (lambda: grey_tiff(offsets=None), DamagedPictureError, "it has 0 strips or tiles"),
    "tiff: strips without rows": (lambda: grey_tiff(rows=(LONG, [0])), DamagedPictureError, "its strips have no rows"),
    "tiff: strips and tiles": (
        lambda: grey_tiff(tile_offsets=(LONG, [1_000])),
        DamagedPictureError,
        "it has strips and tiles",
    ),
    "tiff: strips that overlap": (
        lambda: grey_tiff(
            compression=(SHORT, [8]),
            rows=(LONG, [1]),
            offsets=(LONG, [1_000] * 32),
            sizes=(LONG, [1_000] * 32),
        ),
        DamagedPictureError,
        "its strips or tiles have more bytes than the file",
    ),
    "tiff: compressed strips without sizes": (
        lambda: grey_tiff(compression=(SHORT, [5]), rows=(LONG, [16]), offsets=(LONG, [1_000, 1_100]), sizes=None),
        DamagedPictureError,
        "it has 2 strips or tiles and the sizes of 0",
    ),
    "tiff: a number that is a list": (
        lambda: grey_tiff(samples=(SHORT, [1] * 9)),
        DamagedPictureError,
        "its TIFF tag 277 has 9 values; 1 would be the most",
    ),
    "tiff: a side that is a fraction": (
        lambda: made_tiff({WIDTH: (RATIONAL, [1]), HEIGHT: (LONG, [1])}),
        DamagedPictureError,
        "its TIFF tag 256 is not a whole number",
    ),
    "tiff: no sides": (lambda: made_tiff({BITS: (SHORT, [8])}), DamagedPictureError, "it has no width or height"),
    "tiff: too many entries": (
        lambda: made_tiff({tag: (SHORT, [1]) for tag in range(1_001)}),
        DamagedPictureError,
        "directory has 1001 entries; the limit is 1000",
    ),
    "tiff: a directory that is cut off": (lambda: grey_tiff()[:9], DamagedPictureError, "truncated or broken"),
    "tiff: too many pixels": (lambda: grey_tiff(50_001, 1_000), PictureTooLargeError, "50001 x 1000 pixels"),
    "jpeg: too many scans": (
        lambda: scans(jpeg.MAX_SCANS),
        DamagedPictureError,
        f"has {jpeg.MAX_SCANS + 10} JPEG scans; the limit is {jpeg.MAX_SCANS}",
    ),
    "jpeg: too many markers": (
        lambda: inserted(b"\xff\xfe\0\2" * (jpeg.MAX_MARKERS + 1)),
        DamagedPictureError,
        "more than 20000 JPEG markers",
    ),
    "jpeg: no scan": (lambda: b"\xff\xd8\xff\xe0\0\2\xff\xd9", DamagedPictureError, "a JPEG without a scan"),
    "png: too many chunks": (
        lambda: png_with(*[(b"IDAT", b"")] * (png.MAX_CHUNKS + 1)),
        DamagedPictureError,
        "more than 50000 PNG chunks",
    ),
    "gif: too many sub-blocks": (
        lambda: gif_with(b"!\xfe" + b"\1a" * (gif.MAX_SUB_BLOCKS + 1) + b"\0"),
        DamagedPictureError,
        "more than 200000 GIF sub-blocks",
    ),
    "gif: no frame": (lambda: encoded(gradient(), "GIF")[:13] + b";", DamagedPictureError, "a GIF without a frame"),
    "webp: too many chunks": (
        lambda: encoded(gradient(), "WEBP") + b"JUNK\0\0\0\0" * (webp.MAX_CHUNKS + 1),
        DamagedPictureError,
        "more than 100000 WebP chunks",
    ),
}


def scans(count: int) -> bytes:
    """A progressive JPEG with its last scan once more, `count` times."""
    whole = encoded(gradient(), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + whole[-2:]


def inserted(segments: bytes) -> bytes:
    """A JPEG with these segments at its beginning."""
    whole = encoded(gradient(), "JPEG")
    return whole[:2] + segments + whole[2:]


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with these chunks behind its header."""
    whole = encoded(gradient(), "PNG")
    made = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return whole[:33] + b"".join(made) + whole[33:]


def gif_with(blocks: bytes) -> bytes:
    """A GIF with these blocks before its frame."""
    whole = encoded(gradient().quantize(16), "GIF")
    at = 13 + (3 << ((whole[10] & 7) + 1))
    return whole[:at] + blocks + whole[at:]


def exif(orientation: bytes = b"\x12\x01\x03\0\1\0\0\0\6\0\0\0", entries: int = 1) -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, entries) + orientation + bytes(4)


@pytest.mark.parametrize("case", REFUSED)
def test_what_contradicts_itself_is_refused_with_the_reason(case: str) -> None:
    make, error, reason = REFUSED[case]
    with pytest.raises(error, match=reason):
        prepare(make())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(grey_tiff(), id="one strip"),
        pytest.param(grey_tiff(rows=None), id="no rows per strip"),
        pytest.param(grey_tiff(rows=(LONG, [2**32 - 1])), id="all rows in a strip"),
        pytest.param(grey_tiff(compression=(SHORT, [5]), sizes=None), id="one compressed strip without a size"),
        pytest.param(grey_tiff(samples=None, bits=None), id="bilevel by default"),
        pytest.param(tiled(256), id="a tile larger than a small picture"),
        pytest.param(tiled(4_000, width=3_999, height=3_990), id="one tile around a large picture"),
    ],
)
def test_regular_tiffs_pass(content: bytes) -> None:
    assert prepare(content).kind == "TIFF"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiffs_directory_is_written_anew_without_metadata(order: str) -> None:
    tags: Tags = {
        WIDTH: (LONG, [4]),
        HEIGHT: (LONG, [2]),
        PHOTOMETRIC: (SHORT, [1]),
        OFFSETS: (LONG, [700]),
        ORIENTATION: (SHORT, [6]),
        34_665: (LONG, [8]),  # where EXIF would be: this directory, round and round
        65_000: (UNDEFINED, [7] * 40),
    }
    prepared = prepare(made_tiff(tags, order=order).ljust(720, b"\0"))
    (at,) = struct.unpack_from(order + "I", prepared.content, 4)
    (count,) = struct.unpack_from(order + "H", prepared.content, at)
    kept = [struct.unpack_from(order + "H", prepared.content, at + 2 + 12 * number)[0] for number in range(count)]
    assert (kept, prepared.orientation) == ([WIDTH, HEIGHT, PHOTOMETRIC, OFFSETS], 6)
    assert struct.unpack_from(order + "I", prepared.content, at + 2 + 12 * count) == (0,)


def test_an_orientation_of_a_million_fractions_is_no_orientation() -> None:
    prepared = prepare(grey_tiff(orientation=(RATIONAL, [1] * 100_000)))
    assert prepared.orientation == 1
    with Image.open(io.BytesIO(prepared.content)) as image:
        assert ORIENTATION not in image.getexif()


def test_a_jpegs_metadata_and_fill_bytes_do_not_reach_the_decoder() -> None:
    content = exif()
    segments = b"\xff" * 100_000 + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    segments += b"\xff\xe2\x01\0" + bytes(254) + b"\xff\xfe\x01\0" + bytes(254) + b"junk between"
    prepared = prepare(inserted(segments))
    # Pillow begins with JFIF's segment, which is kept.
    assert prepared.content == encoded(gradient(), "JPEG")
    assert prepared.orientation == 6


def test_adobes_word_on_colours_is_kept() -> None:
    whole = encoded(gradient().convert("CMYK"), "JPEG")
    assert b"Adobe" in prepare(whole).content


def test_scans_of_a_progressive_jpeg_are_counted_and_its_pixels_are_fewer() -> None:
    prepare(scans(jpeg.MAX_SCANS - 20))
    large = Image.new("L", (8_000, 4_001))
    with pytest.raises(PictureTooLargeError, match="8000 x 4001 pixels; the limit of a progressive JPEG is 32,000,000"):
        prepare(encoded(large, "JPEG", progressive=True))
    assert prepare(encoded(large, "JPEG")).orientation == 1


def test_a_pngs_metadata_does_not_reach_the_decoder() -> None:
    text = zlib.compress(bytes(50_000_000), 9)
    content = png_with(
        (b"iCCP", b"profile\0\0" + text),
        (b"zTXt", b"Comment\0\0" + text),
        (b"iTXt", b"Comment\0\1\0\0\0" + text),
        (b"eXIf", exif().removeprefix(b"Exif\0\0")),
        (b"gAMA", b"\0\0\xb1\x8f"),
    )
    prepared = prepare(content)
    assert prepared.content == encoded(gradient(), "PNG")
    assert prepared.orientation == 6


def test_a_png_keeps_its_palette_and_its_transparency() -> None:
    whole = encoded(gradient().quantize(16), "PNG", transparency=3)
    assert prepare(whole).content == whole


@pytest.mark.parametrize("compressed", [False, True])
def test_a_pngs_exif_as_imagemagick_writes_it_turns_the_picture(compressed: bool) -> None:
    digits = exif().hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(digits) // 2:8}\n{lines}\n".encode()
    name = b"Raw profile type exif\0"
    chunk = (b"zTXt", name + b"\0" + zlib.compress(text)) if compressed else (b"tEXt", name + text)
    assert prepare(png_with(chunk)).orientation == 6


def test_xmps_orientation_counts_where_exif_has_none() -> None:
    xmp = b'<x:xmpmeta tiff:Orientation="3"/>'
    segment = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    assert prepare(inserted(b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment)).orientation == 3
    assert prepare(png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))).orientation == 3
    assert prepare(encoded(gradient(), "WEBP", xmp=xmp)).orientation == 3
    both = encoded(gradient(), "WEBP", xmp=xmp, exif=exif())
    assert prepare(both).orientation == 6


def test_a_gifs_comments_do_not_reach_the_decoder_and_its_transparency_does() -> None:
    control = b"!\xf9\4\1\0\0\3\0"
    comments = b"!\xfe" + b"\xff" + b"a" * 255 + b"\0"
    prepared = prepare(gif_with(bytes(100_000) + comments + control))
    assert prepared.content == gif_with(control)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II",
        b"XX*\0\x08\0\0\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        exif(b"\x12\x01\x05\0\x80\x4f\x12\0\x1a\0\0\0"),
        exif(b"\x12\x01\x03\0\2\0\0\0\6\0\0\0"),
        exif(b"\x12\x01\x03\0\1\0\0\0\x09\0\0\0"),
        exif(b"\x12\x01\x03\0\1\0\0\0\0\0\0\0"),
        exif(b"\x13\x01\x03\0\1\0\0\0\6\0\0\0", entries=60_000),
    ],
)
def test_a_broken_exif_block_gives_no_orientation(block: bytes) -> None:
    assert exif_orientation(block) is None


@pytest.mark.parametrize("kind", [b"\1\0", b"\3\0", b"\4\0"])
def test_an_orientation_may_be_any_whole_number(kind: bytes) -> None:
    assert exif_orientation(exif(b"\x12\x01" + kind + b"\1\0\0\0\6\0\0\0")) == 6


def test_a_bigtiff_is_read_as_a_tiff_is() -> None:
    tags = [(WIDTH, 4, 8), (HEIGHT, 4, 8), (BITS, 3, 8), (PHOTOMETRIC, 3, 1), (OFFSETS, 16, 256), (ORIENTATION, 3, 8)]
    rows = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in tags)
    content = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, len(tags)) + rows + bytes(8)
    pixels = bytes(range(64))
    prepared = prepare(content.ljust(256, b"\0") + pixels)
    assert prepared.orientation == 8
    with Image.open(io.BytesIO(prepared.content)) as image:
        np.testing.assert_array_equal(np.asarray(image), np.frombuffer(pixels, np.uint8).reshape(8, 8))


def test_a_picture_in_more_tiles_than_are_read_is_too_large() -> None:
    with pytest.raises(PictureTooLargeError, match="has 78400 strips or tiles; the limit is 65536"):
        prepare(tiled(16, width=4_480, height=4_480))


@pytest.mark.parametrize("content", [b"", b"a text", b"RIFF\0\0\0\0CDDA", bytes(900)])
def test_bytes_without_a_signature_are_no_picture(content: bytes) -> None:
    with pytest.raises(NotAPictureError, match="JPEG, PNG, GIF, WEBP, AVIF, BMP, TIFF"):
        prepare(content)


def test_a_process_imports_what_the_pictures_that_it_reads_need() -> None:
    code = """
import io, sys
from captioning.pictures import process
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
read_levels(sys.stdin.buffer.read(), Wanted(40, 30, "bilinear", True, False))
wanted = {"numpy", "dataclasses", "asyncio", "PIL.PngImagePlugin", "PIL.TiffImagePlugin", "captioning.model.bundle"}
print(sorted(wanted & set(sys.modules)), len(sys.modules) < 140)
"""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {sys.path!r}" + code],
        input=encoded(gradient(), "JPEG"),
        capture_output=True,
        check=True,
    )
    assert run.stdout == b"[] True\n"
