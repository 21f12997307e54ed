"""Other views of training pictures: a part of the picture, now and then mirrored.

A decoder that sees each picture in one way only learns it by heart. A view keeps at least three quarters of each side,
so that what people said of the picture is still to be seen. (Krizhevsky, Sutskever, Hinton, "ImageNet classification
with deep convolutional neural networks", 2012, section 4.1.)

It does not know what is left and right: captions that say so are rare.
"""

from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from captioning.errors import PictureError
from captioning.model.interpreter import Encoder
from captioning.pictures.tensors import read_picture
from tools.captioner.dataset import Features
from tools.captioner.errors import DatasetError
from tools.captioner.pictures import INPUT
from tools.captioner.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["cut", "encode_views", "look_again"]

_LEAST_SIDE: Final = 0.75
_MIRRORED: Final = 0.5


def encode_views(encoder: "Path", folder: "Path", names: "Sequence[str]", view: int) -> Features:
    """Encode the view of that number of each named picture; the same number gives the same view.

    Raises DatasetError for a picture that is missing or is none.
    """
    network = Encoder(encoder)
    features = np.empty((len(names), network.features), np.float32)
    for row, name in enumerate(progress(names, f"encoding view {view} of the training pictures")):
        rng = np.random.default_rng([view, *sha256(name.encode()).digest()[:8]])
        try:
            features[row] = network.encode(read_picture(look_again((folder / name).read_bytes(), rng), INPUT))[0]
        except (OSError, PictureError) as error:
            raise DatasetError(f"{folder / name} cannot be read as a picture: {error}") from error
    return Features(tuple(names), features)


def look_again(content: bytes, rng: np.random.Generator) -> bytes:
    """Return another view of a picture, as an uncompressed PNG. Raises OSError if it cannot be read."""
    written = BytesIO()
    cut(content, rng).save(written, "PNG", compress_level=0)
    return written.getvalue()


def cut(content: bytes, rng: np.random.Generator) -> Image.Image:
    """Return a part of a picture, now and then mirrored. Raises OSError if it cannot be read."""
    with Image.open(BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    across, down = (rng.uniform(_LEAST_SIDE, 1, 2) * picture.size).round().astype(int).tolist()
    left, top = int(rng.integers(picture.width - across + 1)), int(rng.integers(picture.height - down + 1))
    part = picture.crop((left, top, left + across, top + down))
    if rng.random() < _MIRRORED:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return part
