"""JPEG: its tables, frame and scans, without metadata, fill bytes and other bytes between them.

Source: ITU-T T.81, annexes B and G. Of the application segments those are kept that define the colours: JFIF's and
Adobe's. The end mark is added where it is missing: whether the data of each scan are all there, the decoder tells
(`captioning.pictures.scans`). Whether all scans are there, is told here.
"""

import re
from collections.abc import Iterator
from itertools import islice
from math import ceil
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
_END, _SCAN, _LINES, _INTERVAL = 0xD9, 0xDA, 0xDC, 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xCA))
_ARITHMETIC = frozenset((0xC9, 0xCA))
_UNREAD = _FRAMES - {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_BITS = 8
# Applications' segments and comments; those for JPEG's own extensions, which no decoder knows; the number of lines.
_METADATA = frozenset((*range(0xE0, 0xF0), 0xFE, *range(0xF0, 0xFE), 0xDC))
_COLOURS = ((0xE0, b"JFIF\x00"), (0xEE, b"Adobe"))
_EXIF = (0xE1, b"Exif\x00\x00")
_XMP = (0xE1, b"http://ns.adobe.com/xap/1.0/\x00")
_PROFILE = (0xE2, b"ICC_PROFILE\x00")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_COUNT = 7
_BLOCK = 8
_COEFFICIENTS = 64
_CUT = "the picture is truncated or broken: "
_SCANS_MISSING = _CUT + "JPEG scans are missing"


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
    frame, metadata = _Frame(), _Metadata()
    ends: list[int] = []
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    size, head_bytes = 2, 0
    for segment in _segments(content):
        if segment.marker == _END:
            break
        if len(ends) > MAX_SCANS:
            # Refused below; thousands of scans are only counted.
            ends += [size] * (segment.marker == _SCAN)
            continue
        if not ends:
            metadata.add(segment)
        data = frame.add(segment)
        if segment.marker not in _METADATA or any(map(segment.begins, _COLOURS)):
            kept += (segment.whole, data)
            size += len(segment.whole) + len(data)
            head_bytes += 0 if ends else len(segment.whole)
        if segment.marker == _SCAN:
            ends.append(size)
    _check_counts(len(ends), head_bytes)
    frame.check(len(ends))
    if frame.late_height:
        kept = [frame.with_height(piece) for piece in kept]
    return Prepared(
        "JPEG",
        b"".join((*kept, b"\xff\xd9")),
        orientation(metadata.found.get(_EXIF), metadata.found.get(_XMP)),
        profile=metadata.profile,
        scans=tuple(ends),
        arithmetic=frame.arithmetic,
    )


def _check_counts(scans: int, head_bytes: int) -> None:
    """Check how many scans there are, and how many bytes before them.

    Raises:
        DamagedPictureError: there is no scan, or more of either than the limits allow.
    """
    if head_bytes > MAX_HEAD_BYTES:
        raise DamagedPictureError(f"the picture has more than {MAX_HEAD_BYTES} bytes of JPEG tables")
    if not scans:
        raise DamagedPictureError(_CUT + "it is a JPEG without a scan")
    if scans > MAX_SCANS:
        raise DamagedPictureError(f"the picture has {scans} JPEG scans; the limit is {MAX_SCANS}")


class _Metadata:
    """The metadata from before the first scan."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, bytes], bytes] = {}
        self._profile: dict[int, bytes] = {}

    def add(self, segment: _Segment) -> None:
        """Read the next segment."""
        for kind in filter(segment.begins, (_EXIF, _XMP)):
            self.found.setdefault(kind, segment.content)
        if segment.begins(_PROFILE):
            # A profile lies in up to 255 segments, numbered from 1.
            at = len(_PROFILE[1])
            self._profile.setdefault(int.from_bytes(segment.content[at : at + 1], "big"), segment.content[at + 2 :])

    @property
    def profile(self) -> bytes:
        """The colour profile; empty if there is none."""
        return b"".join(self._profile[number] for number in sorted(self._profile))


class _Component(NamedTuple):
    """A component of the frame: how many samples it has along each side, relative to the others."""

    across: int
    down: int


class _Frame:
    """The frame: its size, its components, and how much of them the scans hold."""

    def __init__(self) -> None:
        self.width = self.height = self.late_height = 0
        self.progressive = self.arithmetic = False
        self._start = b""
        self._components: dict[int, _Component] = {}
        self._interval = 0
        # Per component and coefficient, how many of the last bits no scan has yet.
        self._missing: dict[int, list[int]] = {}

    def add(self, segment: _Segment) -> bytes | memoryview:
        """Read the next segment, and return the data of a scan, without restart markers that are none of its own.

        Raises:
            NotAPictureError: the JPEG is of a kind that is not supported.
            DamagedPictureError: data of a scan are missing.
        """
        if segment.marker in _FRAMES:
            self._begin(segment)
        elif segment.marker == _INTERVAL:
            self._interval = int.from_bytes(segment.content[:2], "big")
        elif segment.marker == _LINES and not self.height:
            # The encoder did not know the number of lines before it had written them (T.81, B.2.5).
            self.height = self.late_height = int.from_bytes(segment.content[:2], "big")
        elif segment.marker == _SCAN:
            return self._scan(segment)
        return b""

    def check(self, scans: int) -> None:
        """Check size and completeness, after `scans` scans.

        Raises:
            DamagedPictureError: scans are missing.
            PictureTooLargeError: a progressive picture has too many pixels.
        """
        if any(map(any, self._missing.values())):
            raise DamagedPictureError(_SCANS_MISSING)
        if scans > 1 or self.progressive:
            check_size(self.width, self.height, most=MAX_PROGRESSIVE_PIXELS, kind=" of a progressive JPEG")

    def with_height(self, piece: bytes | memoryview) -> bytes | memoryview:
        """Return a segment; the frame's with the number of lines that came late, which libjpeg does not know of."""
        return piece[:5] + self.late_height.to_bytes(2, "big") + piece[7:] if piece is self._start else piece

    def _begin(self, segment: _Segment) -> None:
        if segment.marker in _UNREAD:
            raise NotAPictureError("lossless and hierarchical JPEGs are not read")
        if segment.content[:1] != bytes([_BITS]):
            raise NotAPictureError(f"JPEGs of other than {_BITS} bits per sample are not read")
        self._start, content = segment.whole, segment.content
        self.height, self.width = (int.from_bytes(content[at : at + 2], "big") for at in (1, 3))
        self.progressive, self.arithmetic = segment.marker in _PROGRESSIVE, segment.marker in _ARITHMETIC
        for at in range(6, len(content) - 2, 3):
            self._components[content[at]] = _Component(max(content[at + 1] >> 4, 1), max(content[at + 1] & 15, 1))
        self._missing = {name: [_BITS] * _COEFFICIENTS for name in self._components}

    def _scan(self, segment: _Segment) -> bytes | memoryview:
        content = segment.content
        count = content[0] if content else 0
        if len(content) < 4 + 2 * count:
            raise DamagedPictureError(_CUT + "a JPEG scan has no header")
        names = [name for name in content[1 : 1 + 2 * count : 2] if name in self._components]
        first, last, precision = content[1 + 2 * count : 4 + 2 * count]
        before, after = precision >> 4, precision & 15
        if not self.progressive:
            first, last, before, after = 0, _COEFFICIENTS - 1, 0, 0
        for missing in (self._missing[name] for name in names):
            coefficients = slice(first, last + 1)
            if before and any(bits > before for bits in missing[coefficients]):
                raise DamagedPictureError(_SCANS_MISSING)
            missing[coefficients] = [after] * len(missing[coefficients])
        if not self.height:
            return segment.data
        # libjpeg fills what lies before a restart marker, or between two of them, by itself.
        wanted = max(0, ceil(self._units(names) / self._interval) - 1) if self._interval else 0
        restarts = islice(_RESTART.finditer(segment.data), wanted + 1)
        places = [found.start() for found in restarts]
        if len(places) < wanted:
            raise DamagedPictureError(_CUT + "parts of its JPEG data are missing")
        # They count to eight, from 0 in each scan (T.81, E.1.4). libjpeg takes what lies in another order as it comes.
        if any(segment.data[place + 1] & _COUNT != number & _COUNT for number, place in enumerate(places[:wanted])):
            raise DamagedPictureError(_CUT + "parts of its JPEG data are in another order")
        return segment.data[: places[wanted]] if len(places) > wanted else segment.data

    def _units(self, names: list[int]) -> int:
        """Return of how many units a scan of these components consists (T.81, A.2)."""
        most_across = max((one.across for one in self._components.values()), default=1)
        most_down = max((one.down for one in self._components.values()), default=1)
        across, down = most_across, most_down
        if len(names) == 1:
            across = down = 1
            one = self._components[names[0]]
            width, height = ceil(self.width * one.across / most_across), ceil(self.height * one.down / most_down)
        else:
            width, height = self.width, self.height
        return ceil(width / (_BLOCK * across)) * ceil(height / (_BLOCK * down))


def _segments(content: bytes) -> Iterator[_Segment]:
    """Yield the segments of the first picture in the file, but for one that is cut off at its end."""
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
