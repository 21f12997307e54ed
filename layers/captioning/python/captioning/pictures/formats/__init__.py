"""A picture's file before its pixels are decoded: what it promises, and what of it the decoder gets.

One module per format that needs it, each with `prepare(content)`. It refuses what no picture needs and a decoder would
spend its time or memory on, and leaves out what is not pixels: metadata is not the picture, and most of a decoder's
faults are in reading it. It is quick, whatever the file says: it touches each byte at most a few times.
"""

from captioning.pictures.formats import gif, jpeg, png, tiff, webp
from captioning.pictures.formats.prepared import Prepared

_RIFF, _WEBP = b"RIFF", b"WEBP"
_SIGNATURES = (
    (jpeg.SIGNATURES, jpeg.prepare),
    (png.SIGNATURES, png.prepare),
    (gif.SIGNATURES, gif.prepare),
    (tiff.SIGNATURES, tiff.prepare),
)


def prepare(content: bytes) -> Prepared:
    """What the decoder gets of `content`.

    Raises:
        DamagedPictureError: the file contradicts itself.
        PictureTooLargeError: it would take more than is spent on a picture.
    """
    for signatures, prepare_format in _SIGNATURES:
        if content.startswith(signatures):
            return prepare_format(content)
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return webp.prepare(content)
    return Prepared(content, known=False)
