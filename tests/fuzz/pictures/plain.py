"""Plain Pillow, as the reader was before it looked at structures: what a picture's pixels are if nothing is in the way.

It runs in a process of its own, because what is given to it may crash it, or keep it for ever.
"""

import io
import multiprocessing
import resource
import signal
import warnings
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from captioning.model.bundle import InputSpec
from captioning.pictures.limits import MAX_PIXELS
from captioning.pictures.whites import float_white, integer_white

_SECONDS = 3.0
_WAIT_SECONDS = 30.0
_MEMORY_BYTES = 2 << 30
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
_WHITE = 255


def read(picture: bytes, spec: InputSpec) -> NDArray[np.float32] | None:
    """The levels of a picture, [height, width, 3]; None if Pillow does not read it, or it is larger than is allowed."""
    try:
        with Image.open(io.BytesIO(picture), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS or image.mode == "LAB":
                return None
            image.load()
            upright = ImageOps.exif_transpose(image)
        return _shrunk(upright, spec)
    except Exception:  # noqa: BLE001 - on broken files Pillow raises whatever it trips over
        return None


def _shrunk(image: Image.Image, spec: InputSpec) -> NDArray[np.float32]:
    size, resampling = (spec.width, spec.height), Image.Resampling[spec.resampling.upper()]
    if image.mode == "F" or image.mode.startswith("I"):
        highest = float(np.asarray(image).max())
        bits = 16 if image.mode.startswith("I;16") else 31
        white = float_white(highest) if image.mode == "F" else integer_white(highest, bits)
        grey = np.asarray(image.convert("F").resize(size, resampling)) * (_WHITE / white)
        return np.clip(np.dstack([grey] * 3), 0, _WHITE).astype(np.float32)
    if image.has_transparency_data:
        found = np.asarray(image.convert("RGBA").convert("RGBa").resize(size, resampling), np.float32)
        over_white: NDArray[np.float32] = np.clip(found[:, :, :3] + _WHITE - found[:, :, 3:], 0, _WHITE)
        return over_white
    return np.asarray(image.convert("RGB").resize(size, resampling), np.float32)


def _serve(connection: Connection, spec: InputSpec) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    connection.send(None)
    while True:
        try:
            picture = connection.recv_bytes()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        found = read(picture, spec)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(found)


class PlainReader:
    """The process; another one when a picture ended it."""

    def __init__(self, spec: InputSpec) -> None:
        """Starts it."""
        self._spec = spec
        self._start()

    def read(self, picture: bytes) -> NDArray[np.float32] | None:
        """See `read`; None also for what ends the process or keeps it too long."""
        try:
            self._connection.send_bytes(picture)
            if self._connection.poll(_WAIT_SECONDS):
                found: NDArray[np.float32] | None = self._connection.recv()
                return found
        except (EOFError, OSError):
            pass
        self.close()
        self._start()
        return None

    def close(self) -> None:
        """Ends it."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._spec), daemon=True)
        self._process.start()
        theirs.close()
        # Without it nothing would be held against anything, and nobody would notice.
        if not self._connection.poll(_WAIT_SECONDS):
            raise RuntimeError("plain Pillow's process does not start")
        self._connection.recv()
