"""The part of a picture's file that its decoder gets."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from captioning.pictures.formats.tiff_layout import Layout


class Prepared(NamedTuple):
    """A file of format `kind` to decode, and what its metadata say of its pixels.

    `orientation` is EXIF's, 1 to 8; 1 is upright. `profile` is the ICC profile of its colours, empty if it has none.
    `scans` has where the data of each scan of a JPEG end in `content`, and `arithmetic` says how they are coded.
    `layout` is there for a TIFF that Pillow does not decode right. `transparent` is the level or colour of a PNG of 16
    bits per sample that is transparent, empty if there is none.
    """

    kind: str
    content: bytes
    orientation: int = 1
    profile: bytes = b""
    scans: tuple[int, ...] = ()
    arithmetic: bool = False
    layout: "Layout | None" = None
    transparent: bytes = b""
