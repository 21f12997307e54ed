"""Lanes: each is a thread that runs calls one at a time, in the order of arrival; the number that wait is limited.

A call whose caller has given up is dropped if it has not begun; a call that has begun runs to its end, because a thread
cannot be stopped. `Room` limits the bytes of the calls that wait.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")

_LATEST = 0.2
"""The weight of the latest call in a lane's pace: the moving average of the seconds that a call takes."""


class LaneFullError(Exception):
    """As many calls wait as the lane allows."""


class LaneStoppedError(Exception):
    """The lane has stopped, and the call had not begun."""


class Room:
    """A limit of bytes in use, which also count in the room `within`, if given. For the event loop's thread alone."""

    def __init__(self, limit: int, *, within: "Room | None" = None) -> None:
        self._limit = limit
        self._within = within
        self.held = 0

    def fits(self, size: int) -> bool:
        """Tell whether `size` bytes are free."""
        return self.held + size <= self._limit and (self._within is None or self._within.fits(size))

    def take(self, size: int) -> bool:
        """Take `size` bytes and return True; if they are not free, take none and return False."""
        if not self.fits(size):
            return False
        self._add(size)
        return True

    def give_back(self, size: int) -> None:
        """Free `size` bytes that were taken."""
        self._add(-size)

    def _add(self, size: int) -> None:
        self.held += size
        if self._within is not None:
            self._within._add(size)


class Lane:
    """A thread with its own event loop, which runs calls one after the other.

    At most `waiting` calls wait, and no more than would begin within `patience` seconds at the present pace: a call
    that would time out is refused at once. `clock` gives the seconds by which calls are timed.
    """

    def __init__(
        self,
        name: str,
        *,
        waiting: int,
        room: Room,
        patience: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.room = room
        self._clock = clock
        self._name = name
        self._most = waiting
        self._patience = patience
        self._pace = 0.0
        self._calls: dict[Future[Any], Callable[[], Any]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._calls)

    @property
    def full(self) -> bool:
        """Whether as many calls wait as the lane allows."""
        waiting = self.waiting
        return waiting >= self._most or waiting * self._pace > self._patience

    def submit(self, work: Callable[[], _T]) -> "Future[_T]":
        """Queue `work`, and return the future of its result.

        Raises:
            LaneFullError: as many calls wait as the lane allows.
            LaneStoppedError: the lane was stopped.
        """
        future: Future[_T] = Future()
        with self._changed:
            if self._stopped:
                raise LaneStoppedError(self._name)
            if self.full:
                raise LaneFullError(self._name)
            self._calls[future] = work
            if self._thread is None:
                # A daemon: a call that does not end must not keep the process alive.
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    async def run(self, work: Callable[[], _T], *, seconds: float) -> _T:
        """Run `work` on the lane, and return its result. On cancellation or time-out it is dropped if it has not begun.

        Raises:
            LaneFullError, LaneStoppedError: as `submit`; the latter also if the lane stops while the call waits.
            TimeoutError: there is no result after `seconds`.
            Exception: whatever `work` raised.
        """
        future = self.submit(work)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        finally:
            with self._changed:
                self._calls.pop(future, None)

    def stop(self) -> None:
        """Accept no more calls, and drop those that wait; the one in progress goes on."""
        with self._changed:
            self._stopped = True
            dropped, self._calls = self._calls, {}
            self._changed.notify_all()
        for future in dropped:
            if future.set_running_or_notify_cancel():
                future.set_exception(LaneStoppedError(self._name))

    def join(self, deadline: float) -> bool:
        """Wait for the call in progress of a stopped lane, until `deadline` (monotonic clock). Tell if it ended."""
        if self._thread is None:
            return True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        # For Mangum, which runs the application on the event loop of its thread.
        asyncio.set_event_loop(loop)
        while (call := self._next()) is not None:
            began = self._clock()
            _perform(*call)
            self._pace += _LATEST * (self._clock() - began - self._pace)
            # Free the request and the answer now, not at the next call.
            del call
        loop.close()

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._stopped)
            if not self._calls:
                return None
            future = next(iter(self._calls))
            return future, self._calls.pop(future)


def _perform(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  (the future raises it for its caller)
        future.set_exception(error)
    except BaseException as error:  # noqa: BLE001  (such as SystemExit, which must end a call and not the stack)
        future.set_exception(RuntimeError(f"the call ended itself: {error!r}"))
    else:
        future.set_result(result)
