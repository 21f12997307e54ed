"""The limits of the local stack: waiting calls, memory, connections, and time.

`docs/operations.md` lists them in a table. They are parameters for the tests; no setting changes them.
"""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Counts, bytes and seconds. The defaults are those of `python main.py`."""

    waiting: int = 64
    """Calls of one route that may wait; one more is in progress."""

    wait_seconds: float = 20.0
    """Within which a call should begin, at the pace of its route; the API waits 29 s for the answer."""

    lane_bytes: int = 32 * MIB
    """Bytes of bodies, received or still arriving, of one route's requests."""

    stack_bytes: int = 96 * MIB
    """Bytes of bodies of all routes' requests together."""

    free_bytes: int = 64 * 1024
    """Bytes of each body that do not count, so that small requests always fit."""

    connections: int = 256
    """Connections that are served at once."""

    refusals: int = 64
    """Connections over that number that get a 503 at once; further ones are closed without an answer."""

    head_seconds: float = 10.0
    """From the connection, or on a kept one from the request's first byte, to the end of the request's head."""

    idle_seconds: float = 15.0
    """For which a connection is kept open without a request."""

    body_seconds: float = 60.0
    """From a request's head to the end of its body."""

    body_pause_seconds: float = 10.0
    """Between two pieces of a body."""

    write_pause_seconds: float = 15.0
    """For which a caller may read nothing of the answer."""

    finish_seconds: float = 4.0
    """For which calls in progress may go on when the server is told to stop."""

    close_seconds: float = 2.0
    """For which the server waits for its threads after that."""

    stop_seconds: int = 9
    """After which the kernel ends the process, whatever it does."""
