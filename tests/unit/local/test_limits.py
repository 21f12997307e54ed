"""The limits as docs/operations.md has them."""

import re
from pathlib import Path

from local.limits import MIB, Limits

PAGE = Path(__file__).resolve().parents[3] / "docs/operations.md"


def test_the_limits_are_those_of_the_page() -> None:
    limits = Limits()
    (section,) = re.findall(r"^## The local stack's limits$(.*?)^## ", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    shown = {what: int(number) for what, number in re.findall(r"^\| (.+?) \| (\d+)", section, re.MULTILINE)}
    assert shown == {
        "calls of one route that wait": limits.waiting,
        "a call should begin within": limits.wait_seconds,
        "bodies of one route's requests, arriving or waiting": limits.lane_bytes // MIB,
        "bodies of all routes together": limits.stack_bytes // MIB,
        "a body that is not counted": limits.free_bytes // 1024,
        "connections": limits.connections,
        "a request's head": limits.head_seconds,
        "a connection without a request": limits.idle_seconds,
        "a request's body, whole": limits.body_seconds,
        "a pause in a body": limits.body_pause_seconds,
        "a pause in taking the answer": limits.write_pause_seconds,
        "a stop waits for calls in progress": limits.finish_seconds,
        "a stop waits for threads after that": limits.close_seconds,
        "a stop takes at most": limits.stop_seconds,
    }
    assert limits.finish_seconds + limits.close_seconds < limits.stop_seconds < 10
