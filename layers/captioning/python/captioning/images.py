"""Pictures: from bytes that somebody sent to the tensor that the encoder wants. The only module that imports PIL.

A picture is judged by its bytes: size first, then its header (format, pixels), then its pixels. Never by its name,
never through a temporary file. Read are JPEG, PNG, GIF, WebP, BMP and TIFF; of an animation, or of a file with several
pictures, the first.

- Transparent pictures are shown over white.
- Grey of 16 bits is scaled to 8 (65535 is white); colour of 16 bits keeps its upper 8. Grey of 32 bits, whole or float,
  has no agreed white: it is the smallest of 65535 and 2^31 - 1 (float: 1, 255 and 65535) that no pixel exceeds.
- CMYK becomes RGB by Pillow's plain formula, without colour profiles.
- A rotation in the EXIF data is applied to the resized picture, which is cheaper than to the full one and differs from
  it by at most one level of 255.

- Exact decoding is the rule; a bundle may ask for scaled decoding of JPEGs (`InputSpec.scaled_decoding`).

Refused: more than 10 MiB, more than 50 million pixels, a side longer than 65,535 pixels, and whatever Pillow cannot
decode to its last byte. While it is read, a picture takes 5 bytes a pixel, so 250 MB at the most. A progressive JPEG
takes up to 12 in libjpeg and a WebP 16 in libwebp, which is why fewer pixels of these are read: 400 MB at the most.
(A JPEG that sends its colours one after another without being progressive, as no camera does, may take 600.)
"""

import io
import threading
import warnings
from math import isfinite

import numpy as np
from numpy.typing import NDArray

# Named one by one: asked for a format that is not registered, Pillow imports all of its forty plugins.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from captioning.bundle import InputSpec
from captioning.errors import (
    DamagedPictureError,
    EmptyPictureError,
    NotAPictureError,
    PictureError,
    PictureTooLargeError,
)

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_PROGRESSIVE_PIXELS = 32_000_000
MAX_WEBP_PIXELS = 25_000_000
# The resampling filter's table grows with the longer side: 800 MB for a picture of 50,000,000 x 1.
MAX_SIDE = 65_535
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
_RIFF, _WEBP = b"RIFF", b"WEBP"

_ORIENTATION = 0x0112
# EXIF orientation: whether rows and columns change places, and then the order of the rows and of the columns.
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
_INTEGER_WHITES = (65535.0, 2.0**31 - 1)
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_STRIP_PIXELS = 1 << 20

# Pillow warns of odd metadata, and the filters that silence it are the whole process's: one thread at a time.
_silence = threading.Lock()


def read_picture(picture: bytes, spec: InputSpec) -> NDArray[np.float32]:
    """Decode, resize and scale a picture: float32 [1, spec.height, spec.width, 3], red green blue.

    Raises EmptyPictureError, PictureTooLargeError, NotAPictureError or DamagedPictureError.
    """
    if not picture:
        raise EmptyPictureError("the picture is empty")
    if len(picture) > MAX_BYTES:
        raise PictureTooLargeError(f"the picture has {len(picture)} bytes; the limit is {MAX_BYTES}")
    with _silence, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = _levels(picture, spec)
    return (levels * np.float32(spec.scale) + np.float32(spec.offset))[np.newaxis]


def _levels(picture: bytes, spec: InputSpec) -> NDArray[np.float32]:
    """The picture's levels of 0 to 255 at the encoder's size, float32 [height, width, 3]."""
    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            _check_size(image)
            if spec.scaled_decoding:
                # Only JPEG's decoder can; the others take no notice.
                side = 2 * max(spec.width, spec.height)
                image.draft(None, (side, side))
            image.load()
            sideways, down, across = _orientation(image) if spec.exif_transpose else _ORIENTED[1]
            size = (spec.height, spec.width) if sideways else (spec.width, spec.height)
            levels = _resized(image, size, Image.Resampling[spec.resampling.upper()])
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLargeError(f"the picture has far more pixels than the limit of {MAX_PIXELS}") from error
    except UnidentifiedImageError as error:
        if picture.startswith(_SIGNATURES) or (picture.startswith(_RIFF) and picture[8:12] == _WEBP):
            raise DamagedPictureError("the picture's header is truncated or broken") from error
        raise NotAPictureError(
            f"the bytes are not a picture of a format that is read ({', '.join(FORMATS)})"
        ) from error
    except Exception as error:
        # On broken files Pillow's decoders raise whatever they trip over.
        raise DamagedPictureError("the picture is truncated or broken") from error
    return (levels.swapaxes(0, 1) if sideways else levels)[::down, ::across]


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    most, kind = MAX_PIXELS, ""
    if image.format == "WEBP":
        most, kind = MAX_WEBP_PIXELS, " of a WebP"
    elif image.info.get("progressive"):
        most, kind = MAX_PROGRESSIVE_PIXELS, " of a progressive JPEG"
    if width * height > most:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit{kind} is {most}")
    if max(width, height) > MAX_SIDE:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit of a side is {MAX_SIDE}")


def _orientation(image: Image.Image) -> tuple[bool, int, int]:
    try:
        return _ORIENTED.get(image.getexif().get(_ORIENTATION, 1), _ORIENTED[1])
    except Exception:  # noqa: BLE001 - broken metadata is no reason to refuse a whole picture
        return _ORIENTED[1]


def _resized(image: Image.Image, size: tuple[int, int], resampling: Image.Resampling) -> NDArray[np.float32]:
    """Levels of 0 to 255 of a decoded picture of any mode, float32 [size[1], size[0], 3]."""
    if image.mode == "LAB":
        raise NotAPictureError("pictures in the colour mode LAB are not read")
    if image.mode == "F" or image.mode.startswith("I"):
        grey = np.asarray(_shrunk(image, size, ("F",), resampling)) * np.float32(_WHITE / _white(image))
        return np.clip(grey, _BLACK, _WHITE)[:, :, np.newaxis].repeat(3, axis=2)
    if image.has_transparency_data:
        # Premultiplied colours may be averaged, and then lie over white by adding what they leave of it.
        levels = np.asarray(_shrunk(image, size, ("RGBA", "RGBa"), resampling), dtype=np.float32)
        return np.clip(levels[:, :, :3] + (_WHITE - levels[:, :, 3:]), _BLACK, _WHITE)
    return np.asarray(_shrunk(image, size, ("RGB",), resampling), dtype=np.float32)


def _shrunk(
    image: Image.Image, size: tuple[int, int], modes: tuple[str, ...], resampling: Image.Resampling
) -> Image.Image:
    """Convert through `modes`, then resize: to the same levels as in one go, but a strip at a time.

    Pillow resizes rows first and columns then, so the rows can be done, and the converted copy forgotten, in strips.
    """
    width, height = size
    narrow = Image.new(modes[-1], (width, image.height))
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        for mode in modes:
            strip = strip.convert(mode)
        narrow.paste(strip.resize((width, strip.height), resampling), (0, top))
    return narrow.resize((width, height), resampling)


def _white(image: Image.Image) -> float:
    """The level of white of a grey picture of more than 8 bits."""
    if image.mode.startswith("I;16"):
        return _INTEGER_WHITES[0]
    highest = image.getextrema()[1]
    if not isinstance(highest, int | float) or not isfinite(highest):
        raise DamagedPictureError("the picture's levels are not finite")
    whites = _FLOAT_WHITES if image.mode == "F" else _INTEGER_WHITES
    return next((white for white in whites if highest <= white), float(highest))
