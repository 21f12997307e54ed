r"""Text is UTF-8: text that UTF-8 cannot encode is replaced or refused here, wherever it comes from.

Python's texts can hold halves of surrogate pairs, which JSON can spell (`"\ud800"`) and lenient decoders let through.
Nothing can store, answer or log them.

| Source | What happens |
| --- | --- |
| an event: path, query, headers, a body of text | halves are replaced by U+FFFD: `readable` |
| JSON | a body that has halves is refused with 400: `has_halves` |
| multipart names, file names and fields | are decoded as UTF-8, what is not is replaced: `decode` |
| logs and problems on their way out | halves are replaced: `replaced` |
"""

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
_PERHAPS_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What a body with half a pair has in it, escaped or not; whole pairs are escaped so too."""


def replaced(text: str) -> str:
    """`text` with U+FFFD in place of every half of a surrogate pair."""
    return _HALF.sub("\ufffd", text)


def readable(value: Any) -> Any:
    """`value`, of a JSON document, with every text in it as `replaced` has it; what is fine is not copied."""
    match value:
        case str():
            if value.isascii():  # which Python knows without looking, of pictures in base64 too
                return value
            try:
                value.encode()
            except UnicodeEncodeError:
                return replaced(value)
        case dict():
            return {readable(name): readable(member) for name, member in value.items()}
        case list():
            return [readable(member) for member in value]
    return value


def has_halves(body: bytes) -> bool:
    """Whether `body`, if it is JSON, has a text with half a surrogate pair in it."""
    if not ((b"\\u" in body or b"\xed" in body) and _PERHAPS_HALF.search(body)):
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        # Not JSON, or deeper than it is read: refused as that.
        return False
    return False


_BYTES_AS_THEY_ARE = "iso8859-1"


def decode(src: bytes | bytearray, codec: str) -> str:
    """`src` as UTF-8, whatever `codec` is asked for: a caller may ask for any that Python has.

    Latin-1, by the name that Python gives it, alone is taken at its word. It has a character for every byte and no
    halves, so that the local stack gets a form's bytes as they are.
    """
    return src.decode(codec) if codec == _BYTES_AS_THEY_ARE else src.decode("utf-8", errors="replace")
