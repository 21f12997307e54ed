"""PNG: the chunks of the picture, without all others.

Source: PNG specification (third edition), section 11. Of an animation the still picture is read; the others are kept
only if `frames` asks for them.
"""

import re
import zlib
from collections.abc import Iterator

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import MAX_PROFILE_BYTES, orientation
from captioning.pictures.formats.prepared import Prepared

MAX_CHUNKS = 50_000
"""Chunks; a picture of 10 MiB in chunks of 1 kB has 10,000."""
MAX_TEXT = 1 << 20
"""Bytes of all texts together, uncompressed, that are searched for an orientation."""

_PICTURE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_PIXELS = frozenset((b"IDAT", b"tRNS", b"IEND"))
_ANIMATION = frozenset((b"acTL", b"fcTL", b"fdAT"))
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_EXIF_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_NOT_HEXADECIMAL = re.compile(rb"[^0-9A-Fa-f]")
_SIGNATURE_BYTES = 8
_DEPTH_AT, _DEEP = 24, b"\x10"
_COLOUR_TYPE_AT, _GREY, _PALETTED = 25, b"\x00", b"\x03"
_FRAME = 12  # bytes of a chunk beside its content: length, type, checksum


def prepare(content: bytes, *, frames: bool = False) -> Prepared:
    """See `captioning.pictures.formats.prepare`; with `frames`, keep those of an animation."""
    kept, metadata, transparent = [content[:_SIGNATURE_BYTES]], _Metadata(), b""
    depth, colour = content[_DEPTH_AT : _DEPTH_AT + 1], content[_COLOUR_TYPE_AT : _COLOUR_TYPE_AT + 1]
    coloured = colour != _PALETTED
    animation = _ANIMATION if frames else frozenset()
    wanted = _PICTURE | animation
    for kind, start, end in _chunks(content):
        if kind not in wanted:
            metadata.add(kind, content, start + 8, end - 4)
            continue
        if kind == b"tRNS" and (depth == _DEEP or colour == _GREY):
            transparent = content[start + 8 : end - 4]
            if depth != _DEEP:
                kept.append(_transparent_level(transparent, depth))
            continue
        coloured |= kind == b"PLTE"
        if kind == b"IDAT":
            # A header or palette after the first pixels is invalid.
            wanted = _PIXELS | animation
            if not coloured:
                raise DamagedPictureError("the picture is truncated or broken: it has no palette")
        # A chunk that is cut off is kept too: the decoder tells whether the picture is complete.
        kept.append(content[start:end])
    return Prepared(
        "PNG",
        b"".join(kept),
        orientation(metadata.exif, metadata.xmp),
        metadata.profile,
        transparent=transparent if depth == _DEEP else b"",
    )


def _transparent_level(content: bytes, depth: bytes) -> bytes:
    """Return the chunk of a transparent level of grey as one of 8 bits, as which Pillow compares it."""
    bits = int.from_bytes(depth, "big")
    level = int.from_bytes(content[:2], "big") & ((1 << bits) - 1) if content else 0
    if 1 < bits < 8:  # noqa: PLR2004 - of one bit Pillow takes what is not 0 for white
        level = level * 255 // ((1 << bits) - 1)
    body = b"tRNS" + level.to_bytes(2, "big")
    return b"\x00\x00\x00\x02" + body + zlib.crc32(body).to_bytes(4, "big")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the start and the end of each chunk."""
    at, chunks, kind = _SIGNATURE_BYTES, 0, b""
    while at < len(content) and kind != b"IEND":
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if chunks == 0 and kind != b"IHDR":
            raise DamagedPictureError(
                "the picture is truncated or broken: it is a PNG that does not begin with a header"
            )
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise DamagedPictureError(f"the picture has more than {MAX_CHUNKS} PNG chunks")
        yield kind, at, at + _FRAME + size
        at += _FRAME + size


class _Metadata:
    """The metadata that may have the orientation."""

    def __init__(self) -> None:
        self.exif: bytes | None = None
        self.xmp: bytes | None = None
        self.profile = b""
        self._unread = MAX_TEXT

    def add(self, kind: bytes, content: bytes, start: int, end: int) -> None:
        """Read the next chunk; skip one that is longer than the limit leaves."""
        if kind == b"iCCP" and not self.profile:
            # Its name, and the method of compression; what is longer than the limit is cut off, and not used then.
            self.profile = _inflated(content[start:end].partition(b"\x00")[2][1:], MAX_PROFILE_BYTES)
        if end - start > self._unread:
            return
        if kind == b"eXIf":
            self.exif = content[start:end]
        elif kind in _TEXTS:
            keyword, text = _text(kind, content[start:end], self._unread)
            self._unread -= len(text)
            if keyword in _EXIF_KEYWORDS and self.exif is None:
                self.exif = _from_hexadecimal(text)
            elif keyword == _XMP_KEYWORD:
                self.xmp = text


def _text(kind: bytes, content: bytes, most: int) -> tuple[bytes, bytes]:
    """Return a textual chunk's keyword and up to `most` bytes of its text; empty if it is broken or not needed."""
    keyword, _, rest = content.partition(b"\x00")
    if keyword != _XMP_KEYWORD and keyword not in _EXIF_KEYWORDS:
        return keyword, b""
    if kind == b"tEXt":
        return keyword, rest
    if kind == b"zTXt":
        return keyword, _inflated(rest[1:], most)
    packed, rest = rest[:1] == b"\x01", rest[2:]
    text = rest.split(b"\x00", 2)[-1]
    return keyword, _inflated(text, most) if packed else text


def _inflated(text: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, most) if most else b""
    except zlib.error:
        return b""


def _from_hexadecimal(text: bytes) -> bytes:
    """Return the bytes of a profile as ImageMagick writes it: a name, a length, lines of hexadecimal digits."""
    digits = _NOT_HEXADECIMAL.sub(b"", b"".join(text.split(b"\n")[3:]))
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
