"""The ASGI application: reads a request, asks the gateway or the bucket, writes the response.

If a request can be answered by its head, its body is discarded as it arrives. Bodies are read within the memory of
their lane and within time limits. If a caller disconnects, its call is dropped unless it has begun.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from starlette.types import Receive, Scope, Send

from local import meters, upload_forms
from local.events import Request, Response
from local.functions import INTEGRATION_TIMEOUT
from local.gateway import REQUEST_LIMIT, Gateway
from local.lanes import Lane, LaneFullError, LaneStoppedError, Room
from local.limits import Limits
from local.meters import Meters
from local.upload_forms import UploadForms

_DRAINED = 16 * REQUEST_LIMIT
"""Bytes of a refused body that are still read if the caller wants the connection closed after the answer. If it were
closed earlier, it would be reset, and the caller would see a broken pipe and not the answer."""


_OWN = frozenset({upload_forms.PATH, meters.PATH})
"""The paths that are the local stack's own, and in no template."""

_READ = frozenset({"GET", "HEAD"})
"""The methods that read a page; the body of an answer to HEAD is left out in the end."""


class _GoneError(Exception):
    """The caller has disconnected."""


class _RefusedError(Exception):
    """The request is answered without its body, or without all of it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Application:
    """The gateway and beside it the `meters`, and, if a folder is the bucket, its `forms` on a lane of their own."""

    def __init__(
        self,
        gateway: Gateway,
        forms: UploadForms | None,
        forms_lane: Lane,
        *,
        log: Logger,
        limits: Limits,
        meters: Meters,
    ) -> None:
        self._gateway = gateway
        self._forms = forms
        self._forms_lane = forms_lane
        self._log = log
        self._limits = limits
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the ASGI interface."""
        exchange, began = _Exchange(scope, receive, self._limits), time.perf_counter()
        try:
            response = await self._answer(exchange)
        except _GoneError:
            return
        except asyncio.CancelledError:
            # The server stops, and the time for calls in progress is over.
            response = self._gateway.unavailable()
        except Exception:  # noqa: BLE001  (a defect of ours ends one request and not the server)
            self._log.exception("a request failed")
            response = self._gateway.failed()
        self._measure(exchange.head, response, time.perf_counter() - began)
        await _send(response, send, last=exchange.ends_connection(), of_head=exchange.head.method == "HEAD")

    def _measure(self, head: Request, response: Response, seconds: float) -> None:
        own = head.path if head.path in _OWN else None
        self._meters.answered(head.method, own or self._gateway.resource(head), response.status, seconds)

    async def _answer(self, exchange: "_Exchange") -> Response:
        head = exchange.head
        forms = self._forms if (head.method, head.path) == ("POST", upload_forms.PATH) else None
        if self._forms and (head.method, head.path) == ("OPTIONS", upload_forms.PATH):
            return self._forms.preflight(head)
        try:
            if head.path == meters.PATH and head.method in _READ:
                return self._gateway.admit_own(head) or self._meters.page(head.header("accept"))
            return await (self._ask(exchange) if forms is None else self._post(exchange, forms))
        except _RefusedError as refusal:
            await exchange.drain()
            return refusal.response

    async def _ask(self, exchange: "_Exchange") -> Response:
        found = self._gateway.admit(exchange.head)
        if isinstance(found, Response):
            raise _RefusedError(found)
        gateway = self._gateway
        bounds = _Bounds(found.lane.room, REQUEST_LIMIT, gateway.too_large, gateway.crowded, gateway.late)
        async with exchange.request(bounds) as request:
            return await exchange.unless_gone(gateway.pass_on(found, request))

    async def _post(self, exchange: "_Exchange", forms: UploadForms) -> Response:
        lane = self._forms_lane
        if lane.full:
            raise _RefusedError(forms.crowded())
        bounds = _Bounds(lane.room, upload_forms.LIMIT, forms.too_large, forms.crowded, forms.late)
        async with exchange.request(bounds) as request:

            def posted() -> Response:
                return asyncio.get_event_loop().run_until_complete(forms.answer(request))

            try:
                return await exchange.unless_gone(lane.run(posted, seconds=INTEGRATION_TIMEOUT))
            except (LaneFullError, LaneStoppedError, TimeoutError):
                return forms.crowded()


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The memory and the limit, in bytes, for a body; and the answers if it is larger, does not fit, or is late."""

    room: Room
    limit: int
    too_large: Callable[[], Response]
    crowded: Callable[[], Response]
    late: Callable[[], Response]


class _Exchange:
    """One request while it arrives; `head` is the request without its body."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.head = _head(scope)
        self._receive = receive
        self._limits = limits
        self._declared = int(self.head.header("content-length") or 0)
        self._coming = self._declared > 0 or bool(self.head.header("transfer-encoding"))
        self._uninvited = self.head.header("expect").lower() == "100-continue"
        self._late = False
        self._last = scope["http_version"] == "1.0" or "close" in self.head.header("connection").lower()

    @asynccontextmanager
    async def request(self, bounds: _Bounds) -> AsyncIterator[Request]:
        """Receive the whole request; its body counts as used memory while the context lasts.

        Raises:
            _RefusedError: the body is too large, does not fit into the memory, or does not arrive in time.
            _GoneError: the caller disconnected.
        """
        held = 0
        try:
            if self._declared > bounds.limit:
                raise _RefusedError(bounds.too_large())
            if not bounds.room.fits(self._counted(self._declared)):
                raise _RefusedError(bounds.crowded())
            body = bytearray()
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    while self._coming:
                        piece = await self._piece()
                        size = len(body) + len(piece)
                        if size > bounds.limit:
                            raise _RefusedError(bounds.too_large())
                        if not bounds.room.take(self._counted(size) - held):
                            raise _RefusedError(bounds.crowded())
                        held = self._counted(size)
                        body += piece
            except TimeoutError:
                self._late = True
                raise _RefusedError(bounds.late()) from None
            yield replace(self.head, body=bytes(body))
        finally:
            bounds.room.give_back(held)

    async def unless_gone(self, answer: Coroutine[Any, Any, Response]) -> Response:
        """Wait for the answer, and return it.

        Raises:
            _GoneError: the caller disconnected first.
        """
        answering = asyncio.ensure_future(answer)
        gone = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise _GoneError
            return answering.result()
        finally:
            answering.cancel()
            gone.cancel()

    async def drain(self) -> None:
        """Read the rest of the body, within limits, if the caller wants the connection closed after the answer.

        If the connection stays open, the answer is sent first and the protocol discards the rest.
        """
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.body_seconds):
                while self._last and self._coming and not (self._uninvited or self._late) and size <= _DRAINED:
                    size += len(await self._piece())

    def ends_connection(self) -> bool:
        """Tell whether to close the connection after the answer: the body is late, or was never asked for."""
        return self._late or (self._uninvited and self._coming)

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _piece(self) -> bytes:
        self._uninvited = False
        async with asyncio.timeout(self._limits.body_pause_seconds):
            message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        self._coming = message["more_body"]
        body: bytes = message["body"]
        return body

    def _counted(self, size: int) -> int:
        return max(0, size - self._limits.free_bytes)


def _head(scope: Scope) -> Request:
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=unquote(scope["raw_path"].decode("ascii", errors="replace").partition("?")[0]),
        query=scope["query_string"].decode("ascii", errors="replace"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
        body=b"",
        client=client[0] if client else "127.0.0.1",
    )


async def _send(response: Response, send: Send, *, last: bool, of_head: bool) -> None:
    # What a GET would have sent is not known any more where the function has left the body out.
    unknown = of_head or response.status == HTTPStatus.NOT_MODIFIED
    length = [] if unknown else [(b"content-length", str(len(response.body)).encode("ascii"))]
    headers = [
        *((name.encode("latin-1"), value.encode("latin-1", errors="replace")) for name, value in response.headers),
        *length,
        *([(b"connection", b"close")] if last else []),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if of_head else response.body})
