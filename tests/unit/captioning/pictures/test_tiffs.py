"""Every TIFF is decoded right or refused by name: the whole grid, and an independent reader (tifffile) as the judge."""

import io

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures import tensors
from captioning.pictures.levels import read_levels
from captioning.pictures.protocol import Wanted
from tests.support.handwritten import Entry, entry
from tests.support.tiffs import (
    HEIGHT,
    KINDS,
    PALETTE,
    SEPARATED,
    UNSIGNED,
    WHITE_IS_ZERO,
    WIDTH,
    YCBCR,
    Array,
    Kind,
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


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_kind_is_decoded_right_however_it_lies_in_the_file(kind: Kind) -> None:
    truth = samples(kind)
    colours = np.random.default_rng(3).integers(0, 65536, 3 << kind.bits) if kind.photometric == PALETTE else truth
    expected = shown(kind, colours)
    read_by_judge = 0
    for way in ways(kind):
        picture = write(kind, way, truth, *extras(kind, way.order, colours))
        found = judged(picture)
        if found is not None:
            read_by_judge += 1
            np.testing.assert_array_equal(found, truth, err_msg=str(way))
        off = np.abs(levels(picture) - expected).mean()
        assert off <= ONE_LEVEL, (way, off)
    assert read_by_judge or kind.bits not in {1, 8, 16, 32, 64}
