"""What is left of a picture's file for its decoder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file to decode, and the orientation that its metadata gave (EXIF, 1 to 8; 1 is upright).

    `known` says whether it begins as a file of one of the formats with a signature of more than two bytes, so that a
    decoder that does not recognise it means that it is damaged.
    """

    content: bytes
    orientation: int = 1
    known: bool = True
