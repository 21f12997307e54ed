"""The protocol of a connection, on real sockets; how long it is waited for, see tests/integration/test_local_limits."""

import asyncio
import json
import socket

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from local.connections import Connection, Connections, raw
from local.events import Response
from local.limits import Limits


def _response(status: int) -> Response:
    return Response(status, (("content-type", "application/problem+json"),), b'{"status": %d}' % status)


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def _talk(content: bytes) -> tuple[bytes, int]:
    """What a connection answers until it closes, and its TCP_NODELAY."""
    accepted: list[Connection] = []
    connections = Connections(
        Limits(idle_seconds=0.2),
        unavailable=lambda: _response(503),
        late=lambda: _response(408),
        malformed=lambda: _response(400),
    )
    config, state = uvicorn.Config(_app, lifespan="off", log_config=None, ws="none"), ServerState()

    def accept() -> Connection:
        accepted.append(connections.accept(config, state, {}))
        return accepted[-1]

    # A listener as `local.server` makes it, whose protocol is not named: what is accepted from it has no TCP_NODELAY.
    listener = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(accept, sock=listener)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(content)
    end = asyncio.get_running_loop().time() + 10
    while not accepted or accepted[0].transport is None:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
    option = accepted[0].transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    server.close()
    return answer, option


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    answer, option = asyncio.get_event_loop().run_until_complete(
        _talk(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" * 2)
    )
    assert option != 0
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 600_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_in_the_apis_own_shape(content: bytes) -> None:
    answer, _ = asyncio.get_event_loop().run_until_complete(_talk(content))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body) == {"status": 400}


def test_a_response_as_bytes_is_the_last_of_its_connection() -> None:
    assert raw(_response(503)) == (
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
        b'content-length: 15\r\nconnection: close\r\n\r\n{"status": 503}'
    )
