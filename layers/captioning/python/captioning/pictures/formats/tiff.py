"""TIFF: one directory, with only the entries that define the picture, checked against each other.

A new directory is appended to the file in the classic layout: without metadata, other directories and the orientation,
which is returned beside the file. A picture that Pillow does not decode right gets a `Layout` instead. The raw pictures
of cameras are refused, whose first directory is often a small preview.
"""

from math import ceil

from captioning.errors import DamagedPictureError, NotAPictureError, PictureTooLargeError
from captioning.pictures.formats import tiff_directory as tags
from captioning.pictures.formats.prepared import Prepared
from captioning.pictures.formats.tiff_directory import MAX_SEGMENTS, Directory, Form, contradiction, read_header
from captioning.pictures.formats.tiff_layout import RAW, UNDEFINED, Layout, layout_of, refuse_raw
from captioning.pictures.limits import check_size

MAX_TILE_SIDE = 2_048
"""Pixels of a tile's side; more are allowed only up to the picture's side, rounded up to 16 pixels."""
MAX_DECODED_BYTES = 400 * 1024 * 1024
"""Bytes of a decompressed strip or tile and of the picture together: what fits into the process's memory."""
MAX_SEGMENT_BYTES = 128 * 1024 * 1024
"""Bytes of a decompressed strip or tile for our own decoder, which holds it twice, and NumPy, and no picture."""

_STRIPS = (tags.ROWS, tags.STRIP_OFFSETS, tags.STRIP_SIZES)
_TILES = (tags.TILE_WIDTH, tags.TILE_HEIGHT, tags.TILE_OFFSETS, tags.TILE_SIZES)
_UNCOMPRESSED, _SEPARATE = 1, 2
_TILE_UNIT = 16
_BYTE = 8
_REDUCED_OR_MASK = 0b101
_MOST_PAGES = 100


def prepare(content: bytes, page: int = 0) -> Prepared | None:
    """See `captioning.pictures.formats.prepare`; `page` counts the pictures of the file, without previews and masks.

    Return None if there is no such page.
    """
    form = Form("<" if content.startswith(b"II") else ">", big=b"+" in content[2:4])
    (at,) = form.offset.unpack(read_header(content, 8 if form.big else 4, form.offset.size))
    directory = Directory(content, form, at)
    _refuse_raw(directory, content)
    seen = {at}
    while page:
        at = directory.following
        if at in seen or at == 0 or len(seen) > _MOST_PAGES:
            return None
        seen.add(at)
        directory = Directory(content, form, at)
        if not directory.number(tags.SUBFILE, 0) & _REDUCED_OR_MASK:
            page -= 1
    layout = _check(directory, content)
    if layout is not None:
        return Prepared("TIFF", content, directory.orientation, directory.profile, layout=layout)
    return Prepared("TIFF", directory.write(content), directory.orientation, directory.profile)


def _refuse_raw(directory: Directory, content: bytes) -> None:
    """Refuse a camera's raw picture.

    Raises:
        NotAPictureError: it is one.
    """
    if directory.numbers(tags.RAW):
        raise NotAPictureError(RAW)
    for at in directory.numbers(tags.DIRECTORIES):
        try:
            within = Directory(content, directory.form, at)
        except DamagedPictureError:
            continue
        refuse_raw(within.number(tags.PHOTOMETRIC, 0))


def _check(directory: Directory, content: bytes) -> Layout | None:
    """Check strips or tiles against the picture: their number, their sizes, and their bytes in the file.

    Return the layout of the samples, if our own decoder is to read them.

    Raises:
        DamagedPictureError: they contradict each other.
        PictureTooLargeError: they exceed a limit.
    """
    width, height = directory.number(tags.WIDTH, 0), directory.number(tags.HEIGHT, 0)
    if width < 1 or height < 1:
        raise DamagedPictureError("the picture is truncated or broken: it has no width or height")
    check_size(width, height)
    samples = directory.number(tags.SAMPLES, 1)
    bits = directory.numbers(tags.BITS) or (1,)
    pixel_bits = max(sum(bits), bits[0] * samples)
    planes = max(samples, 1) if directory.number(tags.PLANAR, 1) == _SEPARATE else 1
    tiled = tags.TILE_OFFSETS in directory.entries
    if tiled and tags.STRIP_OFFSETS in directory.entries:
        raise contradiction("it has strips and tiles")
    directory.leave_out(_STRIPS if tiled else _TILES)
    across, down = _segment(directory, width, height, tiled=tiled)
    layout = layout_of(directory, across=across, down=down, tiled=tiled)
    compressed = directory.number(tags.COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    if layout is None:
        if directory.number(tags.FORM, 0) == UNDEFINED:
            directory.leave_out((tags.FORM,))  # Pillow knows it not
        # Pillow uses 1 or 4 bytes per pixel.
        decoded = across * down * pixel_bits // 8 + width * height * (1 if pixel_bits <= _BYTE else 4)
        _check_bytes(decoded, MAX_DECODED_BYTES)
    elif compressed:
        _check_bytes(across * down * pixel_bits // 8 // planes, MAX_SEGMENT_BYTES)
    wanted = ceil(width / across) * ceil(height / down) * planes
    if wanted > MAX_SEGMENTS:
        raise PictureTooLargeError(f"the picture has {wanted} strips or tiles; the limit is {MAX_SEGMENTS}")
    offsets, sizes = (tags.TILE_OFFSETS, tags.TILE_SIZES) if tiled else (tags.STRIP_OFFSETS, tags.STRIP_SIZES)
    found = directory.entries[offsets].values if offsets in directory.entries else 0
    if found != wanted:
        raise contradiction(f"it has {found} strips or tiles, and {wanted} make it up")
    if not compressed:
        # Overlapping ones would be read many times. Twice, because some pictures have fewer bits than they state.
        if width * height * bits[0] // 8 > 2 * len(content):
            raise contradiction("its strips or tiles have more bytes than the file")
        return layout
    _check_sizes(directory.numbers(sizes), wanted, len(content))
    return layout


def _check_sizes(sizes: tuple[int, ...], wanted: int, file_bytes: int) -> None:
    """Check the sizes of compressed strips or tiles.

    Raises:
        DamagedPictureError: there are not as many as `wanted`, or they have more bytes than the file.
    """
    if len(sizes) != wanted and (sizes or wanted > 1):
        raise contradiction(f"it has {wanted} strips or tiles and the sizes of {len(sizes)}")
    # Twice, because some programs state a little more than there is; the limit bounds how often a byte is read.
    if sum(sizes) > 2 * file_bytes:
        raise contradiction("its strips or tiles have more bytes than the file")


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        raise PictureTooLargeError(f"the picture takes {size} bytes to read; the limit is {most}")


def _segment(directory: Directory, width: int, height: int, *, tiled: bool) -> tuple[int, int]:
    """Return the width and height of a strip or tile, in pixels."""
    if not tiled:
        rows = directory.number(tags.ROWS, height)
        if rows < 1:
            raise contradiction("its strips have no rows")
        return width, min(rows, height)
    across, down = directory.number(tags.TILE_WIDTH, 0), directory.number(tags.TILE_HEIGHT, 0)
    for side, most in ((across, width), (down, height)):
        if side < 1:
            raise contradiction("its tiles have no width or height")
        if side > max(MAX_TILE_SIDE, ceil(most / _TILE_UNIT) * _TILE_UNIT):
            raise contradiction(f"its tiles have {across} x {down} pixels, and it has {width} x {height}")
    return across, down
