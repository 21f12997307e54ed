"""A picture's file before its pixels are decoded: checks of its structure, and the part that the decoder gets.

One module per format that needs it, each with `prepare(content)`. It refuses structures that no real picture has and on
which a decoder would spend time or memory. It removes everything but pixels: captions do not depend on metadata, and
most faults of decoders are in reading it. It is fast for any file: it reads each byte at most a few times. What is in
another format is refused by its name (`foreign`).

A format's module is imported with the first picture of that format, because a process may be started for one picture.
"""

from importlib import import_module
from typing import Any

from captioning.errors import NotAPictureError
from captioning.pictures.formats.foreign import foreign_of, refusal
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.formats.signatures import format_of

NOT_READ = "the bytes are not a picture of a format that is read (JPEG, PNG, GIF, WEBP, AVIF, BMP, TIFF)"
SEVERAL = frozenset(("PNG", "GIF", "WEBP", "AVIF", "TIFF"))
"""Formats whose files may have several frames or pages."""

# A BMP has only a header and pixels; an AVIF is checked by libavif, whose decoder is new and small.
_WHOLE = frozenset(("BMP", "AVIF"))


def prepare(content: bytes) -> Prepared:
    """Check the structure of `content`, and return the part that the decoder gets.

    Raises:
        NotAPictureError: it is in no supported format.
        DamagedPictureError: the file contradicts itself.
        PictureTooLargeError: it has more than `captioning.pictures.limits` allow.
    """
    kind = format_of(content)
    if kind is None:
        foreign = foreign_of(content)
        raise NotAPictureError(refusal(foreign) if foreign else NOT_READ)
    if kind in _WHOLE:
        return Prepared(kind, content)
    prepared: Prepared = _module(kind).prepare(content)
    return prepared


def name_of(content: bytes) -> str | None:
    """Return the name of the format of a file, read or not; None if it is of none that is known."""
    foreign = None if (kind := format_of(content)) else foreign_of(content)
    return foreign.name if foreign else kind


def prepare_frames(content: bytes, kind: str) -> Prepared:
    """Return what `prepare` does, of a file that is known to be of format `kind`, with all its frames."""
    if kind == "PNG":
        prepared: Prepared = _module(kind).prepare(content, frames=True)
        return prepared
    return prepare(content)


def prepare_page(content: bytes, page: int) -> Prepared | None:
    """Return what `prepare` does, of a page of a TIFF, counted from 0; None if there are not so many.

    Raises:
        PictureError: as `prepare`.
    """
    prepared: Prepared | None = _module("TIFF").prepare(content, page)
    return prepared


def _module(kind: str) -> Any:
    return import_module(f"captioning.pictures.formats.{kind.lower()}")
