"""The picture in a request: the bytes of its part, however a client wrapped them.

A picture in base64, with or without the beginning of a data: URL, is decoded, because no picture that is read begins
like either. A text in a picture's place is refused as the text that it is.
"""

import binascii
import re
from base64 import b64decode, urlsafe_b64decode

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from captioning.pictures.formats.signatures import format_of
from web.multipart import FormPart, read_part

NAME = "file"
"""The name of the part."""

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [NAME],
                    "properties": {
                        NAME: {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            # As in OpenAPI 3.0: tools still need it to offer a file chooser.
                            "format": "binary",
                        }
                    },
                }
            }
        },
    }
}
"""The body in the OpenAPI document."""

_DATA_URL = re.compile(rb"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
_BASE64 = re.compile(rb"[0-9A-Za-z+/_-]{8,64}")
_MOST_TEXT = 2_000


async def picture_part(request: Request) -> FormPart:
    """Return the picture's part, its content decoded. A dependency of routes.

    Raises:
        HTTPException, RequestValidationError: as `web.multipart.read_part`; or the part has a text.
    """
    part = await read_part(request, NAME)
    content = _unwrapped(part.content)
    if not part.filename and format_of(content) is None and _is_text(content):
        raise _invalid("has a text and no picture: send the file's bytes; with curl that is -F file=@picture.jpg")
    return FormPart(content, part.filename)


def _unwrapped(content: bytes) -> bytes:
    if url := _DATA_URL.match(content):
        if (decoded := _from_base64(content[url.end() :])) is None:
            raise _invalid("begins as a data: URL, and what follows is not base64")
        return decoded
    beginning = _BASE64.match(content.lstrip()[:64])
    if beginning and format_of(content) is None:
        # Four signs are three bytes.
        start = _from_base64(beginning[0][: len(beginning[0]) // 4 * 4])
        if start and format_of(start):
            return _from_base64(content) or content
    return content


def _from_base64(content: bytes) -> bytes | None:
    """Decode base64 of either alphabet, with or without line breaks and filling; None if it is something else."""
    signs = b"".join(content.split()).rstrip(b"=")
    signs += b"=" * (-len(signs) % 4)
    try:
        return urlsafe_b64decode(signs) if b"-" in signs or b"_" in signs else b64decode(signs, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_text(content: bytes) -> bool:
    try:
        return 0 < len(content) <= _MOST_TEXT and content.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _invalid(message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", NAME), "msg": message, "input": NAME}])
