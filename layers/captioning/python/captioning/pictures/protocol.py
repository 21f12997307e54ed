"""What the reader and its process say to each other over a socket.

The process says `READY` once. Then, as often as it is asked: a request and the picture's bytes go out, and an answer
with either levels or an error comes back. Both sides are of one release and on one machine, so that numbers are in the
machine's own form.
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
_ANSWER = struct.Struct("=BBBdI")
REQUEST_BYTES = _REQUEST.size
ANSWER_BYTES = _ANSWER.size

_RESAMPLINGS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_MODES = ("RGB", "RGBa", "F")
# Most particular first; the answer's first byte is a position in it, counted from 1.
_ERRORS: tuple[type[PictureError], ...] = (
    EmptyPictureError,
    PictureTooLargeError,
    NotAPictureError,
    DamagedPictureError,
)


class Wanted(NamedTuple):
    """How a picture is to be read: the encoder's size in pixels, and the bundle's options (see `InputSpec`)."""

    width: int
    height: int
    resampling: str
    exif_transpose: bool
    scaled_decoding: bool


class Levels(NamedTuple):
    """A picture at the encoder's size, as it lies in the file: `orientation` (EXIF, 1 to 8) is still to be applied.

    `mode` says what `content` holds, row by row: "RGB" bytes; "RGBa" bytes, colours multiplied by their opacity; or
    "F", grey as float32, of which `white` is white.
    """

    mode: str
    orientation: int
    white: float
    content: bytes


def dump_request(wanted: Wanted, size: int) -> bytes:
    """The request for a picture of `size` bytes, which follow it."""
    resampling = _RESAMPLINGS.index(wanted.resampling)
    return _REQUEST.pack(size, wanted.width, wanted.height, wanted.exif_transpose, wanted.scaled_decoding, resampling)


def load_request(request: bytes) -> tuple[Wanted, int]:
    """The inverse of `dump_request`."""
    size, width, height, exif_transpose, scaled_decoding, resampling = _REQUEST.unpack(request)
    return Wanted(width, height, _RESAMPLINGS[resampling], exif_transpose, scaled_decoding), size


def dump_answer(answer: Levels | PictureError) -> bytes:
    """The answer, whole."""
    if isinstance(answer, Levels):
        head = _ANSWER.pack(0, _MODES.index(answer.mode), answer.orientation, answer.white, len(answer.content))
        return head + answer.content
    kind = next(number for number, error in enumerate(_ERRORS, start=1) if isinstance(answer, error))
    text = answer.found.encode()
    return _ANSWER.pack(kind, 0, 0, 0.0, len(text)) + text


def answer_size(head: bytes) -> int:
    """How many bytes follow the first `ANSWER_BYTES` of an answer."""
    size: int = _ANSWER.unpack(head)[4]
    return size


def load_answer(head: bytes, content: bytes) -> Levels | PictureError:
    """The inverse of `dump_answer`."""
    kind, mode, orientation, white, _ = _ANSWER.unpack(head)
    if kind:
        error: PictureError = _ERRORS[kind - 1](content.decode())
        return error
    return Levels(_MODES[int(mode)], int(orientation), float(white), content)
