"""The bounds of the local stack: what may wait, how many may be connected, and for how long anybody is waited for.

`docs/operations.md` has them as a table. They are parameters for the tests' sake; no setting changes them.
"""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Counts, bytes and seconds. The defaults are those of `python main.py`."""

    waiting: int = 64
    """Calls of one route that wait; one more is in hand."""

    wait_seconds: float = 20.0
    """Within which a call should be begun, at the pace of its route; the API waits 29 s for the answer."""

    lane_bytes: int = 32 * MIB
    """Bytes of bodies, received or still arriving, of one route's requests."""

    stack_bytes: int = 96 * MIB
    """The same of all routes together."""

    free_bytes: int = 64 * 1024
    """Bytes of each body that do not count: what is small waits for no room."""

    connections: int = 256
    """Connections that are served at once."""

    refusals: int = 64
    """Connections over that number that are told so; the others are closed without a word."""

    head_seconds: float = 10.0
    """From the connection, or the first byte of a request on one that was kept, to the end of the request's head."""

    idle_seconds: float = 15.0
    """For which a connection is kept without a request."""

    body_seconds: float = 60.0
    """From a request's head to the end of its body."""

    body_pause_seconds: float = 10.0
    """Between two pieces of a body."""

    write_pause_seconds: float = 15.0
    """For which a caller may take nothing of the answer."""

    finish_seconds: float = 4.0
    """For which calls in hand may go on when the server is told to stop."""

    close_seconds: float = 2.0
    """For which, after that, threads are waited for."""

    stop_seconds: int = 9
    """After which the process is ended from outside, whatever it does."""
