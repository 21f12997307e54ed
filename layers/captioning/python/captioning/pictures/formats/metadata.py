"""The orientation, which with the colour profile is all that is needed of metadata; no decoder reads metadata.

Sources: EXIF 2.32, section 4.6.4 (the tag Orientation of the first directory), and XMP's `tiff:Orientation`.
"""

import re
import struct

UPRIGHT = 1
MAX_PROFILE_BYTES = 4 << 20
"""Bytes of a colour profile; those of cameras and screens have some kB, those of printers up to 3 MB."""

_ORIENTATION = 0x0112
_UPSIDE = range(1, 9)
_EXIF_HEADER = b"Exif\x00\x00"
# The types of TIFF that hold one small whole number: BYTE, SHORT, LONG.
_WHOLE = {1: "B", 3: "H", 4: "I"}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_MOST_ENTRIES = 1_000


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation in an EXIF block, 1 to 8; None if there is none, or it is not EXIF."""
    exif = exif.removeprefix(_EXIF_HEADER)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, start)
        for number in range(min(entries, _MOST_ENTRIES)):
            at = start + 2 + 12 * number
            tag, kind, count = struct.unpack_from(order + "HHI", exif, at)
            if tag == _ORIENTATION:
                if count != 1 or kind not in _WHOLE:
                    return None
                (value,) = struct.unpack_from(order + _WHOLE[kind], exif, at + 8)
                return value if value in _UPSIDE else None
    except struct.error:
        return None
    return None


def xmp_orientation(xmp: bytes) -> int | None:
    """Return the orientation in an XMP packet, 1 to 8; None if there is none."""
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found and int(found[1]) in _UPSIDE else None


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """Return the orientation in `exif`, else in `xmp`, else upright."""
    return (exif and exif_orientation(exif)) or (xmp and xmp_orientation(xmp)) or UPRIGHT
