"""Connections: how many there may be, how long each is waited for, and how they end.

uvicorn's protocol over h11, which itself waits for ever for a request's head, for the rest of a body that was answered
early, and for callers who do not read. What waits longest without a request gives way to newcomers when the server is
full; if there is nothing of that kind, the newcomer is told so and let go.
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
"""Seconds for which a connection without a request is safe from newcomers."""

_LINGER = 1.0
"""Seconds for which the other end may read why a connection ends."""


class _Phase(Enum):
    IDLE = auto()
    """Kept, without a byte of another request."""
    HEAD = auto()
    """New, or in the middle of a request's head."""
    REQUEST = auto()
    """A request is being read or answered: that is the application's to bound."""
    REST = auto()
    """Answered, and the rest of the body is thrown away as it comes."""
    PARTING = auto()
    """Told why it ends; what still comes is thrown away until the other end has read that. Closed at once, with
    something unread, the connection would be reset, and what was said be lost."""


class Connections:
    """The connections of one server, and the factory of their protocol: `Config(http=connections.accept)`.

    The answers that connections give by themselves come from `unavailable`, `late` and `malformed`.
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
        """The protocol of a new connection."""
        return Connection(self, config, server_state, app_state, _loop)

    def enter(self, connection: "Connection") -> bool:
        """Counts a new connection among the open ones; False if there is no room for it."""
        if len(self._open) >= self.limits.connections and not self._make_room():
            return False
        self._open.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self._sweep_later()
        return True

    def leave(self, connection: "Connection") -> None:
        """The connection is closed."""
        self._open.discard(connection)

    def refuse(self, transport: asyncio.Transport) -> None:
        """Tells the other end that there is no room, if not too many are being told so."""
        if len(self._refused) >= self.limits.refusals:
            # The end of what never began is nobody's.
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
    """One connection, under the limits of `connections`."""

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
        """Begin, unless there are too many."""
        # Head and body leave in two writes: by Nagle's algorithm the second would wait until the other end has
        # acknowledged the first, which it puts off by 40 ms. asyncio turns that off where a socket's protocol is named
        # as TCP, which a listener's made by `socket.create_server` is not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._connections.enter(self):
            self._connections.refuse(transport)
            return
        super().connection_made(transport)
        self.since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place to another."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the connection is being given up."""
        if self._phase is _Phase.PARTING:
            return
        super().data_received(data)
        self._note(_Phase.HEAD)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._note(_Phase.IDLE)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (ours says the same in the API's shape)
        """Answer what is no HTTP with a problem."""
        # Called where h11's error is handled. Nothing of an answer can have been sent: h11 reads one request at a time.
        assert isinstance(sys.exception(), h11.RemoteProtocolError)  # noqa: S101
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self._part(self._connections.malformed())
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: what is still arriving, or waited for, is not waited for; an answer in hand is."""
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
        """Whether no request has been in hand since that moment of the loop's clock."""
        return self._phase in {_Phase.IDLE, _Phase.HEAD} and self.since <= since

    def look(self, now: float) -> None:
        """Ends the connection if it has been waited for long enough."""
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
        """Closes the connection; tells whoever has sent half a head."""
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
    """A connection over the limit, parting as `_Phase.PARTING` says, and not counted among the others."""

    def __init__(self, transport: asyncio.Transport, among: set["_Refused"]) -> None:
        self._among = among
        among.add(self)
        self._end = asyncio.get_running_loop().call_later(_LINGER, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._end.cancel()
        self._among.discard(self)


def raw(response: Response) -> bytes:
    """The response as it goes over the wire, the last of its connection."""
    head = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    head += [f"{name}: {value}" for name, value in response.headers]
    head += [f"content-length: {len(response.body)}", "connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1", errors="replace") + response.body
