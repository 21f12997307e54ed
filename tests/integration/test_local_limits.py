"""What waits, who is connected, and how it all ends: the local stack's limits, short ones, in a process of its own."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.load import resident
from tests.support.stack import Stack
from tests.support.thorough import examples


class Limited(Stack):
    """`tests.limited`, whose function takes `seconds` for a POST of /slow and for each picture."""

    def __init__(self, folder: Path, *, seconds: float = 1.0, **limits: float) -> None:
        self.program = ("-m", "tests.limited", json.dumps(limits))
        self.begun_path = folder / "begun"
        self.begun_path.touch()
        self._connected: list[socket.socket] = []
        super().__init__(folder, SLOW_SECONDS=str(seconds), BEGUN=str(self.begun_path))

    @property
    def begun(self) -> list[str]:
        """What the function has begun."""
        return self.begun_path.read_text().split()

    def wait_for(self, *begun: str) -> None:
        """Until the function has begun these."""
        end = time.monotonic() + 20
        while not set(begun) <= set(self.begun):
            assert time.monotonic() < end, self.begun
            time.sleep(0.01)

    def connect(self) -> socket.socket:
        """A bare connection."""
        address = urlsplit(self.url)
        assert address.hostname
        assert address.port
        connection = socket.create_connection((address.hostname, address.port), timeout=20)
        self._connected.append(connection)
        return connection

    def hang_up(self) -> None:
        """Closes all bare connections."""
        for connection in self._connected:
            connection.close()

    def send(self, content: bytes) -> socket.socket:
        """A bare connection on which this was sent."""
        connection = self.connect()
        connection.sendall(content)
        return connection


Start = Callable[..., Limited]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Limited] = []

    def run(**limits: float) -> Limited:
        running.append(Limited(tmp_path, **limits))
        return running[-1]

    yield run
    for stack in running:
        stack.hang_up()
        stack.stop(signal.SIGKILL)


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=40) as pool:
        yield pool


def received(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def head(path: str, **headers: object) -> bytes:
    """The head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def assert_told_to_come_again(answer: requests.Response, status: int) -> None:
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_full_queue_says_so_at_once_and_other_routes_answer_meanwhile(
    start: Start, callers: ThreadPoolExecutor
) -> None:
    stack = start(waiting=2, seconds=3.0)
    first = callers.submit(stack.post, "/slow", data="1")
    stack.wait_for("1")
    waiting = [callers.submit(stack.post, "/slow", data=name) for name in ("2", "3")]
    time.sleep(0.5)
    began = time.monotonic()
    refused = [stack.post("/slow", data="4") for _ in range(3)]
    quick = stack.post("/quick", data="5")
    assert time.monotonic() - began < 2.0

    for answer in refused:
        assert_told_to_come_again(answer, 429)
    assert quick.text == "quick"
    assert first.result().text == "1"
    assert {one.result().text for one in waiting} == {"2", "3"}
    assert "4" not in stack.begun


def test_what_timed_out_before_it_began_is_not_begun(start: Start, callers: ThreadPoolExecutor) -> None:
    stack = start(seconds=1.0, integration_timeout=0.5)
    in_hand = callers.submit(stack.post, "/slow", data="in-hand")
    stack.wait_for("in-hand")
    late = callers.submit(stack.post, "/slow", data="late")

    assert (late.result().status_code, in_hand.result().status_code) == (504, 504)
    time.sleep(1.0)
    assert stack.begun == ["in-hand"]
    assert stack.post("/quick").status_code == 200


def test_whoever_goes_away_takes_along_what_was_not_begun(start: Start, callers: ThreadPoolExecutor) -> None:
    stack = start(seconds=1.5)
    in_hand = callers.submit(stack.post, "/slow", data="in-hand")
    stack.wait_for("in-hand")
    gone = stack.send(head("/slow", content_length=4) + b"gone")
    time.sleep(0.3)
    gone.close()

    assert in_hand.result().text == "in-hand"
    assert stack.post("/slow", data="next").text == "next"
    assert stack.begun == ["in-hand", "next"]


def test_a_body_for_which_there_is_no_room_is_refused_before_it_is_sent(start: Start) -> None:
    stack = start(lane_bytes=1_000_000, free_bytes=1000)
    with stack.send(head("/quick", content_length=2_000_000)) as connection:
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: 1\r\n" in answer
    with stack.send(head("/quick", content_length=11_000_000)) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert_told_to_come_again(stack.post("/quick", data=iter([b"x" * 2_000_000])), 429)
    assert_told_to_come_again(stack.post("/quick", data=b"x" * 2_000_000, headers={"Connection": "close"}), 429)
    assert stack.post("/quick", data=b"x" * 900_000).status_code == 200


def test_a_form_for_which_there_is_no_room_is_refused_as_s3_does(start: Start) -> None:
    stack = start(lane_bytes=1_000_000)
    answer = stack.post("/upload-bucket", files={"file": b"x" * 2_000_000})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "<Code>SlowDown</Code>" in answer.text


def test_bodies_that_arrive_take_up_room_and_give_it_back_when_they_do_not(start: Start) -> None:
    stack = start(lane_bytes=1_000_000, free_bytes=0, body_pause_seconds=1.0)
    half = stack.send(head("/quick", content_length=900_000) + b"x" * 800_000)
    time.sleep(0.3)
    assert_told_to_come_again(stack.post("/quick", data=b"x" * 500_000), 429)
    assert stack.post("/quick", data=b"x" * 100_000).status_code == 200
    assert received(half).startswith(b"HTTP/1.1 408 ")
    assert stack.post("/quick", data=b"x" * 900_000).status_code == 200


def test_halves_of_requests_are_not_waited_for(start: Start) -> None:
    stack = start(head_seconds=0.5, idle_seconds=0.7, body_pause_seconds=0.5, body_seconds=1.0)
    began = time.monotonic()
    nothing, half_a_head = stack.connect(), stack.send(b"GET /quick HTTP/1.1\r\nho")
    half_a_body = stack.send(head("/quick", content_length=9) + b"half")
    half_a_form = stack.send(head("/upload-bucket", content_length=9) + b"half")
    kept = stack.send(head("/quick", content_length=0))
    refused = stack.send(head("/nothing", content_length=9) + b"half")

    assert received(nothing) == b""
    for connection in (half_a_head, half_a_body):
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
    assert b"<Code>RequestTimeout</Code>" in received(half_a_form)
    assert received(kept).endswith(b"quick")
    assert received(refused).startswith(b"HTTP/1.1 404 ")
    assert time.monotonic() - began < 5


def test_a_body_that_trickles_is_late_too(start: Start) -> None:
    stack = start(body_pause_seconds=5.0, body_seconds=1.0)
    connection = stack.send(head("/quick", content_length=1000))
    began = time.monotonic()
    answers: list[bytes] = []
    reading = threading.Thread(target=lambda: answers.append(received(connection)))
    reading.start()
    while reading.is_alive() and time.monotonic() - began < 10:
        try:
            connection.sendall(b"x")
        except OSError:
            break
        time.sleep(0.05)
    reading.join(10)
    assert answers[0].startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5


def test_over_the_limit_newcomers_are_told_so_unless_somebody_waits_without_a_request(
    start: Start, callers: ThreadPoolExecutor
) -> None:
    stack = start(connections=3, seconds=1.0)
    busy = [callers.submit(stack.post, "/slow", data=str(number)) for number in range(3)]
    time.sleep(0.5)
    with stack.connect() as over:
        answer = received(over)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in answer
    assert [one.result().status_code for one in busy] == [200, 200, 200]

    for _ in range(3):
        stack.connect()
    time.sleep(1.2)
    assert stack.post("/quick").status_code == 200


def test_hundreds_of_half_open_connections_stop_nobody(start: Start) -> None:
    stack = start(connections=50, refusals=5)
    for _ in range(300):
        stack.send(b"GET /quick HTTP/1.1\r\nho")
    time.sleep(1.2)
    assert stack.post("/quick").status_code == 200
    assert len(os.listdir(f"/proc/{stack.pid}/fd")) < 100  # noqa: PTH208  (the names alone)
    # Of a connection that is refused without a word there is nothing to log.
    assert "Exception" not in stack.output + stack.errors


def test_a_caller_who_does_not_read_is_let_go(start: Start) -> None:
    stack = start(write_pause_seconds=0.5)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = urlsplit(stack.url)
        connection.connect((address.hostname, address.port))
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
        end = time.monotonic() + 10
        for wanted in (1, 0):
            while _connections(stack.pid) != wanted:
                assert time.monotonic() < end
                time.sleep(0.01)


def _connections(pid: int) -> int:
    """Established connections of the process: its sockets but for the listening one and those of its loops."""
    inodes = {
        os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115  (not a path)
        for name in os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208
        if os.path.exists(f"/proc/{pid}/fd/{name}")  # noqa: PTH110
    }
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(f"socket:[{line[9]}]" in inodes and line[3] == "01" for line in lines)


@pytest.mark.parametrize("sent", [head("/slow", content_length=1000) + b"half", b"POST /slow HTTP/1.1\r\nho", b""])
def test_halves_of_requests_keep_nobody_from_stopping_the_server(start: Start, sent: bytes) -> None:
    stack = start()
    connection = stack.send(sent)
    time.sleep(0.3)
    began = time.monotonic()
    assert stack.stop() == 0
    assert time.monotonic() - began < 4
    if b"half" in sent:
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in answer


def test_a_call_in_hand_ends_before_the_server_does_and_what_waits_is_told(
    start: Start, callers: ThreadPoolExecutor
) -> None:
    stack = start(seconds=1.0)
    in_hand = callers.submit(stack.post, "/slow", data="in-hand")
    stack.wait_for("in-hand")
    waiting = callers.submit(stack.post, "/slow", data="waiting")
    time.sleep(0.3)
    assert stack.stop() == 0
    assert in_hand.result().text == "in-hand"
    assert_told_to_come_again(waiting.result(), 503)
    assert stack.begun == ["in-hand"]


def test_a_call_that_does_not_end_and_a_picture_in_hand_are_broken_off(
    start: Start, tmp_path: Path, callers: ThreadPoolExecutor
) -> None:
    stack = start(seconds=60.0)
    in_hand = callers.submit(stack.post, "/slow", data="in-hand")
    (tmp_path / "uploads").mkdir(exist_ok=True)
    (tmp_path / "uploads/a.jpg").write_bytes(b"a picture")
    stack.wait_for("in-hand", "uploads/a.jpg")
    began = time.monotonic()
    assert stack.stop() == 0
    assert time.monotonic() - began < 10
    assert_told_to_come_again(in_hand.result(), 503)
    assert "broken off" in stack.output


def test_a_server_that_cannot_end_itself_is_ended(start: Start, callers: ThreadPoolExecutor) -> None:
    stack = start(seconds=60.0, finish_seconds=60.0, stop_seconds=2)
    in_hand = callers.submit(stack.post, "/slow", data="in-hand")
    stack.wait_for("in-hand")
    began = time.monotonic()
    assert stack.stop() == -signal.SIGALRM
    assert time.monotonic() - began < 6
    with pytest.raises(requests.ConnectionError):
        in_hand.result()


def test_a_failure_that_cannot_be_written_in_utf_8_is_logged_all_the_same(start: Start) -> None:
    stack = start()
    assert stack.get("/fail").status_code == 502
    stack.stop()
    lines = [json.loads(line) for line in stack.output.splitlines()]
    assert any("half of a surrogate" in line.get("exception", "") for line in lines)
    assert "Logging error" not in (Path(stack.begun_path).parent / "stderr").read_text()


def test_a_flood_of_large_pictures_takes_a_bounded_memory_and_health_answers(
    tmp_path: Path, callers: ThreadPoolExecutor, picture: bytes
) -> None:
    stack = Stack(tmp_path)
    most, statuses = 0, []
    large = picture + b"\0" * 4_000_000

    def post(number: int) -> int:
        return stack.post("/generate-caption/", files={"file": large + str(number).encode()}).status_code

    posted = [callers.submit(post, number) for number in range(50)]
    while not all(one.done() for one in posted):
        most = max(most, resident(stack.pid))
        statuses.append(stack.get("/generate-caption/health").status_code)
    answered = {one.result() for one in posted}
    assert stack.stop() == 0
    assert answered <= {200, 429}
    assert 200 in answered
    assert set(statuses) == {200}
    assert most < 500_000_000


def test_cheap_routes_answer_while_captions_wait_in_line(
    tmp_path: Path, callers: ThreadPoolExecutor, picture: bytes
) -> None:
    stack = Stack(tmp_path)

    def post(number: int) -> Any:
        return stack.post("/generate-caption/", files={"file": picture + str(number).encode()})

    captions = [callers.submit(post, number) for number in range(30)]
    time.sleep(0.3)
    answers = [
        stack.get("/health"),
        stack.get("/generate-caption/health"),
        stack.post("/uploads", json={"content_type": "image/jpeg"}),
        stack.get("/captions/uploads/none"),
        stack.get("/ml/stats"),
    ]
    still_waiting = sum(not caption.done() for caption in captions)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 200]
    assert still_waiting > 0
    assert {caption.result().status_code for caption in captions} == {200}
    assert stack.stop() == 0


ODD = st.binary(max_size=20) | st.sampled_from(
    [b"\xed\xa0\x80", b"%ED%A0%80", b"%ff", b"%00", b"%", b"..%2f..", b"\xff", b"+2AA-", b"{key+}", b"//", b"*"]
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from([b"GET", b"POST", b"TRACE", b"CONNECT", b"PUT", b"OPTIONS", b"HEAD", b"X-\xff"]) | ODD,
    path=st.sampled_from([b"/health", b"/captions/uploads/", b"/ml/stats", b"/upload-bucket", b"/docs/", b""]),
    odd=ODD,
    query=ODD,
    header=ODD,
)
def test_no_bytes_in_a_requests_head_are_a_failure(
    stack: Stack, method: bytes, path: bytes, odd: bytes, query: bytes, header: bytes
) -> None:
    address = urlsplit(stack.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        target = path + odd + (b"?mode=" + query if query else b"")
        lines = [b"%s %s HTTP/1.1" % (method, target), b"host: localhost", b"x-odd: " + header, b"connection: close"]
        connection.sendall(b"\r\n".join([*lines, b"content-type: a/b; charset=" + header, b"", b""]) + b"\r\n\r\n")
        answer = received(connection)
    assert 200 <= int(answer.split(b" ", 2)[1]) < 500, answer


@pytest.mark.parametrize("method", ["TRACE", "QUERY", "PROPFIND"])
def test_a_method_that_no_route_can_have_is_a_405(stack: Stack, method: str) -> None:
    answer = requests.request(method, stack.url + "/ml/stats", timeout=30)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, OPTIONS")
    assert answer.headers["content-type"] == "application/problem+json"
