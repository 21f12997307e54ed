"""Levels: a picture's pixels at the encoder's size. The only module that imports PIL, in a process of its own.

It reads JPEG, PNG, GIF, WebP, BMP and TIFF; of an animation, or of a file with several pictures, the first. The format
is told from the bytes, never from a name. The structure is checked first (`captioning.pictures.formats`), then the
pixels are decoded.

- Transparent pictures are put on white.
- Grey of 16 bits is scaled to 8 (65535 is white); colour of 16 bits keeps its upper 8. Grey of 32 bits, whole or float,
  has no agreed white: it is the smallest of 65535 and 2^31 - 1 (float: 1, 255 and 65535) that no pixel exceeds.
- CMYK becomes RGB by Pillow's plain formula, without colour profiles.
- A rotation in the metadata is applied to the resized picture, which is cheaper than to the full one and differs from
  it by at most one level of 255.
- Decoding is exact, unless a bundle asks for scaled decoding of JPEGs (`InputSpec.scaled_decoding`).

It refuses pictures that exceed `captioning.pictures.limits`, and pictures that Pillow cannot decode to their last byte.
Decoding takes 5 bytes per pixel; for a JPEG of several scans up to 12 in libjpeg, and for a WebP 16 in libwebp.
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

# Pillow's module and class per format. Not `Image.open`, which imports several to find the format.
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
    """Decode a picture and resize it; the orientation is returned and not applied.

    Raises:
        PictureTooLargeError, NotAPictureError, DamagedPictureError: it cannot be read.
        MemoryError: the process has too little memory for it.
    """
    prepared = prepare(picture)
    try:
        with _opened(prepared) as image:
            if prepared.kind == "WEBP":
                check_size(*image.size, most=MAX_WEBP_PIXELS, kind=" of a WebP")
            check_size(*image.size)
            if wanted.scaled_decoding:
                # Only JPEG's decoder does; the others ignore it.
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
        # On broken files Pillow's decoders raise errors of many types.
        raise DamagedPictureError("the picture is truncated or broken") from error


def _opened(prepared: Prepared) -> ImageFile:
    """Open the picture, which reads its header.

    Raises:
        NotAPictureError, DamagedPictureError: the header is not the format's.
        Exception: any other error of Pillow's.
    """
    module, name = _FILES[prepared.kind]
    try:
        opened: ImageFile = getattr(import_module(module), name)(io.BytesIO(prepared.content))
    except SyntaxError as error:
        # Pillow's error for a header that is not the format's. A text may begin with a BMP's two letters.
        if prepared.kind == "BMP":
            raise NotAPictureError(NOT_READ) from error
        raise DamagedPictureError("the picture's header is truncated or broken") from error
    return opened


def _resized(image: Image.Image, size: tuple[int, int], resampling: Image.Resampling, orientation: int) -> Levels:
    """Return the levels of a decoded picture of any mode at `size`, which is width and height in pixels."""
    if image.mode == "LAB":
        raise NotAPictureError("pictures in the colour mode LAB are not read")
    modes: tuple[str, ...] = ("RGB",)
    white = _WHITE
    if image.mode == "F" or image.mode.startswith("I"):
        modes, white = ("F",), _white(image)
    elif image.has_transparency_data:
        # Only premultiplied colours may be averaged.
        modes = ("RGBA", "RGBa")
    content = _shrunk(image, size, modes, resampling).tobytes()
    return Levels(modes[-1], orientation, white, content)


def _shrunk(
    image: Image.Image, size: tuple[int, int], modes: tuple[str, ...], resampling: Image.Resampling
) -> Image.Image:
    """Convert through `modes`, then resize, one strip at a time; the levels are the same as without strips.

    Pillow resizes rows first and columns then, so that rows can be converted and resized strip by strip, which never
    needs a converted copy of the whole picture.
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
    """Return the level that is white in a grey picture of more than 8 bits.

    Raises:
        DamagedPictureError: its levels are not finite.
    """
    if image.mode.startswith("I;16"):
        return _INTEGER_WHITES[0]
    highest = image.getextrema()[1]
    if not isinstance(highest, int | float) or not isfinite(highest):
        raise DamagedPictureError("the picture's levels are not finite")
    whites = _FLOAT_WHITES if image.mode == "F" else _INTEGER_WHITES
    return next((white for white in whites if highest <= white), float(highest))
