"""The scans of a JPEG, decoded so that one whose data end too early is noticed.

libjpeg fills what is missing before a marker with grey and tells nobody. Without a marker it waits for more data. So
each scan is followed by bytes that mean nothing, and no marker: a scan that was complete skips them one by one, while
one that was cut takes them for its data, several at a time.
"""

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from captioning.errors import DamagedPictureError

_CUT = "the picture is truncated or broken: JPEG data are missing"
# Ones: the filling of a scan's last byte, and no code of any Huffman table (T.81, C.2), so that a decoder uses up 16 of
# them for a symbol. A zero follows each FF in data.
_FILLING = b"\xff\x00"
# libjpeg reads up to eight bytes ahead, and no fewer than seven when it must read.
_AHEAD, _PROOF = 8, 9
# The last rows of units, in which the end of an arithmetic code may depend on what follows it.
_LAST_ROWS = 32


def load_scans(image: ImageFile, content: bytes, ends: tuple[int, ...]) -> None:
    """Decode `content`, a JPEG that was opened as `image`, whose scans' data end at `ends`.

    At most 17 bytes can be missing from a scan unnoticed, for which its filling stands in: some four blocks of 8 x 8
    pixels.

    Raises:
        DamagedPictureError: data of a scan are missing, or are none of a JPEG.
    """
    name, extents, _, arguments = image.tile[0]
    decoder = Image._getdecoder(image.mode, name, arguments, image.decoderconfig)
    image.load_prepare()
    decoder.setimage(image.im, extents)
    rest, finished = b"", False

    def feed(piece: bytes) -> None:
        nonlocal rest, finished
        if finished:
            return
        rest += piece
        used, error = decoder.decode(rest)
        if error < 0:
            raise DamagedPictureError("the picture is truncated or broken: its JPEG data cannot be decoded")
        finished = used < 0
        rest = rest[used:]

    start = 0
    for end in ends:
        feed(content[start:end])
        feed(_FILLING * _AHEAD)
        for _ in range(_PROOF):
            feed(_FILLING)
            if rest and not finished:
                raise DamagedPictureError(_CUT)
        start = end
    feed(content[start:])
    if not finished:
        raise DamagedPictureError(_CUT)
    decoder.cleanup()
    image.tile = []


def load_arithmetic(image: ImageFile, again: ImageFile) -> None:
    """Decode an arithmetic JPEG, opened as `image`, and as `again` with other ends of its scans.

    Its decoder cannot wait, and takes what follows the data for zeros (T.81, D.2.6). So the picture is decoded a second
    time with other bytes there: of a scan that was complete nothing depends on them but its very end.

    Raises:
        DamagedPictureError: data of a scan are missing.
        Exception: any error of Pillow's.
    """
    image.load()
    again.load()
    differs = ImageChops.difference(image, again).getbbox()
    if differs and differs[1] < image.height - _LAST_ROWS:
        raise DamagedPictureError(_CUT)


def with_other_ends(content: bytes, ends: tuple[int, ...]) -> bytes:
    """Return a JPEG with bytes behind the data of each scan, which mean nothing to it if they are all there."""
    pieces = [content[start:end] + b"\x55" * 64 for start, end in zip((0, *ends), ends, strict=False)]
    return b"".join((*pieces, content[ends[-1] :]))
