"""Multipart bodies: one part, read in memory, in the forms in which clients really send it.

A file and a text field are alike here, of any size that arrives, with or without a file's name. One that says it is
in base64 or quoted-printable is decoded. What stands before the first boundary is passed over, and headers may be
folded (RFC 2046, RFC 5322). An end mark that is missing is no error: whether the content is whole, its own format
knows. All else is refused in our words. Compressed bodies arrive here decompressed (`web.compression`).
"""

import binascii
import quopri
import re
import sys
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from web import text
from web.application import require_media_type

MAX_PARTS = 1_000
MAX_HEADERS = 64
"""Of a part."""
MAX_HEADER_BYTES = 16_384
"""Of all headers of a part."""
MAX_BOUNDARY_BYTES = 256
"""RFC 2046 allows 70."""

_UTF_8 = frozenset(("utf-8", "utf8", "us-ascii"))
_PLAIN = frozenset(("", "7bit", "8bit", "binary"))
_MOST_NAMES = 5
_FOLD = re.compile(rb"\r\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class FormPart:
    """A part of a body: its content, and the name of the file that it was; empty if it was none, or has none."""

    content: bytes
    filename: str


@dataclass(slots=True)
class _Parts:
    """The parts of a body, of which only those of one name keep their content."""

    wanted: str
    found: list[FormPart] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    count: int = 0
    _header_count: int = 0
    _header_bytes: int = 0
    _headers: dict[str, bytes] = field(default_factory=dict)
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _filename: str = ""
    _encoding: str = ""
    _content: bytearray | None = None

    def callbacks(self) -> dict[str, Callable[..., Any]]:
        """Return the parser's callbacks, by their names."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._begin_header,
            "on_header_field": lambda data, start, end: self._extend(self._header[0], data, start, end),
            "on_header_value": lambda data, start, end: self._extend(self._header[1], data, start, end),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add,
            "on_part_end": self.end,
        }

    def end(self) -> None:
        """Take what there is for the whole part."""
        if self._content is not None:
            self.found.append(FormPart(_decoded(bytes(self._content), self._encoding, self.wanted), self._filename))
        self._content = None

    def _begin(self) -> None:
        self.count += 1
        if self.count > MAX_PARTS:
            raise HTTPException(400, f"the body has more than {MAX_PARTS:,} parts")
        self._headers = {}
        self._header_count = self._header_bytes = 0

    def in_headers(self) -> bool:
        """Return whether the last part's headers have begun, and not ended."""
        return self._header_count > 0

    def _begin_header(self) -> None:
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            raise HTTPException(400, f"a part of the body has more than {MAX_HEADERS} headers")

    def _extend(self, header: bytearray, data: bytes, start: int, end: int) -> None:
        self._header_bytes += end - start
        if self._header_bytes > MAX_HEADER_BYTES:
            raise _headers_too_long()
        header += memoryview(data)[start:end]

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = bytearray(), bytearray()

    def _end_headers(self) -> None:
        self._header_count = 0
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = text.decode(options.get(b"name", b""))
        self.names.append(name)
        if name == self.wanted:
            self._filename = text.decode(options.get(b"filename", b""))
            self._encoding = self._headers.get("content-transfer-encoding", b"").decode("latin-1").strip().lower()
            self._content = bytearray()

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._content is not None:
            self._content += memoryview(data)[start:end]


async def read_part(request: Request, name: str) -> FormPart:
    """Return the part called `name` of a multipart/form-data body.

    Raises:
        HTTPException: 400 if the body cannot be read, 415 for a content type or charset that is not read, 422 if there
            are several such parts.
        RequestValidationError: there is no such part, or it is not encoded as it says.
    """
    require_media_type(request, "multipart/form-data", missing_is_fine=False)
    _, options = parse_options_header(request.headers["content-type"])
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in _UTF_8:
        raise HTTPException(415, f"the body's charset must be UTF-8, not {charset}")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise HTTPException(
            400, "the content type has no boundary; leave that header to the client's library, which knows it"
        )
    if len(boundary) > MAX_BOUNDARY_BYTES:
        raise HTTPException(
            400,
            f"the content type's boundary has {len(boundary):,} characters; at most {MAX_BOUNDARY_BYTES} are read, and "
            "RFC 2046 allows 70",
        )
    parts = _parse(await request.body(), boundary, name)
    if not parts.found:
        raise _invalid(name, "is required: " + _missing(parts))
    if len(parts.found) > 1:
        raise HTTPException(422, f"{name}: one at a time, not {len(parts.found)}")
    return parts.found[0]


def _parse(body: bytes, boundary: bytes, wanted: str) -> _Parts:
    parts = _Parts(wanted)
    try:
        # Its limits have no words of their own: ours are in the callbacks.
        parser = MultipartParser(
            boundary,
            parts.callbacks(),  # type: ignore[arg-type]
            max_header_count=sys.maxsize,
            max_header_size=sys.maxsize,
        )
        parser.write(_unfolded(_behind_preamble(body, boundary), boundary))
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(
            400,
            "the body is not multipart/form-data: each part begins with the content type's boundary, headers and an "
            "empty line, and all lines end with CR and LF",
        ) from error
    if parts.in_headers():
        raise HTTPException(400, "the body ends within the headers of a part: send it whole")
    # The last part, if the closing boundary is missing.
    parts.end()
    return parts


def _behind_preamble(body: bytes, boundary: bytes) -> bytes:
    """Return the body from its first boundary on, if it has one."""
    first = re.search(rb"(?:\A|\n)(--" + re.escape(boundary) + rb"(?:--)?)([ \t]*)(?=\r\n|\Z)", body)
    # White space behind a boundary is padding, which the parser does not know at the first one.
    return body if first is None or not (first.start() or first[2]) else first[1] + body[first.end() :]


def _unfolded(body: bytes, boundary: bytes) -> bytes:
    """Return the body with each header of its parts in one line. Raises HTTPException, as `read_part`."""
    delimiter = b"--" + boundary + b"\r\n"
    pieces: list[bytes] = []
    taken = 0
    place = len(delimiter) if body.startswith(delimiter) else -1
    for _ in range(MAX_PARTS):
        if place < 0:
            break
        # A fold is three bytes at the most beside what it folds.
        bound = place + 4 * MAX_HEADER_BYTES
        end = body.find(b"\r\n\r\n", place - 2, bound)
        if end < 0 and bound < len(body):
            raise _headers_too_long()
        if end >= 0 and _FOLD.search(body, place, end):
            pieces += [body[taken:place], _FOLD.sub(b"", body[place:end])]
            taken = end
        found = body.find(b"\r\n" + delimiter, place - 2)
        place = found + 2 + len(delimiter) if found >= 0 else -1
    return b"".join((*pieces, body[taken:])) if pieces else body


def _headers_too_long() -> HTTPException:
    return HTTPException(400, f"the headers of a part of the body have more than {MAX_HEADER_BYTES:,} bytes")


def _missing(parts: _Parts) -> str:
    named = [repr(name) for name in parts.names if name][:_MOST_NAMES]
    if named:
        return f"the body has a part named {', '.join(named)}"
    return "the body's parts have no name" if parts.count else "the body has no part with the content type's boundary"


def _invalid(name: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", name), "msg": message, "input": name}])


def _decoded(content: bytes, encoding: str, name: str) -> bytes:
    """Return a part's content as it was before its Content-Transfer-Encoding."""
    if encoding in _PLAIN:
        return content
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    if encoding != "base64":
        raise _invalid(name, f"has the Content-Transfer-Encoding {encoding}; send it as it is, or in base64")
    try:
        return b64decode(b"".join(content.split()), validate=True)
    except binascii.Error as error:
        raise _invalid(name, "is not base64, as its Content-Transfer-Encoding says") from error
