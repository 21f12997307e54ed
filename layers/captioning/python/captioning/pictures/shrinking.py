"""Shrinking: a picture's rows resized as they come, so that a converted copy of the whole picture is never needed.

Pillow resizes rows first and columns then. The result is the same as that of resizing the whole picture.
"""

from PIL import Image


class Shrinking:
    """A picture that is resized strip by strip, from the top."""

    def __init__(self, mode: str, rows: int, size: tuple[int, int], resampling: Image.Resampling) -> None:
        """Take strips of a picture of `mode` with that many `rows`; `size` is the result's width and height."""
        self._narrow = Image.new(mode, (size[0], rows))
        self._size, self._resampling = size, resampling
        self._top = 0

    def add(self, strip: Image.Image) -> None:
        """Add the next rows, of any number, in the picture's mode and width."""
        self._narrow.paste(strip.resize((self._size[0], strip.height), self._resampling), (0, self._top))
        self._top += strip.height

    def finish(self) -> Image.Image:
        """Return the resized picture, after all its rows."""
        return self._narrow.resize(self._size, self._resampling)
