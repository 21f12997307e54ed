"""Mutations: of pieces, and of bytes. What chance decides comes from the given generator alone."""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.fuzz.pictures.pieces import TIFF, TIFF_COMPRESSIONS, TIFF_TAGS, Format, Piece, fields

MOST_BYTES = 2_000_000
_NUMBERS = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 63, 64, 100, 127, 128, 255, 256, 257, 1_000, 4_096, 16_383, 16_384, 32_767,
    32_768, 65_500, 65_535, 65_536, 1 << 20, (1 << 24) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 2,
    (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_REPEATS = (1, 2, 2, 3, 10, 100, 1_000, 30_000, 100_000)

Mutation = Callable[[Format, list[Piece], list[Piece], random.Random], None]
"""Changes the pieces of a format; the third argument is another picture's."""


def _any(pieces: Sequence[Piece], chance: random.Random) -> int:
    return chance.randrange(len(pieces))


def _add(form: Format, pieces: list[Piece], _: list[Piece], chance: random.Random) -> None:
    """Metadata more."""
    last = next(
        (at for at, piece in enumerate(pieces) if piece.name in {b"segment", b";", 0xD9, b"pixels"}), len(pieces)
    )
    at = chance.randint(min(form.first, last), last)
    pieces[at:at] = [replace(chance.choice(form.added))] * (chance.choice(_REPEATS[:5]) if chance.random() < 0.2 else 1)


def _set(form: Format, pieces: list[Piece], _: list[Piece], chance: random.Random) -> None:
    """A number that means something becomes another."""
    piece = pieces[_any(pieces, chance)]
    places = [place for place in fields(form, piece) if place[0] < len(piece.body)]
    if not places:
        return
    at, size = chance.choice(places)
    old = int.from_bytes(piece.body[at : at + size], form.order)
    new = chance.choice(_NUMBERS) if chance.random() < 0.7 else old + chance.choice((-16, -2, -1, 1, 2, 16))
    if form is TIFF and piece.name == 259 and chance.random() < 0.8:
        new = chance.choice(TIFF_COMPRESSIONS)
    written = (new % (1 << 8 * size)).to_bytes(size, form.order)
    piece.body = piece.body[:at] + written + piece.body[at + size :]


def _claim(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    """A length, a count or an offset is not the true one."""
    pieces[_any(pieces, chance)].claim = chance.choice(_NUMBERS) if chance.random() < 0.7 else chance.randrange(512)


def _rename(form: Format, pieces: list[Piece], other: list[Piece], chance: random.Random) -> None:
    piece = pieces[_any(pieces, chance)]
    if form is TIFF and isinstance(piece.name, int):
        if chance.random() < 0.5:
            piece.name = chance.choice(TIFF_TAGS)
        else:
            piece.form = chance.choice((0, 1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 16, 99))
    else:
        piece.name = chance.choice(other).name


def _repeat(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    at = _any(pieces, chance)
    piece = pieces[at]
    most = max(1, MOST_BYTES // (len(piece.body) + len(piece.tail) + 16))
    pieces[at:at] = [replace(piece)] * min(chance.choice(_REPEATS), most)


def _remove(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    if len(pieces) > 1:
        del pieces[_any(pieces, chance)]


def _swap(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    one, two = _any(pieces, chance), _any(pieces, chance)
    pieces[one], pieces[two] = pieces[two], pieces[one]


def _splice(_: Format, pieces: list[Piece], other: list[Piece], chance: random.Random) -> None:
    """A piece of another picture beside ours, or in its place."""
    at = _any(pieces, chance)
    pieces[at : at + chance.randrange(2)] = [replace(chance.choice(other))]


def _break(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    """The bytes of a piece become others."""
    piece = pieces[_any(pieces, chance)]
    piece.body = mutated_bytes(piece.body, chance)
    if piece.tail and chance.random() < 0.5:
        piece.tail = mutated_bytes(piece.tail, chance)


def _inflate(_: Format, pieces: list[Piece], __: list[Piece], chance: random.Random) -> None:
    """A piece grows far."""
    piece = pieces[_any(pieces, chance)]
    fill = chance.choice((b"\0", b"\xff", b"\1\0", b"\0\2\0\0", b"\xff\xda\0\x08", piece.body[:9] or b"\x55"))
    size = chance.choice((10, 300, 5_000, 70_000, 500_000))
    grown = fill * (size // len(fill))
    if piece.tail and chance.random() < 0.6:
        at = chance.randrange(len(piece.tail) + 1)
        piece.tail = piece.tail[:at] + grown + piece.tail[at:]
    else:
        at = chance.randrange(len(piece.body) + 1)
        piece.body = piece.body[:at] + grown + piece.body[at:]


_WILD: Sequence[Mutation] = (
    _set, _set, _set, _set, _claim, _claim, _rename, _repeat, _remove, _swap, _splice, _break, _break, _inflate, _add,
)  # fmt: skip


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """Bytes that are changed, put in, left out or repeated."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        changed = changed or bytearray(1)
        # Most of what can break is at the beginning.
        at = chance.randrange(min(len(changed), 40 if chance.random() < 0.5 else len(changed)) + 1)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([changed[at - 1] ^ 1 << chance.randrange(8)])
            case 2:
                changed[at : at + chance.randrange(1, 9)] = b""
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                changed[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case _:
                other = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + chance.choice((1, 4, 16, 64, 1_000))]
        if chance.random() < 0.03:
            del changed[at:]
    return bytes(changed)


def mutated(form: Format, picture: bytes, other: bytes, chance: random.Random) -> bytes:
    """A picture changed a little, so that it still should be read, or a lot."""
    pieces = [replace(piece) for piece in form.split(picture)]
    others = form.split(other)
    if chance.random() < 0.3:
        for _ in range(chance.choice((1, 1, 2, 3))):
            _add(form, pieces, others, chance)
        return form.join(pieces) + (chance.randbytes(9) if chance.random() < 0.2 else b"")
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        pieces = [replace(piece) for piece in pieces]  # those that were repeated go their own ways
        chance.choice(_WILD)(form, pieces, others, chance)
    try:
        content = form.join(pieces)[: 4 * MOST_BYTES]
    except (struct.error, ValueError, LookupError, OverflowError):
        # A number has no place where it was to stand.
        return mutated_bytes(picture, chance)
    return mutated_bytes(content, chance) if chance.random() < 0.25 else content
