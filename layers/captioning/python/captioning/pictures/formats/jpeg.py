"""JPEG: its markers up to the first scan without metadata, and how many scans there are.

Source: ITU-T T.81, annex B. What is kept of the application segments are those that say how colours are meant: JFIF's
and Adobe's.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import orientation
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.limits import MAX_PROGRESSIVE_PIXELS, check_size

MAX_SCANS = 100
"""Scans of a picture. Encoders write up to 18; each costs a pass over the picture, however little it says."""
MAX_MARKERS = 20_000
"""Markers, of which a picture of 10 MiB with a profile and previews has a few hundred."""

# Where fill bytes end and a marker stands; and what ends a scan's data, in which FF00 is a level and FFD0 to FFD7 are
# restarts.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ENDS_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_END, _SCAN = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_METADATA = frozenset((*range(0xE0, 0xF0), 0xFE))
_COLOURS = ((0xE0, b"JFIF\x00"), (0xEE, b"Adobe"))
_EXIF = (0xE1, b"Exif\x00\x00")
_XMP = (0xE1, b"http://ns.adobe.com/xap/1.0/\x00")


class _Segment(NamedTuple):
    """A marker with what belongs to it: `whole` from the marker on, `content` without marker and length."""

    marker: int
    start: int
    whole: bytes
    content: bytes

    def begins(self, wanted: tuple[int, bytes]) -> bool:
        """Whether it has that marker and begins so."""
        return self.marker == wanted[0] and self.content.startswith(wanted[1])


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    head, scans = _Head(), 0
    for segment in _segments(content):
        if segment.marker == _SCAN:
            scans += 1
            if scans == 1:
                # From here on libjpeg reads, which passes over metadata by itself.
                head.kept.append(content[segment.start :])
        elif not scans:
            head.add(segment)
    if scans == 0:
        raise DamagedPictureError("the picture is truncated or broken: it is a JPEG without a scan")
    if scans > MAX_SCANS:
        raise DamagedPictureError(f"the picture has {scans} JPEG scans; the limit is {MAX_SCANS}")
    if scans > 1 or head.progressive:
        check_size(head.width, head.height, most=MAX_PROGRESSIVE_PIXELS, kind=" of a progressive JPEG")
    return Prepared("JPEG", b"".join(head.kept), orientation(head.metadata.get(_EXIF), head.metadata.get(_XMP)))


class _Head:
    """What stands before the first scan: what is kept of it, its metadata, and what the frame says."""

    def __init__(self) -> None:
        self.kept = [b"\xff\xd8"]
        self.metadata: dict[tuple[int, bytes], bytes] = {}
        self.width = self.height = 0
        self.progressive = False

    def add(self, segment: _Segment) -> None:
        """Takes the next segment."""
        if segment.marker in _METADATA and not any(map(segment.begins, _COLOURS)):
            for kind in filter(segment.begins, (_EXIF, _XMP)):
                self.metadata.setdefault(kind, segment.content)
            return
        if segment.marker in _FRAMES:
            self.height, self.width = (int.from_bytes(segment.content[at : at + 2], "big") for at in (1, 3))
            self.progressive = segment.marker in _PROGRESSIVE
        self.kept.append(segment.whole)


def _segments(content: bytes) -> Iterator[_Segment]:
    """The segments of the first picture in the file, as far as they are whole; not the data of scans."""
    at, markers, next_marker = 2, 0, _MARKER
    while found := next_marker.search(content, at):
        marker, start, at = content[found.end() - 1], found.start(), found.end()
        markers += 1
        if markers > MAX_MARKERS:
            raise DamagedPictureError(f"the picture has more than {MAX_MARKERS} JPEG markers")
        if marker in _ALONE:
            continue
        end = at + int.from_bytes(content[at : at + 2], "big")
        if marker == _END or not at + 2 <= end <= len(content):
            return
        yield _Segment(marker, start, content[start:end], content[at + 2 : end])
        at = end
        if marker == _SCAN:
            next_marker = _ENDS_SCAN
