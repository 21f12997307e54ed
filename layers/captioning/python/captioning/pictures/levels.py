"""Levels: a picture's pixels at the encoder's size, read by Pillow in a process of its own.

It reads JPEG, PNG, GIF, WebP, AVIF, BMP and TIFF; docs/pictures.md lists their kinds. The format is told from the
bytes, never from a name. The structure is checked first (`captioning.pictures.formats`), then the pixels are decoded.

- Of an animation, or a TIFF of several pages, the first picture is read that is not blank.
- Transparent pictures are put on white.
- More than 8 bits per sample are scaled by `captioning.pictures.whites`.
- RGB with a profile becomes sRGB (`captioning.pictures.colours`). CMYK becomes RGB by Pillow's plain formula.
- A rotation in the metadata is applied to the resized picture, which is cheaper than to the full one and differs from
  it by at most one level of 255.
- Decoding is exact, unless a bundle asks for scaled decoding of JPEGs (`InputSpec.scaled_decoding`).

It refuses pictures that exceed `captioning.pictures.limits`, and pictures that cannot be decoded to their last byte.
Decoding takes 5 bytes per pixel; for a JPEG of several scans up to 12 in libjpeg, for a WebP 16 in libwebp, and for an
AVIF 20 in libavif.
"""

import io
from importlib import import_module
from itertools import takewhile
from typing import Any

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from captioning.errors import DamagedPictureError, NotAPictureError, PictureError, PictureTooLargeError
from captioning.pictures.colours import is_foreign, to_srgb
from captioning.pictures.formats import NOT_READ, SEVERAL, prepare, prepare_frames, prepare_page
from captioning.pictures.formats.metadata import UPRIGHT, exif_orientation
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.limits import MAX_AVIF_PIXELS, MAX_PIXELS, MAX_WEBP_PIXELS, check_size
from captioning.pictures.protocol import Levels, Wanted
from captioning.pictures.shrinking import Shrinking
from captioning.pictures.whites import integer_white

# Pillow's module and class per format. Not `Image.open`, which imports several to find the format.
_FILES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
}
_MAX_FORMAT_PIXELS = {"WEBP": (MAX_WEBP_PIXELS, " of a WebP"), "AVIF": (MAX_AVIF_PIXELS, " of an AVIF")}

_SIDEWAYS = (5, 6, 7, 8)
_WHITE = 255.0
_DEEP_BITS = 16
_STRIP_PIXELS = 1 << 20
_MAX_FRAMES = 20
"""Frames that are looked at for one that is not blank."""
_BLANK_LEVELS = 2
"""The most that levels of a blank picture differ: lossy formats add some noise."""


def read_levels(picture: bytes, wanted: Wanted) -> Levels:
    """Decode a picture and resize it; the orientation is returned and not applied.

    Raises:
        PictureTooLargeError, NotAPictureError, DamagedPictureError: it cannot be read.
        MemoryError: the process has too little memory for it.
    """
    prepared = prepare(picture)
    try:
        levels, pixels, frames = _read(prepared, wanted)
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLargeError(f"the picture has far more pixels than the limit of {MAX_PIXELS:,}") from error
    except Exception as error:
        # On broken files Pillow's decoders raise errors of many types.
        raise DamagedPictureError("the picture is truncated or broken") from error
    if prepared.kind not in SEVERAL or frames == 1 or not _is_blank(levels):
        return levels
    try:
        # Together they cost no more than the largest picture.
        return _later(picture, prepared.kind, wanted, most=min(_MAX_FRAMES, MAX_PIXELS // pixels)) or levels
    except Exception:  # noqa: BLE001 - as above; the first picture could be read
        return levels


def _later(picture: bytes, kind: str, wanted: Wanted, *, most: int) -> Levels | None:
    """Return the first frame or page that is not blank, of those behind the first one; None if there is none.

    At most so many are looked at, the first one among them.

    Raises:
        Exception: any error of Pillow's.
    """
    if kind == "TIFF":
        pages = (prepare_page(picture, number) for number in range(1, most))
        later = (_read(page, wanted)[0] for page in takewhile(bool, pages) if page)
        return next((levels for levels in later if not _is_blank(levels)), None)
    prepared = prepare_frames(picture, kind)
    with _opened(prepared) as image:
        for number in range(1, min(most, getattr(image, "n_frames", 1))):
            image.seek(number)
            levels = _levels(image, prepared, wanted)
            if not _is_blank(levels):
                return levels
    return None


def _read(prepared: Prepared, wanted: Wanted) -> tuple[Levels, int, int | None]:
    """Return the levels of a picture, of how many pixels they were made, and how many frames its file has.

    The number of frames is None where it would take a search.

    Raises:
        Exception: any error of Pillow's.
    """
    if prepared.layout is not None:
        # With NumPy, which most pictures do without.
        samples: Any = import_module("captioning.pictures.decoders.samples")
        orientation = prepared.orientation if wanted.exif_transpose else UPRIGHT
        shrunk = samples.shrink(
            prepared.content, prepared.layout, _size(wanted, orientation), _resampling(wanted), prepared.profile
        )
        return shrunk._replace(orientation=orientation), prepared.layout.width * prepared.layout.height, None
    with _opened(prepared) as image:
        most, kind = _MAX_FORMAT_PIXELS.get(prepared.kind, (MAX_PIXELS, ""))
        check_size(*image.size, most=most, kind=kind)
        pixels = image.width * image.height
        if wanted.scaled_decoding:
            # Only JPEG's decoder does; the others ignore it.
            side = 2 * max(wanted.width, wanted.height)
            image.draft(None, (side, side))
        frames = getattr(image, "n_frames", None) if prepared.kind in {"WEBP", "AVIF"} else None
        return _levels(image, prepared, wanted), pixels, frames


def _levels(image: ImageFile, prepared: Prepared, wanted: Wanted) -> Levels:
    """Decode the current frame of an opened picture and resize it.

    Raises:
        Exception: any error of Pillow's.
    """
    decoded = _decoded(image, prepared)
    orientation, profile = prepared.orientation, prepared.profile
    if prepared.kind == "AVIF":
        # Its structure is libavif's to read.
        orientation = exif_orientation(image.info.get("exif", b"")) or UPRIGHT
        profile = image.info.get("icc_profile", b"")
    orientation = orientation if wanted.exif_transpose else UPRIGHT
    return _resized(decoded, _size(wanted, orientation), _resampling(wanted), orientation, profile)


def _resampling(wanted: Wanted) -> Image.Resampling:
    return Image.Resampling[wanted.resampling.upper()]


def _size(wanted: Wanted, orientation: int) -> tuple[int, int]:
    return (wanted.height, wanted.width) if orientation in _SIDEWAYS else (wanted.width, wanted.height)


def _opened(prepared: Prepared) -> ImageFile:
    """Open the picture, which reads its header.

    Raises:
        NotAPictureError, DamagedPictureError: the header is not the format's.
        Exception: any other error of Pillow's.
    """
    module, name = _FILES[prepared.kind]
    plugin: Any = import_module(module)
    if prepared.kind == "AVIF":
        # A thread takes 8 MiB of address space, and a Lambda has seldom a second processor.
        plugin.DEFAULT_MAX_THREADS = 1
    try:
        opened: ImageFile = getattr(plugin, name)(io.BytesIO(prepared.content))
    except SyntaxError as error:
        # Pillow's error for a header that is not the format's. A text may begin with a BMP's two letters.
        if prepared.kind == "BMP":
            raise NotAPictureError(NOT_READ) from error
        raise DamagedPictureError("the picture's header is truncated or broken") from error
    except OSError as error:
        if prepared.kind == "BMP" and "Unsupported" in str(error):
            # Its words for depths, masks and compressions (JPEG and PNG among them) that it does not know.
            raise NotAPictureError("BMPs of this depth, with these masks or so compressed are not read") from error
        raise
    return opened


def _decoded(image: ImageFile, prepared: Prepared) -> Image.Image:
    """Decode an opened picture.

    Raises:
        Exception: any error of Pillow's.
    """
    if prepared.kind == "JPEG":
        scans: Any = import_module("captioning.pictures.decoders.scans")
        if not prepared.arithmetic:
            scans.load_scans(image, prepared.content, prepared.scans)
            return image
        with _opened(prepared._replace(content=scans.with_other_ends(prepared.content, prepared.scans))) as again:
            scans.load_arithmetic(image, again)
            return image
    if prepared.kind == "PNG" and image.tell() == 0:
        sixteen: Any = import_module("captioning.pictures.decoders.sixteen_bits")
        if sixteen.is_deep(prepared.content, prepared.transparent):
            deep: Image.Image = sixteen.eight_bits(prepared.content, prepared.transparent)
            return deep
    image.load()
    return image


def _resized(
    image: Image.Image, size: tuple[int, int], resampling: Image.Resampling, orientation: int, profile: bytes
) -> Levels:
    """Return the levels of a decoded picture of any mode at `size`, which is width and height in pixels."""
    modes: tuple[str, ...] = ("RGB",)
    white = _WHITE
    if image.mode == "F" or image.mode.startswith("I"):
        # Grey of a PNG of 16 bits per sample.
        modes, white = ("F",), integer_white(image.getextrema()[1], _DEEP_BITS)  # type: ignore[arg-type]
    elif image.has_transparency_data:
        # Only premultiplied colours may be averaged.
        modes = ("RGBA", "RGBa")
    shrinking = Shrinking(modes[-1], image.height, size, resampling)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        for mode in modes:
            strip = strip.convert(mode)
        shrinking.add(strip)
    found = shrinking.finish()
    if image.mode in {"RGB", "RGBA", "RGBX", "P"} and is_foreign(profile):
        found = to_srgb(found, profile)
    return Levels(modes[-1], orientation, white, found.tobytes())


def _is_blank(levels: Levels) -> bool:
    """Tell whether a picture is of one level over white. Its size does not matter."""
    if levels.mode == "F":
        plane = Image.frombytes("F", (1, len(levels.content) // 4), levels.content)
        low, high = plane.getextrema()
        return (float(high) - float(low)) * _WHITE / levels.white <= _BLANK_LEVELS  # type: ignore[arg-type]
    count = len(levels.mode)
    image = Image.frombytes(levels.mode, (1, len(levels.content) // count), levels.content)
    if levels.mode == "RGBa":
        *colours, opacity = image.split()
        image = Image.merge("RGB", [ImageChops.add(colour, ImageChops.invert(opacity)) for colour in colours])
    return all(high - low <= _BLANK_LEVELS for low, high in image.getextrema())  # type: ignore[misc]
