"""Levels: a picture's pixels at the encoder's size. The only module that imports PIL, in a process of its own.

Read are JPEG, PNG, GIF, WebP, BMP and TIFF; of an animation, or of a file with several pictures, the first. A picture
is judged by its bytes, never by its name: its structure first (`captioning.pictures.formats`), then its pixels.

- Transparent pictures are shown over white.
- Grey of 16 bits is scaled to 8 (65535 is white); colour of 16 bits keeps its upper 8. Grey of 32 bits, whole or float,
  has no agreed white: it is the smallest of 65535 and 2^31 - 1 (float: 1, 255 and 65535) that no pixel exceeds.
- CMYK becomes RGB by Pillow's plain formula, without colour profiles.
- A rotation in the metadata is applied to the resized picture, which is cheaper than to the full one and differs from
  it by at most one level of 255.
- Exact decoding is the rule; a bundle may ask for scaled decoding of JPEGs (`InputSpec.scaled_decoding`).

Refused is what exceeds `captioning.pictures.limits`, and whatever Pillow cannot decode to its last byte. While it is
read, a picture takes 5 bytes per pixel; a JPEG of several scans up to 12 in libjpeg, and a WebP 16 in libwebp.
"""

import io
from importlib import import_module
from math import isfinite

from PIL import Image
from PIL.ImageFile import ImageFile

from captioning.errors import DamagedPictureError, NotAPictureError, PictureError, PictureTooLargeError
from captioning.pictures.formats import NOT_READ, prepare
from captioning.pictures.formats.metadata import UPRIGHT
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.limits import MAX_PIXELS, MAX_WEBP_PIXELS, check_size
from captioning.pictures.protocol import Levels, Wanted

# Where Pillow has each format. Not by `Image.open`, which imports half a dozen to find out what is known already.
_FILES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
}

_SIDEWAYS = (5, 6, 7, 8)
_WHITE = 255.0
_INTEGER_WHITES = (65535.0, 2.0**31 - 1)
_FLOAT_WHITES = (1.0, 255.0, 65535.0)
_STRIP_PIXELS = 1 << 20


def read_levels(picture: bytes, wanted: Wanted) -> Levels:
    """Decode a picture and resize it, but for turning it upright.

    Raises PictureTooLargeError, NotAPictureError, DamagedPictureError or MemoryError.
    """
    prepared = prepare(picture)
    try:
        with _opened(prepared) as image:
            if prepared.kind == "WEBP":
                check_size(*image.size, most=MAX_WEBP_PIXELS, kind=" of a WebP")
            check_size(*image.size)
            if wanted.scaled_decoding:
                # Only JPEG's decoder can; the others take no notice.
                side = 2 * max(wanted.width, wanted.height)
                image.draft(None, (side, side))
            image.load()
            orientation = prepared.orientation if wanted.exif_transpose else UPRIGHT
            sideways = orientation in _SIDEWAYS
            size = (wanted.height, wanted.width) if sideways else (wanted.width, wanted.height)
            return _resized(image, size, Image.Resampling[wanted.resampling.upper()], orientation)
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLargeError(f"the picture has far more pixels than the limit of {MAX_PIXELS:,}") from error
    except Exception as error:
        # On broken files Pillow's decoders raise whatever they trip over.
        raise DamagedPictureError("the picture is truncated or broken") from error


def _opened(prepared: Prepared) -> ImageFile:
    """The picture with its header read. Raises NotAPictureError, DamagedPictureError, or whatever Pillow raises."""
    module, name = _FILES[prepared.kind]
    try:
        opened: ImageFile = getattr(import_module(module), name)(io.BytesIO(prepared.content))
    except SyntaxError as error:
        # So Pillow says that a header is not the format's. Texts may begin with a BMP's two letters.
        if prepared.kind == "BMP":
            raise NotAPictureError(NOT_READ) from error
        raise DamagedPictureError("the picture's header is truncated or broken") from error
    return opened


def _resized(image: Image.Image, size: tuple[int, int], resampling: Image.Resampling, orientation: int) -> Levels:
    """The levels of a decoded picture of any mode at `size`, width and height."""
    if image.mode == "LAB":
        raise NotAPictureError("pictures in the colour mode LAB are not read")
    modes: tuple[str, ...] = ("RGB",)
    white = _WHITE
    if image.mode == "F" or image.mode.startswith("I"):
        modes, white = ("F",), _white(image)
    elif image.has_transparency_data:
        # Premultiplied colours may be averaged.
        modes = ("RGBA", "RGBa")
    content = _shrunk(image, size, modes, resampling).tobytes()
    return Levels(modes[-1], orientation, white, content)


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
