"""A picture's file before its pixels are decoded: what it promises, and what of it the decoder gets.

One module per format that needs it, each with `prepare(content)`. It refuses what no picture needs and a decoder would
spend its time or memory on, and leaves out what is not pixels: metadata is not the picture, and most of a decoder's
faults are in reading it. It is quick, whatever the file says: it touches each byte at most a few times.

A format's module is imported with the first picture of that format: a process starts for one picture at a time.
"""

from importlib import import_module

from captioning.errors import NotAPictureError
from captioning.pictures.formats.prepared import Prepared

NOT_READ = "the bytes are not a picture of a format that is read (JPEG, PNG, GIF, WEBP, BMP, TIFF)"

_SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    # Some programs write the number behind the letters in the order that they do not name.
    "TIFF": (b"II*\x00", b"MM\x00*", b"II\x00*", b"MM*\x00", b"II+\x00", b"MM\x00+"),
    "BMP": (b"BM",),
}
_RIFF, _WEBP = b"RIFF", b"WEBP"


def format_of(content: bytes) -> str | None:
    """Which format a file's first bytes are those of, by Pillow's name; None if of none that is read."""
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return "WEBP"
    return next((name for name, signatures in _SIGNATURES.items() if content.startswith(signatures)), None)


def prepare(content: bytes) -> Prepared:
    """What the decoder gets of `content`.

    Raises:
        NotAPictureError: it is of no format that is read.
        DamagedPictureError: the file contradicts itself.
        PictureTooLargeError: it would take more than is spent on a picture.
    """
    kind = format_of(content)
    if kind is None:
        raise NotAPictureError(NOT_READ)
    if kind == "BMP":
        # Nothing in it but a header and pixels.
        return Prepared(kind, content)
    prepared: Prepared = import_module(f"captioning.pictures.formats.{kind.lower()}").prepare(content)
    return prepared
