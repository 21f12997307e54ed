"""The functions as Lambda runs them: the real handlers, one event at a time per route.

AWS would start an instance for each of several simultaneous events. Here each route has a lane, so that a cheap request
does not wait behind an expensive one: a function's handler may run on several threads, but on one per route.
"""

import importlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from local.lanes import Lane, Room
from local.limits import Limits

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""The most bytes of JSON that Lambda accepts, and returns, in a synchronous call."""

INTEGRATION_TIMEOUT = 29.0
"""Seconds that API Gateway waits for a function."""

_LIMITS = Limits()

_BY_EVENT = "events"
"""The lane of calls without a route."""


class PayloadTooLargeError(ValueError):
    """The event is larger than Lambda accepts."""


class Context:
    """The second argument of a Lambda handler."""

    def __init__(self, function_name: str) -> None:
        self.function_name = function_name
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function_name}"
        self.memory_limit_in_mb = "1024"
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = "local"
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + INTEGRATION_TIMEOUT

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until API Gateway stops waiting for the call."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class Function:
    """One Lambda function: `handler` is `package.module.attribute`, as in the template's Command.

    The bodies of its waiting requests also count in the room `whole`, which all functions share; None is no such room.
    """

    def __init__(self, name: str, handler: str, *, limits: Limits = _LIMITS, whole: Room | None = None) -> None:
        module, _, attribute = handler.rpartition(".")
        self.name = name
        self._limits = limits
        self._whole = whole
        self._lanes: dict[str, Lane] = {}
        self._stopped = False
        self._handler: Callable[[Mapping[str, Any], Context], object] = getattr(
            importlib.import_module(module), attribute
        )

    def lane(self, work: str) -> Lane:
        """Return the lane of a kind of work, such as a route. To be called from one thread at a time."""
        if work not in self._lanes:
            room = Room(self._limits.lane_bytes, within=self._whole)
            limits = self._limits
            self._lanes[work] = Lane(
                f"{self.name} {work}", waiting=limits.waiting, room=room, patience=limits.wait_seconds
            )
            if self._stopped:
                self._lanes[work].stop()
        return self._lanes[work]

    def waiting(self) -> dict[str, int]:
        """Return how many calls wait, by the kind of work."""
        return {work: lane.waiting for work, lane in list(self._lanes.items())}

    def handle(self, event: Mapping[str, Any], context: Context) -> object:
        """Call the handler on the caller's thread, which must be a lane's, and return its answer.

        Raises:
            PayloadTooLargeError: the event, as JSON, is over `PAYLOAD_LIMIT` bytes.
            Exception: whatever the handler raised; Lambda would report a function error.
        """
        size = _size(event)
        if size > PAYLOAD_LIMIT:
            raise PayloadTooLargeError(f"the event has {size} bytes; Lambda takes {PAYLOAD_LIMIT}")
        return self._handler(event, context)

    def call(self, event: Mapping[str, Any]) -> object:
        """Call the handler on the lane of events without a route, wait, and return its answer.

        Not for an event loop's thread, which it would block.

        Raises:
            LaneFullError: too many calls wait.
            LaneStoppedError: the function is being closed, and the call has not begun.
            Exception: whatever the handler raised.
        """
        context = Context(self.name)
        return self.lane(_BY_EVENT).submit(lambda: self._handler(event, context)).result()

    def stop(self) -> None:
        """Accept no more events and drop those that wait; those in progress go on."""
        self._stopped = True
        for lane in list(self._lanes.values()):
            lane.stop()

    def close(self, *, within: float = INTEGRATION_TIMEOUT) -> bool:
        """Stop, wait at most `within` seconds for the events in progress, and tell whether they have ended."""
        self.stop()
        deadline = time.monotonic() + within
        ended = [lane.join(deadline) for lane in list(self._lanes.values())]
        return all(ended)


def _size(event: Mapping[str, Any]) -> int:
    """Return how many bytes an event has as JSON."""
    body = event.get("body")
    size = len(json.dumps({**event, "body": None}, ensure_ascii=False).encode("utf-8", errors="surrogatepass"))
    if isinstance(body, str) and event.get("isBase64Encoded"):
        # Base64 needs no escaping, and encoding it again would take long.
        return size + len(body)
    return size + len(json.dumps(body, ensure_ascii=False).encode("utf-8", errors="surrogatepass"))
