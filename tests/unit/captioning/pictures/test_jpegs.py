"""JPEGs: each marker that encoders write is read, what is intact is read whole, and what is cut is refused."""

import io
import struct
from base64 import b85decode
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from captioning.errors import DamagedPictureError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures import tensors
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
from tests.support.handwritten import encoded, jpeg_segment, jpeg_with, photograph

WIDTH, HEIGHT = 131, 97
# Of the picture's own size, so that nothing is resized.
SPEC = InputSpec(WIDTH, HEIGHT, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
PHOTOGRAPH = photograph(WIDTH, HEIGHT)
FLAT = Image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30))
END = b"\xff\xd9"
# A JPEG of 40 x 96 pixels in arithmetic codes, which Pillow reads and does not write: sequential, and progressive.
ARITHMETIC = b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV02dGu6cG*=6cQ8~7#ABNIVB<=A0kFFH7Pk#NLN)+NKj5&W`l2AVSHjvP;#4de20sYl#*C&psb&"
    "cs)LV`jsM#KLjf2X8X_JdLnS3cjb2b*jg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg9}w01*fPU;r"
    "os0U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0BE!u3A3`jBXB|jsxz;;La=qa6;X=tus6C+Y&^{4OdcbNNj@I-+%cd=qM"
    "lEhcHE!z3-(AQda29yzGZdnf>g>&$}r8B*KhHKC86Vx(>eRAIKy@-)1ME6{1Ij|xSL>W*JBv1Fbw+4Fc-fTCN<xa>B2e~HgWk-Jl+nb0"
    "=|rjKtzI-$VDo04;ybCN(~qg>9%iBL=r<E?$Mu(Si7rDz<YjP<X<`*l#(bsATS-BQ|t{*c~u0$4rg%+u7tIF(G+C-RO9CzzK*p+g^2$E"
    "q$qLssrfnH78mN~ZIi+cOJunJ*#"
)
ARITHMETIC_PROGRESSIVE = b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV02dGu6cG*=6cQ8~7#ABNIVB<=A0kFFH7Pk#NLN)+NKj5&W`l2AVSHjvP;#4de20sYl#*C&psb&"
    "cs)LV`jsM#KLjf2X8X_JdLnS3cjb2b*jg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg5_sjg9}x01*fPU;r"
    "os0U`hb5di}c0sqVZ1^^HN5dYc$3<CiG0uTcb00060(gaVZP7X*S&1Z=GrPZ-yqxKa1L)I00v?RswBTQy@iW-37C2$QHUe(tyL=JIpF_"
    "2h0ay%vw-v7)11P}%P+5iXv0RRC70;vDY00a>Q|Jncu0RsU6KLH*aT7(jz2-M63<d2;H%m4%t1^?Or2mt~C0Y3o)L>j@R8yw9TJ7eVcY"
    "l0wW;L7jZ|I7dc5C#9*00;pA00ut-sQ=6W1P}%P+5iXv0RRC%Apn6hD)!!1TI-}_76}?E&l;4z&)Zv34lO<S<~#P=kFs?vF#p;B3<CiG"
    "0ssR5000m;CMmWU6AliJnXGQg;Q!131Q7-Q+5iXv0|5a)5P;_-EwgD2@0L-<&i~8+1Q7-Q+5iXv0s#R(5S@ilv!aHj=<`hM!(qKlOn@C"
    "Q|I7dc5C#9*00;pA00BP`yqct+J}bC!`xrCYpFB#8v!F(S_YE6h|Je"
)

ENCODED: dict[str, Callable[[Image.Image], bytes]] = {
    "sequential": lambda image: encoded(image, "JPEG", quality=90),
    "optimized": lambda image: encoded(image, "JPEG", quality=90, optimize=True, subsampling=0),
    "subsampled along one side": lambda image: encoded(image, "JPEG", quality=90, subsampling=1),
    "progressive": lambda image: encoded(image, "JPEG", quality=90, progressive=True),
    "restarts": lambda image: encoded(image, "JPEG", quality=90, restart_marker_blocks=3),
    "restarts, a row each": lambda image: encoded(image, "JPEG", quality=90, restart_marker_rows=1),
    "restarts, progressive": lambda image: encoded(
        image, "JPEG", quality=90, restart_marker_blocks=2, progressive=True
    ),
    "grey": lambda image: encoded(image.convert("L"), "JPEG", quality=90),
    "grey, progressive": lambda image: encoded(image.convert("L"), "JPEG", quality=90, progressive=True),
    "CMYK": lambda image: encoded(image.convert("CMYK"), "JPEG", quality=90),
    "CMYK, progressive": lambda image: encoded(image.convert("CMYK"), "JPEG", quality=90, progressive=True),
}


def levels(picture: bytes) -> NDArray[np.float32]:
    wanted = Wanted(WIDTH, HEIGHT, "bilinear", exif_transpose=True, scaled_decoding=False)
    return tensors._upright(read_levels(picture, wanted), SPEC)


def plain(picture: bytes) -> NDArray[np.float32]:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def scan_starts(picture: bytes) -> Iterator[int]:
    at = picture.find(b"\xff\xda")
    while at >= 0:
        yield at
        at = picture.find(b"\xff\xda", at + 2)


@pytest.mark.parametrize("name", ENCODED)
def test_without_its_end_mark_it_is_the_picture(name: str) -> None:
    picture = ENCODED[name](PHOTOGRAPH)
    assert picture.endswith(END)
    for intact in (picture, picture[:-1], picture[:-2], picture[:-2] + b"\0" * 50, picture + b"behind it"):
        np.testing.assert_array_equal(levels(intact), plain(picture))


@pytest.mark.parametrize("image", [PHOTOGRAPH, FLAT], ids=["photograph", "flat"])
@pytest.mark.parametrize("name", ENCODED)
def test_cut_in_its_data_it_is_damaged_even_if_an_end_mark_follows(name: str, image: Image.Image) -> None:
    picture = ENCODED[name](image)
    first = next(scan_starts(picture))
    # What is missing of the last 12 bytes may be less than a block.
    for cut in range(first, len(picture) - 12, (len(picture) - first) // 40 + 1):
        for end in (b"", END, b"\xff\xd0" + END, jpeg_segment(0xFE, b"a comment") + END):
            with pytest.raises(DamagedPictureError):
                levels(picture[:cut] + end)


@pytest.mark.parametrize("name", [name for name in ENCODED if "progressive" in name])
def test_progressive_without_its_last_scans_it_is_damaged(name: str) -> None:
    picture = ENCODED[name](PHOTOGRAPH)
    for start in scan_starts(picture):
        tables = picture.rfind(b"\xff\xc4", 0, start)
        for cut in {start, tables}:
            with pytest.raises(DamagedPictureError):
                levels(picture[:cut] + END)


def test_with_a_scan_cut_before_others_it_is_damaged() -> None:
    picture = ENCODED["progressive"](PHOTOGRAPH)
    ends = [picture.rfind(b"\xff\xc4", 0, start) for start in list(scan_starts(picture))[1:]]
    for end in ends:
        with pytest.raises(DamagedPictureError):
            levels(picture[: end - 40] + picture[end:])


def restarts_of(picture: bytes) -> list[int]:
    return [at for at in range(len(picture) - 1) if picture[at] == 0xFF and picture[at + 1] in range(0xD0, 0xD8)]


def test_with_a_part_between_two_restarts_missing_it_is_damaged() -> None:
    for name in ("restarts", "restarts, a row each"):
        picture = ENCODED[name](PHOTOGRAPH)
        restarts = restarts_of(picture)
        for number in (0, len(restarts) // 2, -1):
            with pytest.raises(DamagedPictureError):
                levels(picture[: restarts[number]] + END)


@pytest.mark.parametrize("name", ["restarts", "restarts, progressive"])
def test_with_parts_between_restarts_swapped_it_is_damaged(name: str) -> None:
    picture = ENCODED[name](PHOTOGRAPH)
    restarts = restarts_of(picture)
    for number in (0, len(restarts) // 2):
        one, other, end = restarts[number : number + 3]
        swapped = picture[:one] + picture[other:end] + picture[one:other] + picture[end:]
        assert len(swapped) == len(picture)
        with pytest.raises(DamagedPictureError, match="parts of its JPEG data are in another order"):
            levels(swapped)


@pytest.mark.parametrize("picture", [ARITHMETIC, ARITHMETIC_PROGRESSIVE], ids=["sequential", "progressive"])
def test_arithmetic_codes_are_read_whole_and_refused_cut(picture: bytes) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        expected = np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), np.float32)
    for intact in (picture, picture[:-2]):
        np.testing.assert_array_equal(levels(intact), expected)
    (*_, last) = scan_starts(picture)
    for cut in range(next(scan_starts(picture)), last + (len(picture) - last) // 2, 9):
        for end in (b"", END):
            with pytest.raises(DamagedPictureError):
                levels(picture[:cut] + end)


def test_its_height_may_follow_its_first_scan() -> None:
    for name in ("sequential", "grey", "optimized"):
        picture = ENCODED[name](PHOTOGRAPH)
        frame = picture.index(b"\xff\xc0")
        late = picture[: frame + 5] + b"\0\0" + picture[frame + 7 : -2]
        lines = jpeg_segment(0xDC, struct.pack(">H", HEIGHT))
        np.testing.assert_array_equal(levels(late + lines + END), plain(picture))
        np.testing.assert_array_equal(levels(late + lines), plain(picture))
        with pytest.raises(DamagedPictureError):
            levels(late + END)


MARKERS: dict[str, bytes] = {
    **{f"application {number}": jpeg_segment(0xE0 + number, bytes(range(90))) for number in range(1, 16)},
    **{f"JPEG's own {marker:X}": jpeg_segment(marker, bytes(6)) for marker in range(0xF0, 0xFE)},
    "a comment": jpeg_segment(0xFE, b"a comment" * 7_000),
    "comments without end": jpeg_segment(0xFE, b"a comment") * 15_000,
    "EXIF of 64 kB in 30 segments": jpeg_segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 30,
    "XMP in many parts": jpeg_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60_000)) * 40,
    "a profile whose parts are missing": jpeg_segment(0xE2, b"ICC_PROFILE\0\2\7" + bytes(9_000)),
    "pictures of the other eye": jpeg_segment(0xE2, b"MPF\0II*\0\x08\0\0\0\3\0" + bytes(90)),
    "a picture within": jpeg_segment(0xE1, b"Exif\0\0" + encoded(FLAT.resize((16, 16)), "JPEG")),
    "no restarts": jpeg_segment(0xDD, b"\0\0"),
    "alone": b"\xff\x01",
    "fill bytes": b"\xff" * 999,
}


@pytest.mark.parametrize("name", MARKERS)
def test_a_marker_does_not_matter_wherever_it_stands(name: str) -> None:
    picture = ENCODED["sequential"](PHOTOGRAPH)
    scan = picture.index(b"\xff\xda")
    for with_marker in (jpeg_with(picture, MARKERS[name]), picture[:scan] + MARKERS[name] + picture[scan:]):
        np.testing.assert_array_equal(levels(with_marker), plain(picture))
