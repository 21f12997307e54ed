"""Compressed bodies: requests that come so are decompressed, and answers are compressed where no gateway does it.

REST APIs do both themselves (`MinimumCompressionSize` in the template). HTTP APIs, function URLs and load balancers do
neither.
"""

import zlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import gateways, problems

LARGEST_BODY = 10 * 1024 * 1024
"""Bytes of a decompressed body: what API Gateway takes of one that is not compressed."""

SMALLEST_ANSWER = 1024
"""Bytes from which answers are compressed: as MinimumCompressionSize in the template."""

_MOST_MEMBERS = 64
"""Of a gzip file, whose members each cost a copy of what follows."""

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""What zlib is told to expect, per content coding."""

_BARE_WINDOW = -15
"""The same for deflate without zlib's header: RFC 1951 alone, where RFC 9110, 8.4.1.2, asks for RFC 1950."""

_GZIP = b"\x1f"


class BodyError(ValueError):
    """A body cannot be decompressed; `status` and `detail` are what the caller is told."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class RequestDecompression:
    """Middleware that decompresses a request's body by its Content-Encoding, within `LARGEST_BODY`.

    A coding that is not gzip or deflate is a 415 that names it. A body that is too large is a 413, one that is damaged
    a 400. A body that says it is compressed and is not is taken as it is: API Gateway has decompressed it already.
    Deflate may come without zlib's header, as some clients send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the ASGI interface."""
        coding = _header(scope, b"content-encoding") if scope["type"] == "http" else ""
        if coding in {"", "identity"}:
            await self._app(scope, receive, send)
            return
        try:
            body = decompressed(await _read(receive), coding)
        except BodyError as refusal:
            # RFC 9110, 15.5.16: the codings that would have been taken.
            headers = {"Accept-Encoding": "gzip, deflate"} if refusal.status == 415 else {}  # noqa: PLR2004
            await problems.problem(refusal.status, refusal.detail, headers=headers)(scope, receive, send)
            return
        kept = [pair for pair in scope["headers"] if pair[0] not in {b"content-encoding", b"content-length"}]
        length = (b"content-length", str(len(body)).encode())
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return given.pop() if given else await receive()

        await self._app({**scope, "headers": [*kept, length]}, again, send)


class AnswerCompression:
    """Middleware that compresses answers of `SMALLEST_ANSWER` bytes or more by gzip, unless the gateway will."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the ASGI interface."""
        app = self._app
        if scope["type"] == "http" and not gateways.is_compressed_by_the_gateway(scope.get("aws.event", {})):
            # The deployed stack's gateway is a REST API, whose functions do without it.
            from starlette.middleware.gzip import GZipMiddleware  # noqa: PLC0415

            app = GZipMiddleware(app, minimum_size=SMALLEST_ANSWER)
        await app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str:
    return b",".join(value for key, value in scope["headers"] if key == name).decode("latin-1").strip().lower()


async def _read(receive: Receive) -> bytes:
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


def decompressed(body: bytes, coding: str) -> bytes:
    """Return `body` without its content coding, and as it is if it is not in that coding.

    Raises:
        BodyError: 415 for a coding that is not gzip or deflate, 413 for a body of over `LARGEST_BODY` bytes, 400 for
            one that is damaged.
    """
    if coding not in _WINDOWS:
        raise BodyError(415, f"the body's Content-Encoding must be gzip or deflate, not {coding[:100]}")
    wrapped = body[:1] == _GZIP if coding != "deflate" else _is_zlib(body)
    if not wrapped:
        return _bare(body) if coding == "deflate" else body
    pieces, size = [], 0
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_WINDOWS[coding])
        try:
            piece = member.decompress(body, LARGEST_BODY + 1 - size)
        except zlib.error as error:
            raise BodyError(400, f"the body is not {coding}, or was changed on its way: {error}") from None
        size += len(piece)
        pieces.append(piece)
        if size > LARGEST_BODY:
            raise _too_large()
        if not member.eof:
            raise BodyError(400, f"the body is not whole: its {coding} ends too early")
        body = member.unused_data
        if not body:
            return b"".join(pieces)
    raise BodyError(400, f"the body has over {_MOST_MEMBERS} gzip members; send it as one")


def _bare(body: bytes) -> bytes:
    """Return a body that is deflated and has no header; one that is none, whole and to its last byte, as it is."""
    member = zlib.decompressobj(_BARE_WINDOW)
    try:
        found = member.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        return body
    if len(found) > LARGEST_BODY:
        raise _too_large()
    return found if member.eof and not member.unused_data else body


def _too_large() -> BodyError:
    return BodyError(413, f"the body has over {LARGEST_BODY // 2**20} MiB once it is decompressed")


def _is_zlib(body: bytes) -> bool:
    """Tell whether `body` begins with the header of RFC 1950, which neither JSON nor multipart does."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
