"""Every kind of PNG is read to what it shows, and its metadata never matter."""

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures import tensors
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
from tests.support import pngs
from tests.support.handwritten import chunk
from tests.support.pngs import HEIGHT, WIDTH, Kind

# Of the picture's own size, so that nothing is resized.
SPEC = InputSpec(WIDTH, HEIGHT, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)


def levels(picture: bytes) -> NDArray[np.float32]:
    wanted = Wanted(WIDTH, HEIGHT, "bilinear", exif_transpose=True, scaled_decoding=False)
    return tensors._upright(read_levels(picture, wanted), SPEC)


@pytest.mark.parametrize("kind", pngs.KINDS, ids=str)
def test_a_kind_is_read_to_what_it_shows(kind: Kind) -> None:
    truth = pngs.samples(kind)
    off = np.abs(levels(pngs.write(kind, truth)) - pngs.shown(kind, truth))
    assert off.max() < 2


@pytest.mark.parametrize("used", [8, 10, 12, 14])
@pytest.mark.parametrize("kind", [kind for kind in pngs.KINDS if kind.depth == 16], ids=str)
def test_sixteen_bits_of_which_fewer_are_used_are_visible(kind: Kind, used: int) -> None:
    truth = pngs.samples(kind, used_bits=used)
    off = np.abs(levels(pngs.write(kind, truth)) - pngs.shown(kind, truth, used_bits=used))
    assert off.max() < 2


METADATA = {
    "a profile of 5 MB": chunk(b"iCCP", b"Color LCD\0\0" + zlib.compress(bytes(5_000_000))),
    "a profile that is none": chunk(b"iCCP", b"Color LCD\0\0nothing"),
    "a profile without a name": chunk(b"iCCP", b""),
    "a compressed text of 9 MB": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"{}" * 4_500_000)),
    "an international text of 9 MB": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"{}" * 4_500_000)),
    "a plain text of 3 MB": chunk(b"tEXt", b"parameters\0" + b"a dog, 8k " * 300_000),
    "3,000 texts": chunk(b"tEXt", b"Comment\0short") * 3_000,
    "a text with a wrong checksum": chunk(b"tEXt", b"Comment\0short")[:-4] + b"\0\0\0\0",
    "a time, a density, a background": chunk(b"tIME", bytes(7)) + chunk(b"pHYs", bytes(9)) + chunk(b"bKGD", bytes(2)),
    "chunks of other programs": chunk(b"vpAg", bytes(9)) + chunk(b"caNv", bytes(16)) + chunk(b"iDOT", bytes(28)),
    "EXIF of 1 MB": chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0" + bytes(1_000_000)),
    "EXIF that goes round in circles": chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_of_any_size_and_kind_do_not_matter(name: str) -> None:
    kind = Kind(pngs.RGB, 8, interlaced=False, transparent=False)
    truth = pngs.samples(kind)
    np.testing.assert_array_equal(levels(pngs.write(kind, truth, METADATA[name])), levels(pngs.write(kind, truth)))
