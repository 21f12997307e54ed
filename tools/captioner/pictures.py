"""Pictures on disk to features, by the encoder and the picture reading that will serve.

Refuses nothing by itself: unreadable pictures and unfit encoders are the errors of the serving layer, passed on with
the picture's name.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from captioning.bundle import InputSpec, Resampling
from captioning.errors import PictureError
from captioning.images import read_picture
from captioning.interpreter import Encoder
from tools.captioner.dataset import Features
from tools.captioner.encoder import INPUT_SIZE
from tools.captioner.errors import DatasetError
from tools.captioner.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["INPUT", "cosines", "encode_pictures", "find_pictures"]

# What InceptionV3 was trained on, and what the packaged features were made with.
INPUT: Final = InputSpec(
    width=INPUT_SIZE,
    height=INPUT_SIZE,
    resampling=Resampling.BILINEAR,
    exif_transpose=True,
    scale=1 / 127.5,
    offset=-1.0,
)
_FOLDERS: Final = ("images_{split}", "images", "Images", "Flicker8k_Dataset")


def find_pictures(data: Path, split: str) -> Path | None:
    """Find the folder of a split's pictures under the names that the public distributions use; None without one."""
    folders = (data / name.format(split=split) for name in _FOLDERS)
    return next((folder for folder in folders if folder.is_dir()), None)


def encode_pictures(encoder: Path, folder: Path, names: "Sequence[str]") -> Features:
    """Encode the named pictures of a folder. Raises DatasetError for one that is missing or not a picture."""
    network = Encoder(encoder)
    features = np.empty((len(names), network.features), np.float32)
    for row, name in enumerate(progress(names, "encoding pictures")):
        try:
            features[row] = network.encode(read_picture((folder / name).read_bytes(), INPUT))[0]
        except (OSError, PictureError) as error:
            raise DatasetError(f"{folder / name} cannot be read as a picture: {error}") from error
    return Features(tuple(names), features)


def cosines(ours: Features, theirs: Features) -> "NDArray[np.float64]":
    """Compare two encodings picture by picture: float [pictures of `ours`]. Raises DatasetError when one is missing."""
    rows = {name: row for row, name in enumerate(theirs.names)}
    if missing := [name for name in ours.names if name not in rows]:
        raise DatasetError(f"{len(missing)} pictures have no features to compare with, the first is {missing[0]}")
    others = theirs.features[[rows[name] for name in ours.names]]
    norms = np.linalg.norm(ours.features, axis=1) * np.linalg.norm(others, axis=1)
    similarities: NDArray[np.float64] = np.einsum("ij,ij->i", ours.features, others) / norms
    return similarities
