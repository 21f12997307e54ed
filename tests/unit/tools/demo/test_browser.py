"""When the demo opens a browser, and what it opens."""

import pytest

from tools.demo.browser import has_screen, reachable


@pytest.mark.parametrize(
    ("environment", "platform", "there"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "linux", False),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22", "DISPLAY": "localhost:10.0"}, "linux", True),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "darwin", False),
    ],
)
def test_a_window_is_opened_where_there_is_a_screen(environment: dict[str, str], platform: str, *, there: bool) -> None:
    assert has_screen(environment, platform) is there


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://0.0.0.0:8001", "http://127.0.0.1:8001"),
        ("http://[::]:8002", "http://[::1]:8002"),
        ("http://[::1]:8003", "http://[::1]:8003"),
        ("http://studio.local:80", "http://studio.local:80"),
    ],
)
def test_who_listens_everywhere_is_asked_here(url: str, asked: str) -> None:
    assert reachable(url) == asked
