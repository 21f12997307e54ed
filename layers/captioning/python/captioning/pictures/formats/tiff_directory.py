"""A directory of a TIFF: the entries that define the picture, read and written anew.

Sources: TIFF 6.0, section 2; Technical Note 2 (JPEG); the BigTIFF layout.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import MAX_PROFILE_BYTES, UPRIGHT, xmp_orientation

MAX_ENTRIES = 1_000
"""Entries of the directory; cameras write some fifty."""
MAX_SEGMENTS = 65_536
"""Strips or tiles: one per row of the highest picture."""
MAX_XMP_BYTES = 1 << 20
"""Bytes of an XMP packet that are searched for an orientation."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 256, 257, 258, 259, 262, 277, 284
FILL_ORDER, PREDICTOR, INK_SET, INKS, EXTRA, FORM, COLOURS = 266, 317, 332, 334, 338, 339, 320
ROWS, STRIP_OFFSETS, STRIP_SIZES = 278, 273, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 322, 323, 324, 325
COEFFICIENTS, SUBSAMPLING, REFERENCES = 529, 530, 532
SUBFILE, DIRECTORIES, RAW = 254, 330, 50706
_ORIENTATION, _XMP, _PROFILE = 274, 700, 34675
_SEGMENTED = frozenset((STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES))
_JPEG_TABLES = 347
# The most values per kept entry; those of strips and tiles are checked against the picture.
_KEPT: Mapping[int, int] = {
    **dict.fromkeys((WIDTH, HEIGHT, COMPRESSION, SAMPLES, PLANAR, ROWS, TILE_WIDTH, TILE_HEIGHT), 1),
    **dict.fromkeys((PHOTOMETRIC, FILL_ORDER, 292, 293, PREDICTOR, INK_SET), 1),  # 292 and 293 are fax options
    **dict.fromkeys((BITS, EXTRA, FORM), 64),
    **dict.fromkeys((512, 513, 514, 515, 519, 520, 521), 64),  # JPEG as TIFF 6.0 had it
    **dict.fromkeys((COEFFICIENTS, SUBSAMPLING, 531, REFERENCES), 64),
    **dict.fromkeys(_SEGMENTED, MAX_SEGMENTS),
    COLOURS: 3 << 16,
    _JPEG_TABLES: 1 << 16,
    0xBC01: 1,  # another format (JPEG XR) in a TIFF container, which the decoder refuses by this tag
}
# The most values of entries that the decoder does not get; those with more are left out.
_KNOWN: Mapping[int, int] = {SUBFILE: 1, INKS: 1, DIRECTORIES: 64, RAW: 4}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_BYTES = (1, 7)
_RATIONAL = 5
_LONG, _LONG8, _MAX_LONG = 4, 16, 0xFFFF_FFFF
_CLASSIC_COUNT, _CLASSIC_ENTRY, _CLASSIC_OFFSET = 2, 12, 4
_ORIENTATIONS = range(1, 9)


class Form(NamedTuple):
    """The file's layout: byte order, and the structures of a directory (classic or BigTIFF)."""

    order: str
    big: bool

    @property
    def number(self) -> struct.Struct:
        """The number of a directory's entries."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """An entry: its tag, type and number of values, and these or where they are."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def offset(self) -> struct.Struct:
        """A place in the file."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))


class DirectoryEntry(NamedTuple):
    """An entry of a directory; `content` has the bytes of its values, in the file's byte order."""

    kind: int
    values: int
    content: bytes


class Directory:
    """The entries of a directory that are needed, by tag.

    `entries` are those that define the picture, for its decoder; `known` those that say more of it. `following` is
    where the next directory is, 0 if there is none, and `profile` the ICC profile.
    """

    def __init__(self, content: bytes, form: Form, at: int) -> None:
        self.form = form
        self.entries: dict[int, DirectoryEntry] = {}
        self.known: dict[int, DirectoryEntry] = {}
        self.profile = b""
        self._orientation: int | None = None
        self._xmp = b""
        (count,) = form.number.unpack(read_header(content, at, form.number.size))
        if count > MAX_ENTRIES:
            raise DamagedPictureError(f"the picture's TIFF directory has {count} entries; the limit is {MAX_ENTRIES}")
        first = at + form.number.size
        behind = first + count * form.entry.size
        for start in range(first, behind, form.entry.size):
            self._add(content, read_header(content, start, form.entry.size))
        following = content[behind : behind + form.offset.size]
        self.following: int = form.offset.unpack(following)[0] if len(following) == form.offset.size else 0

    @property
    def orientation(self) -> int:
        """The orientation in the directory's tag, else in its XMP packet, else upright."""
        return self._orientation or xmp_orientation(self._xmp) or UPRIGHT

    def _add(self, content: bytes, raw: bytes) -> None:
        tag, kind, count, value = self.form.entry.unpack(raw)
        # Of several entries with one tag the first valid one counts.
        if tag == _ORIENTATION and self._orientation is None and count == 1 and kind in _WHOLE:
            found = int.from_bytes(value[: _SIZES[kind]], "little" if self.form.order == "<" else "big")
            self._orientation = found if found in _ORIENTATIONS else UPRIGHT
        if tag == _XMP and not self._xmp and kind in _BYTES and count > len(value):
            (at,) = self.form.offset.unpack(value)
            self._xmp = content[at : at + min(count, MAX_XMP_BYTES)]
        if tag == _PROFILE and not self.profile and kind in _BYTES and len(value) < count <= MAX_PROFILE_BYTES:
            (at,) = self.form.offset.unpack(value)
            self.profile = content[at : at + count]
        if tag in _KNOWN and count <= _KNOWN[tag] and kind in _SIZES and tag not in self.known:
            known = self._values(content, kind, count, value)
            if known is not None:
                self.known[tag] = DirectoryEntry(kind, count, known)
        if tag not in _KEPT or tag in self.entries or kind not in _SIZES or count == 0:
            return
        if count > _KEPT[tag]:
            raise contradiction(f"its TIFF tag {tag} has {count} values; {_KEPT[tag]} would be the most")
        kept = self._values(content, kind, count, value)
        if kept is None:
            raise DamagedPictureError("the picture is truncated or broken: a TIFF tag points behind its end")
        self.entries[tag] = DirectoryEntry(kind, count, kept)

    def _values(self, content: bytes, kind: int, count: int, value: bytes) -> bytes | None:
        """Return the bytes of an entry's values; None if they are not in the file."""
        size = count * _SIZES[kind]
        if size > len(value):
            (at,) = self.form.offset.unpack(value)
            value = content[at : at + size]
        return value[:size] if len(value) >= size else None

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the values of `tag`; none if there is no such entry.

        Raises:
            DamagedPictureError: they are not whole numbers.
        """
        entry = self.entries.get(tag) or self.known.get(tag)
        if entry is None:
            return ()
        if entry.kind not in _WHOLE:
            raise contradiction(f"its TIFF tag {tag} is not a whole number")
        return struct.unpack(f"{self.form.order}{entry.values}{_WHOLE[entry.kind]}", entry.content)

    def number(self, tag: int, default: int) -> int:
        """Return the value of `tag`, or `default` if there is no such entry."""
        found = self.numbers(tag)
        return found[0] if found else default

    def fractions(self, tag: int) -> tuple[float, ...]:
        """Return the values of `tag`, which are fractions; none if there is no such entry, or it has others."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind != _RATIONAL:
            return ()
        numbers = struct.unpack(f"{self.form.order}{2 * entry.values}I", entry.content)
        return tuple(above / (below or 1) for above, below in zip(numbers[::2], numbers[1::2], strict=True))

    def leave_out(self, tags: Iterable[int]) -> None:
        """Remove entries that a decoder could read in place of those that were checked."""
        for tag in tags:
            self.entries.pop(tag, None)

    def write(self, content: bytes) -> bytes:
        """Return the file as a classic TIFF with a new directory at its end, which has only these entries."""
        order, start = self.form.order, len(content) + len(content) % 2
        behind = start + _CLASSIC_COUNT + _CLASSIC_ENTRY * len(self.entries) + _CLASSIC_OFFSET
        rows, values = bytearray(), bytearray()
        for tag, entry in sorted(self.entries.items()):
            kind, data = entry.kind, entry.content
            if kind == _LONG8:
                numbers = self.numbers(tag)
                if max(numbers, default=0) > _MAX_LONG:
                    raise contradiction(f"its TIFF tag {tag} goes beyond the largest file")
                kind, data = _LONG, struct.pack(f"{order}{len(numbers)}I", *numbers)
            rows += struct.pack(order + "HHI", tag, kind, entry.values)
            if len(data) > _CLASSIC_OFFSET:
                rows += struct.pack(order + "I", behind + len(values))
                values += data + bytes(len(data) % 2)
            else:
                rows += data.ljust(_CLASSIC_OFFSET, b"\x00")
        header = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "I", start)
        directory = struct.pack(order + "H", len(self.entries)) + rows + bytes(_CLASSIC_OFFSET)
        return b"".join((header, content[len(header) :], bytes(start - len(content)), directory, values))


def read_header(content: bytes, at: int, size: int) -> bytes:
    """Read bytes of the header.

    Raises:
        DamagedPictureError: the file is too short.
    """
    found = content[at : at + size]
    if len(found) < size:
        raise DamagedPictureError("the picture's header is truncated or broken")
    return found


def contradiction(text: str) -> DamagedPictureError:
    """Make the error of a file that contradicts itself."""
    return DamagedPictureError(f"the picture contradicts itself: {text}")
