"""Lanes: a thread each, on which calls run one at a time, in the order in which they came; what waits is bounded.

A call that nobody waits for any more is dropped before it begins; one that has begun runs to its end, for a thread
cannot be stopped. `Room` bounds the bytes of what waits.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")

_LATEST = 0.2
"""The share of the latest call in a lane's pace, the seconds that a call takes."""


class LaneFullError(Exception):
    """As many calls wait as may."""


class LaneStoppedError(Exception):
    """The lane has stopped, and the call was never begun."""


class Room:
    """Bytes that may be held at once, `within` a larger room if one is given. For one thread, the event loop's."""

    def __init__(self, limit: int, *, within: "Room | None" = None) -> None:
        self._limit = limit
        self._within = within
        self.held = 0

    def fits(self, size: int) -> bool:
        """Whether so many bytes could be taken now."""
        return self.held + size <= self._limit and (self._within is None or self._within.fits(size))

    def take(self, size: int) -> bool:
        """Takes so many bytes; False, and none are taken, if they do not fit."""
        if not self.fits(size):
            return False
        self._add(size)
        return True

    def give_back(self, size: int) -> None:
        """Gives back bytes that were taken."""
        self._add(-size)

    def _add(self, size: int) -> None:
        self.held += size
        if self._within is not None:
            self._within._add(size)


class Lane:
    """A thread with an event loop of its own, on which calls run one after the other.

    At most `waiting` calls wait, and no more than would be begun within `patience` seconds at the pace of late: who
    would wait in vain hears it now. `clock` gives the seconds by which calls are timed.
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
    def full(self) -> bool:
        """Whether as many calls wait as may."""
        waiting = len(self._calls)
        return waiting >= self._most or waiting * self._pace > self._patience

    def submit(self, work: Callable[[], _T]) -> "Future[_T]":
        """The result of `work` to come.

        Raises:
            LaneFullError: as many calls wait as may.
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
                # A daemon: a call that does not end must not keep the process from ending.
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    async def run(self, work: Callable[[], _T], *, seconds: float) -> _T:
        """The result of `work`; who is cancelled, or waits in vain, takes along what was not begun.

        Raises:
            LaneFullError, LaneStoppedError: as `submit`; the latter also for what waits when the lane is stopped.
            TimeoutError: there is no result after so many seconds.
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
        """Takes no more calls, and drops those that wait; the one in hand goes on."""
        with self._changed:
            self._stopped = True
            dropped, self._calls = self._calls, {}
            self._changed.notify_all()
        for future in dropped:
            if future.set_running_or_notify_cancel():
                future.set_exception(LaneStoppedError(self._name))

    def join(self, deadline: float) -> bool:
        """Waits for the call in hand of a stopped lane, until `deadline` (monotonic); whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _work(self) -> None:
        loop = asyncio.new_event_loop()
        # For Mangum, which runs the application on its thread's.
        asyncio.set_event_loop(loop)
        while (call := self._next()) is not None:
            began = self._clock()
            _perform(*call)
            self._pace += _LATEST * (self._clock() - began - self._pace)
            # What was asked and answered need not stay until the next call.
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
    except Exception as error:  # noqa: BLE001  (it is raised where the result is waited for)
        future.set_exception(error)
    except BaseException as error:  # noqa: BLE001  (such as SystemExit, which is the end of a call and not of the stack)
        future.set_exception(RuntimeError(f"the call ended itself: {error!r}"))
    else:
        future.set_result(result)
