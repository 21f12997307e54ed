"""Lanes and the room for what waits in them."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from local.lanes import Lane, LaneFullError, LaneStoppedError, Room
from tests.support.clock import Clock


@pytest.fixture
def lane() -> Iterator[Lane]:
    lane = Lane("lane", waiting=2, room=Room(10))
    yield lane
    lane.stop()
    assert lane.join(time.monotonic() + 10)


class Gate:
    """Work that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.let.wait(20)
        return "done"


def run(awaited: object) -> object:
    return asyncio.get_event_loop().run_until_complete(awaited)  # type: ignore[arg-type]


def test_calls_run_one_at_a_time_in_their_order_on_a_thread_with_a_loop(lane: Lane) -> None:
    gate, order = Gate(), list[int]()
    first = lane.submit(gate)
    gate.begun.wait(20)
    others = [lane.submit(lambda number=number: order.append(number)) for number in range(2)]  # type: ignore[misc]
    assert not order
    gate.let.set()
    assert first.result(20) == "done"
    assert [other.result(20) for other in others] == [None, None]
    assert order == [0, 1]

    async def hello() -> str:
        return threading.current_thread().name

    assert lane.submit(lambda: asyncio.get_event_loop().run_until_complete(hello())).result(20) == "lane"


def test_no_more_wait_than_may(lane: Lane) -> None:
    gate = Gate()
    lane.submit(gate)
    gate.begun.wait(20)
    waiting = [lane.submit(str) for _ in range(2)]
    assert lane.full
    with pytest.raises(LaneFullError):
        lane.submit(str)
    gate.let.set()
    assert [one.result(20) for one in waiting] == ["", ""]
    assert not lane.full


def test_no_more_wait_than_will_be_begun_in_time() -> None:
    clock = Clock()
    slow = Lane("slow", waiting=1000, room=Room(10), patience=1.0, clock=clock)
    for _ in range(2):
        slow.submit(lambda: clock.advance(0.5)).result(20)
    gate, waiting = Gate(), 0
    slow.submit(gate)
    gate.begun.wait(20)
    # The pace is 0.2 of the latest and 0.8 of what it was: 0.18 s, of which 1 s holds five; the sixth is one too many.
    while not slow.full:
        slow.submit(str)
        waiting += 1
    assert waiting == 6
    with pytest.raises(LaneFullError):
        slow.submit(str)
    gate.let.set()
    slow.stop()
    assert slow.join(time.monotonic() + 20)


def test_who_waits_in_vain_takes_his_call_along(lane: Lane) -> None:
    gate, begun = Gate(), list[int]()
    in_hand = lane.submit(gate)
    gate.begun.wait(20)
    with pytest.raises(TimeoutError):
        run(lane.run(lambda: begun.append(1), seconds=0.05))
    lane.submit(lambda: begun.append(2))
    # Its place is free at once.
    lane.submit(lambda: begun.append(3))
    gate.let.set()
    in_hand.result(20)
    lane.submit(str).result(20)
    assert begun == [2, 3]


def test_a_call_that_has_begun_goes_on_without_whoever_asked(lane: Lane) -> None:
    gate = Gate()
    with pytest.raises(TimeoutError):
        run(lane.run(gate, seconds=0.05))
    gate.let.set()
    assert lane.submit(lambda: "next").result(20) == "next"
    assert gate.begun.is_set()


def test_what_a_call_raises_is_raised_where_it_is_waited_for_and_ends_nothing_else(lane: Lane) -> None:
    def leave() -> None:
        raise SystemExit(1)

    with pytest.raises(ZeroDivisionError):
        run(lane.run(lambda: 1 / 0, seconds=20))
    with pytest.raises(RuntimeError, match="SystemExit"):
        run(lane.run(leave, seconds=20))
    assert run(lane.run(lambda: "next", seconds=20)) == "next"


def test_a_stopped_lane_ends_what_is_in_hand_and_drops_what_waits(lane: Lane) -> None:
    gate = Gate()
    in_hand = lane.submit(gate)
    gate.begun.wait(20)
    waiting = lane.submit(str)
    lane.stop()
    with pytest.raises(LaneStoppedError):
        waiting.result(20)
    with pytest.raises(LaneStoppedError):
        lane.submit(str)
    assert not lane.join(time.monotonic() + 0.05)
    gate.let.set()
    assert in_hand.result(20) == "done"
    assert lane.join(time.monotonic() + 20)


def test_a_room_within_another_takes_no_more_than_both_hold() -> None:
    whole = Room(10)
    one, other = Room(8, within=whole), Room(8, within=whole)
    assert one.take(8)
    assert not one.fits(1)
    assert not other.take(3)
    assert other.take(2)
    assert (one.held, other.held, whole.held) == (8, 2, 10)
    one.give_back(8)
    assert other.take(6)
    assert whole.held == 8
