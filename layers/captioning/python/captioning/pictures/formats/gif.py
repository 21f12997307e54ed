"""GIF: header and first frame, without comments and applications' own blocks.

Source: GIF89a specification, sections 17 to 26.
"""

import re

from captioning.errors import DamagedPictureError
from captioning.pictures.formats.prepared import Prepared

MAX_SUB_BLOCKS = 200_000
"""Sub-blocks before the first frame; full ones of 255 bytes would be 50 MB."""

_BLOCK = re.compile(rb"[!,;]")
_EXTENSION, _FRAME = b"!", b","
_GRAPHIC_CONTROL = 0xF9
_HEADER = 13
_HAS_COLOURS, _COLOUR_BITS = 0x80, 0x07


def prepare(content: bytes) -> Prepared:
    """See `captioning.pictures.formats.prepare`."""
    if len(content) <= _HEADER:
        raise DamagedPictureError("the picture's header is truncated or broken")
    at = _HEADER
    if content[10] & _HAS_COLOURS:
        at += 3 << ((content[10] & _COLOUR_BITS) + 1)
    header, control = content[:at], b""
    walked = 0
    # Decoders skip bytes that do not begin a block.
    while found := _BLOCK.search(content, at):
        at = found.start()
        if found[0] == _FRAME:
            return Prepared("GIF", header + control + content[at:])
        if found[0] != _EXTENSION:
            break
        label, start, at = content[at + 1 : at + 2], at, at + 2
        while size := content[at : at + 1]:
            at += 1 + size[0]
            walked += 1
            if walked > MAX_SUB_BLOCKS:
                raise DamagedPictureError(f"the picture has more than {MAX_SUB_BLOCKS} GIF sub-blocks before its frame")
            if size == b"\x00":
                break
        if label and label[0] == _GRAPHIC_CONTROL:
            # The last one before a frame is the frame's.
            control = content[start:at]
    raise DamagedPictureError("the picture is truncated or broken: it is a GIF without a frame")
