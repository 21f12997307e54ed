"""Which picture of several is read, and in which colours; pictures in AVIF."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from captioning.errors import DamagedPictureError, PictureTooLargeError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures import levels as reading
from captioning.pictures import tensors
from captioning.pictures.levels import read_levels
from captioning.pictures.limits import MAX_AVIF_PIXELS
from captioning.pictures.protocol import Wanted
from tests.support.handwritten import Entry, encoded, photograph, plain_entries, strips, tiff

SPEC = InputSpec(60, 45, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
PHOTOGRAPH = photograph()
WHITE, BLACK = Image.new("RGB", PHOTOGRAPH.size, "white"), Image.new("RGB", PHOTOGRAPH.size)
CLEAR = Image.new("RGBA", PHOTOGRAPH.size, (0, 0, 0, 0))
OPTIONS: dict[str, dict[str, object]] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 95}, "JPEG": {"quality": 97}}
LOSSY = 5.0  # levels, of a palette of 256 colours too


def levels(picture: bytes) -> NDArray[np.float32]:
    wanted = Wanted(60, 45, "bilinear", exif_transpose=True, scaled_decoding=False)
    return tensors._upright(read_levels(picture, wanted), SPEC)


def resized(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image.convert("RGB").resize((60, 45), Image.Resampling.BILINEAR), np.float32)


def animated(kind: str, *frames: Image.Image) -> bytes:
    first, *others = frames
    return encoded(first, kind, save_all=True, append_images=others, duration=50, **OPTIONS.get(kind, {}))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_a_blank_first_frame_is_passed_over(kind: str) -> None:
    seen = resized(PHOTOGRAPH)
    for blanks in ([WHITE], [BLACK], [WHITE, BLACK, WHITE, BLACK], [] if kind == "AVIF" else [CLEAR]):
        assert np.abs(levels(animated(kind, *blanks, PHOTOGRAPH)) - seen).mean() < LOSSY
    assert np.abs(levels(animated(kind, PHOTOGRAPH, WHITE)) - seen).mean() < LOSSY
    assert levels(animated(kind, WHITE, BLACK)).min() > 250


def test_only_the_first_frames_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    shades = [Image.new("L", PHOTOGRAPH.size, shade) for shade in range(0, 250, 10)]
    picture = animated("GIF", *shades, PHOTOGRAPH)
    assert np.ptp(levels(picture)) == 0
    monkeypatch.setattr(reading, "_MAX_FRAMES", 40)
    assert np.ptp(levels(picture)) > 100


def test_a_later_frame_that_is_broken_leaves_the_first() -> None:
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        picture = animated(kind, WHITE, PHOTOGRAPH)
        assert levels(picture[:-2_000] if kind == "PNG" else picture[:-300]).min() > 250 if kind != "WEBP" else True


def test_a_preview_in_a_tiff_is_no_page() -> None:
    def page(level: int, subfile: int, following: int = 0) -> bytes:
        entries = [Entry(254, 4, 1, struct.pack("<I", subfile)), *plain_entries(8, 8), *strips(8)]
        return tiff(entries, [bytes([level, 255 - level] * 32)], following=following)

    # A white page, then one that says that it is a preview.
    blank = tiff([*plain_entries(8, 8), *strips(8)], [b"\xff" * 64], following=1000).ljust(1000, b"\0")
    for subfile, most in ((0, 5), (1, 256), (4, 256)):
        second = page(0, subfile)
        shifted = bytearray(blank + second[8:])
        at = 1002
        for _ in range(struct.unpack_from("<H", shifted, 1000)[0]):
            if struct.unpack_from("<H", shifted, at)[0] == 273:
                struct.pack_into("<I", shifted, at + 8, struct.unpack_from("<I", shifted, at + 8)[0] + 992)
            at += 12
        assert (levels(bytes(shifted)).min() <= most) == (most == 5 or levels(bytes(shifted)).min() >= 250)


def profile(primaries: tuple[tuple[float, float, float], ...], name: str = "own") -> bytes:
    """An RGB profile with sRGB's curve and these primaries, adapted to D50."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack_from(">I", content, 128)[0], 12):
        tag, start, size = struct.unpack_from(">4sII", content, at)
        if tag in (b"rXYZ", b"gXYZ", b"bXYZ"):
            colour = primaries[b"rgb".index(tag[0])]
            struct.pack_into(">3i", content, start + 8, *(round(part * 65536) for part in colour))
        renamed = content[start : start + size].replace("sRGB".encode("utf-16-be"), name.ljust(4).encode("utf-16-be"))
        content[start : start + size] = renamed
    return bytes(content)


# SMPTE EG 432-1, and Adobe RGB (1998), both adapted to D50.
DISPLAY_P3 = profile(((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)))
ADOBE_PRIMARIES = profile(((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)))


def converted(image: Image.Image, source: bytes) -> NDArray[np.float32]:
    """The picture in sRGB, by matrices alone, converted whole and resized then."""
    encoded_levels = np.asarray(image, np.float64) / 255
    linear = np.where(encoded_levels <= 0.04045, encoded_levels / 12.92, ((encoded_levels + 0.055) / 1.055) ** 2.4)
    to_white, from_white = (_matrix(one) for one in (source, profile(SRGB)))
    seen = np.clip(linear @ (np.linalg.inv(from_white) @ to_white).T, 0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return resized(Image.fromarray((seen * 255).round().astype(np.uint8)))


SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def _matrix(content: bytes) -> NDArray[np.float64]:
    found = {}
    for at in range(132, 132 + 12 * struct.unpack_from(">I", content, 128)[0], 12):
        tag, start, _ = struct.unpack_from(">4sII", content, at)
        if tag in (b"rXYZ", b"gXYZ", b"bXYZ"):
            found[tag] = np.array(struct.unpack_from(">3i", content, start + 8)) / 65536
    return np.stack([found[b"rXYZ"], found[b"gXYZ"], found[b"bXYZ"]], axis=1)


@pytest.mark.parametrize("source", [DISPLAY_P3, ADOBE_PRIMARIES], ids=["Display P3", "Adobe's primaries"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_rgb_with_a_profile_becomes_srgb(kind: str, source: bytes) -> None:
    picture = encoded(PHOTOGRAPH, kind, icc_profile=source, **OPTIONS.get(kind, {}))
    seen = converted(PHOTOGRAPH, source)
    assert np.abs(resized(PHOTOGRAPH) - seen).mean() > 5
    assert np.abs(levels(picture) - seen).mean() < 2


def test_profiles_of_deep_tiffs_and_of_pictures_with_opacity_count_too() -> None:
    deep = np.asarray(PHOTOGRAPH).astype("<u2") * 257
    entries = [*plain_entries(120, 90, bits=(16,) * 3, photometric=2), *strips(90)]
    entries.append(Entry(34675, 7, len(DISPLAY_P3), DISPLAY_P3))
    opaque = PHOTOGRAPH.copy()
    opaque.putalpha(255)
    for picture in (tiff(entries, [deep.tobytes()]), encoded(opaque, "PNG", icc_profile=DISPLAY_P3)):
        assert np.abs(levels(picture) - converted(PHOTOGRAPH, DISPLAY_P3)).mean() < 2


@pytest.mark.parametrize(
    "content",
    [DISPLAY_P3[:300], bytes(3_000), DISPLAY_P3[:128], DISPLAY_P3[:128] + b"\xff" * 900, profile(SRGB, "sRGB")],
    ids=["cut", "zeros", "a header alone", "a header and noise", "sRGB"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_that_cannot_be_used_or_is_srgbs_changes_nothing(kind: str, content: bytes) -> None:
    options = OPTIONS.get(kind, {})
    with_profile = encoded(PHOTOGRAPH, kind, icc_profile=content, **options)
    np.testing.assert_array_equal(levels(with_profile), levels(encoded(PHOTOGRAPH, kind, **options)))


def test_the_parts_of_a_long_profile_are_put_together() -> None:
    long = DISPLAY_P3 + bytes(140_000)
    picture = encoded(PHOTOGRAPH, "JPEG", quality=97, icc_profile=long)
    assert np.abs(levels(picture) - converted(PHOTOGRAPH, DISPLAY_P3)).mean() < 2


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_avif_is_read(subsampling: str) -> None:
    picture = encoded(PHOTOGRAPH, "AVIF", quality=95, subsampling=subsampling)
    assert np.abs(levels(picture) - resized(PHOTOGRAPH)).mean() < 2
    for main in (b"mif1", b"miaf"):
        by_its_container = picture[:8] + main + picture[12:]
        np.testing.assert_array_equal(levels(by_its_container), levels(picture))


def test_avif_is_turned_by_its_metadata_and_put_on_white() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = PHOTOGRAPH.rotate(90, expand=True)
    assert np.abs(levels(encoded(lying, "AVIF", quality=95, exif=exif)) - resized(PHOTOGRAPH)).mean() < 2
    half = PHOTOGRAPH.copy()
    half.putalpha(128)
    over_white = resized(PHOTOGRAPH) * (128 / 255) + 127
    assert np.abs(levels(encoded(half, "AVIF", quality=95)) - over_white).mean() < 2


def test_a_cut_avif_is_damaged_and_a_large_one_too_large() -> None:
    picture = encoded(PHOTOGRAPH, "AVIF", quality=95)
    for share in (0.02, 0.2, 0.5, 0.9, 0.99):
        with pytest.raises(DamagedPictureError):
            levels(picture[: int(len(picture) * share)])
    side = 4_001
    large = encoded(Image.new("L", (side, side)), "AVIF", speed=10)
    assert side * side > MAX_AVIF_PIXELS
    with pytest.raises(PictureTooLargeError, match=f"{side} x {side} pixels; the limit of an AVIF is 16,000,000"):
        levels(large)


def test_pillow_reads_the_first_frame_as_it_did() -> None:
    with Image.open(io.BytesIO(animated("PNG", PHOTOGRAPH, WHITE))) as image:
        np.testing.assert_array_equal(levels(animated("PNG", PHOTOGRAPH, WHITE)), resized(image))
