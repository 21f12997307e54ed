"""Signatures: the format that a file begins as, of those that are read."""

_SIGNATURES = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    # Some programs write the number after the letters in the byte order that the letters do not name.
    "TIFF": (b"II*\x00", b"MM\x00*", b"II\x00*", b"MM*\x00", b"II+\x00", b"MM\x00+"),
    "BMP": (b"BM",),
}
_RIFF, _WEBP = b"RIFF", b"WEBP"
_AVIF = frozenset((b"avif", b"avis"))
STRUCTURES = frozenset(
    (b"mif1", b"mif2", b"msf1", b"miaf", b"MiPr", b"MiHB", b"MiHE", b"MA1A", b"MA1B", b"1pic", b"pred")
)
"""Brands that say how the pictures of a HEIF file lie in it, and not by which codec they are compressed."""
_MOST_BRANDS = 64


def format_of(content: bytes) -> str | None:
    """Return Pillow's name of the format that a file begins as; None if that format is not supported."""
    if content.startswith(_RIFF) and content[8:12] == _WEBP:
        return "WEBP"
    main, *others = brands(content) or (b"",)
    if main in _AVIF or (main in STRUCTURES and not _AVIF.isdisjoint(others)):
        return "AVIF"
    return next((name for name, signatures in _SIGNATURES.items() if content.startswith(signatures)), None)


def brands(content: bytes) -> tuple[bytes, ...]:
    """Return what a file of ISO's base media format says that it is, the main brand first; none for other files.

    Source: ISO/IEC 14496-12, section 4.3.
    """
    if content[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(content[:4], "big"), 16 + 4 * _MOST_BRANDS)
    return tuple(content[at : at + 4] for at in (8, *range(16, end, 4)))
