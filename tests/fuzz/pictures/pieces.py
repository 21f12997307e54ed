"""What files of pictures consist of: taken apart so that a mutation hits what means something, and put together again.

Putting together repairs what follows from the pieces (lengths, checksums, offsets), unless a piece claims otherwise.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.support.handwritten import (
    STRIP_OFFSETS,
    STRIP_SIZES,
    TIFF_TYPES,
    TILE_OFFSETS,
    TILE_SIZES,
    Entry,
    riff_chunks,
    sub_blocks,
    tiff,
)

Order = Literal["little", "big"]
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


@dataclass(slots=True)
class Piece:
    """A part of a file: `body` and, behind it, `tail` (a scan's data, a frame's codes).

    `name` is a tag, a marker or a chunk's kind; `form` a TIFF entry's type; `claim` the length, count or size of
    sub-blocks that is written instead of the true one.
    """

    name: int | bytes
    body: bytes = b""
    tail: bytes = b""
    form: int = 0
    claim: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how it is taken apart and put together, where it has numbers, and which pieces may be added."""

    name: str
    split: Callable[[bytes], list[Piece]]
    join: Callable[[Sequence[Piece]], bytes]
    order: Order
    fields: dict[int | bytes, Sequence[tuple[int, int]]] = field(default_factory=dict)
    added: Sequence[Piece] = ()
    """Metadata and the like: with one of them more, it is still the same picture."""
    first: int = 0
    """Before this place nothing can be added."""


def _exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


_XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'


# PNG ---------------------------------------------------------------------------------------------------------------


def _split_png(content: bytes) -> list[Piece]:
    at, found = 8, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append(Piece(content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _join_png(pieces: Sequence[Piece]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for piece in pieces:
        kind = piece.name if isinstance(piece.name, bytes) else b"junk"
        size = len(piece.body) if piece.claim is None else piece.claim
        parts.append(struct.pack(">I", size % (1 << 32)) + kind + piece.body)
        parts.append(struct.pack(">I", zlib.crc32(kind + piece.body)))
    return b"".join(parts)


PNG = Format(
    "PNG",
    _split_png,
    _join_png,
    "big",
    {
        b"IHDR": [(0, 4), (4, 4), (8, 1), (9, 1), (10, 1), (11, 1), (12, 1)],
        b"acTL": [(0, 4), (4, 4)],
        b"fcTL": [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 2), (22, 2), (24, 1), (25, 1)],
        b"fdAT": [(0, 4)],
    },
    [
        Piece(b"tEXt", b"Comment\0a picture"),
        Piece(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2_000_000), 9)),
        Piece(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _XMP),
        Piece(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      26\n" + _exif(6).hex().encode())),
        Piece(b"eXIf", _exif(3)),
        Piece(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000))),
        Piece(b"gAMA", struct.pack(">I", 45_455)),
        Piece(b"pHYs", struct.pack(">IIB", 0, 0, 9)),
        Piece(b"tIME", b""),
        Piece(b"vpAg", bytes(9)),
        Piece(b"IDAT", b""),
    ],
    first=1,
)

# JPEG --------------------------------------------------------------------------------------------------------------


def _split_jpeg(content: bytes) -> list[Piece]:
    at, found = 2, []
    while at + 4 <= len(content):
        marker, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        end = behind = at + 2 + size
        while marker == 0xDA and behind < len(content) - 1:
            if content[behind] == 0xFF and content[behind + 1] not in {0, *range(0xD0, 0xD8)}:
                break
            behind += 1
        found.append(Piece(marker, content[at + 4 : end], content[end:behind]))
        at = behind
    return [*found, Piece(0xD9)]


def _join_jpeg(pieces: Sequence[Piece]) -> bytes:
    parts = [b"\xff\xd8"]
    for piece in pieces:
        marker = piece.name if isinstance(piece.name, int) else piece.name[0]
        if marker == 0xFF:  # fill bytes
            parts.append(piece.body)
            continue
        parts.append(bytes([0xFF, marker % 256]))
        if marker not in {1, *range(0xD0, 0xDA)}:
            size = len(piece.body) + 2 if piece.claim is None else piece.claim
            parts.append(struct.pack(">H", size % (1 << 16)))
        parts += [piece.body, piece.tail]
    return b"".join(parts)


_FRAME = [(0, 1), (1, 2), (3, 2), *((at, 1) for at in range(5, 18))]
JPEG = Format(
    "JPEG",
    _split_jpeg,
    _join_jpeg,
    "big",
    {**dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC9), _FRAME), 0xDD: [(0, 2)], 0xDA: [(at, 1) for at in range(10)]},
    [
        Piece(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0"),
        Piece(0xE1, b"Exif\0\0" + _exif(6)),
        Piece(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _XMP),
        Piece(0xE1, b"Exif\0\0" + bytes(60_000)),
        Piece(0xE2, b"ICC_PROFILE\0\1\1" + bytes(500)),
        Piece(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0"),
        Piece(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\xff\xff"),
        Piece(0xFE, b"a comment"),
        Piece(0xFF, b"\xff" * 9),
        Piece(0xDD, b"\0\0"),
    ],
)

# WebP --------------------------------------------------------------------------------------------------------------


def _split_webp(content: bytes) -> list[Piece]:
    return [Piece(kind, body) for kind, body in riff_chunks(content)]


def _join_webp(pieces: Sequence[Piece]) -> bytes:
    parts = []
    for piece in pieces:
        kind = piece.name if isinstance(piece.name, bytes) else b"JUNK"
        size = len(piece.body) if piece.claim is None else piece.claim
        parts.append(kind + struct.pack("<I", size % (1 << 32)) + piece.body + bytes(len(piece.body) % 2))
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


WEBP = Format(
    "WEBP",
    _split_webp,
    _join_webp,
    "little",
    {
        b"VP8X": [(0, 1), (4, 3), (7, 3)],
        b"VP8 ": [(0, 3), (6, 2), (8, 2)],
        b"VP8L": [(1, 4)],
        b"ANIM": [(0, 4), (4, 2)],
        b"ANMF": [(0, 3), (3, 3), (6, 3), (9, 3), (12, 3), (15, 1), (20, 4)],
        b"ALPH": [(0, 1)],
    },
    [Piece(b"EXIF", _exif(8)), Piece(b"XMP ", _XMP), Piece(b"JUNK", b"odd"), Piece(b"ICCP", bytes(300))],
    first=1,
)

# GIF ---------------------------------------------------------------------------------------------------------------


def _blocks(content: bytes, at: int) -> tuple[bytes, int]:
    """What sub-blocks hold, and where they end."""
    data = b""
    while at < len(content) and content[at]:
        data += content[at + 1 : at + 1 + content[at]]
        at += 1 + content[at]
    return data, at + 1


def _split_gif(content: bytes) -> list[Piece]:
    at = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    found = [Piece(b"head", content[:at])]
    while at < len(content):
        if content[at : at + 1] == b"!":
            data, end = _blocks(content, at + 2)
            found.append(Piece(content[at + 1], b"", data, claim=content[at + 2] or None))
        elif content[at : at + 1] == b",":
            start = at + 10 + (3 << ((content[at + 9] & 7) + 1) if content[at + 9] & 0x80 else 0) + 1
            data, end = _blocks(content, start)
            found.append(Piece(b"frame", content[at + 1 : start], data))
        else:
            break
        at = end
    return [*found, Piece(b";")]


def _join_gif(pieces: Sequence[Piece]) -> bytes:
    parts = []
    for piece in pieces:
        # Pillow loses its place in applications' blocks whose first is not of 11 bytes.
        size = 11 if piece.name == 0xFF else min(max(piece.claim or 255, 1), 255)
        data = sub_blocks(piece.tail, size)
        if isinstance(piece.name, int):
            parts.append(bytes([0x21, piece.name % 256]) + data)
        elif piece.name == b"frame":
            parts.append(b"," + piece.body + data)
        else:
            parts.append(piece.body if piece.name == b"head" else b";")
    return b"".join(parts)


GIF = Format(
    "GIF",
    _split_gif,
    _join_gif,
    "little",
    {
        b"head": [(6, 2), (8, 2), (10, 1), (11, 1), (12, 1)],
        b"frame": [(0, 2), (2, 2), (4, 2), (6, 2), (8, 1), (9, 1)],
    },
    [
        Piece(0xFE, tail=b"a comment" * 50),
        Piece(0xFE),
        Piece(0xFF, tail=b"NETSCAPE2.0\1\0\0", claim=11),
        Piece(0xFF, tail=b"XMP DataXMP" + _XMP + bytes(range(255, -1, -1)), claim=11),
        Piece(0x01, tail=bytes(12) + b"text", claim=12),
    ],
    first=1,
)

# BMP ---------------------------------------------------------------------------------------------------------------


def _split_bmp(content: bytes) -> list[Piece]:
    header = int.from_bytes(content[14:18], "little")
    pixels = int.from_bytes(content[10:14], "little")
    return [
        Piece(b"file", content[:14]),
        Piece(b"head", content[14 : 14 + header]),
        Piece(b"palette", content[14 + header : pixels]),
        Piece(b"pixels", content[pixels:]),
    ]


def _join_bmp(pieces: Sequence[Piece]) -> bytes:
    parts = [piece.body for piece in pieces]
    at = sum(len(piece.body) for piece in pieces if piece.name != b"pixels")
    claims = [piece.claim for piece in pieces if piece.claim is not None]
    content = b"".join(parts)
    return content[:10] + struct.pack("<I", (claims[0] if claims else at) % (1 << 32)) + content[14:]


BMP = Format(
    "BMP",
    _split_bmp,
    _join_bmp,
    "little",
    {
        b"file": [(2, 4), (10, 4)],
        b"head": [(0, 4), (4, 4), (8, 4), (12, 2), (14, 2), *((at, 4) for at in range(16, 68, 4))],
    },
    # A gap before the pixels, but behind a whole palette.
    [Piece(b"gap", bytes(8))],
    first=3,
)

# TIFF --------------------------------------------------------------------------------------------------------------


def _split_tiff(content: bytes) -> list[Piece]:
    order: Order = "little" if content[:2] == b"II" else "big"
    big = content[2:4] in {b"+\0", b"\0+"}
    room, counts, width = (8, 8, 20) if big else (4, 2, 12)

    def number(at: int, size: int) -> int:
        return int.from_bytes(content[at : at + size], order)

    at = number(8 if big else 4, room)
    entries, segments = [], []
    places: dict[int, list[int]] = {}
    for start in range(at + counts, at + counts + number(at, counts) * width, width):
        tag, kind, count = number(start, 2), number(start + 2, 2), number(start + 4, room)
        size = count * _TIFF_SIZES[kind]
        where = start + 4 + room if size <= room else number(start + 4 + room, room)
        data = content[where : where + size]
        if tag in {STRIP_OFFSETS, TILE_OFFSETS, STRIP_SIZES, TILE_SIZES}:
            one = _TIFF_SIZES[kind]
            places[tag] = [int.from_bytes(data[spot : spot + one], order) for spot in range(0, len(data), one)]
            data = b""
        entries.append(Piece(tag, data, form=kind))
    offsets = places.get(STRIP_OFFSETS) or places.get(TILE_OFFSETS) or []
    sizes = places.get(STRIP_SIZES) or places.get(TILE_SIZES) or [len(content)]
    segments = [Piece(b"segment", content[start : start + size]) for start, size in zip(offsets, sizes, strict=False)]
    return [Piece(b"head", bytes([order == "big", big])), *entries, *segments]


def _join_tiff(pieces: Sequence[Piece]) -> bytes:
    head = next((piece for piece in pieces if piece.name == b"head"), Piece(b"head", b"\0\0"))
    flags = (head.body + b"\0\0")[:2]
    order = ">" if flags[0] & 1 else "<"
    entries = [
        Entry(piece.name % (1 << 16), piece.form, _count(piece), piece.body)
        for piece in pieces
        if isinstance(piece.name, int)
    ]
    segments = [piece for piece in pieces if piece.name == b"segment"]
    return tiff(
        entries,
        [piece.body for piece in segments],
        order=order,
        big=bool(flags[1] & 1),
        following=(head.claim or 0) % (1 << 32),
        shifts=[piece.claim or 0 for piece in segments],
    )


def _count(piece: Piece) -> int:
    return len(piece.body) // _TIFF_SIZES.get(piece.form, 1) if piece.claim is None else piece.claim


def _tag(number: int, kind: int, *values: int) -> Piece:
    return Piece(number, struct.pack(f"<{len(values)}{TIFF_TYPES[kind]}", *values), form=kind)


# Byte order is that of the little-endian ones; in others the numbers are odd, which is as good.
TIFF = Format(
    "TIFF",
    _split_tiff,
    _join_tiff,
    "little",
    {b"head": [(0, 1), (1, 1)]},
    [
        *(Piece(274, bytes([7, 0, 0, 0, 0, 0, 0, 0])[:size], form=kind) for kind, size in _TIFF_SIZES.items()),
        Piece(270, b"a description\0", form=2),
        Piece(700, _XMP, form=1),
        Piece(34_665, b"\x08\0\0\0", form=4),
        Piece(34_853, b"\xff\xff\xff\xff", form=4),
        Piece(330, bytes(400), form=4),
        Piece(33_432, b"", form=2, claim=2**31),
        Piece(34_675, bytes(3_000), form=7),
        Piece(50_341, bytes(64), form=7, claim=2**32 - 1),
        Piece(282, bytes(8), form=5),
        Piece(65_000, bytes(8), form=99),
    ],
    first=1,
)


def _split_avif(picture: bytes) -> list[Piece]:
    at, pieces = 0, []
    while at + 8 <= len(picture):
        size = int.from_bytes(picture[at : at + 4], "big")
        pieces.append(Piece(picture[at + 4 : at + 8], picture[at + 8 : at + size]))
        at += max(size, 8)
    return pieces


def _join_avif(pieces: Sequence[Piece]) -> bytes:
    sizes = (len(piece.body) + 8 if piece.claim is None else piece.claim % (1 << 32) for piece in pieces)
    return b"".join(
        size.to_bytes(4, "big") + (piece.name if isinstance(piece.name, bytes) else b"junk") + piece.body
        for size, piece in zip(sizes, pieces, strict=True)
    )


AVIF = Format(
    "AVIF",
    _split_avif,
    _join_avif,
    "big",
    {b"meta": [(at, 4) for at in range(0, 400, 4)], b"mdat": [(at, 1) for at in range(40)]},
    [Piece(b"free", bytes(90)), Piece(b"uuid", bytes(40)), Piece(b"abcd")],
    first=3,
)

FORMATS = {each.name: each for each in (TIFF, JPEG, PNG, WEBP, GIF, BMP, AVIF)}
TIFF_TAGS = (
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332,
    338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532, 700, 34_665, 34_675, 48_129,
)  # fmt: skip
TIFF_COMPRESSIONS = (1, 2, 3, 4, 5, 6, 7, 8, 32_771, 32_773, 32_809, 32_946, 34_676, 34_677, 34_925, 50_000, 50_001)


def fields(form: Format, piece: Piece) -> Sequence[tuple[int, int]]:
    """Where a piece has numbers: place and size."""
    if form is TIFF and isinstance(piece.name, int):
        # All of a few values, or the first ones.
        size = _TIFF_SIZES.get(piece.form, 1)
        return [(at, size) for at in range(0, min(len(piece.body), 8 * size), size)]
    return form.fields.get(piece.name, ())
