"""What every entry point does around its handler: it answers pings, traces events, and writes their metrics.

The tracer is Powertools', on the X-Ray SDK. The SDK is imported only where there is a daemon that takes traces, as on
Lambda.
"""

import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from web.events import is_ping
from web.metrics import Metrics

Handler = Callable[[dict[str, Any], Any], Any]
"""A Lambda handler: takes an event and a context, returns the answer."""

WARM: Mapping[str, bool] = {"warm": True}
"""The answer to a ping."""

_DAEMON = "AWS_XRAY_DAEMON_ADDRESS"


def observed(handler: Handler, metrics: Metrics) -> Handler:
    """Return `handler` with `metrics` flushed after each event, also after one that failed, and traced where possible.

    A trace has one segment for the event and one per call of AWS. Events and answers are left out of it, because they
    hold people's ratings and what their pictures show. A ping gets `WARM` and leaves neither trace nor line.
    """

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            metrics.flush()

    traced = handle if _DAEMON not in os.environ else _traced(handle, metrics.service)

    @wraps(handler)
    def answer(event: dict[str, Any], context: Any) -> Any:
        return dict(WARM) if is_ping(event) else traced(event, context)

    return answer


def _traced(handler: Handler, service: str) -> Handler:
    from aws_lambda_powertools import Tracer  # noqa: PLC0415 - see the module's docstring

    tracer = Tracer(service=service, patch_modules=("botocore",))
    traced: Handler = tracer.capture_lambda_handler(handler, capture_response=False)
    return traced
