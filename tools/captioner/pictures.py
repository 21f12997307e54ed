"""Pictures on disk to features, by the encoder and the picture reading that will serve.

Refuses nothing by itself: unreadable pictures and unfit encoders are the errors of the serving layer, passed on with
the picture's name.
"""

import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from captioning.errors import PictureError
from captioning.model.bundle import InputSpec, Resampling
from captioning.model.interpreter import Encoder
from captioning.pictures.tensors import read_picture
from tools.captioner.dataset import Features
from tools.captioner.encoder import INPUT_SIZE
from tools.captioner.errors import DatasetError
from tools.captioner.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "INPUT",
    "cosines",
    "draw_pictures",
    "encode_pictures",
    "find_pictures",
    "list_pictures",
    "read_sample",
    "unpack_pictures",
]

# What InceptionV3 was trained on, and what the packaged features were made with.
INPUT: Final = InputSpec(
    width=INPUT_SIZE,
    height=INPUT_SIZE,
    resampling=Resampling.BILINEAR,
    exif_transpose=True,
    scale=1 / 127.5,
    offset=-1.0,
)
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
_DRAWN: Final = 8
_MAX_BYTES: Final = 64 * 1024 * 1024
_FOLDERS: Final = ("images_{split}", "images", "Images", "Flicker8k_Dataset")


def find_pictures(data: Path, split: str) -> Path | None:
    """Find the folder of a split's pictures under the names that the public distributions use; None without one."""
    folders = (data / name.format(split=split) for name in _FOLDERS)
    return next((folder for folder in folders if folder.is_dir()), None)


def unpack_pictures(archive: Path, names: "Sequence[str]", into: Path) -> None:
    """Write the named files of a tar archive into a new folder, whatever folders they are in there.

    Raises DatasetError when one is missing or too large, or the archive is damaged; the folder is there when all are.
    """
    part = into.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    wanted = set(names)
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                name = Path(member.name).name
                content = opened.extractfile(member) if name in wanted and member.isreg() else None
                if content is None:
                    continue
                if member.size > _MAX_BYTES:
                    raise DatasetError(f"{name} in {archive} has {member.size} bytes, over {_MAX_BYTES}")
                (part / name).write_bytes(content.read())
                wanted.discard(name)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DatasetError(f"{archive} cannot be unpacked: {error}") from error
    if wanted:
        raise DatasetError(f"{archive} lacks {len(wanted)} of the pictures, the first is {min(wanted)}")
    part.replace(into)


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder, by name. Raises DatasetError without any."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder of pictures")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise DatasetError(f"{folder} holds no pictures ({', '.join(sorted(_SUFFIXES))})")
    return found


def draw_pictures(folder: Path) -> list[Path]:
    """Draw eight pictures of coloured shapes into a new folder, the same ones each time."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for number in range(_DRAWN):
        width, height = (int(side) for side in rng.integers(160, 640, 2))
        # A sky of smooth colours, and discs and boxes before it: features need both edges and shades.
        image = Image.fromarray(rng.integers(256, size=(4, 5, 3), dtype=np.uint8)).resize((width, height))
        draw = ImageDraw.Draw(image)
        for _ in range(12):
            x, y, across, down = (int(value) for value in rng.integers((0, 0, 8, 8), (width, height, 160, 160)))
            shape = draw.ellipse if rng.integers(2) else draw.rectangle
            shape((x, y, x + across, y + down), fill=tuple(int(level) for level in rng.integers(256, size=3)))
        paths.append(folder / f"drawn{number}.png")
        image.save(paths[-1])
    return paths


def read_sample(path: Path, spec: InputSpec) -> "NDArray[np.float32]":
    """Read a picture as the serving layer does: float32 [1, height, width, 3]. Raises DatasetError if it cannot."""
    try:
        return read_picture(path.read_bytes(), spec)
    except (OSError, PictureError) as error:
        raise DatasetError(f"{path} cannot be read as a picture: {error}") from error


def encode_pictures(encoder: Path, folder: Path, names: "Sequence[str]") -> Features:
    """Encode the named pictures of a folder. Raises DatasetError for one that is missing or not a picture."""
    network = Encoder(encoder)
    features = np.empty((len(names), network.features), np.float32)
    for row, name in enumerate(progress(names, "encoding pictures")):
        features[row] = network.encode(read_sample(folder / name, INPUT))[0]
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
