"""What is left of a picture's file for its decoder."""

from typing import NamedTuple


class Prepared(NamedTuple):
    """A file of format `kind` to decode, and the orientation that its metadata gave (EXIF, 1 to 8; 1 is upright)."""

    kind: str
    content: bytes
    orientation: int = 1
