"""Pictures as people send them: what is read is read right, what is not is refused in one of four ways."""

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import captioning
import storage
from captioning.errors import (
    DamagedPictureError,
    EmptyPictureError,
    NotAPictureError,
    PictureError,
    PictureTooLargeError,
)
from captioning.model.bundle import Channels, InputSpec, Resampling
from captioning.pictures.levels import read_levels
from captioning.pictures.limits import MAX_BYTES, MAX_PROGRESSIVE_PIXELS, MAX_WEBP_PIXELS
from captioning.pictures.protocol import Wanted
from captioning.pictures.tensors import read_picture
from tests.support.handwritten import encoded, photograph

# Levels come through unchanged: scale 1, offset 0.
SPEC = InputSpec(40, 30, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
ONE_LEVEL = 1.01
LAYERS = os.pathsep.join(str(Path(str(package.__file__)).parents[1]) for package in (captioning, storage))


def levels(picture: bytes, spec: InputSpec = SPEC) -> NDArray[np.float32]:
    tensor = read_picture(picture, spec)
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, spec.height, spec.width, 3)
    found: NDArray[np.float32] = tensor[0]
    return found


def resized(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image.convert("RGB").resize((40, 30), Image.Resampling.BILINEAR), dtype=np.float32)


def test_each_channel_is_scaled_for_itself_in_the_order_that_the_bundle_wants() -> None:
    """As keras.applications' preprocess_input in the mode "caffe", for VGG16 and ResNet50."""
    picture = encoded(photograph(80, 60), "PNG")
    scale, offset = (1.0, 0.5, 2.0), (-103.939, -116.779, -123.68)
    found = levels(picture, replace(SPEC, channels=Channels.BGR, scale=scale, offset=offset))
    expected = levels(picture)[:, :, ::-1] * np.array(scale, np.float32) + np.array(offset, np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand: `rows` as they are compressed, each with its leading filter byte."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    parts = [header, *chunks, (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "MPO"])
def test_every_format_is_read_to_the_pixels_that_it_holds(kind: str) -> None:
    picture = encoded(photograph(), kind, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(io.BytesIO(picture)) as image:
        np.testing.assert_array_equal(levels(picture), resized(image))


@pytest.mark.parametrize("resampling", list(Resampling))
def test_the_manifests_resampling_scale_and_offset_are_applied(resampling: Resampling) -> None:
    spec = replace(SPEC, resampling=resampling, scale=1 / 127.5, offset=-1.0)
    pixels = np.asarray(photograph().resize((40, 30), Image.Resampling[resampling.upper()]), dtype=np.float32)
    np.testing.assert_allclose(levels(encoded(photograph(), "PNG"), spec), pixels / 127.5 - 1, atol=1e-6)


def test_a_picture_resized_in_strips_is_the_picture_resized_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioning.pictures.levels._STRIP_PIXELS", 500)
    for resampling in Resampling:
        at_once = photograph().resize((40, 30), Image.Resampling[resampling.upper()])
        in_strips = read_levels(encoded(photograph(), "PNG"), Wanted(40, 30, resampling.value, True, False))
        assert in_strips.content == at_once.tobytes()


def test_no_bytes_are_an_empty_picture() -> None:
    with pytest.raises(EmptyPictureError):
        read_picture(b"", SPEC)


@pytest.mark.parametrize(
    "content",
    [b"this is only text, whatever the file is called", b"\x00" * 100, b"\xff", b"BM"],
)
def test_bytes_of_another_kind_are_not_a_picture(content: bytes) -> None:
    with pytest.raises(NotAPictureError, match="JPEG, PNG, GIF, WEBP, AVIF, BMP, TIFF"):
        read_picture(content, SPEC)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PCX", "TGA", "JPEG2000", "EPS"])
def test_formats_outside_the_list_are_refused_even_if_pillow_knows_them(kind: str) -> None:
    with pytest.raises(NotAPictureError):
        read_picture(encoded(photograph(), kind), SPEC)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_picture_is_damaged(kind: str) -> None:
    picture = encoded(photograph(), kind)
    for share in (0.4, 0.7, 0.95):
        with pytest.raises(DamagedPictureError):
            read_picture(picture[: int(len(picture) * share)], SPEC)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_a_picture_cut_within_its_header_is_damaged_and_not_unknown(kind: str) -> None:
    with pytest.raises(DamagedPictureError):
        read_picture(encoded(photograph(), kind)[:14], SPEC)


def test_too_many_bytes_are_refused_before_they_are_looked_at() -> None:
    picture = encoded(photograph(), "JPEG")
    levels(picture + bytes(MAX_BYTES - len(picture)))
    with pytest.raises(PictureTooLargeError, match="10485761 bytes; the limit is 10485760"):
        read_picture(picture + bytes(MAX_BYTES + 1 - len(picture)), SPEC)


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_000, 10_000), (5_000_001, 10), (20_000, 10_000), (100_000, 100_000), (65_536, 1), (1, 65_536)],
)
def test_too_many_pixels_are_refused_from_the_header_alone(width: int, height: int) -> None:
    # The pixels themselves are missing: who decoded them would call the picture damaged.
    with pytest.raises(PictureTooLargeError, match="the limit"):
        read_picture(png(width, height, 1, 0, b""), SPEC)


def test_a_whole_100_megapixel_png_is_refused() -> None:
    with pytest.raises(PictureTooLargeError, match="10000 x 10000 pixels; the limit is 50,000,000"):
        read_picture(png(10_000, 10_000, 1, 0, bytes(10_000 * 1_251)), SPEC)


@pytest.mark.parametrize(
    ("kind", "options", "limit", "name"),
    [
        ("WEBP", {"method": 0}, MAX_WEBP_PIXELS, "of a WebP"),
        ("JPEG", {"progressive": True}, MAX_PROGRESSIVE_PIXELS, "of a progressive JPEG"),
    ],
)
def test_what_takes_more_memory_to_decode_may_have_fewer_pixels(
    monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, object], limit: int, name: str
) -> None:
    picture = encoded(Image.new("L", (8_000, limit // 8_000 + 1)), kind, **options)
    with pytest.raises(PictureTooLargeError, match=f"the limit {name} is {limit:,}"):
        read_picture(picture, SPEC)
    read_picture(encoded(Image.new("L", (8_000, limit // 8_000 + 1)), "JPEG"), SPEC)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_decoding_gives_nearly_the_same_levels_of_a_large_jpeg(progressive: bool, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = photograph().resize((1_200, 900), Image.Resampling.BICUBIC)
    picture = encoded(smooth, "JPEG", quality=90, progressive=progressive, exif=exif)
    exact, scaled = levels(picture), levels(picture, replace(SPEC, scaled_decoding=True))
    assert 0 < np.abs(scaled - exact).mean() < 1
    assert np.abs(scaled - exact).max() < 8


def test_scaled_decoding_leaves_small_jpegs_and_other_formats_as_they_are() -> None:
    spec = replace(SPEC, scaled_decoding=True)
    for picture in (encoded(photograph(150, 120), "JPEG"), encoded(photograph(1_200, 900), "PNG")):
        np.testing.assert_array_equal(levels(picture, spec), levels(picture))


def test_one_pixel_and_extreme_shapes_are_read() -> None:
    np.testing.assert_array_equal(levels(encoded(Image.new("RGB", (1, 1), (10, 20, 30)), "PNG")), _flat(10, 20, 30))
    for size in ((65_500, 1), (1, 65_500), (3_000, 2)):
        picture = encoded(Image.new("RGB", size, (10, 20, 30)), "PNG")
        np.testing.assert_array_equal(levels(picture), _flat(10, 20, 30))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    red, blue = Image.new("RGB", (60, 50), (255, 0, 0)), Image.new("RGB", (60, 50), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = encoded(red, kind, save_all=True, append_images=[blue, red], **options)
    with Image.open(io.BytesIO(picture)) as image:
        assert getattr(image, "n_frames", 1) == 3
    np.testing.assert_array_equal(levels(picture), _flat(255, 0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_read_in_its_colours(kind: str) -> None:
    photo = photograph()
    picture = encoded(photo.convert("CMYK"), kind, **({"quality": 98, "subsampling": 0} if kind == "JPEG" else {}))
    assert np.abs(levels(picture) - resized(photo)).mean() < 3


def test_grey_of_16_bits_is_scaled_and_not_clipped() -> None:
    grey = photograph().convert("L")
    deep = np.asarray(grey, dtype=np.uint16) * 257
    for kind in ("PNG", "TIFF"):
        with Image.open(io.BytesIO(encoded(Image.fromarray(deep), kind))) as image:
            assert image.mode == "I;16"
        assert np.abs(levels(encoded(Image.fromarray(deep), kind)) - resized(grey)).max() < ONE_LEVEL


def test_big_endian_grey_of_16_bits_is_read_like_little_endian() -> None:
    deep = np.asarray(photograph().convert("L"), dtype=np.uint16) * 257
    big = Image.frombytes("I;16B", (120, 90), deep.astype(">u2").tobytes())
    picture = encoded(big, "TIFF")
    assert picture.startswith(b"MM")
    np.testing.assert_array_equal(levels(picture), levels(encoded(Image.fromarray(deep), "TIFF")))


def test_colour_of_16_bits_keeps_its_upper_8() -> None:
    pixels = np.asarray(photograph(), dtype=np.uint16) * 256 + 77
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in pixels)
    np.testing.assert_array_equal(levels(png(120, 90, 16, 2, rows)), resized(photograph()))


@pytest.mark.parametrize(
    ("pixels", "white"),
    [
        (np.array([[0, 60_000]], np.int32), 65_535),
        (np.array([[-5, 2**30]], np.int32), 2**31 - 1),
        (np.array([[0, 0.5]], np.float32), 1.0),
        (np.array([[0, 200]], np.float32), 255.0),
        (np.array([[-1, 60_000]], np.float32), 65_535.0),
        (np.array([[0, 1e9]], np.float32), 1e9),
    ],
)
def test_grey_of_32_bits_is_scaled_by_the_white_that_holds_it(
    pixels: NDArray[np.int32 | np.float32], white: float
) -> None:
    spec = replace(SPEC, width=2, height=1, resampling=Resampling.NEAREST)
    found = levels(encoded(Image.fromarray(pixels), "TIFF"), spec)
    np.testing.assert_allclose(found[0, :, 0], [0, 255 * float(pixels[0, 1]) / white], rtol=1e-5)


@pytest.mark.parametrize("level", [np.nan, np.inf])
def test_grey_that_is_not_finite_is_damaged(level: float) -> None:
    pixels = np.full((9, 9), level, np.float32)
    with pytest.raises(DamagedPictureError):
        read_picture(encoded(Image.fromarray(pixels), "TIFF"), SPEC)


def test_black_and_white_is_smoothed_and_not_sampled() -> None:
    checks = Image.fromarray(np.indices((300, 400)).sum(axis=0) % 2 == 0)
    assert checks.mode == "1"
    found = levels(encoded(checks, "PNG"))[5:-5, 5:-5]
    assert found.min() > 110
    assert found.max() < 145


def test_a_palette_is_resolved_before_resizing() -> None:
    paletted = photograph().quantize(32)
    np.testing.assert_array_equal(levels(encoded(paletted, "PNG")), resized(paletted.convert("RGB")))


def _half_hidden() -> Image.Image:
    """Brown that is opaque on the left, half visible in the middle and invisible on the right."""
    image = Image.new("RGBA", (120, 90), (160, 80, 20, 255))
    image.paste((160, 80, 20, 128), (40, 0, 80, 90))
    image.paste((160, 80, 20, 0), (80, 0, 120, 90))
    return image


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_pictures_are_shown_over_white(kind: str) -> None:
    found = levels(encoded(_half_hidden(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    np.testing.assert_allclose(found[:, 3], _flat(160, 80, 20)[:, 3], atol=ONE_LEVEL)
    np.testing.assert_allclose(found[:, 20], _flat(207, 167, 137)[:, 20], atol=ONE_LEVEL)
    np.testing.assert_allclose(found[:, 36], _flat(255, 255, 255)[:, 36], atol=ONE_LEVEL)


def test_smoothing_does_not_draw_colour_from_what_is_invisible() -> None:
    image = Image.new("RGBA", (120, 90), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 61, 90))
    np.testing.assert_allclose(levels(encoded(image, "PNG")), _flat(255, 255, 255), atol=ONE_LEVEL)


def test_a_palette_with_transparency_is_shown_over_white() -> None:
    image = Image.new("P", (60, 50), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (30, 0, 60, 50))
    for transparency in (1, b"\xff\x00"):
        found = levels(encoded(image, "PNG", transparency=transparency))
        np.testing.assert_array_equal(found[:, 3], _flat(255, 0, 0)[:, 3])
        np.testing.assert_array_equal(found[:, 36], _flat(255, 255, 255)[:, 36])


def test_grey_with_alpha_is_shown_over_white() -> None:
    np.testing.assert_array_equal(levels(encoded(Image.new("LA", (9, 9), (40, 0)), "PNG")), _flat(255, 255, 255))
    np.testing.assert_array_equal(levels(encoded(Image.new("LA", (9, 9), (40, 255)), "PNG")), _flat(40, 40, 40))


def test_a_colour_mode_that_cannot_be_converted_is_refused_by_name() -> None:
    with pytest.raises(NotAPictureError, match=r"TIFFs of the kind CIE L\*a\*b\* are not read"):
        read_picture(encoded(Image.new("LAB", (9, 9)), "TIFF"), SPEC)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_picture_rotated_by_exif_gives_the_tensor_of_the_upright_one(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = encoded(photograph(), kind, exif=exif, **options)
    with Image.open(io.BytesIO(picture)) as image:
        upright = ImageOps.exif_transpose(image)
    np.testing.assert_allclose(levels(picture), resized(upright), atol=ONE_LEVEL)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_rotated_by_exif_gives_the_tensor_of_the_upright_one(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = encoded(photograph(), "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(lying)) as image:
        upright = encoded(ImageOps.exif_transpose(image), "PNG")
    np.testing.assert_allclose(levels(lying), levels(upright), atol=ONE_LEVEL)
    unturned = levels(lying, replace(SPEC, exif_transpose=False))
    assert (np.abs(unturned - levels(upright)).mean() > 5) == (orientation != 1)


@pytest.mark.parametrize(
    "exif", [b"MM\x00*\xff\xff\xff\xff\x00\x01", b"nothing of the kind", b"II*\x00\x08\x00\x00\x00\xff\xff", b""]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_no_reason_to_refuse_a_picture(kind: str, exif: bytes) -> None:
    broken = encoded(photograph(), kind, exif=b"Exif\x00\x00" + exif)
    np.testing.assert_array_equal(levels(broken), levels(encoded(photograph(), kind)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_mutated_pictures_are_read_or_refused_and_nothing_else(kind: str) -> None:
    chance = random.Random(kind)  # noqa: S311 - mutations, not secrets
    exif = Image.Exif()
    exif[0x0112] = 6
    small = photograph(48, 36)
    originals = [encoded(small, kind), encoded(small.convert("L"), kind), encoded(small, kind, exif=exif)]
    originals.append(encoded(small.convert("CMYK") if kind == "JPEG" else small.quantize(8), kind))
    refused = 0
    for _ in range(400):
        picture = bytearray(chance.choice(originals))
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            # Most of what can break is in the header.
            at = chance.randrange(len(picture) if chance.random() < 0.3 else min(len(picture), 200))
            how = chance.randrange(3)
            if how == 0:
                picture[at] = chance.randrange(256)
            elif how == 1:
                picture[at : at + chance.randrange(1, 9)] = chance.choice([b"", b"\xff" * 4, b"\x00" * 4])
            else:
                picture[at:at] = chance.randbytes(chance.randrange(1, 9))
        try:
            levels(bytes(picture))
        except PictureError:
            refused += 1
    assert 0 < refused < 400


PEAK = """
import re, sys
from pathlib import Path
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
picture = sys.stdin.buffer.read()
before = peak()
read_levels(picture, Wanted(299, 299, "bilinear", True, False))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize(
    ("picture", "decoded_megabytes"),
    [
        pytest.param(
            png(7_000, 7_000, 8, 3, bytes(7_000 * 7_001), (b"PLTE", bytes(6)), (b"tRNS", b"\x80\x00")),
            49,
            id="palette with transparency",
        ),
        pytest.param(png(7_000, 7_000, 16, 0, bytes(7_000 * 14_001)), 98, id="16 bits"),
        pytest.param(png(7_000, 7_000, 1, 0, bytes(7_000 * 876)), 49, id="1 bit"),
    ],
)
def test_the_largest_picture_takes_little_more_memory_than_its_pixels(picture: bytes, decoded_megabytes: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PEAK], input=picture, capture_output=True, check=True, env={"PYTHONPATH": LAYERS}
    )
    assert int(run.stdout) < decoded_megabytes + 40


OPENED = """
import sys
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
from pathlib import Path
def watch(event, arguments):
    if watching and (event.startswith("tempfile.") or event == "open" and arguments[2] & 0b11):
        print(event, arguments)
watching = False
sys.addaudithook(watch)
for path in sys.argv[1:]:
    picture = Path(path).read_bytes()
    watching = True
    read_levels(picture, Wanted(40, 30, "bilinear", True, False))
    watching = False
print("read")
"""


def test_reading_a_picture_opens_no_file_for_writing(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"):
        (tmp_path / kind).write_bytes(encoded(photograph(), kind))
    (tmp_path / "LZW").write_bytes(encoded(photograph(), "TIFF", compression="tiff_lzw"))
    run = subprocess.run(
        [sys.executable, "-c", OPENED, *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": LAYERS, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.stdout == "read\n"


def _flat(red: int, green: int, blue: int) -> NDArray[np.float32]:
    return np.broadcast_to(np.array([red, green, blue], np.float32), (30, 40, 3))
