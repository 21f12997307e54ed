"""JPEG: its tables, frame and scans, without metadata, fill bytes and other bytes between them.

Source: ITU-T T.81, annex B. Of the application segments those are kept that define the colours: JFIF's and Adobe's.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from captioning.errors import DamagedPictureError, NotAPictureError
from captioning.pictures.formats.metadata import orientation
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.limits import MAX_PROGRESSIVE_PIXELS, check_size

MAX_SCANS = 100
"""Scans of a picture. Encoders write up to 18; each costs a pass over the picture, however short it is."""
MAX_MARKERS = 20_000
"""Markers, of which a picture of 10 MiB with a profile and previews has a few hundred."""
MAX_HEAD_BYTES = 256 * 1024
"""Bytes of tables and similar segments before the first scan; eight tables, the most in use at once, have 3 kB."""

# The end of fill bytes, with a marker; and the end of a scan's data, in which FF00 is a data byte and FFD0 to FFD7 are
# restart markers.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ENDS = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ENDS_OR_FILLS = re.compile(rb"\xff[\x01-\xcf\xd8-\xff]")
_FILLED, _BARE = b"\xff\xff", b"\xff"
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_END, _SCAN = 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xCA))
_UNREAD = _FRAMES - {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_BITS = 8
_METADATA = frozenset((*range(0xE0, 0xF0), 0xFE))
_COLOURS = ((0xE0, b"JFIF\x00"), (0xEE, b"Adobe"))
_EXIF = (0xE1, b"Exif\x00\x00")
_XMP = (0xE1, b"http://ns.adobe.com/xap/1.0/\x00")


class _Segment(NamedTuple):
    """A segment: `whole` from its marker on, `content` without marker and length, `data` after a scan's header."""

    marker: int
    whole: bytes
    content: bytes = b""
    data: bytes | memoryview = b""

    def begins(self, wanted: tuple[int, bytes]) -> bool:
        """Tell whether it has the marker `wanted[0]` and its content begins with `wanted[1]`."""
        return self.marker == wanted[0] and self.content.startswith(wanted[1])


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`. Refuses lossless, hierarchical and 12-bit JPEGs."""
    head, scans, head_bytes = _Head(), 0, 0
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    for segment in _segments(content):
        if segment.marker == _SCAN:
            scans += 1
        elif scans == 0:
            head.add(segment)
        # After a scan libjpeg skips metadata by itself, and takes a segment as the sign that the scan is complete.
        if scans or segment.marker not in _METADATA or any(map(segment.begins, _COLOURS)):
            kept += (segment.whole, segment.data)
            head_bytes += len(segment.whole) if scans == 0 else 0
            if head_bytes > MAX_HEAD_BYTES:
                raise DamagedPictureError(f"the picture has more than {MAX_HEAD_BYTES} bytes of JPEG tables")
    if scans == 0:
        raise DamagedPictureError("the picture is truncated or broken: it is a JPEG without a scan")
    if scans > MAX_SCANS:
        raise DamagedPictureError(f"the picture has {scans} JPEG scans; the limit is {MAX_SCANS}")
    if scans > 1 or head.progressive:
        check_size(head.width, head.height, most=MAX_PROGRESSIVE_PIXELS, kind=" of a progressive JPEG")
    return Prepared("JPEG", b"".join(kept), orientation(head.metadata.get(_EXIF), head.metadata.get(_XMP)))


class _Head:
    """The metadata and the frame's values from before the first scan."""

    def __init__(self) -> None:
        self.metadata: dict[tuple[int, bytes], bytes] = {}
        self.width = self.height = 0
        self.progressive = False

    def add(self, segment: _Segment) -> None:
        """Read the next segment.

        Raises:
            NotAPictureError: the JPEG is of a kind that is not supported.
        """
        for kind in filter(segment.begins, (_EXIF, _XMP)):
            self.metadata.setdefault(kind, segment.content)
        if segment.marker in _FRAMES:
            if segment.marker in _UNREAD:
                raise NotAPictureError("lossless and hierarchical JPEGs are not read")
            if segment.content[:1] != bytes([_BITS]):
                raise NotAPictureError(f"JPEGs of other than {_BITS} bits per sample are not read")
            self.height, self.width = (int.from_bytes(segment.content[at : at + 2], "big") for at in (1, 3))
            self.progressive = segment.marker in _PROGRESSIVE


def _segments(content: bytes) -> Iterator[_Segment]:
    """Yield the segments of the first picture in the file; a segment that is cut off comes last, incomplete."""
    at, markers = 2, 0
    while found := _MARKER.search(content, at):
        marker, start, at = content[found.end() - 1], found.start(), found.end()
        markers += 1
        if markers > MAX_MARKERS:
            raise DamagedPictureError(f"the picture has more than {MAX_MARKERS} JPEG markers")
        if marker == _END:
            yield _Segment(marker, content[start:at])
            return
        if marker in _ALONE:
            continue
        # The length includes its own two bytes; decoders take a smaller one for an empty segment.
        end = at + max(2, int.from_bytes(content[at : at + 2], "big"))
        if end > len(content):
            yield _Segment(marker, content[start:])
            return
        whole, body = content[start:end], content[at + 2 : end]
        data, at = _scan_data(content, end) if marker == _SCAN else (b"", end)
        yield _Segment(marker, whole, body, data)


def _scan_data(content: bytes, start: int) -> tuple[bytes | memoryview, int]:
    """Return a scan's data, without fill bytes, and its end: libjpeg would skip fill bytes again for every block."""
    ends = _ENDS_OR_FILLS.search(content, start)
    if ends is None or ends[0] != _FILLED:
        end = ends.start() if ends else len(content)
        return memoryview(content)[start:end], end
    ends = _ENDS.search(content, ends.start())
    end = ends.start() if ends else len(content)
    data = content[start:end]
    while _FILLED in data:
        data = data.replace(_FILLED, _BARE)
    return data, end
