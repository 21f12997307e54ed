"""Tensors: the encoder's input from a picture's bytes. The entry point of this package."""

import numpy as np
from numpy.typing import NDArray

from captioning.errors import EmptyPictureError, PictureTooLargeError
from captioning.model.bundle import Channels, InputSpec
from captioning.pictures.limits import MAX_BYTES
from captioning.pictures.protocol import Levels, Wanted
from captioning.pictures.reader import reader

# EXIF orientation: whether to swap rows and columns, and then the order of the rows and of the columns.
_ORIENTED = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}
_BLACK, _WHITE = 0.0, 255.0
_PLANES = "F"
_CHANNELS = {"RGB": 3, "RGBa": 4}
_COLOURS = 3


def read_picture(picture: bytes, spec: InputSpec) -> NDArray[np.float32]:
    """Decode, resize and scale a picture: float32 [1, spec.height, spec.width, 3], as the spec says.

    Raises:
        EmptyPictureError, PictureTooLargeError, NotAPictureError, DamagedPictureError: it cannot be read.
        PictureReaderUnavailableError: it cannot be read now.
    """
    if not picture:
        raise EmptyPictureError("the picture is empty")
    if len(picture) > MAX_BYTES:
        raise PictureTooLargeError(f"the picture has {len(picture)} bytes; the limit is {MAX_BYTES}")
    wanted = Wanted(spec.width, spec.height, spec.resampling.value, spec.exif_transpose, spec.scaled_decoding)
    levels = _upright(reader.read(picture, wanted), spec)
    if spec.channels is Channels.BGR:
        levels = levels[:, :, ::-1]
    levels *= np.asarray(spec.scale, np.float32)
    levels += np.asarray(spec.offset, np.float32)
    return levels[np.newaxis]


def _upright(levels: Levels, spec: InputSpec) -> NDArray[np.float32]:
    """Return levels of 0 to 255, float32 [height, width, 3], with the orientation applied."""
    sideways, down, across = _ORIENTED[levels.orientation]
    shape = (spec.width, spec.height) if sideways else (spec.height, spec.width)
    found = _coloured(levels, shape)
    return (found.swapaxes(0, 1) if sideways else found)[::down, ::across]


def _coloured(levels: Levels, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return levels of 0 to 255, float32 [*shape, 3], from any mode."""
    if levels.mode == _PLANES:
        planes: NDArray[np.float32] = np.frombuffer(levels.content, np.float32).reshape(-1, *shape)
        planes = np.clip(planes * np.float32(_WHITE / levels.white), _BLACK, _WHITE)
        return np.moveaxis(planes if len(planes) == _COLOURS else planes.repeat(_COLOURS, axis=0), 0, 2)
    found = np.frombuffer(levels.content, np.uint8).reshape(*shape, _CHANNELS[levels.mode]).astype(np.float32)
    if found.shape[2] == _COLOURS:
        return found
    # Over white: premultiplied colour + (1 - opacity) * white.
    over_white: NDArray[np.float32] = found[:, :, :_COLOURS] + (_WHITE - found[:, :, _COLOURS:])
    return np.clip(over_white, _BLACK, _WHITE)
