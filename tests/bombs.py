"""Small pictures that once cost a decoder seconds or gigabytes, each with the status that it is answered."""

import io
import struct
import zlib

from PIL import Image

_GREY = {258: (3, 8), 259: (3, 1), 262: (3, 1), 277: (3, 1)}


def bombs() -> dict[str, tuple[bytes, int]]:
    """By name: the file and the status."""
    return {
        "tile.tif": (_tile(), 422),
        "strips.tif": (_strips(), 422),
        "many-strips.tif": (_many_strips(), 422),
        "scans.jpg": (_scans(), 422),
        "fill.jpg": (_fill(), 200),
        "fractions.tif": (_fractions(), 200),
        "runs.bmp": (_runs(), 413),
    }


def _tiff(tags: dict[int, tuple[int, int]], arrays: dict[int, tuple[int, bytes]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF: tags with a value each (type, value), tags with many (type, values), and what follows."""
    behind = 8 + 2 + 12 * (len(tags) + len(arrays)) + 4
    sizes = {3: 2, 4: 4, 5: 8}
    rows = {tag: struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in tags.items()}
    for tag, (kind, values) in arrays.items():
        rows[tag] = struct.pack("<HHII", tag, kind, len(values) // sizes[kind], behind)
        behind += len(values)
    directory = struct.pack("<H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + b"".join(values for _, values in arrays.values()) + tail


def _tile() -> bytes:
    """A pixel in a tile of 26,000 x 26,000: 2 GB."""
    packed = zlib.compress(bytes(1000), 9)
    sides = {256: (4, 1), 257: (4, 1), 322: (4, 26_000), 323: (4, 26_000), 324: (4, 8), 325: (4, len(packed))}
    return _tiff({**_GREY, 259: (3, 8), **sides}, {}, packed)


def _strips() -> bytes:
    """A picture of two rows in a hundred strips, a byte apart: 19 s."""
    width, count = 65_535, 100
    offsets = struct.pack(f"<{count}I", *range(1_000, 1_000 + count))
    return _tiff({**_GREY, 256: (4, width), 257: (4, 2), 278: (4, 1)}, {273: (4, offsets)}, bytes(2 * width))


def _many_strips() -> bytes:
    """A pixel in two and a half million strips: 22 s and 753 MB."""
    return _tiff({**_GREY, 256: (4, 1), 257: (4, 1), 278: (4, 1)}, {273: (4, struct.pack("<I", 8) * 2_500_000)})


def _fractions() -> bytes:
    """An orientation of 1.2 million fractions: 10 s and 385 MB."""
    sides = {256: (4, 4), 257: (4, 4), 273: (4, 8), 278: (4, 4), 279: (4, 16)}
    return _tiff({**_GREY, **sides}, {274: (5, struct.pack("<II", 6, 1) * 1_200_000)})


def _fill() -> bytes:
    """A JPEG with 10 MB of fill bytes before its first marker: 7 s."""
    whole = _jpeg()
    return whole[:2] + b"\xff" * 10_000_000 + whole[2:]


def _scans() -> bytes:
    """A progressive JPEG that says its last scan thousands of times: minutes."""
    whole = _jpeg(progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (1_000_000 // len(last)) + whole[-2:]


def _jpeg(**options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (5_600, 5_600), 128).save(stream, "JPEG", **options)
    return stream.getvalue()


def _runs() -> bytes:
    """A BMP of 36 megapixels in runs of one, which Pillow decodes in Python: only its time tells."""
    side = 6_000
    pixels = b"\x01\x07" * 4_900_000
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1_078 + len(pixels), 0, 0, 1_078) + header + bytes(1024) + pixels
