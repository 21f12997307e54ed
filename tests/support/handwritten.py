"""Pictures written by hand: files of the formats that are read as no encoder at hand writes them, lawful or not."""

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES = 273, 279, 324, 325
TIFF_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q"}
"""The types of TIFF's entries that hold whole numbers, as `struct` names them."""


def photograph(width: int = 120, height: int = 90) -> Image.Image:
    """A picture with smooth colours and some grain, unlike itself in any orientation."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(7).normal(0, 6, (height, width, 3))
    bands = np.dstack([200 * x / width, 220 * y / height, 120 + 100 * np.sin(x / 9 + y / 23)])
    return Image.fromarray(np.clip(bands + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """What Pillow writes."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a TIFF directory: `data` as it lies in the file, and the `count` that the entry claims."""

    tag: int
    kind: int
    count: int
    data: bytes


def entry(tag: int, kind: int, *values: int, order: str = "<") -> Entry:
    """An entry that holds whole numbers."""
    return Entry(tag, kind, len(values), struct.pack(f"{order}{len(values)}{TIFF_TYPES[kind]}", *values))


def tiff(
    entries: Iterable[Entry],
    segments: Sequence[bytes] = (),
    *,
    order: str = "<",
    big: bool = False,
    following: int = 0,
    shifts: Sequence[int] = (),
) -> bytes:
    """A TIFF of one directory, whose strips or tiles lie behind it.

    Entries of offsets that come without data are given those of the segments, shifted by `shifts`; entries of sizes
    without data the segments' own. `following` is where the next directory is said to be.
    """
    entries = list(entries)
    count_form, entry_form, offset_form = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    room = struct.calcsize(order + offset_form)
    start = (
        (16 if big else 8) + struct.calcsize(order + count_form) + len(entries) * (8 + room + (4 if big else 0)) + room
    )
    wide = 16 if big else 4

    def content(given: Entry, offsets: Sequence[int]) -> Entry:
        if given.data or given.count:
            return given
        if given.tag in {STRIP_OFFSETS, TILE_OFFSETS}:
            moved = [at + shift for at, shift in zip(offsets, [*shifts, *[0] * len(offsets)], strict=False)]
            return entry(given.tag, given.kind or wide, *moved, order=order)
        if given.tag in {STRIP_SIZES, TILE_SIZES}:
            return entry(given.tag, given.kind or wide, *map(len, segments), order=order)
        return given

    def outside(offsets: Sequence[int]) -> int:
        sizes = [len(content(given, offsets).data) for given in entries]
        return sum(size + size % 2 for size in sizes if size > room)

    offsets = [0] * len(segments)
    at = start + outside(offsets)
    for number, segment in enumerate(segments):
        offsets[number] = at
        at += len(segment)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    directory, behind = struct.pack(order + count_form, len(entries)), bytearray()
    for given in (content(given, offsets) for given in entries):
        directory += struct.pack(order + entry_form, given.tag, given.kind, given.count % (1 << 8 * room))
        if len(given.data) <= room:
            directory += given.data.ljust(room, b"\0")
        else:
            directory += struct.pack(order + offset_form, start + len(behind))
            behind += given.data + bytes(len(given.data) % 2)
    return head + directory + struct.pack(order + offset_form, following) + bytes(behind) + b"".join(segments)


def plain_entries(
    width: int, height: int, *, bits: Sequence[int] = (8,), compression: int = 1, photometric: int = 1, order: str = "<"
) -> list[Entry]:
    """The entries of a picture of one or more samples, all but those of its strips or tiles."""
    return [
        entry(256, 4, width, order=order),
        entry(257, 4, height, order=order),
        entry(258, 3, *bits, order=order),
        entry(259, 3, compression, order=order),
        entry(262, 3, photometric, order=order),
        entry(277, 3, len(bits), order=order),
    ]


def strips(rows: int, *, order: str = "<") -> list[Entry]:
    """The entries of strips of so many rows, filled in by `tiff`."""
    return [Entry(STRIP_OFFSETS, 4, 0, b""), entry(278, 4, rows, order=order), Entry(STRIP_SIZES, 4, 0, b"")]


def tiles(width: int, height: int, *, order: str = "<") -> list[Entry]:
    """The entries of tiles of that size, filled in by `tiff`."""
    sides = [entry(322, 4, width, order=order), entry(323, 4, height, order=order)]
    return [*sides, Entry(TILE_OFFSETS, 4, 0, b""), Entry(TILE_SIZES, 4, 0, b"")]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, rows: bytes, *before: bytes, depth: int = 8, colour: int = 0, interlaced: int = 0
) -> bytes:
    """A PNG with those rows, each behind its filter byte, and chunks before them."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    body = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + body + chunk(b"IEND", b"")


def png_with(picture: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks put behind its header."""
    return picture[:33] + b"".join(chunks) + picture[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(picture: bytes, *pieces: bytes) -> bytes:
    """A JPEG with something put behind its first marker."""
    return picture[:2] + b"".join(pieces) + picture[2:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of those chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def riff_chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a WebP."""
    at, found = 12, []
    while at + 8 <= len(picture):
        size = int.from_bytes(picture[at + 4 : at + 8], "little")
        found.append((picture[at : at + 4], picture[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


def sub_blocks(data: bytes, size: int = 255) -> bytes:
    """Data of a GIF in sub-blocks."""
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_extension(label: int, *blocks: bytes) -> bytes:
    """An extension of a GIF."""
    return bytes([0x21, label]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_frame(
    box: tuple[int, int, int, int], data: bytes, *, flags: int = 0, code_size: int = 8, size: int = 255
) -> bytes:
    """A frame of a GIF: left, top, width, height, and its LZW codes."""
    return b"," + struct.pack("<4HBB", *box, flags, code_size) + sub_blocks(data, size)


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    """A GIF of 256 greys, with those blocks."""
    greys = bytes(level for level in range(256) for _ in range(3))
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + greys + b"".join(blocks) + b";"


def gif_codes(codes: Iterable[int], bits: int) -> bytes:
    """LZW codes that all have the same number of bits."""
    written = [format(code, f"0{bits}b") for code in codes]
    return int("".join(reversed(written)), 2).to_bytes(-(-len(written) * bits // 8), "little")


def bmp(
    width: int,
    height: int,
    pixels: bytes,
    *,
    bits: int = 8,
    compression: int = 0,
    colours: int = 0,
    header: int = 40,
    palette: bytes | None = None,
    rest: bytes = b"",
) -> bytes:
    """A BMP with that header, whose palette is grey unless one is given; `rest` follows the header's first 40 bytes."""
    if palette is None:
        palette = bytes(level for grey in range(1 << bits) for level in (grey, grey, grey, 0)) if bits <= 8 else b""
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
        palette = b"".join(palette[at : at + 3] for at in range(0, len(palette), 4))
    else:
        head = struct.pack("<IIIHHIIIIII", header, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0)
        head = (head + rest).ljust(header, b"\0")
    at = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + head + palette + pixels
