"""PNG: the chunks that make the picture, without the others.

Source: PNG specification (third edition), section 11. Of an animation the still picture counts.
"""

import re
import zlib

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.metadata import orientation
from captioning.pictures.formats.prepared import Prepared

MAX_CHUNKS = 50_000
"""Chunks, of which a picture of 10 MiB in pieces of 1 kB has 10,000."""
MAX_TEXT = 1 << 20
"""Bytes of texts, together and unpacked, that are looked at for an orientation."""

_PICTURE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_EXIF_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_NOT_HEXADECIMAL = re.compile(rb"[^0-9A-Fa-f]")
_FRAME = 12  # bytes of a chunk beside its content: length, type, checksum


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    kept = [content[:8]]
    exif: bytes | None = None
    xmp: bytes | None = None
    at, chunks, unread = 8, 0, MAX_TEXT
    while at < len(content):
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise DamagedPictureError(f"the picture has more than {MAX_CHUNKS} PNG chunks")
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + _FRAME + size
        if kind in _PICTURE:
            # One that is cut off too: the decoder tells how much of the picture it was.
            kept.append(content[at:end])
        elif kind == b"eXIf":
            exif = content[at + 8 : end - 4]
        elif kind in _TEXTS and size <= unread:
            keyword, text = _text(kind, content[at + 8 : end - 4], unread)
            unread -= len(text)
            if keyword in _EXIF_KEYWORDS and exif is None:
                exif = _from_hexadecimal(text)
            elif keyword == _XMP_KEYWORD:
                xmp = text
        at = end
        if kind == b"IEND":
            break
    return Prepared("PNG", b"".join(kept), orientation(exif, xmp))


def _text(kind: bytes, content: bytes, most: int) -> tuple[bytes, bytes]:
    """A textual chunk's keyword, and of its text at most so many bytes; empty if it is broken or of no interest."""
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
    """The bytes of a profile as ImageMagick writes it: a name, a length, and lines of hexadecimal digits."""
    digits = _NOT_HEXADECIMAL.sub(b"", b"".join(text.split(b"\n")[3:]))
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
