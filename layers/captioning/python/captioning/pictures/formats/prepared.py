"""The part of a picture's file that its decoder gets."""

from typing import NamedTuple


class Prepared(NamedTuple):
    """A file of format `kind` to decode, and the orientation in its metadata (EXIF, 1 to 8; 1 is upright)."""

    kind: str
    content: bytes
    orientation: int = 1
