"""What is no picture that is read is named, with what to send instead."""

import gzip

import pytest

from captioning.errors import NotAPictureError
from captioning.pictures.formats import name_of, prepare
from tests.support.handwritten import encoded, photograph

JPEG, PNG = (encoded(photograph(), kind) for kind in ("JPEG", "PNG"))
FILES: dict[str, tuple[bytes, str, str]] = {
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(90), "HEIC", "HEIC"),
    "HEIC by a compatible brand": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "HEIC", "HEIC"),
    "HEIC with AVIF beside": (b"\0\0\0\x1cftypheic\0\0\0\0mif1avif" + bytes(90), "HEIC", "HEIC"),
    "a sequence of HEIC": (b"\0\0\0\x18ftyphevc\0\0\0\0msf1hevc", "HEIC", "HEIC"),
    "HEIC by an unknown brand's side": (b"\0\0\0\x18ftypmif2\0\0\0\0miafheix", "HEIC", "HEIC"),
    "a video with pictures beside": (b"\0\0\0\x18ftypisom\0\0\0\0mp42heic", "MP4", "take one frame"),
    "HEIF by VVC": (b"\0\0\0\x18ftypvvic\0\0\0\0mif1vvic", "HEIF", "a HEIF picture, compressed by VVC"),
    "HEIF by VVC, by a compatible brand": (b"\0\0\0\x18ftypmif1\0\0\0\0miafvvic", "HEIF", "by VVC"),
    "HEIF by JPEG 2000": (b"\0\0\0\x18ftypj2ki\0\0\0\0mif1j2ki", "JPEG 2000", "a JPEG 2000 picture"),
    "HEIF by JPEG": (b"\0\0\0\x18ftypjpeg\0\0\0\0mif1jpeg", "HEIF", "take the JPEG out"),
    "HEIF by AVC": (b"\0\0\0\x18ftypavci\0\0\0\0mif1avci", "HEIF", "compressed by AVC"),
    "HEIF that says no codec": (b"\0\0\0\x14ftypmif2\0\0\0\0mif2", "HEIF", "a HEIF picture"),
    "ISO media of another kind": (b"\0\0\0\x18ftypabcd\0\0\0\0efghijkl", "ISO media", "brand that is not known"),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(50), "RAW", "develop it"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", "RAW", "develop it"),
    "ORF": (b"IIRO\x08\0\0\0" + bytes(30), "RAW", "develop it"),
    "RW2": (b"IIU\0\x18\0\0\0" + bytes(30), "RAW", "develop it"),
    "JPEG XL": (b"\xff\x0a" + bytes(90), "JPEG XL", "JPEG XL"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JPEG XL", "JPEG XL"),
    "JPEG 2000": (b"\xff\x4f\xff\x51" + bytes(50), "JPEG 2000", "JPEG 2000"),
    "JPEG 2000 in boxes": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000", "JPEG 2000"),
    "PSD": (b"8BPS\0\1" + bytes(40), "PSD", "Photoshop"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "export it as pixels"),
    "SVG behind a mark and comments": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "SVG", "export"),
    "SVG in UTF-16": ("<?xml version='1.0'?><svg/>".encode("utf-16"), "SVG", "export it as pixels"),
    "SVG with a prefix": (b"<?xml version='1.0'?><s:svg xmlns:s='x'/>", "SVG", "export it as pixels"),
    "compressed SVG": (gzip.compress(b"<svg/>"), "gzip", "unpack it"),
    "PDF": (b"%PDF-1.7\n", "PDF", "export one page"),
    "PDF behind other bytes": (b"\n\nfrom a printer\n%PDF-1.4", "PDF", "export one page"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF", "PostScript", "export one page"),
    "MP4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "MP4", "take one frame"),
    "QuickTime": (b"\0\0\0\x14ftypqt  " + bytes(9), "MP4", "take one frame"),
    "old QuickTime": (b"\0\0\1\0moov" + bytes(30), "MP4", "take one frame"),
    "Matroska": (b"\x1a\x45\xdf\xa3" + bytes(40), "Matroska", "take one frame"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "AVI", "take one frame"),
    "ZIP": (b"PK\3\4" + bytes(30), "ZIP", "take the picture out"),
    "a tape archive": (bytes(257) + b"ustar\0" + bytes(300), "archive", "take the picture out"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404<svg/></body></html>", "HTML", "download the picture"),
    "a server's XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML", "download the picture"),
    "a server's JSON": (b'{"error": "not found"}', "JSON", "download the picture"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS", "git lfs pull"),
    "an icon": (b"\0\0\1\0\1\0\x10\x10", "ICO", "icon"),
    "PNM": (b"P5\n2 2\n255\n", "PNM", "PNM"),
    "OpenEXR": (b"v/1\x01", "OpenEXR", "OpenEXR"),
    "DICOM": (bytes(128) + b"DICM", "DICOM", "DICOM"),
    "a sound": (b"RIFF\0\0\0\0WAVEfmt ", "sound", "sound"),
    "a JPEG as text": (JPEG.decode("utf-8", "replace").encode(), "text", "send its bytes as they are"),
    "a JPEG as Latin-1": (JPEG.decode("latin-1").encode(), "text", "send its bytes as they are"),
    "a PNG as text": (PNG.decode("latin-1").encode(), "text", "send its bytes as they are"),
    "a PNG with other line ends": (PNG.replace(b"\r\n", b"\n"), "text", "send its bytes as they are"),
    "a whole body": (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + JPEG, "multipart", "send it once"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_named_with_what_to_send_instead(name: str) -> None:
    content, short, words = FILES[name]
    with pytest.raises(NotAPictureError) as caught:
        prepare(content)
    assert words in caught.value.found
    assert "which is not read" in caught.value.found
    assert str(caught.value).endswith("; save it as an ordinary JPEG or PNG")
    assert name_of(content) == short


@pytest.mark.parametrize("main", [b"mif1", b"mif2", b"msf1", b"miaf", b"MA1B"])
def test_avif_may_say_so_by_a_compatible_brand_alone(main: bytes) -> None:
    assert name_of(b"\0\0\0\x1cftyp" + main + b"\0\0\0\0mif1avifmiaf" + bytes(90)) == "AVIF"


@pytest.mark.parametrize("content", [b"", b"\0", b"a text", bytes(900), b"RIFF\0\0\0\0CDDA", b"<", b"--"])
def test_what_nobody_knows_has_no_name(content: bytes) -> None:
    assert name_of(content) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_what_is_read_has_its_formats_name(kind: str) -> None:
    assert name_of(encoded(photograph(), kind)) == kind
