"""The way into a function, whatever calls it: traced, and its metrics written once the event is dealt with.

Tracing is Powertools' over the X-Ray SDK, which is imported only where there is a daemon to send to, as on Lambda.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from web.metrics import Metrics

Handler = Callable[[dict[str, Any], Any], Any]
"""A Lambda handler: an event and a context in, an answer out."""

_DAEMON = "AWS_XRAY_DAEMON_ADDRESS"


def observed(handler: Handler, metrics: Metrics) -> Handler:
    """`handler`, traced where that is possible; `metrics` are flushed after each event, failed or not.

    A trace has a segment for the event and one for each call of AWS. Neither events nor answers are put into it: they
    hold what people rated and what their pictures show.
    """

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            metrics.flush()

    if _DAEMON not in os.environ:
        return handle
    from aws_lambda_powertools import Tracer  # noqa: PLC0415 - see above

    tracer = Tracer(service=metrics.service, patch_modules=("botocore",))
    traced: Handler = tracer.capture_lambda_handler(handle, capture_response=False)
    return traced
