"""Throttling as in API Gateway: one token bucket per method."""

import time
from collections.abc import Callable

from local.template import Rate


class TokenBucket:
    """A token bucket that allows `rate.burst` requests at once and `rate.per_second` in the long run.

    For the event loop's thread alone.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> bool:
        """Take one token and return True; return False if there is none."""
        now = self._clock()
        self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
