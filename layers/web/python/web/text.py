r"""Text is UTF-8: text that UTF-8 cannot encode is replaced or refused here, wherever it comes from.

A Python string can hold half of a surrogate pair, which JSON can express (`"\ud800"`) and lenient decoders let through.
Such a string cannot be stored, sent or logged.

| Source | What happens |
| --- | --- |
| an event: path, query, headers, a body of text | halves are replaced by U+FFFD: `readable` |
| JSON | a body that has halves is refused with 400: `has_halves` |
| multipart names and file names | they are decoded as UTF-8; bytes that are not UTF-8 are replaced: `decode` |
| logs and problems that are sent | halves are replaced: `replaced` |
"""

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
_PERHAPS_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What every body with half a pair matches, escaped or not; bodies with whole pairs may match too."""


def replaced(text: str) -> str:
    """Return `text` with U+FFFD in place of every half of a surrogate pair."""
    return _HALF.sub("\ufffd", text)


def readable(value: Any) -> Any:
    """Return a JSON value with every text in it as `replaced` returns it; texts without halves are not copied."""
    match value:
        case str():
            if value.isascii():  # a flag of the string: no scan, even of a picture in base64
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
    """Tell whether `body` is JSON and has a text with half of a surrogate pair in it."""
    if not ((b"\\u" in body or b"\xed" in body) and _PERHAPS_HALF.search(body)):
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        # Not JSON, or nested too deeply: refused elsewhere for that.
        return False
    return False


def decode(written: bytes) -> str:
    """Decode a name as UTF-8, whatever the caller says: it could name any codec of Python's."""
    return written.decode("utf-8", errors="replace")
