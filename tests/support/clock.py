"""A clock that goes on when it is told to, for code that takes its clock."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Called, it gives the seconds since it was made, as `time.monotonic` gives them since another moment."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self.seconds += seconds

    def now(self) -> datetime:
        """The moment, for code that asks for the date."""
        return datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=self.seconds)
