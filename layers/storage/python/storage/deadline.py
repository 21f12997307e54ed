"""How long an operation may take, passed down to everything that it does: attempts, pauses and downloads."""

import random
import time
from collections.abc import Iterator

_BASE_PAUSE = 0.05  # seconds; the longest pause after attempt n is 2**n of them
_MAX_PAUSE = 0.4  # seconds between two attempts: about what sixteen writers at once need to be done


class Deadline:
    """The end of the time that an operation has: so many seconds from when this was made, and no later than `within`.

    `within` is the deadline of the operation that this one is a part of; None if it is none's.
    """

    def __init__(self, seconds: float, *, within: "Deadline | None" = None) -> None:
        self._end: float = time.monotonic() + seconds
        if within is not None:
            self._end = min(self._end, within._end)

    @property
    def seconds_left(self) -> float:
        """The time that is left, in seconds; 0 if there is none."""
        return max(self._end - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether nothing further may begin."""
        return time.monotonic() >= self._end

    def pause(self, attempt: int, *, most: float = _MAX_PAUSE) -> bool:
        """Waits before another attempt, at random and longer each time, up to `most` seconds.

        False, and no waiting, if that would be too late.
        """
        # "Full jitter": those who collided once must not collide again.
        pause = random.uniform(0, min(most, _BASE_PAUSE * 2**attempt))  # noqa: S311 - no secret
        if time.monotonic() + pause >= self._end:
            return False
        time.sleep(pause)
        return True

    def attempts(self) -> Iterator[int]:
        """Counts attempts from 0, with pauses between them, until the deadline."""
        attempt = 0
        yield attempt
        while self.pause(attempt):
            attempt += 1
            yield attempt
