"""What fuzzing found in the reader of pictures, or thinking like a fuzzer: each as a small picture that shows it."""

import struct
import time
import zlib

import numpy as np
import pytest

from captioning.errors import DamagedPictureError, NotAPictureError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures.formats import prepare
from captioning.pictures.limits import MAX_BYTES
from captioning.pictures.tensors import read_picture
from tests.support.handwritten import (
    Entry,
    chunk,
    encoded,
    entry,
    jpeg_segment,
    jpeg_with,
    photograph,
    plain_entries,
    png_with,
    riff,
    riff_chunks,
    strips,
    tiff,
)

SPEC = InputSpec(40, 30, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
SIDE = 16
GREYS = bytes(range(256))


def grey_tiff(*extra: Entry, order: str = "<", big: bool = False) -> bytes:
    entries = [*plain_entries(SIDE, SIDE, order=order), *strips(SIDE, order=order), *extra]
    return tiff(entries, [GREYS], order=order, big=big)


def jpeg() -> bytes:
    return encoded(photograph(), "JPEG")


def same(picture: bytes, other: bytes) -> None:
    np.testing.assert_array_equal(read_picture(picture, SPEC), read_picture(other, SPEC))


@pytest.mark.parametrize("at", [1 << 63, (1 << 64) - 1])
def test_a_big_tiff_whose_directory_is_beyond_all_memory_is_damaged(at: int) -> None:
    with pytest.raises(DamagedPictureError, match="header is truncated"):
        prepare(b"II+\0" + struct.pack("<HHQ", 8, 0, at))


def test_an_orientation_of_eight_bytes_in_a_classic_tiff_is_passed_over() -> None:
    same(grey_tiff(Entry(274, 16, 1, bytes(8))), grey_tiff())


def test_an_entry_without_values_says_nothing() -> None:
    same(grey_tiff(), tiff([Entry(257, 4, 0, b""), *plain_entries(SIDE, SIDE), *strips(SIDE)], [GREYS]))


def test_entries_of_tiles_beside_strips_are_left_out() -> None:
    # libtiff keeps the sizes of both in one place, and takes a picture for tiled if it has a tile's width.
    entries = [*plain_entries(SIDE, SIDE, compression=8), *strips(SIDE)]
    packed = zlib.compress(GREYS)
    beside = (entry(325, 3, 1), entry(322, 4, 1 << 20), entry(323, 4, 1 << 20))
    for count in range(4):
        same(tiff([*entries, *beside[:count]], [packed]), grey_tiff())


def test_tiffs_with_their_number_the_wrong_way_round_are_looked_at_like_others() -> None:
    entries = [*plain_entries(1, 1, compression=8), entry(322, 4, 26_000), entry(323, 4, 26_000)]
    bomb = tiff([*entries, Entry(324, 4, 0, b""), Entry(325, 4, 0, b"")], [zlib.compress(b"\0")])
    for signature in (b"II*\0", b"II\0*"):
        with pytest.raises(DamagedPictureError, match="tiles have 26000 x 26000"):
            read_picture(signature + bomb[4:], SPEC)


def test_a_tiffs_new_directory_does_not_lie_over_its_pixels() -> None:
    # The old one is the picture's first bytes: the header and the directory, looked at as levels.
    picture = tiff([entry(254, 4, 0), *plain_entries(SIDE, 4), entry(273, 4, 8), entry(278, 4, 4), entry(279, 4, 64)])
    prepared = prepare(picture).content
    assert prepared[8:72] == picture[8:72]


@pytest.mark.parametrize("order", ["<", ">"])
def test_offsets_beyond_the_largest_file_are_a_contradiction(order: str) -> None:
    entries = [*plain_entries(SIDE, SIDE, order=order), entry(273, 16, 1 << 32, order=order)]
    with pytest.raises(DamagedPictureError, match="beyond the largest file"):
        prepare(tiff([*entries, entry(278, 4, SIDE, order=order)], order=order, big=True))


def test_uncompressed_strips_that_overlap_are_a_contradiction() -> None:
    entries = [*plain_entries(1_000, 1_000), entry(273, 4, *[8] * 1_000), entry(278, 4, 1)]
    with pytest.raises(DamagedPictureError, match="more bytes than the file"):
        prepare(tiff(entries, [bytes(1_000)]))


def test_texts_of_a_png_are_unpacked_up_to_a_megabyte_in_all() -> None:
    keyword = b"XML:com.adobe.xmp\0\1\0\0\0"
    text = chunk(b"iTXt", keyword + zlib.compress(bytes(1 << 20), 9))
    picture = png_with(encoded(photograph(), "PNG"), *[text] * 5_000)
    start = time.process_time()
    prepare(picture)
    # Unpacked each, they are 5 GB and take seconds.
    assert time.process_time() - start < 1
    same(picture, encoded(photograph(), "PNG"))


def test_a_png_without_a_palette_that_it_needs_says_so() -> None:
    whole = encoded(photograph().quantize(9), "PNG")
    at = whole.index(b"PLTE") - 4
    size = 12 + int.from_bytes(whole[at : at + 4], "big")
    palette, without = whole[at : at + size], whole[:at] + whole[at + size :]
    for picture in (without, without[:-12] + palette + without[-12:]):
        with pytest.raises(DamagedPictureError, match="no palette"):
            read_picture(picture, SPEC)
    with pytest.raises(DamagedPictureError, match="does not begin with a header"):
        read_picture(without[:8] + palette + without[8:], SPEC)


def test_a_pngs_header_behind_its_pixels_is_passed_over() -> None:
    whole = encoded(photograph(), "PNG")
    same(whole[:-12] + chunk(b"IHDR", b"\xff" * 13) + whole[-12:], whole)


def test_fill_bytes_within_a_scan_are_left_out() -> None:
    whole = jpeg()
    filled = whole[:-2] + b"\xff" * (MAX_BYTES - len(whole)) + whole[-2:]
    assert len(prepare(filled).content) < 2 * len(whole)
    same(filled, whole)


def test_tables_without_end_are_refused() -> None:
    table = jpeg_segment(0xDB, (b"\0" + b"\1" * 64) * 1_000)
    with pytest.raises(DamagedPictureError, match="262144 bytes of JPEG tables"):
        prepare(jpeg_with(jpeg(), *[table] * 5))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [(b"\xff\xc3\0\x11\x08", "lossless"), (b"\xff\xc5\0\x11\x08", "lossless"), (b"\xff\xc1\0\x11\x0c", "8 bits")],
)
def test_jpegs_of_other_kinds_are_no_damaged_pictures(frame: bytes, reason: str) -> None:
    with pytest.raises(NotAPictureError, match=reason):
        read_picture(jpeg().replace(b"\xff\xc0\0\x11\x08", frame), SPEC)


def test_a_segment_that_says_less_than_its_own_length_is_empty() -> None:
    whole = jpeg()
    same(whole[:2] + b"\xff\xe0\0\0" + whole[2:], whole)


def test_a_scan_that_ends_with_metadata_is_whole() -> None:
    whole = jpeg()
    same(whole[:-2] + jpeg_segment(0xE2, bytes(90)), whole)


@pytest.mark.parametrize("flags", [None, 0])
def test_exif_that_a_webp_does_not_announce_does_not_turn_it(flags: int | None) -> None:
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    pixels = riff_chunks(encoded(photograph(), "WEBP"))
    head = [] if flags is None else [(b"VP8X", bytes([flags, 0, 0, 0, 119, 0, 0, 89, 0, 0]))]
    assert prepare(riff(*head, *pixels, (b"EXIF", exif))).orientation == 1
    announced = (b"VP8X", bytes([8, 0, 0, 0, 119, 0, 0, 89, 0, 0]))
    assert prepare(riff(announced, *pixels, (b"EXIF", exif))).orientation == 6
