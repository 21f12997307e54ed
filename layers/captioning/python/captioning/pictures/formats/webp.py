"""WebP: the whole file, which libwebp checks; only the orientation and the profile are read here.

Source: WebP container specification (RFC 9649, section 2).
"""

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import MAX_PROFILE_BYTES, orientation
from captioning.pictures.formats.prepared import Prepared

MAX_CHUNKS = 100_000
"""Chunks at the top of the file; an animation has one per frame."""

_FIRST = 12
_HEAD = 8
_EXTENDED, _FLAGS_AT = b"VP8X", 20
# Only an extended file has metadata, and only of the kinds that its flags name.
_METADATA = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    found: dict[bytes, bytes] = {}
    extended = content[_FIRST : _FIRST + 4] == _EXTENDED and len(content) > _FLAGS_AT
    flags = content[_FLAGS_AT] if extended else 0
    at, chunks = _FIRST, 0
    while at + _HEAD <= len(content):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise DamagedPictureError(f"the picture has more than {MAX_CHUNKS} WebP chunks")
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if flags & _METADATA.get(kind, 0):
            found.setdefault(kind, content[at + _HEAD : at + _HEAD + size])
        # Chunks of odd sizes have a padding byte.
        at += _HEAD + size + size % 2
    upright = orientation(found.get(b"EXIF"), found.get(b"XMP "))
    return Prepared("WEBP", content, upright, found.get(b"ICCP", b"")[:MAX_PROFILE_BYTES])
