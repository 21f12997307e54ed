"""Connections: how many are open at most, how long each may take, and how they are closed.

This is uvicorn's protocol over h11, which has no time limit for a request's head, for the rest of a body after an early
answer, and for callers who do not read. When the server is full, a new connection replaces the one that has been
longest without a request; if all have requests, the new one gets a 503 and is closed.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from local.events import Response
from local.limits import Limits

_PATIENCE = 1.0
"""Seconds without a request after which a new connection may replace this one."""

_LINGER = 1.0
"""Seconds within which the other end may read the last answer of a connection."""


class _Phase(Enum):
    IDLE = auto()
    """Kept open, without a byte of another request."""
    HEAD = auto()
    """New, or in the middle of a request's head."""
    REQUEST = auto()
    """A request is being read or answered; the application limits its time."""
    REST = auto()
    """Answered; the rest of the body is discarded as it arrives."""
    PARTING = auto()
    """The last answer is sent; further bytes are discarded until the other end has read it. If the connection were
    closed with bytes unread, it would be reset and the answer lost."""


class Connections:
    """The connections of one server, and the factory of their protocol: `Config(http=connections.accept)`.

    `unavailable`, `late` and `malformed` make the answers that a connection sends without a request.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        unavailable: Callable[[], Response],
        late: Callable[[], Response],
        malformed: Callable[[], Response],
    ) -> None:
        self.limits = limits
        self.unavailable = unavailable
        self.late = late
        self.malformed = malformed
        self._open: set[Connection] = set()
        self._refused: set[_Refused] = set()
        self._sweeping = False

    def accept(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "Connection":
        """Make the protocol of a new connection."""
        return Connection(self, config, server_state, app_state, _loop)

    def enter(self, connection: "Connection") -> bool:
        """Count a new connection among the open ones; return False if there are too many."""
        if len(self._open) >= self.limits.connections and not self._make_room():
            return False
        self._open.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self._sweep_later()
        return True

    def leave(self, connection: "Connection") -> None:
        """Count a connection as closed."""
        self._open.discard(connection)

    def refuse(self, transport: asyncio.Transport) -> None:
        """Answer a connection over the limit with 503, unless too many get this answer already; then only close it."""
        if len(self._refused) >= self.limits.refusals:
            # No protocol needs to hear that a connection that never began was lost.
            transport.set_protocol(asyncio.Protocol())
            transport.abort()
            return
        refused = _Refused(transport, self._refused)
        transport.set_protocol(refused)
        transport.write(raw(self.unavailable()))
        transport.write_eof()

    def _make_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        waiting = [one for one in self._open if one.waits(now - _PATIENCE)]
        if not waiting:
            return False
        longest = min(waiting, key=lambda one: one.since)
        longest.transport.abort()
        self._open.discard(longest)
        return True

    def _sweep_later(self) -> None:
        limits = self.limits
        shortest = min(limits.head_seconds, limits.idle_seconds, limits.body_seconds, limits.write_pause_seconds)
        asyncio.get_running_loop().call_later(min(1.0, shortest / 4), self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            connection.look(now)
        self._sweeping = bool(self._open)
        if self._sweeping:
            self._sweep_later()


class Connection(H11Protocol):
    """One connection, with the limits of `connections`."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.since = 0.0
        self._connections = connections
        self._phase = _Phase.HEAD
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless too many connections are open."""
        # Head and body are two writes. By Nagle's algorithm the second would wait until the other end acknowledges the
        # first, which it delays by 40 ms. asyncio disables the algorithm only for sockets whose protocol number is TCP,
        # which those of a listener by `socket.create_server` are not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._connections.enter(self):
            self._connections.refuse(transport)
            return
        super().connection_made(transport)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what arrived, unless the last answer was sent."""
        if self._phase is _Phase.PARTING:
            return
        super().data_received(data)
        self._note(_Phase.HEAD)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._note(_Phase.IDLE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (our answer has the API's shape)
        """Answer what is not HTTP with a problem."""
        # Called where h11's error is handled. No part of an answer can have been sent: h11 reads one request at a time.
        assert isinstance(sys.exception(), h11.RemoteProtocolError)  # noqa: S101
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self._part(self._connections.malformed())
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """End the connection when the server stops: after the answer if a request has arrived whole, else at once."""
        if self._phase is _Phase.REQUEST and self.cycle.more_body:
            if not self.cycle.response_started:
                self.transport.write(raw(self._connections.unavailable()))
            self.transport.close()
            return
        with suppress(h11.LocalProtocolError):
            super().shutdown()
        if self._phase is not _Phase.REQUEST:
            self.transport.close()

    def waits(self, since: float) -> bool:
        """Tell whether there has been no request since that moment of the loop's clock, in seconds."""
        return self._phase in {_Phase.IDLE, _Phase.HEAD} and self.since <= since

    def look(self, now: float) -> None:
        """End the connection if a time limit is over; `now` is the loop's clock, in seconds."""
        limits = self._connections.limits
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > limits.write_pause_seconds:
            self.transport.abort()
            return
        if now - self.since <= self._seconds(limits):
            return
        if self._phase is _Phase.PARTING:
            self.transport.abort()
        else:
            self.expire()

    def expire(self) -> None:
        """Close the connection; if part of a head arrived, answer 408 first."""
        if self.transport.is_closing():
            return
        if self._phase is _Phase.HEAD and self.conn.trailing_data[0]:
            self._part(self._connections.late())
        else:
            self.transport.close()

    def _part(self, response: Response) -> None:
        self._phase, self.since = _Phase.PARTING, self.loop.time()
        self.transport.write(raw(response))
        self.transport.write_eof()

    def _seconds(self, limits: Limits) -> float:
        return {
            _Phase.IDLE: limits.idle_seconds,
            _Phase.HEAD: limits.head_seconds,
            _Phase.REQUEST: float("inf"),
            _Phase.REST: limits.body_seconds,
            _Phase.PARTING: _LINGER,
        }[self._phase]

    def _note(self, without_request: _Phase) -> None:
        if self._phase is _Phase.PARTING:
            return
        if self.conn.their_state is h11.IDLE:
            phase = without_request
        elif self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete:
            phase = _Phase.REST
        else:
            phase = _Phase.REQUEST
        if phase is not self._phase:
            self._phase, self.since = phase, self.loop.time()


class _Refused(asyncio.Protocol):
    """A connection over the limit: it gets a last answer as in `_Phase.PARTING`, and is not counted as open."""

    def __init__(self, transport: asyncio.Transport, among: set["_Refused"]) -> None:
        self._among = among
        among.add(self)
        self._end = asyncio.get_running_loop().call_later(_LINGER, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end.cancel()
        self._among.discard(self)


def raw(response: Response) -> bytes:
    """Return the bytes of a response that is the last of its connection."""
    head = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    head += [f"{name}: {value}" for name, value in response.headers]
    head += [f"content-length: {len(response.body)}", "connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1", errors="replace") + response.body
