"""Throttling as API Gateway does it: a token bucket for each method."""

import time
from collections.abc import Callable

from local.template import Rate


class TokenBucket:
    """Lets `rate.burst` requests through at once and `rate.per_second` in the long run.

    Used from one thread, the event loop's.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        now = self._clock()
        self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
