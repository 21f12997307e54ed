"""Files that people send as pictures and that are not read, by name, with what to send instead.

Nothing of them is read but their first bytes, and for some their last.
"""

from typing import NamedTuple

from captioning.pictures.formats.signatures import STRUCTURES, brands


class Foreign(NamedTuple):
    """A format that is not read: its short `name`, what the file `is`, and what to do first, if anything."""

    name: str
    what: str
    advice: str = ""


_HEIC = Foreign("HEIC", "a HEIC picture, as iPhones take them")
RAW_PICTURE = Foreign("RAW", "a camera's raw picture", "develop it, or take the JPEG that the camera wrote beside it")
_MP4 = Foreign("MP4", "an MP4 or QuickTime video", "take one frame of it")
_SVG = Foreign("SVG", "an SVG drawing", "export it as pixels")
_HTML = Foreign("HTML", "a web page, as a server sends it in place of a picture", "download the picture itself")
_PDF = Foreign("PDF", "a PDF document", "export one page")
_ICON = Foreign("ICO", "an icon or a cursor")
_TGA = Foreign("TGA", "a Truevision picture")
_MULTIPART = Foreign("multipart", "a whole multipart body within another", "send it once")
_AS_TEXT = Foreign("text", "a picture that a program took for text on its way", "send its bytes as they are")
_ARCHIVE = Foreign("archive", "an archive", "take the picture out of it")
_SOUND = Foreign("sound", "a sound and no picture")

# By the bytes that a file begins with.
_BEGINNINGS: tuple[tuple[Foreign, tuple[bytes, ...]], ...] = (
    (Foreign("JPEG XL", "a JPEG XL picture"), (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    (Foreign("JPEG 2000", "a JPEG 2000 picture"), (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")),
    (Foreign("JPEG XR", "a JPEG XR picture"), (b"II\xbc",)),
    (Foreign("PSD", "a Photoshop document"), (b"8BPS",)),
    (Foreign("GIMP", "a GIMP document"), (b"gimp xcf",)),
    (Foreign("PostScript", "a PostScript or EPS document", "export one page"), (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    (RAW_PICTURE, (b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
    (Foreign("PNM", "a PNM picture"), tuple(b"P%d%c" % (kind, end) for kind in range(1, 8) for end in b"\n\r ")),
    (Foreign("OpenEXR", "an OpenEXR picture"), (b"v/1\x01",)),
    (Foreign("Radiance", "a Radiance HDR picture"), (b"#?RADIANCE", b"#?RGBE")),
    (Foreign("DDS", "a DirectDraw texture"), (b"DDS ",)),
    (Foreign("QOI", "a QOI picture"), (b"qoif",)),
    (Foreign("MNG", "an MNG or JNG picture"), (b"\x8aMNG", b"\x8bJNG")),
    (Foreign("DjVu", "a DjVu document", "export one page"), (b"AT&TFORM",)),
    (Foreign("FITS", "a FITS file"), (b"SIMPLE  =",)),
    (Foreign("WMF", "a Windows metafile"), (b"\xd7\xcd\xc6\x9a", b"\1\0\0\0l\0\0\0", b"\1\0\0\0X\0\0\0")),
    (Foreign("Matroska", "a Matroska or WebM video", _MP4.advice), (b"\x1a\x45\xdf\xa3",)),
    (Foreign("Flash", "a Flash video", _MP4.advice), (b"FLV\1",)),
    (Foreign("ASF", "a Windows Media video", _MP4.advice), (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    (Foreign("MPEG", "an MPEG video", _MP4.advice), (b"\0\0\1\xba", b"\0\0\1\xb3")),
    (_SOUND, (b"OggS", b"fLaC", b"ID3", b"\xff\xfb")),
    (Foreign("ZIP", "a ZIP archive or an office document", _ARCHIVE.advice), (b"PK\3\4", b"PK\5\6", b"PK\7\x08")),
    (Foreign("gzip", "compressed by gzip", "unpack it"), (b"\x1f\x8b",)),
    (_ARCHIVE, (b"Rar!\x1a\7", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")),
    (Foreign("Git LFS", "a Git LFS pointer and not the picture", "run git lfs pull"), (b"version https://git-lfs",)),
    (Foreign("HDF5", "an HDF5 file and no picture"), (b"\x89HDF",)),
    (Foreign("NumPy", "a NumPy array and no picture"), (b"\x93NUMPY",)),
    # The signatures of JPEG and PNG read as Latin-1, or as UTF-8 with signs for what is none, and written as UTF-8; PNG
    # with other line ends.
    (_AS_TEXT, (b"\xef\xbf\xbd", b"\xc3\xbf\xc3\x98\xc3\xbf", b"\xc2\x89PNG", b"?PNG", b"\x89PNG\n", b"\x89PNG\r\r")),
)  # fmt: skip
# By the bytes at another place.
_WITHIN = (
    (RAW_PICTURE, 6, b"HEAPCCDR"),
    (Foreign("AVI", "an AVI video", _MP4.advice), 8, b"AVI "),
    (_SOUND, 8, b"WAVE"),
    (Foreign("DICOM", "a DICOM file"), 128, b"DICM"),
    (_ARCHIVE, 257, b"ustar"),
)


def _brands(names: str) -> frozenset[bytes]:
    return frozenset(name.encode().ljust(4) for name in names.split())


# By what a file of ISO's base media format says that it is: first its main brand, then all of them, in this order.
_BRANDS = (
    (_HEIC, _brands("heic heix heim heis hevc hevx hevm hevs")),
    (RAW_PICTURE, _brands("crx")),
    (Foreign("JPEG XL", "a JPEG XL picture"), _brands("jxl")),
    (Foreign("JPEG 2000", "a JPEG 2000 picture"), _brands("jp2 jpx jpm j2ki j2is")),
    (Foreign("JPEG XS", "a JPEG XS picture"), _brands("jxs jxsi jxss")),
    (Foreign("HEIF", "a HEIF picture, compressed by VVC"), _brands("vvic vvis vvim vvms")),
    (Foreign("HEIF", "a HEIF picture, compressed by EVC"), _brands("evbi evbs evmi evms")),
    (Foreign("HEIF", "a HEIF picture, compressed by AVC"), _brands("avci avcs")),
    (Foreign("HEIF", "a HEIF picture, which is a JPEG in another file", "take the JPEG out"), _brands("jpeg jpgs")),
    (_SOUND, _brands("M4A M4B M4P")),
    (
        _MP4,
        _brands(
            "isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 mp71 mmp4 avc1 av01 hvc1 M4V M4VH M4VP qt MSNV "
            "dash msdh cmfc mjp2 mj2s F4V f4v XAVC 3gp4 3gp5 3gp6 3gp7 3gp8 3gp9 3gr6 3gs6 3ge6 3ge7 3g2a 3g2b 3g2c"
        ),
    ),
)
_HEIF = Foreign("HEIF", "a HEIF picture")
_ISO = Foreign("ISO media", "a file of ISO's base media format, of a brand that is not known")
_BOXES = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
# By how a text begins, in small letters, behind blanks and a byte order mark.
_TEXTS = (
    (_HTML, (b"<!doctype html", b"<html", b"<head", b"<body")),
    (_SVG, (b"<svg", b"<!doctype svg")),
    (_PDF, (b"%pdf-",)),
    (Foreign("JSON", "a JSON text, as a server sends it in place of a picture", _HTML.advice), (b"{", b"[")),
    (Foreign("data URL", "a data: URL", "decode what follows its comma"), (b"data:",)),
    (Foreign("base64", "a picture in base64", "decode it"), (b"/9j/", b"ivborw0kggo", b"r0lgod", b"uklgr")),
    (
        Foreign("address", "the address of a file and not the file", "download it"),
        (b"http://", b"https://", b"file://"),
    ),
)
_XML = Foreign("XML", "an XML text, as a server sends it in place of a picture", _HTML.advice)
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_TEXT_BYTES, _PDF_BYTES, _PART_BYTES = 4096, 1024, 256
_TGA_END = b"TRUEVISION-XFILE.\0"
_ICONS = (b"\0\0\1\0", b"\0\0\2\0")


def foreign_of(content: bytes) -> Foreign | None:
    """Return which format that is not read a file is of; None if it is of none that is known."""
    if said := brands(content):
        kinds = (kind for named in (said[:1], said) for kind, own in _BRANDS if not own.isdisjoint(named))
        return next(kinds, _ISO if STRUCTURES.isdisjoint(said) else _HEIF)
    if content[4:8] in _BOXES:
        return _MP4
    if content.startswith(_ICONS) and content[4:5] != b"\0" and content[5:6] == b"\0":
        return _ICON
    by_bytes = (kind for kind, beginnings in _BEGINNINGS if content.startswith(beginnings))
    within = (kind for kind, at, bytes_there in _WITHIN if content[at : at + len(bytes_there)] == bytes_there)
    return (
        next(by_bytes, None) or next(within, None) or _text(content) or (_TGA if content.endswith(_TGA_END) else None)
    )


def refusal(foreign: Foreign) -> str:
    """Return what a file is that is not read, and what to do first."""
    found = f"the file is {foreign.what}, which is not read"
    return f"{found}: {foreign.advice}" if foreign.advice else found


def _text(content: bytes) -> Foreign | None:
    """Return which text it is, behind a byte order mark, blanks, comments and an XML declaration."""
    beginning = content[:_TEXT_BYTES]
    for mark, codec in _MARKS:
        if beginning.startswith(mark):
            beginning = beginning.removeprefix(mark).decode(codec, "ignore").encode(errors="replace")
            break
    beginning = beginning.lstrip().lower()
    if beginning.startswith(b"--") and b"content-disposition" in beginning[:_PART_BYTES]:
        return _MULTIPART
    for kind, beginnings in _TEXTS:
        if beginning.startswith(beginnings):
            return kind
    if beginning.startswith(b"<"):
        # A comment or a declaration may stand before.
        within = ((_HTML, b"<html"), (_SVG, b"<svg"), (_SVG, b":svg"), (_XML, b"<?xml"), (_XML, b"<error"))
        return next((kind for kind, tag in within if tag in beginning), None)
    return _PDF if b"%pdf-" in beginning[:_PDF_BYTES] else None
