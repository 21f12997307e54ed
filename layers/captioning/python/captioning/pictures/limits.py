"""The limits of a picture: bytes, pixels, processor time and memory. docs/decisions/0011 has their reasons."""

from captioning.errors import PictureTooLargeError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_PROGRESSIVE_PIXELS = 32_000_000
"""Pixels of a JPEG of several scans, whose coefficients libjpeg keeps: 12 bytes per pixel instead of 5."""
MAX_WEBP_PIXELS = 25_000_000
"""Pixels of a WebP, for which libwebp keeps two more pictures: 16 bytes per pixel."""
MAX_AVIF_PIXELS = 16_000_000
"""Pixels of an AVIF, for which libavif keeps planes of 16 bits and two copies: up to 20 bytes per pixel."""
MAX_SIDE = 65_535
"""Pixels of a side: the resampling filter's table grows with the longer one, to 800 MB for 50,000,000 x 1."""

PROCESSOR_SECONDS = 2.0
"""Processor time to read a picture: twice that of the most expensive regular one."""
MEMORY_BYTES = 432 * 1024 * 1024
"""Address space of the process that reads: for the most expensive regular picture, the interpreter and the file."""


def check_size(width: int, height: int, *, most: int = MAX_PIXELS, kind: str = "") -> None:
    """Check the size of a picture in pixels; `kind` is what the message says after "the limit".

    Raises:
        PictureTooLargeError: there are more than `most` pixels, or more than `MAX_SIDE` along a side.
    """
    if width * height > most:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit{kind} is {most:,}")
    if max(width, height) > MAX_SIDE:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit of a side is {MAX_SIDE:,}")
