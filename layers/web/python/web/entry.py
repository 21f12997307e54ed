"""What every entry point does around its handler: it traces the event, and writes the metrics when the event is done.

The tracer is Powertools', on the X-Ray SDK. The SDK is imported only where there is a daemon that takes traces, as on
Lambda.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from web.metrics import Metrics

Handler = Callable[[dict[str, Any], Any], Any]
"""A Lambda handler: takes an event and a context, returns the answer."""

_DAEMON = "AWS_XRAY_DAEMON_ADDRESS"


def observed(handler: Handler, metrics: Metrics) -> Handler:
    """Return `handler` with `metrics` flushed after each event, also after one that failed, and traced where possible.

    A trace has one segment for the event and one per call of AWS. Events and answers are left out of it, because they
    hold people's ratings and what their pictures show.
    """

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            metrics.flush()

    if _DAEMON not in os.environ:
        return handle
    from aws_lambda_powertools import Tracer  # noqa: PLC0415 - see the module's docstring

    tracer = Tracer(service=metrics.service, patch_modules=("botocore",))
    traced: Handler = tracer.capture_lambda_handler(handle, capture_response=False)
    return traced
