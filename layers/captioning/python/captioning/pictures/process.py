"""The process that reads pictures, which a picture may end: `python -c "...; serve()"`, as `reader` starts it.

It has no secrets (no environment, no open files, no connections of ours). Whatever a decoder does, the kernel ends the
process when its memory or the picture's processor time is used up. It exits when its reader does.
"""

import os
import resource
import signal
import sys
import warnings
from contextlib import suppress

from captioning.errors import PictureError, PictureTooLargeError
from captioning.pictures.levels import read_levels
from captioning.pictures.limits import MEMORY_BYTES, PROCESSOR_SECONDS
from captioning.pictures.protocol import (
    READY,
    REQUEST_BYTES,
    Levels,
    Wanted,
    dump_answer,
    load_request,
)

_SOCKET = 0  # standard input
_PIECE = 1 << 20
_OPEN_FILES = 32


def serve() -> None:
    """Answer requests until the reader closes the socket."""
    _confine()
    # Pillow warns about unusual files.
    warnings.simplefilter("ignore")
    with suppress(ConnectionError):
        _serve()


def _serve() -> None:
    _send(READY)
    while request := _receive(REQUEST_BYTES):
        wanted, size = load_request(request)
        picture = _receive(size)
        answer, is_last = _answer(picture, wanted)
        del picture
        _send(dump_answer(answer, is_last=is_last))
        if is_last:
            return


def _answer(picture: bytes, wanted: Wanted) -> tuple[Levels | PictureError, bool]:
    """Return the answer, and whether it is the last one: the process has less memory left than a picture may take."""
    # The timer's signal ends the process, even within a decoder's loop.
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
    answer: Levels | PictureError
    try:
        answer = read_levels(picture, wanted)
    except PictureError as error:
        # Its traces would keep the picture in memory, of which the next one may need all.
        answer = error.with_traceback(None)
        answer.__cause__ = answer.__context__ = None
    except MemoryError:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0] // (1024 * 1024)
        return PictureTooLargeError(f"the picture takes more memory to read than {limit} MiB"), True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    # NumPy, which some pictures need, stays in memory.
    return answer, "numpy" in sys.modules


def _confine() -> None:
    """Limit the process to what reading a picture needs."""
    sys.dont_write_bytecode = True
    # libtiff writes warnings about files to standard error; they depend on the caller and would fill the log.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        _, hard = resource.getrlimit(limit)
        # A lower limit from outside stays.
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(limit, (lowest, lowest))
        except (OSError, ValueError):
            # macOS has the limit of memory and refuses to set it.
            continue


def _receive(size: int) -> bytes:
    """Read `size` bytes; return none if the other end is closed."""
    pieces = bytearray()
    while len(pieces) < size:
        piece = os.read(_SOCKET, min(size - len(pieces), _PIECE))
        if not piece:
            return b""
        pieces += piece
    return bytes(pieces)


def _send(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(_SOCKET, view) :]
