"""Captioned pictures on disk, in the layout of Flickr8k's public distribution.

    captions.txt         CSV with the header `image,caption`, one line per caption, several captions per image
    train.txt, val.txt   image names, one per line
    features_train.npz, features_val.npz   (optional) `names` and `features` [images, 2048], made by the encoder
    images/              (any name) the pictures themselves, where no cached features are given

Refuses: names without captions, captions without words, features that do not belong to the split.
"""

import csv
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zipfile import BadZipFile

import numpy as np

from tools.captioner.errors import DatasetError
from tools.captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Dataset",
    "Features",
    "Part",
    "Split",
    "captions_of",
    "part_of",
    "read_captions",
    "read_dataset",
    "read_features",
    "read_names",
]

Split: TypeAlias = Literal["train", "val"]
Part: TypeAlias = Literal["all", "choosing", "reporting"]
_HEADER: Final = ["image", "caption"]


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded pictures: `features` is float32 [images, width], row by row for `names`."""

    names: tuple[str, ...]
    features: np.ndarray


@dataclass(frozen=True, slots=True)
class Dataset:
    """One split: `features` float32 [images, width], and each image's captions as words, in the same order."""

    names: tuple[str, ...]
    features: np.ndarray
    captions: tuple[tuple[tuple[str, ...], ...], ...]


def read_captions(folder: Path) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read `captions.txt`: image name -> its captions as words. Raises DatasetError with the line at fault."""
    path = folder / "captions.txt"
    captions: dict[str, list[tuple[str, ...]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            if next(lines, None) != _HEADER:
                raise DatasetError(f"{path} does not begin with the header {','.join(_HEADER)}")
            for row in lines:
                if len(row) != len(_HEADER) or not row[0]:
                    raise DatasetError(f"{path}, line {lines.line_num}: expected image,caption")
                if words := tokenize(row[1]):
                    captions.setdefault(row[0], []).append(words)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return {name: tuple(said) for name, said in captions.items()}


def read_names(folder: Path, split: Split) -> tuple[str, ...]:
    """Read the image names of a split. Raises DatasetError when there are none, or one twice."""
    path = folder / f"{split}.txt"
    try:
        names = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    if not names:
        raise DatasetError(f"{path} names no image")
    if len(set(names)) < len(names):
        raise DatasetError(f"{path} names an image twice")
    return names


def read_features(path: Path) -> Features:
    """Read cached features, of any float type. Raises DatasetError when the file is not as described."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names, features = arrays["names"], arrays["features"]
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as cached features (names, features): {error}") from error
    fits = len(features.shape) == len(("images", "width")) and names.shape == features.shape[:1]
    if not fits or not np.issubdtype(features.dtype, np.floating):
        raise DatasetError(f"{path}: {names.shape} names do not go with features of {features.shape} {features.dtype}")
    if not np.isfinite(features).all():
        raise DatasetError(f"{path} holds features that are not finite")
    return Features(tuple(str(name) for name in names), features.astype(np.float32))


def read_dataset(folder: Path, split: Split, features: Features) -> Dataset:
    """Join a split's names, captions and features. Raises DatasetError when one lacks what another has."""
    return _join(read_names(folder, split), read_captions(folder), features, split)


def captions_of(
    names: "Sequence[str]", captions: "Mapping[str, tuple[tuple[str, ...], ...]]", split: Split
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return the captions of the named images, in their order. Raises DatasetError for an image that has none."""
    _require_all(names, captions, "captions", split)
    return tuple(captions[name] for name in names)


def part_of(dataset: Dataset, part: Part) -> Dataset:
    """Return the half of a split by which settings are chosen, the half that is only reported on, or all of it.

    Pictures are dealt in turns to both in the order of the sha256 of their names, which says nothing of what they show;
    within a half they keep their order.
    """
    if part == "all":
        return dataset
    dealt = sorted(range(len(dataset.names)), key=lambda row: sha256(dataset.names[row].encode()).hexdigest())
    rows = sorted(dealt[0 if part == "choosing" else 1 :: 2])
    return Dataset(
        tuple(dataset.names[row] for row in rows),
        dataset.features[rows],
        tuple(dataset.captions[row] for row in rows),
    )


def _join(
    names: "Sequence[str]", captions: "Mapping[str, tuple[tuple[str, ...], ...]]", features: Features, split: Split
) -> Dataset:
    rows = {name: row for row, name in enumerate(features.names)}
    said = captions_of(names, captions, split)
    _require_all(names, rows, "features", split)
    return Dataset(tuple(names), features.features[[rows[name] for name in names]], said)


def _require_all(names: "Sequence[str]", known: "Mapping[str, object]", what: str, split: Split) -> None:
    if missing := [name for name in names if name not in known]:
        raise DatasetError(f"{len(missing)} images of {split}.txt have no {what}, the first is {missing[0]}")
