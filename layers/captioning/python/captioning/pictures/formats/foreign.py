"""Files of other formats that people send as pictures, by name, with what to send instead.

Nothing of them is read but their first bytes.
"""

from captioning.pictures.formats.signatures import brands

_STILL = "export the picture"
_RAW = "a camera's raw picture", "develop it first, or take the JPEG that the camera wrote beside it"
_VIDEO = "and no still picture", "take one frame of it"

# Name, what it is, what to do, and the bytes that it begins with, at some offset.
_KINDS: tuple[tuple[str, tuple[str, str], int, tuple[bytes, ...]], ...] = (
    ("JPEG XL", ("a JPEG XL picture", _STILL), 0, (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    ("JPEG 2000", ("a JPEG 2000 picture", _STILL), 0, (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    ("PSD", ("a Photoshop document", "export its picture"), 0, (b"8BPS",)),
    ("PDF", ("a PDF document", "export the page or the picture in it"), 0, (b"%PDF-",)),
    ("PostScript", ("a PostScript or EPS document", "export it as a picture"), 0, (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    ("RAW", _RAW, 0, (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
    ("RAW", _RAW, 6, (b"HEAPCCDR",)),
    ("ICO", ("an icon or a cursor", _STILL), 0, (b"\0\0\1\0", b"\0\0\2\0")),
    ("PNM", ("a PNM picture", _STILL), 0, tuple(b"P%d%b" % (kind, end) for kind in range(1, 8) for end in (b"\n", b" ", b"\r"))),
    ("OpenEXR", ("an OpenEXR picture", _STILL), 0, (b"v/1\x01",)),
    ("Radiance", ("a Radiance HDR picture", _STILL), 0, (b"#?RADIANCE", b"#?RGBE")),
    ("DDS", ("a DirectDraw texture", _STILL), 0, (b"DDS ",)),
    ("QOI", ("a QOI picture", _STILL), 0, (b"qoif",)),
    ("FLIF", ("a FLIF picture", _STILL), 0, (b"FLIF",)),
    ("BPG", ("a BPG picture", _STILL), 0, (b"BPG\xfb",)),
    ("JPEG XR", ("a JPEG XR picture", _STILL), 0, (b"II\xbc",)),
    ("GIMP", ("a GIMP document", "export its picture"), 0, (b"gimp xcf",)),
    ("DICOM", ("a DICOM file", "export its picture"), 128, (b"DICM",)),
    ("FITS", ("a FITS file", "export its picture"), 0, (b"SIMPLE  =",)),
    ("WMF", ("a Windows metafile", "export it as a picture"), 0, (b"\xd7\xcd\xc6\x9a", b"\x01\0\0\0X\0\0\0")),
    ("Matroska", ("a Matroska or WebM video", _VIDEO[1]), 0, (b"\x1a\x45\xdf\xa3",)),
    ("AVI", ("an AVI video", _VIDEO[1]), 8, (b"AVI ",)),
    ("FLV", ("a Flash video", _VIDEO[1]), 0, (b"FLV\x01",)),
    ("ASF", ("a Windows Media video", _VIDEO[1]), 0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    ("MPEG", ("an MPEG video", _VIDEO[1]), 0, (b"\0\0\1\xba", b"\0\0\1\xb3")),
    ("Ogg", ("an Ogg file, of sound or video", "send a picture"), 0, (b"OggS",)),
    ("WAVE", ("a sound", "send a picture"), 8, (b"WAVE",)),
    ("MP3", ("a sound", "send a picture"), 0, (b"ID3", b"\xff\xfb")),
    ("ZIP", ("a ZIP archive, or an office document", "take the picture out of it"), 0, (b"PK\3\4", b"PK\5\6", b"PK\7\x08")),
    ("gzip", ("a compressed file", "unpack it"), 0, (b"\x1f\x8b",)),
    ("archive", ("an archive", "take the picture out of it"), 0, (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")),
    ("archive", ("an archive", "take the picture out of it"), 257, (b"ustar",)),
    ("Git LFS", ("a Git LFS pointer and not the picture itself", "fetch it with git lfs pull"), 0, (b"version https://git-lfs",)),
)  # fmt: skip
# By the brands of ISO's base media format; what has none of them is a video.
_BRANDS: tuple[tuple[str, tuple[str, str], frozenset[bytes]], ...] = (
    ("HEIC", ("a HEIC picture, as iPhones take them", _STILL),
     frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"))),
    ("RAW", _RAW, frozenset((b"crx ",))),
    ("JPEG 2000", ("a JPEG 2000 picture", _STILL), frozenset((b"jp2 ", b"jpx "))),
    ("M4A", ("a sound", "send a picture"), frozenset((b"M4A ", b"M4B "))),
)  # fmt: skip
_VIDEO_OF_BRANDS = ("MP4", ("an MP4 or QuickTime video", _VIDEO[1]))
_BOXES = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
_TEXTS: tuple[tuple[str, tuple[str, str], tuple[bytes, ...]], ...] = (
    ("SVG", ("an SVG drawing", "export it as a picture"), (b"<svg", b"<!doctype svg")),
    ("HTML", ("a page of HTML and not a picture: the address that it came from may ask for a login, or lead to a page",
              "save the picture itself"), (b"<!doctype html", b"<html", b"<head", b"<body")),
    ("XML", ("an XML document, perhaps an error that a server answered", "save the picture itself"), (b"<?xml", b"<error")),
    ("JSON", ("JSON, perhaps an error that a server answered", "send the picture itself"), (b"{", b"[")),
    ("data URL", ("a data URL", "decode it, and send the picture's bytes"), (b"data:image/",)),
    ("base64", ("a picture in base64", "decode it, and send the picture's bytes"),
     (b"/9j/", b"ivborw0kggo", b"r0lgod", b"uklgr", b"swkqa", b"tu0ak")),
)  # fmt: skip
_SIGNATURE_BYTES, _TEXT_BYTES = 32, 4096
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def name_of(content: bytes) -> str | None:
    """Return the name of the format of a file that is not read; None if it is none that is known."""
    found = _found(content)
    return found[0] if found else None


def refusal(content: bytes) -> str | None:
    """Return what a file is that is not read, and what to do with it; None if it is none that is known."""
    found = _found(content)
    return f"the file is {found[1][0]}, which is not read: {found[1][1]}" if found else None


def _found(content: bytes) -> tuple[str, tuple[str, str]] | None:
    for name, what, at, beginnings in _KINDS:
        if content[at : at + _SIGNATURE_BYTES].startswith(beginnings):
            return name, what
    said = frozenset(brands(content))
    if said:
        return next(((name, what) for name, what, own in _BRANDS if said & own), _VIDEO_OF_BRANDS)
    if content[4:8] in _BOXES:
        return _VIDEO_OF_BRANDS
    return _text(content)


def _text(content: bytes) -> tuple[str, tuple[str, str]] | None:
    """Return which text it is, behind a byte order mark, blanks, comments and an XML declaration."""
    beginning = content[:_TEXT_BYTES]
    for mark, codec in _MARKS:
        if beginning.startswith(mark):
            beginning = beginning[len(mark) :].decode(codec, "ignore").encode()
            break
    lowered = beginning.lstrip().lower()
    if b"%pdf-" in lowered[:1024]:
        return next((name, what) for name, what, _, _ in _KINDS if name == "PDF")
    if b"<svg" in lowered and lowered.startswith(b"<"):
        return _TEXTS[0][:2]
    for name, what, beginnings in _TEXTS:
        if lowered.startswith(beginnings):
            return name, what
    if lowered.startswith(b"<") and b"<html" in lowered:
        return _TEXTS[1][:2]
    return None
