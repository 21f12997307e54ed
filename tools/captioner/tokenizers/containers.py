"""What a tokenizer's file is made of: its bytes, unpacked, and its text, decoded. What the words mean comes later.

Files may be packed by gzip, zlib, bzip2 or LZMA, as `joblib.dump(..., compress=)` does. Texts may be UTF-8, UTF-16 or
UTF-32, with or without a byte-order mark, or Windows-1252 (which Latin-1 is part of) where it can be nothing else.

Refuses: over 64 MiB, packed or not, and files that are something else, which it names.
"""

import bz2
import json
import lzma
import re
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from tools.captioner.errors import TokenizerError
from tools.captioner.foreign_files import recognise, recognise_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_TOKENIZER_BYTES", "NPY", "decode_text", "decode_western", "read_content"]

MAX_TOKENIZER_BYTES: Final = 64 * 1024 * 1024
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_LZ4: Final = b"\x04\x22\x4d\x18"
NPY: Final = b"\x93NUMPY"
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_THREE_FOREIGN: Final = re.compile(r"[^\0-\x7f]{3}")
# What texts in Czech, Hungarian, Romanian, Turkish or Russian turn into, read so, has letters of several of these.
_ALPHABETS: Final = tuple(
    frozenset(letters + letters.upper() + "\N{RIGHT SINGLE QUOTATION MARK}")
    for letters in (
        "àâæçéèêëîïôœùûüÿáíóúñäöß",  # French, Spanish, German, and what other languages took from them
        "áâãàçéêíóôõúüè",  # Portuguese
        "àèéìíîòóùúç",  # Italian
        "àçèéíïòóúü",  # Catalan
        "äöåéæøüàèóòôâêáíúýð",  # the languages of the North
    )
)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def read_content(path: "Path") -> bytes:
    """Read a file's bytes, unpacked if they are packed. Raises TokenizerError, which names the file."""
    if path.is_dir():
        raise TokenizerError(recognise_folder(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOKENIZER_BYTES + 1)
            known = None if content[:1] == b"\x80" or content.startswith(NPY) else recognise(content[:4096], file)
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read: {error.strerror}") from error
    if known:
        raise TokenizerError(f"{path} is {known}")
    if content.startswith(b"PK\x03\x04"):
        raise TokenizerError(f"{path} is a zip file; a Keras model (.keras) is named with --model")
    if content.startswith(_LZ4):
        raise TokenizerError(f"{path} is packed by LZ4: dump it again with compress='zlib', or without")
    if len(content) > MAX_TOKENIZER_BYTES:
        raise TokenizerError(f"{path} has over {MAX_TOKENIZER_BYTES} bytes, which no tokenizer needs")
    unpacked = _unpack(content)
    if unpacked is not None and len(unpacked) > MAX_TOKENIZER_BYTES:
        raise TokenizerError(f"{path} unpacks to over {MAX_TOKENIZER_BYTES} bytes, which no tokenizer needs")
    return content if unpacked is None else unpacked


def _unpack(content: bytes) -> bytes | None:
    """Return what was packed, at most one byte more than allowed; None if nothing was, or not whole."""
    unpacker: _Decompressor | zlib._Decompress
    try:
        if content[:2] == b"\x1f\x8b" or (content[:1] == b"\x78" and int.from_bytes(content[:2], "big") % 31 == 0):
            unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        elif content[:3] == b"BZh":
            unpacker = bz2.BZ2Decompressor()
        elif content[:6] == b"\xfd7zXZ\x00" or content[:3] == b"\x5d\x00\x00":
            unpacker = lzma.LZMADecompressor()
        else:
            return None
        found = unpacker.decompress(content, MAX_TOKENIZER_BYTES + 1)
    except (OSError, zlib.error, lzma.LZMAError, EOFError, ValueError):
        return None
    return found if unpacker.eof or len(found) > MAX_TOKENIZER_BYTES else None


def decode_text(content: bytes) -> str | None:
    """Return the bytes as a text, without a byte-order mark; None if they are none."""
    encoding = json.detect_encoding(content)
    if encoding == "utf-8" and any(content.startswith(mark) for mark in _MARKS):
        encoding = "utf-16"
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


def decode_western(content: bytes) -> str | None:
    """Return bytes that are no Unicode as Windows-1252; None if they may well be something else.

    Its letters beyond ASCII must be of one alphabet of western Europe, and no three of them stand in a row, as they do
    in what was written in letters of another kind.
    """
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = {letter for letter in text if not letter.isascii()}
    likely = any(foreign <= alphabet for alphabet in _ALPHABETS) and not _THREE_FOREIGN.search(text)
    return text if likely else None
