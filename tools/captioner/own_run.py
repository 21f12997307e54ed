"""The captions of a user's own run, as a CSV of pictures and captions, and the comparison of a bundle with them.

It needs no TensorFlow. Captions are compared as words: marks, case, punctuation at the ends and blanks do not count.

Refuses: tables without pictures or captions, and pictures that are not there.
"""

import csv
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from captioning.captioner import decode
from captioning.model.interpreter import Decoder, Encoder
from tools.captioner.errors import DatasetError, UnfitBundleError
from tools.captioner.pictures import read_sample
from tools.captioner.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from captioning.model.bundle import Bundle
    from captioning.model.vocabulary import Vocabulary

__all__ = ["Agreement", "OwnCaption", "compare_with_own_run", "read_own_run", "require_agreement"]

_PICTURE: Final = ("picture", "image", "filename", "file", "image_name", "image_id", "path")
_CAPTION: Final = ("caption", "predicted", "prediction", "predicted_caption", "generated", "generated_caption", "text")
_MAX_BYTES: Final = 16 * 1024 * 1024
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class OwnCaption:
    """What the user's own run said of a picture."""

    picture: "Path"
    caption: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the user's own captions a bundle repeats, and the first that it does not: picture, theirs, ours."""

    captions: int
    same: int
    different: tuple[tuple[str, str, str], ...]

    def summary(self) -> str:
        """Say it in one line."""
        examples = "".join(
            f"; of {picture}, yours says {theirs!r} and the bundle {ours!r}" for picture, theirs, ours in self.different
        )
        return f"{self.same} of {self.captions} captions of your own run are the same{examples}"


def read_own_run(table: "Path", pictures: "Path | None") -> list[OwnCaption]:
    """Read a CSV with the columns picture and caption; the pictures are in `pictures`, or beside the CSV.

    Raises DatasetError, which names the line.
    """
    try:
        with table.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{table} cannot be read as a CSV in UTF-8: {error}") from error
    if len(content) > _MAX_BYTES:
        raise DatasetError(f"{table} has over {_MAX_BYTES} bytes")
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines or [""])[0].count)
    rows = csv.DictReader(lines, delimiter=delimiter)
    names = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    picture, caption = (next((names[name] for name in known if name in names), None) for known in (_PICTURE, _CAPTION))
    if picture is None or caption is None:
        raise DatasetError(
            f"{table} begins with {', '.join(names) or 'nothing'}, and the columns picture and caption were looked for"
        )
    folder = pictures or table.parent
    found = []
    try:
        for number, row in enumerate(rows, start=2):
            name, said = (row[picture] or "").strip(), (row[caption] or "").strip()
            if not name or not said:
                raise DatasetError(f"line {number} of {table} has no {'picture' if not name else 'caption'}")
            path = folder / name
            if not path.is_file():
                raise DatasetError(f"line {number} of {table} names {name}, which is not in {folder} (--pictures)")
            found.append(OwnCaption(path, said))
    except csv.Error as error:
        raise DatasetError(f"{table} is not a CSV: {error}") from error
    if not found:
        raise DatasetError(f"{table} has no captions")
    return found


def compare_with_own_run(bundle: "Bundle", own: "Sequence[OwnCaption]", encoder: "Path | None" = None) -> Agreement:
    """Caption the pictures as the manifest says, by another `encoder` if one is given, and compare.

    Raises DatasetError for a file that is not a picture.
    """
    network, decoder = Encoder(encoder or bundle.encoder), Decoder(bundle.decoder)
    different = []
    for one in progress(own, "comparing with your own captions"):
        features = network.encode(read_sample(one.picture, bundle.manifest.input))
        tokens = decode(decoder, bundle.vocabulary, features, bundle.manifest.decoding)[0].tokens
        ours = " ".join(bundle.vocabulary.words[token] for token in tokens)
        if _words(ours, bundle.vocabulary) != _words(one.caption, bundle.vocabulary):
            different.append((one.picture.name, one.caption, ours))
    return Agreement(len(own), len(own) - len(different), tuple(different[:_SHOWN]))


def _words(caption: str, vocabulary: "Vocabulary") -> list[str]:
    marks = {vocabulary.words[vocabulary.start].lower(), vocabulary.words[vocabulary.end].lower()}
    words = [word for word in caption.lower().split() if word not in marks]
    return " ".join(words).strip(string.punctuation + string.whitespace).split()


def require_agreement(agreement: Agreement) -> None:
    """Refuse a float32 bundle that says something else. Raises UnfitBundleError."""
    if agreement.same < agreement.captions:
        raise UnfitBundleError(
            f"the bundle does not say what your own run said: {agreement.summary()}. Likely reasons: another encoder "
            "(--encoder), another size or filter of pictures (--resampling), or pictures turned by their EXIF data "
            "(--exif-transpose)"
        )
