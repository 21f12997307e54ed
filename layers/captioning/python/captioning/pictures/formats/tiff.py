"""TIFF: the first directory, with only the entries that define the picture, checked against each other.

Sources: TIFF 6.0; Technical Note 2 (JPEG); the BigTIFF layout. A new directory is appended to the file in the classic
layout: without metadata, other directories and the orientation, which is returned beside the file.
"""

import struct
from collections.abc import Iterable, Mapping
from math import ceil
from typing import NamedTuple

from captioning.errors import DamagedPictureError, PictureTooLargeError
from captioning.pictures.formats.metadata import UPRIGHT, xmp_orientation
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.limits import check_size

MAX_ENTRIES = 1_000
"""Entries of the directory; cameras write some fifty."""
MAX_SEGMENTS = 65_536
"""Strips or tiles: one per row of the highest picture."""
MAX_TILE_SIDE = 2_048
"""Pixels of a tile's side; more are allowed only up to the picture's side, rounded up to 16 pixels."""
MAX_XMP_BYTES = 1 << 20
"""Bytes of an XMP packet that are searched for an orientation."""
MAX_DECODED_BYTES = 400 * 1024 * 1024
"""Bytes of a decompressed strip or tile and of the picture together: what fits into the process's memory."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR = 256, 257, 258, 259, 277, 284
_ORIENTATION, _XMP = 274, 700
_ROWS, _STRIP_OFFSETS, _STRIP_SIZES = 278, 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_STRIPS = (_ROWS, _STRIP_OFFSETS, _STRIP_SIZES)
_TILES = (_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES)
_SEGMENTED = frozenset((_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES))
_COLOURS, _JPEG_TABLES = 320, 347
# The most values per kept entry; those of strips and tiles are checked against the picture.
_KEPT: Mapping[int, int] = {
    **dict.fromkeys((_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANAR, _ROWS, _TILE_WIDTH, _TILE_HEIGHT), 1),
    **dict.fromkeys((262, 266, 292, 293, 317, 332), 1),  # photometric, fill order, fax options, predictor, ink set
    **dict.fromkeys((_BITS, 338, 339), 64),  # per sample: bits, what extra ones mean, number format
    **dict.fromkeys((512, 513, 514, 515, 519, 520, 521), 64),  # JPEG as TIFF 6.0 had it
    **dict.fromkeys((529, 530, 531, 532), 64),  # YCbCr
    **dict.fromkeys(_SEGMENTED, MAX_SEGMENTS),
    _COLOURS: 3 << 16,
    _JPEG_TABLES: 1 << 16,
    0xBC01: 1,  # another format (JPEG XR) in a TIFF container, which the decoder refuses by this tag
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
_BYTES = (1, 7)
_LONG, _LONG8, _MAX_LONG = 4, 16, 0xFFFF_FFFF
_CLASSIC_COUNT, _CLASSIC_ENTRY, _CLASSIC_OFFSET = 2, 12, 4
_UNCOMPRESSED, _SEPARATE = 1, 2
_ORIENTATIONS = range(1, 9)
_TILE_UNIT = 16
_BYTE = 8


class _Form(NamedTuple):
    """The file's layout: byte order, and the structures of a directory (classic or BigTIFF)."""

    order: str
    big: bool

    @property
    def number(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))


class _Entry(NamedTuple):
    """An entry of a directory; `content` has the bytes of its values, in the file's byte order."""

    kind: int
    values: int
    content: bytes


class _Directory:
    """The entries that define the picture, by tag."""

    def __init__(self, content: bytes, form: _Form, at: int) -> None:
        self.form = form
        self.entries: dict[int, _Entry] = {}
        self._orientation: int | None = None
        self._xmp = b""
        (count,) = form.number.unpack(_read(content, at, form.number.size))
        if count > MAX_ENTRIES:
            raise DamagedPictureError(f"the picture's TIFF directory has {count} entries; the limit is {MAX_ENTRIES}")
        first = at + form.number.size
        for start in range(first, first + count * form.entry.size, form.entry.size):
            self._add(content, _read(content, start, form.entry.size))

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
        if tag not in _KEPT or tag in self.entries or kind not in _SIZES or count == 0:
            return
        if count > _KEPT[tag]:
            raise _contradiction(f"its TIFF tag {tag} has {count} values; {_KEPT[tag]} would be the most")
        size = count * _SIZES[kind]
        if size > len(value):
            (at,) = self.form.offset.unpack(value)
            value = content[at : at + size]
            if len(value) < size:
                raise DamagedPictureError("the picture is truncated or broken: a TIFF tag points behind its end")
        self.entries[tag] = _Entry(kind, count, value[:size])

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the values of `tag`; none if there is no such entry.

        Raises:
            DamagedPictureError: they are not whole numbers.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        if entry.kind not in _WHOLE:
            raise _contradiction(f"its TIFF tag {tag} is not a whole number")
        return struct.unpack(f"{self.form.order}{entry.values}{_WHOLE[entry.kind]}", entry.content)

    def number(self, tag: int, default: int) -> int:
        """Return the value of `tag`, or `default` if there is no such entry."""
        found = self.numbers(tag)
        return found[0] if found else default

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
                    raise _contradiction(f"its TIFF tag {tag} goes beyond the largest file")
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


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    form = _Form("<" if content.startswith(b"II") else ">", big=b"+" in content[2:4])
    (at,) = form.offset.unpack(_read(content, 8 if form.big else 4, form.offset.size))
    directory = _Directory(content, form, at)
    _check(directory, len(content))
    return Prepared("TIFF", directory.write(content), directory.orientation)


def _read(content: bytes, at: int, size: int) -> bytes:
    """Read bytes of the header.

    Raises:
        DamagedPictureError: the file is too short.
    """
    found = content[at : at + size]
    if len(found) < size:
        raise DamagedPictureError("the picture's header is truncated or broken")
    return found


def _check(directory: _Directory, file_bytes: int) -> None:
    """Check strips or tiles against the picture: their number, their sizes, and their bytes in the file.

    Raises:
        DamagedPictureError: they contradict each other.
        PictureTooLargeError: they exceed a limit.
    """
    width, height = directory.number(_WIDTH, 0), directory.number(_HEIGHT, 0)
    if width < 1 or height < 1:
        raise DamagedPictureError("the picture is truncated or broken: it has no width or height")
    check_size(width, height)
    samples = directory.number(_SAMPLES, 1)
    bits = directory.numbers(_BITS) or (1,)
    pixel_bits = max(sum(bits), bits[0] * samples)
    planes = max(samples, 1) if directory.number(_PLANAR, 1) == _SEPARATE else 1
    tiled = _TILE_OFFSETS in directory.entries
    if tiled and _STRIP_OFFSETS in directory.entries:
        raise _contradiction("it has strips and tiles")
    directory.leave_out(_STRIPS if tiled else _TILES)
    across, down = _segment(directory, width, height, tiled=tiled)
    # Pillow uses 1 or 4 bytes per pixel.
    decoded = across * down * pixel_bits // 8 + width * height * (1 if pixel_bits <= _BYTE else 4)
    if decoded > MAX_DECODED_BYTES:
        raise PictureTooLargeError(f"the picture takes {decoded} bytes to read; the limit is {MAX_DECODED_BYTES}")
    wanted = ceil(width / across) * ceil(height / down) * planes
    if wanted > MAX_SEGMENTS:
        raise PictureTooLargeError(f"the picture has {wanted} strips or tiles; the limit is {MAX_SEGMENTS}")
    offsets, sizes = (_TILE_OFFSETS, _TILE_SIZES) if tiled else (_STRIP_OFFSETS, _STRIP_SIZES)
    found = directory.entries[offsets].values if offsets in directory.entries else 0
    if found != wanted:
        raise _contradiction(f"it has {found} strips or tiles, and {wanted} make it up")
    if directory.number(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED:
        # Overlapping ones would be read many times. Twice, because some pictures have fewer bits than they state.
        if width * height * bits[0] // 8 > 2 * file_bytes:
            raise _contradiction("its strips or tiles have more bytes than the file")
        return
    counts = directory.numbers(sizes)
    if len(counts) != wanted and (counts or wanted > 1):
        raise _contradiction(f"it has {wanted} strips or tiles and the sizes of {len(counts)}")
    # Twice, because some programs state a little more than there is; the limit bounds how often a byte is read.
    if sum(counts) > 2 * file_bytes:
        raise _contradiction("its strips or tiles have more bytes than the file")


def _segment(directory: _Directory, width: int, height: int, *, tiled: bool) -> tuple[int, int]:
    """Return the width and height of a strip or tile, in pixels."""
    if not tiled:
        rows = directory.number(_ROWS, height)
        if rows < 1:
            raise _contradiction("its strips have no rows")
        return width, min(rows, height)
    across, down = directory.number(_TILE_WIDTH, 0), directory.number(_TILE_HEIGHT, 0)
    for side, most in ((across, width), (down, height)):
        if side < 1:
            raise _contradiction("its tiles have no width or height")
        if side > max(MAX_TILE_SIDE, ceil(most / _TILE_UNIT) * _TILE_UNIT):
            raise _contradiction(f"its tiles have {across} x {down} pixels, and it has {width} x {height}")
    return across, down


def _contradiction(text: str) -> DamagedPictureError:
    return DamagedPictureError(f"the picture contradicts itself: {text}")
