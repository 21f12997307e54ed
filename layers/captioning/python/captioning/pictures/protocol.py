"""The messages between the reader and its process, over a socket.

The process sends `READY` once. Then, for each picture: the reader sends a request and the picture's bytes, and the
process answers with levels or an error. Both sides are of one release and on one machine, so numbers are in the
machine's own format.
"""

import struct
from typing import NamedTuple

from captioning.errors import (
    DamagedPictureError,
    EmptyPictureError,
    NotAPictureError,
    PictureError,
    PictureTooLargeError,
)

READY = b"\x06"

_REQUEST = struct.Struct("=IHH??B")
_ANSWER = struct.Struct("=?BBBdI")
REQUEST_BYTES = _REQUEST.size
ANSWER_BYTES = _ANSWER.size

_RESAMPLINGS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_MODES = ("RGB", "RGBa", "F")
# Subclasses before their bases; the answer's first byte is the position in it, counted from 1, or 0 for levels.
_ERRORS: tuple[type[PictureError], ...] = (
    EmptyPictureError,
    PictureTooLargeError,
    NotAPictureError,
    DamagedPictureError,
)


class Wanted(NamedTuple):
    """How to read a picture: the encoder's size in pixels, and the bundle's options (see `InputSpec`)."""

    width: int
    height: int
    resampling: str
    exif_transpose: bool
    scaled_decoding: bool


class Levels(NamedTuple):
    """A picture at the encoder's size, before its `orientation` (EXIF, 1 to 8) is applied.

    `mode` says what `content` holds, row by row: "RGB" bytes; "RGBa" bytes, colours multiplied by their opacity; or
    "F", a plane of grey or three of red, green and blue as float32, in which the level `white` is white.
    """

    mode: str
    orientation: int
    white: float
    content: bytes


def dump_request(wanted: Wanted, size: int) -> bytes:
    """Encode the request for a picture of `size` bytes, which follow it."""
    resampling = _RESAMPLINGS.index(wanted.resampling)
    return _REQUEST.pack(size, wanted.width, wanted.height, wanted.exif_transpose, wanted.scaled_decoding, resampling)


def load_request(request: bytes) -> tuple[Wanted, int]:
    """Decode a request: the inverse of `dump_request`."""
    size, width, height, exif_transpose, scaled_decoding, resampling = _REQUEST.unpack(request)
    return Wanted(width, height, _RESAMPLINGS[resampling], exif_transpose, scaled_decoding), size


def dump_answer(answer: Levels | PictureError, *, is_last: bool) -> bytes:
    """Encode an answer: its first `ANSWER_BYTES` bytes and its content. The process exits after its last one."""
    if isinstance(answer, Levels):
        mode = _MODES.index(answer.mode)
        head = _ANSWER.pack(is_last, 0, mode, answer.orientation, answer.white, len(answer.content))
        return head + answer.content
    kind = next(number for number, error in enumerate(_ERRORS, start=1) if isinstance(answer, error))
    text = answer.found.encode()
    return _ANSWER.pack(is_last, kind, 0, 0, 0.0, len(text)) + text


def answer_size(head: bytes) -> int:
    """Return how many bytes follow the first `ANSWER_BYTES` of an answer."""
    size: int = _ANSWER.unpack(head)[-1]
    return size


def load_answer(head: bytes, content: bytes) -> tuple[Levels | PictureError, bool]:
    """Decode an answer, and whether it is the process's last one: the inverse of `dump_answer`."""
    is_last, kind, mode, orientation, white, _ = _ANSWER.unpack(head)
    if kind:
        error: PictureError = _ERRORS[kind - 1](content.decode())
        return error, bool(is_last)
    return Levels(_MODES[int(mode)], int(orientation), float(white), content), bool(is_last)
