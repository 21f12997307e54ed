"""A picture's file before its pixels are decoded: checks of its structure, and the part that the decoder gets.

One module per format that needs it, each with `prepare(content)`. It refuses structures that no real picture has and on
which a decoder would spend time or memory. It removes everything but pixels: captions do not depend on metadata, and
most faults of decoders are in reading it. It is fast for any file: it reads each byte at most a few times.

A format's module is imported with the first picture of that format, because a process may be started for one picture.
"""

from importlib import import_module

from captioning.errors import NotAPictureError
from captioning.pictures.formats.prepared import Prepared

NOT_READ = "the bytes are not a picture of a format that is read (JPEG, PNG, GIF, WEBP, BMP, TIFF)"

_SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    # Some programs write the number after the letters in the byte order that the letters do not name.
    "TIFF": (b"II*\x00", b"MM\x00*", b"II\x00*", b"MM*\x00", b"II+\x00", b"MM\x00+"),
    "BMP": (b"BM",),
}
_RIFF, _WEBP = b"RIFF", b"WEBP"


def format_of(content: bytes) -> str | None:
    """Return Pillow's name of the format that a file begins as; None if that format is not supported."""
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return "WEBP"
    return next((name for name, signatures in _SIGNATURES.items() if content.startswith(signatures)), None)


def prepare(content: bytes) -> Prepared:
    """Check the structure of `content`, and return the part that the decoder gets.

    Raises:
        NotAPictureError: it is in no supported format.
        DamagedPictureError: the file contradicts itself.
        PictureTooLargeError: it has more than `captioning.pictures.limits` allow.
    """
    kind = format_of(content)
    if kind is None:
        raise NotAPictureError(NOT_READ)
    if kind == "BMP":
        # A BMP has only a header and pixels.
        return Prepared(kind, content)
    prepared: Prepared = import_module(f"captioning.pictures.formats.{kind.lower()}").prepare(content)
    return prepared
