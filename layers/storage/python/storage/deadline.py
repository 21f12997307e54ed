"""How long an operation may take, passed down to all its steps: attempts, pauses and downloads."""

import random
import time
from collections.abc import Iterator

_BASE_PAUSE = 0.05  # seconds; the longest pause after attempt n is 2**n of them
_MAX_PAUSE = 0.4  # seconds between two attempts: about what sixteen concurrent writers need


class Deadline:
    """The moment by which an operation must end: `seconds` after this was made, and no later than `within`.

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
        """Whether the time is used up: begin no further step."""
        return time.monotonic() >= self._end

    def pause(self, attempt: int, *, most: float = _MAX_PAUSE) -> bool:
        """Wait before the attempt after number `attempt`: a random time, at most `most` seconds, longer per attempt.

        Return False at once, without waiting, if the pause would end after the deadline.
        """
        # "Full jitter": writers that collided once must not collide again.
        pause = random.uniform(0, min(most, _BASE_PAUSE * 2**attempt))  # noqa: S311 - no secret
        if time.monotonic() + pause >= self._end:
            return False
        time.sleep(pause)
        return True

    def attempts(self) -> Iterator[int]:
        """Count attempts from 0, with pauses between them, until the deadline; at least one."""
        attempt = 0
        yield attempt
        while self.pause(attempt):
            attempt += 1
            yield attempt
