"""Every TIFF is decoded right or refused by name: the whole grid, and an independent reader (tifffile) as the judge."""

import io
import random
import struct
import zlib
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from captioning.errors import DamagedPictureError, NotAPictureError, PictureError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures import tensors
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
from tests.support.handwritten import Entry, entry, plain_entries, strips, tiff
from tests.support.tiffs import (
    BLACK_IS_ZERO,
    DEFLATE,
    FLOAT,
    HEIGHT,
    KINDS,
    PALETTE,
    RAW,
    RGB,
    SEPARATED,
    SIGNED,
    UNSIGNED,
    WHITE_IS_ZERO,
    WIDTH,
    YCBCR,
    Array,
    Kind,
    Way,
    samples,
    shares,
    ways,
    write,
)

# Of the picture's own size, so that nothing is resized.
SPEC = InputSpec(WIDTH, HEIGHT, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
ONE_LEVEL = 1.0


def levels(picture: bytes) -> NDArray[np.float32]:
    """The levels, height x width x 3; in this process, for speed."""
    wanted = Wanted(WIDTH, HEIGHT, "bilinear", exif_transpose=True, scaled_decoding=False)
    return tensors._upright(read_levels(picture, wanted), SPEC)


def judged(picture: bytes) -> Array | None:
    """The samples as tifffile reads them, height x width x samples; None if it cannot without its codecs."""
    with tifffile.TiffFile(io.BytesIO(picture)) as file:
        page = file.pages[0]
        try:
            found = page.asarray()
        except (ValueError, NotImplementedError, tifffile.TiffFileError):
            return None
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            found = np.moveaxis(found, 0, 2)
        whole: Array = found.reshape(HEIGHT, WIDTH, -1)
        return whole


def shown(kind: Kind, colours: Array | None = None) -> NDArray[np.float64]:
    """What the picture shows, 0 to 255, height x width x 3, by TIFF 6.0's plain formulae and over white."""
    whole = shares(kind)
    if kind.form == UNSIGNED and kind.bits < 8:
        whole = np.round(whole * ((1 << kind.bits) - 1)) / ((1 << kind.bits) - 1)
    base = whole.shape[2] - len(kind.extra)
    found, opacity = whole[:, :, :base], np.ones((HEIGHT, WIDTH, 1))
    if kind.extra and kind.extra[0] in {1, 2}:
        opacity = whole[:, :, base : base + 1]
    if kind.photometric == WHITE_IS_ZERO:
        found = 1 - found
    elif kind.photometric == PALETTE:
        assert colours is not None
        found = colours.reshape(3, -1).T[samples(kind)[:, :, 0]] / 65535
    elif kind.photometric == SEPARATED:
        found = (1 - found[:, :, :3]) * (1 - found[:, :, 3:])
    elif kind.photometric == YCBCR:
        luminance, blueness, redness = np.moveaxis(found * 255, 2, 0)
        red, blue = luminance + 1.402 * (redness - 128), luminance + 1.772 * (blueness - 128)
        found = np.dstack([red, (luminance - 0.299 * red - 0.114 * blue) / 0.587, blue]) / 255
    multiplied = kind.extra and kind.extra[0] == 1
    over_white = np.clip(found, 0, 1) * (1 if multiplied else opacity) + 1 - opacity
    return np.broadcast_to(np.clip(over_white, 0, 1) * 255, (HEIGHT, WIDTH, 3))


def extras(kind: Kind, order: str, colours: Array) -> list[Entry]:
    found = []
    if kind.photometric == PALETTE:
        found.append(entry(320, 3, *colours.tolist(), order=order))
    if kind.photometric == YCBCR:
        found.append(entry(530, 3, 1, 1, order=order))
    return found


@pytest.mark.parametrize(("number", "kind"), tuple(enumerate(KINDS)), ids=str)
def test_a_kind_is_decoded_right_however_it_lies_in_the_file(number: int, kind: Kind) -> None:
    truth = samples(kind)
    colours = np.random.default_rng(3).integers(0, 65536, 3 << kind.bits) if kind.photometric == PALETTE else truth
    expected = shown(kind, colours)
    read_by_judge = 0
    # Every second way of a kind, and the others of the next kind.
    for way in tuple(ways(kind))[number % 2 :: 2]:
        picture = write(kind, way, truth, *extras(kind, way.order, colours))
        found = judged(picture)
        if found is not None:
            read_by_judge += 1
            np.testing.assert_array_equal(found, truth, err_msg=str(way))
        off = np.abs(levels(picture) - expected).mean()
        assert off <= ONE_LEVEL, (way, off)
    assert read_by_judge or kind.bits not in {1, 8, 16, 32, 64}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, RGB])
@pytest.mark.parametrize("compression", [RAW, DEFLATE])
def test_samples_of_which_nothing_is_said_are_taken_as_libtiff_takes_them(
    photometric: int, bits: int, compression: int
) -> None:
    kind = Kind(photometric, bits)
    whole = write(kind, Way(compression=compression), samples(kind))
    # The entry gets a tag that says nothing of the samples.
    meaning, private = struct.pack("<HHI", 262, 3, 1), struct.pack("<HHI", 65000, 3, 1)
    assert whole.count(meaning) == 1
    assert np.abs(levels(whole.replace(meaning, private)) - shown(kind)).mean() <= ONE_LEVEL


@pytest.mark.parametrize("kind", [Kind(BLACK_IS_ZERO, 8), Kind(RGB, 8), Kind(RGB, 16), Kind(SEPARATED, 8)], ids=str)
def test_an_undefined_number_format_is_that_of_whole_numbers(kind: Kind) -> None:
    picture = write(replace(kind, form=4), Way(), samples(kind))
    assert np.abs(levels(picture) - shown(kind)).mean() <= ONE_LEVEL


@pytest.mark.parametrize("used", [8, 10, 12, 14])
@pytest.mark.parametrize(
    "kind",
    [
        Kind(BLACK_IS_ZERO, 16),
        Kind(WHITE_IS_ZERO, 16),
        Kind(RGB, 16),
        Kind(BLACK_IS_ZERO, 32),
        Kind(RGB, 64),
        Kind(RGB, 16, SIGNED),
    ],
    ids=str,
)
def test_containers_of_which_fewer_bits_are_used_are_visible(kind: Kind, used: int) -> None:
    for way in (Way(), Way(">", tiled=True, compression=DEFLATE), Way(planar=kind.samples > 1, rows=5)):
        picture = write(kind, way, samples(kind, used_bits=used))
        assert np.abs(levels(picture) - shown(kind)).mean() <= ONE_LEVEL


def test_a_level_beyond_a_white_makes_the_next_one_white() -> None:
    truth = samples(Kind(BLACK_IS_ZERO, 16), used_bits=12)
    truth[0, 0] = 4096
    found = levels(write(Kind(BLACK_IS_ZERO, 16), Way(), truth))
    np.testing.assert_allclose(found[:, :, 0], truth[:, :, 0] / 16383 * 255, atol=0.01)


def test_highlights_of_a_float_picture_do_not_make_it_dark() -> None:
    kind = Kind(RGB, 32, FLOAT)
    truth = samples(kind)
    truth[0, 0] = 7.5
    found = levels(write(kind, Way(), truth))
    np.testing.assert_allclose(found, np.clip(truth, 0, 1) * 255, atol=0.01)
    np.testing.assert_allclose(levels(write(kind, Way(), samples(kind) * np.float32(255))), shown(kind), atol=0.01)


@pytest.mark.parametrize("across", [1, 2, 4])
@pytest.mark.parametrize("down", [1, 2, 4])
@pytest.mark.parametrize("compression", [RAW, DEFLATE])
def test_subsampled_ycbcr_is_read(across: int, down: int, compression: int) -> None:
    # One colour per block of the picture, so that subsampling loses nothing.
    blocks = np.random.default_rng(5).integers(60, 190, (5, 8, 3)).astype(np.uint8)
    whole = blocks.repeat(8, axis=0).repeat(8, axis=1)
    rows, columns = 8 * 5, 8 * 8
    luminance = whole[:, :, 0].reshape(rows // down, down, columns // across, across).swapaxes(1, 2)
    units = np.concatenate(
        [luminance.reshape(rows // down, columns // across, -1), whole[::down, ::across, 1:]], axis=2
    ).tobytes()
    entries = [
        *plain_entries(columns, rows, bits=(8, 8, 8), photometric=YCBCR, compression=compression),
        *strips(rows),
        entry(530, 3, across, down),
    ]
    picture = tiff(entries, [zlib.compress(units) if compression == DEFLATE else units])
    wanted = Wanted(columns, rows, "bilinear", exif_transpose=True, scaled_decoding=False)
    found = np.frombuffer(read_levels(picture, wanted).content, np.uint8).reshape(rows, columns, 3)
    expected = np.asarray(Image.fromarray(whole, "YCbCr").convert("RGB"), np.int16)
    assert np.abs(found - expected).mean() <= ONE_LEVEL


def test_a_palette_of_8_bit_levels_is_not_black() -> None:
    kind = Kind(PALETTE, 8)
    colours = np.random.default_rng(3).integers(0, 256, 3 << 8)
    picture = write(kind, Way(), samples(kind), entry(320, 3, *colours.tolist()))
    np.testing.assert_array_equal(levels(picture), colours.reshape(3, -1).T[samples(kind)[:, :, 0]])


GREY = Kind(BLACK_IS_ZERO, 8)


def _tags(*values: tuple[int, int], kind: Kind = GREY) -> bytes:
    """A TIFF with entries of these numbers added or in place of its own."""
    picture = write(kind, Way(), samples(kind))
    for tag, value in values:
        before = struct.pack("<HH", tag, 3)
        at = picture.index(before, 8)
        picture = picture[: at + 8] + struct.pack("<H", value) + picture[at + 10 :]
    return picture


REFUSED = {
    "a mask": (_tags((262, 4)), "a mask of transparency"),
    "L*a*b*": (_tags((262, 8), kind=Kind(RGB, 8)), r"CIE L\*a\*b\*"),
    "ICC's L*a*b*": (_tags((262, 9), kind=Kind(RGB, 8)), r"ICC L\*a\*b\*"),
    "LogLuv": (_tags((262, 32845), kind=Kind(RGB, 8)), "LogLuv"),
    "an unknown kind": (_tags((262, 77)), "77"),
    "a colour filter array": (_tags((262, 32803), kind=Kind(BLACK_IS_ZERO, 16)), "camera's raw picture"),
    "a linear raw picture": (_tags((262, 34892), kind=Kind(RGB, 16)), "camera's raw picture"),
    "JPEG 2000": (_tags((259, 34712)), "JPEG 2000"),
    "LERC": (_tags((259, 34887)), "LERC"),
    "JPEG XL": (_tags((259, 50002)), "JPEG XL"),
    "an unknown compression": (_tags((259, 777)), "777"),
    "complex numbers": (_tags((339, 6), kind=Kind(BLACK_IS_ZERO, 64)), "complex floats"),
    "floats of 24 bits": (_tags((339, 3), kind=Kind(BLACK_IS_ZERO, 24)), "float samples of 24 bits"),
    "40 bits": (_tags((258, 40)), "40 bits"),
    "JPEG of 16 bits": (_tags((259, 7), kind=Kind(BLACK_IS_ZERO, 16)), "16 bits"),
    "an unknown predictor": (_tags((259, 8), (317, 34892)), "predictor 34892"),
    "different depths": (
        tiff(
            [*plain_entries(4, 4, bits=(5, 6, 5), photometric=RGB), *strips(4)],
            [bytes(32)],
        ),
        r"different depths \(5, 6, 5\)",
    ),
    "other inks": (
        write(Kind(SEPARATED, 8), Way(), samples(Kind(SEPARATED, 8)), entry(332, 3, 2)),
        "inks other than cyan, magenta, yellow and black",
    ),
    "six inks": (
        write(Kind(SEPARATED, 8), Way(), samples(Kind(SEPARATED, 8)), entry(334, 3, 6)),
        "inks other than cyan, magenta, yellow and black",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name(name: str) -> None:
    picture, words = REFUSED[name]
    with pytest.raises(NotAPictureError, match=words):
        levels(picture)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_preview_of_a_raw_picture_is_not_taken_for_it(order: Literal["<", ">"]) -> None:
    preview = write(Kind(RGB, 8), Way(order), samples(Kind(RGB, 8)), entry(254, 4, 1, order=order))
    plain = write(Kind(RGB, 8), Way(order), samples(Kind(RGB, 8)))
    levels(plain)
    for extra in (entry(50706, 1, 1, 4, 0, 0, order=order), None):
        if extra is None:
            within = tiff([entry(262, 3, 32803, order=order)], order=order)[8:]
            at = len(write(Kind(RGB, 8), Way(order), samples(Kind(RGB, 8)), entry(330, 4, 0, order=order)))
            raw = write(Kind(RGB, 8), Way(order), samples(Kind(RGB, 8)), entry(330, 4, at, order=order)) + within
        else:
            raw = write(Kind(RGB, 8), Way(order), samples(Kind(RGB, 8)), extra)
        with pytest.raises(NotAPictureError, match="camera's raw picture"):
            levels(raw)
    levels(preview)


@pytest.mark.parametrize("way", [Way(), Way(tiled=True), Way(rows=5, compression=DEFLATE), Way(planar=True)], ids=str)
@pytest.mark.parametrize("kind", [Kind(RGB, 16), Kind(RGB, 12), Kind(RGB, 32, FLOAT)], ids=str)
def test_one_that_is_cut_is_damaged(kind: Kind, way: Way) -> None:
    picture = write(kind, way, samples(kind))
    for share in (0.3, 0.7, 0.97):
        with pytest.raises(DamagedPictureError):
            levels(picture[: int(len(picture) * share)])


def test_levels_that_are_no_numbers_are_damaged() -> None:
    for level in (np.nan, np.inf, -np.inf):
        truth = samples(Kind(RGB, 32, FLOAT))
        truth[3, 3, 1] = level
        with pytest.raises(DamagedPictureError, match="not finite"):
            levels(write(Kind(RGB, 32, FLOAT), Way(), truth))


def test_entries_of_any_numbers_give_an_answer() -> None:
    """Every entry of a picture that our own decoder reads, with numbers that mean something else."""
    chance = random.Random(9)  # noqa: S311 - no secret
    tags = (256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 339)
    read = 0
    for _ in range(400):
        kind = chance.choice((Kind(RGB, 16), Kind(BLACK_IS_ZERO, 12), Kind(RGB, 32, FLOAT)))
        picture = bytearray(write(kind, Way(), samples(kind)))
        for tag in chance.sample(tags, chance.choice((1, 1, 2, 3))):
            at = picture.index(struct.pack("<H", tag), 8) + 8
            picture[at : at + 2] = struct.pack("<H", chance.choice((0, 1, 2, 3, 5, 7, 8, 16, 24, 32, 64, 255, 65_535)))
        try:
            levels(bytes(picture))
            read += 1
        except PictureError:
            pass
    assert 20 < read < 380
