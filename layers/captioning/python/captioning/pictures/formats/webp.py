"""WebP: its chunks are libwebp's to read; here only the orientation is looked up.

Source: WebP container specification (RFC 9649, section 2).
"""

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import orientation
from captioning.pictures.formats.prepared import Prepared

MAX_CHUNKS = 100_000
"""Chunks at the top of the file; an animation has one per frame."""

_FIRST = 12
_HEAD = 8
_EXIF, _XMP = b"EXIF", b"XMP "


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    found: dict[bytes, bytes] = {}
    at, chunks = _FIRST, 0
    while at + _HEAD <= len(content):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise DamagedPictureError(f"the picture has more than {MAX_CHUNKS} WebP chunks")
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if kind in {_EXIF, _XMP}:
            found.setdefault(kind, content[at + _HEAD : at + _HEAD + size])
        # Odd sizes are filled up.
        at += _HEAD + size + size % 2
    return Prepared("WEBP", content, orientation(found.get(_EXIF), found.get(_XMP)))
