"""The functions as Lambda runs them: the real handler, one event at a time, off the event loop."""

import asyncio
import importlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of JSON that Lambda takes in, and gives back, in a synchronous call."""

INTEGRATION_TIMEOUT = 29.0
"""Seconds that API Gateway waits for a function."""


class PayloadTooLargeError(ValueError):
    """The event is larger than Lambda takes."""


class Context:
    """What a Lambda handler gets as its second argument."""

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
        """Milliseconds until Lambda would stop the call."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class Function:
    """One Lambda function: `handler` is `package.module.attribute`, as the template's Command has it."""

    def __init__(self, name: str, handler: str) -> None:
        module, _, attribute = handler.rpartition(".")
        self.name = name
        # One worker, as one Lambda instance takes one event at a time; the import is on it, as the handler will be. The
        # loop is for Mangum, which runs the application on its thread's.
        self._loop = asyncio.new_event_loop()
        self._worker = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=name, initializer=lambda: asyncio.set_event_loop(self._loop)
        )
        load = self._worker.submit(lambda: getattr(importlib.import_module(module), attribute))
        self._handler: Callable[[Mapping[str, Any], Context], object] = load.result()

    async def invoke(self, event: dict[str, Any]) -> object:
        """What the handler returns for `event`.

        Raises:
            PayloadTooLargeError: the event, as JSON, is over `PAYLOAD_LIMIT` bytes.
            TimeoutError: no answer within `INTEGRATION_TIMEOUT` seconds.
            Exception: whatever the handler raised; Lambda would report a function error.
        """
        size = len(json.dumps(event, ensure_ascii=False).encode("utf-8", errors="surrogatepass"))
        if size > PAYLOAD_LIMIT:
            raise PayloadTooLargeError(f"the event has {size} bytes; Lambda takes {PAYLOAD_LIMIT}")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(INTEGRATION_TIMEOUT):
            return await loop.run_in_executor(self._worker, self._handler, event, Context(self.name))

    def call(self, event: Mapping[str, Any]) -> object:
        """What the handler returns for `event`, for a caller who is not in a hurry and not on an event loop.

        Raises:
            Exception: whatever the handler raised.
        """
        return self._worker.submit(self._handler, event, Context(self.name)).result()

    def close(self) -> None:
        """Lets the event in hand finish and takes no more."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._loop.close()
