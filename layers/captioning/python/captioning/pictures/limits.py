"""What a picture may cost: bytes, pixels, processor time and memory. docs/decisions/0011 says where they come from."""

from captioning.errors import PictureTooLargeError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_PROGRESSIVE_PIXELS = 32_000_000
"""Pixels of a JPEG of several scans, whose coefficients libjpeg keeps: 12 bytes per pixel instead of 5."""
MAX_WEBP_PIXELS = 25_000_000
"""Pixels of a WebP, for which libwebp keeps two more pictures: 16 bytes per pixel."""
MAX_SIDE = 65_535
"""Pixels of a side: the resampling filter's table grows with the longer one, to 800 MB for 50,000,000 x 1."""

PROCESSOR_SECONDS = 2.0
"""Processor time within which a picture is read: twice what the costliest regular one takes."""
MEMORY_BYTES = 432 * 1024 * 1024
"""Address space of the process that reads: the costliest regular picture, the interpreter and the file itself."""


def check_size(width: int, height: int, *, most: int = MAX_PIXELS, kind: str = "") -> None:
    """Raises PictureTooLargeError if there are more than `most` pixels (`kind` says of what), or a side is too long."""
    if width * height > most:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit{kind} is {most:,}")
    if max(width, height) > MAX_SIDE:
        raise PictureTooLargeError(f"the picture has {width} x {height} pixels; the limit of a side is {MAX_SIDE:,}")
