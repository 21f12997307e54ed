"""`python main.py` as a person lives with it: starts, stops, restarts, and is killed."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.support.stack import ROOT, Stack

RESULT = {
    "parameters": {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89},
    "rating": 4.0,
}
Start = Callable[..., Stack]


@pytest.fixture
def start(tmp_path: Path) -> Any:
    running: list[Stack] = []

    def run(**environment: str) -> Stack:
        running.append(Stack(tmp_path, **environment))
        return running[-1]

    yield run
    for stack in running:
        stack.stop(signal.SIGKILL)


def test_ratings_survive_a_restart_and_a_kill(start: Start) -> None:
    stack = start()
    stack.post("/ml/update_model", json={"results": [RESULT] * 3})
    assert stack.stop(signal.SIGTERM) == 0
    stack.start()
    assert stack.get("/health").json()["optimizer_samples"] == 3

    stack.post("/ml/update_model", json={"results": [RESULT] * 4})
    assert stack.stop(signal.SIGKILL) == -signal.SIGKILL
    stack.start()
    assert stack.get("/health").json()["optimizer_samples"] == 7


def test_outstanding_suggestions_survive_a_kill(start: Start) -> None:
    stack = start()
    asked = {"mode": "structure", "num_suggestions": 10}
    first = stack.post("/ml/suggest_parameters", json=asked).json()["suggestions"]
    stack.stop(signal.SIGKILL)
    stack.start()
    second = stack.post("/ml/suggest_parameters", json=asked).json()["suggestions"]

    assert len({json.dumps(one, sort_keys=True) for one in first + second}) == 20


def test_raters_who_ask_at_once_get_different_settings(start: Start) -> None:
    stack = start()
    # Past the initial ratings the model speaks, and would say the same to all if asked alone.
    stack.post("/ml/update_model", json={"results": [RESULT] * 6})
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        answers.append(stack.post("/ml/suggest_parameters", json={"mode": "structure", "num_suggestions": 2}).json())

    raters = [threading.Thread(target=ask) for _ in range(8)]
    for rater in raters:
        rater.start()
    for rater in raters:
        rater.join()

    settings = [json.dumps(one, sort_keys=True) for answer in answers for one in answer["suggestions"]]
    assert (len(settings), len(set(settings))) == (16, 16)


def test_standard_output_holds_json_lines_alone(start: Start, picture: bytes) -> None:
    stack = start(LOG_LEVEL="DEBUG")
    stack.get("/health")
    stack.get("/nothing")
    stack.post("/ml/update_model", json={"results": [RESULT] * 6})
    stack.post("/generate-caption/", files={"file": ("a.jpg", picture)})
    stack.post("/generate-caption/", files={"file": ("a.jpg", b"text")})
    stack.stop()

    lines = [json.loads(line) for line in stack.output.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 200, 200, 415]
    for line in lines:
        assert {"timestamp", "level", "message"} <= set(line)
    assert all(line["request_id"] for line in requests)


def test_the_greeting_shows_where_it_listens_three_requests_and_the_folder_for_pictures(
    start: Start, tmp_path: Path
) -> None:
    stack = start()

    commands = [line.strip() for line in stack.greeting.splitlines() if line.strip().startswith("curl")]
    assert len(commands) == 3
    assert f"{tmp_path}/uploads/" in stack.greeting
    for command in commands[:2]:
        done = subprocess.run(["bash", "-c", f"{command} -sS --fail"], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)
    assert stack.url in commands[2]


@pytest.mark.parametrize(("namespace", "written"), [("", False), ("pictures", True)])
def test_metrics_are_written_where_a_namespace_is_named(start: Start, namespace: str, written: bool) -> None:
    stack = start(POWERTOOLS_METRICS_NAMESPACE=namespace)
    stack.post("/ml/update_model", json={"results": [RESULT]})
    stack.stop()

    assert '"message":"request"' in stack.output
    assert ('"Namespace":"pictures"' in stack.output) is written


def test_keys_are_asked_for_on_request(start: Start) -> None:
    stack = start(API_KEY="a secret")

    assert stack.get("/ml/stats").status_code == 403
    assert stack.get("/ml/stats", headers={"x-api-key": "a secret"}).status_code == 200
    assert stack.get("/health").status_code == 200
    assert "x-api-key: $API_KEY" in stack.greeting


def test_pages_of_the_allowed_origin_may_read_every_answer_and_ask_first_without_a_key(start: Start) -> None:
    origin = "https://studio.example.org"
    stack = start(API_KEY="secret", CORS_ORIGIN=origin)
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = requests.options(stack.url + "/ml/update_model", headers=asking, timeout=30)
    assert preflight.status_code == 200
    assert "X-Api-Key" in preflight.headers["Access-Control-Allow-Headers"]
    answered = stack.get("/ml/stats", headers={"Origin": origin, "x-api-key": "secret"})
    refused = stack.get("/ml/stats", headers={"Origin": origin})
    assert (answered.status_code, refused.status_code) == (200, 403)
    for answer in (preflight, answered, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == origin

    other = stack.get("/health", headers={"Origin": "https://elsewhere.example.org"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_the_templates_throttling_holds_on_request(start: Start) -> None:
    stack = start(THROTTLE="1")

    # What takes no key has a burst of ten at the most in the template, and refills slower than requests can be sent.
    answers = [stack.get("/nothing-at-all") for _ in range(3)] + [stack.get("/health") for _ in range(15)]
    throttled = [answer for answer in answers if answer.status_code == 429]
    assert throttled
    assert throttled[0].headers["retry-after"] == "1"
    assert throttled[0].headers["content-type"] == "application/problem+json"
    assert throttled[0].json()["title"] == "Too Many Requests"


def test_a_bundle_in_s3_that_is_not_reached_stops_captions_and_nothing_else(start: Start, picture: bytes) -> None:
    # Nobody listens there.
    stack = start(CAPTION_MODEL="s3://models/caption?region=eu-west-1&endpoint=http://127.0.0.1:9")

    answer = stack.post("/generate-caption/", files={"file": ("a.jpg", picture)})
    assert answer.status_code == 503
    assert stack.get("/generate-caption/health").status_code == 503
    assert stack.get("/health").status_code == 200
    assert "s3://" not in answer.text
    assert "s3://models/caption" in stack.output


def test_a_damaged_store_is_unavailable_and_never_a_500(start: Start, tmp_path: Path) -> None:
    (tmp_path / "observations.db").write_text("this is no database, though it is long enough to be looked at" * 20)
    stack = start()

    for answer in (
        stack.get("/health"),
        stack.get("/ml/stats"),
        stack.post("/ml/suggest_parameters", json={}),
        stack.post("/ml/update_model", json={"results": [RESULT]}),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def _run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_port_that_is_taken_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run(PORT=str(port))

    assert done.returncode == 2
    assert (
        done.stderr
        == f"PORT is {port}, and 127.0.0.1:{port} cannot be listened on: Address already in use; set another\n"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eight"),
        ("PORT", "65536"),
        ("HOST", "no.such.host.invalid"),
        ("HOST", "a" * 64),
        ("HOST", "192.0.2.1"),
        ("THROTTLE", "yes"),
        ("OBSERVATION_STORE", "redis://x"),
        ("LOG_LEVEL", "x"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_and_is_named(variable: str, value: str) -> None:
    done = _run(**{"PORT": "0"} | {variable: value})

    assert done.returncode == 2
    assert done.stderr.startswith(f"{variable} is ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_bundle_with_a_damaged_file_stops_the_start_and_the_file_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/bundles/tiny", tmp_path / "mine")
    with (tmp_path / "mine/decoder.tflite").open("ab") as decoder:
        decoder.write(b"!")
    done = _run(PORT="0", CAPTION_MODEL=f"file://{tmp_path}/mine")

    assert done.returncode == 2
    assert done.stderr.startswith(f"CAPTION_MODEL is 'file://{tmp_path}/mine', which cannot be used: ")
    assert "decoder.tflite" in done.stderr
    assert done.stderr.count("\n") == 1


def _on_a_terminal(tmp_path: Path) -> str:
    """What a person sees who starts the stack on a terminal, sends one request and ends it by Ctrl-C."""
    ours, theirs = pty.openpty()
    seen = bytearray()
    whole = {**os.environ, "PORT": "0", "UPLOAD_BUCKET": f"file://{tmp_path}"}
    whole |= {f"{name}_STORE": f"sqlite:///{tmp_path}/{name}.db" for name in ("OBSERVATION", "CAPTION")}
    process = subprocess.Popen([sys.executable, "main.py"], cwd=ROOT, env=whole, stdout=theirs, stderr=theirs)
    os.close(theirs)
    while not (found := re.search(rb"Listening on (http://[0-9.:]+)", seen)):
        seen += os.read(ours, 4096)
    requests.get(found[1].decode() + "/health?\x1b[31m", timeout=30)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal of a process that has ended
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    process.wait()
    return seen.decode()


def test_on_a_terminal_logs_are_lines_for_people(tmp_path: Path) -> None:
    said = _on_a_terminal(tmp_path)
    assert re.search(
        r"\d\d:\d\d:\d\d INFO    suggest: request method=GET path=/health status=200 duration_ms=[\d.]+ request_id=",
        said,
    )
    assert '{"timestamp"' not in said


def test_metrics_are_prometheus_own_text_and_take_the_key(start: Start, picture: bytes) -> None:
    stack, key = start(API_KEY="secret", CAPTION_MODEL="file://tests/bundles/tiny"), {"x-api-key": "secret"}
    stack.post("/ml/update_model", json={"results": [RESULT] * 2}, headers=key)
    stack.post("/ml/suggest_parameters", json={}, headers=key)
    stack.post("/generate-caption/", files={"file": ("a.jpg", picture)}, headers=key)
    for path in ("/nothing", "/captions/uploads/one", "/captions/uploads/two"):
        stack.get(path, headers=key)
    refused, told = stack.get("/metrics"), stack.get("/metrics", headers=key)

    asked = requests.head(f"{stack.url}/metrics", headers=key, timeout=10)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"] == told.headers["content-type"]
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert told.headers["content-type"].startswith("text/plain; version=")
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(told.text)
        for sample in family.samples
    }
    route = [("method", "GET"), ("route", "/captions/{key+}"), ("status", "404")]
    assert values["pictures_request_seconds_count", *route] == 2
    assert values["pictures_request_seconds_count", ("method", "GET"), ("route", "other"), ("status", "404")] == 1
    assert values["pictures_observations_recorded_total", ("service", "update")] == 2
    assert values["pictures_suggestions_given_total", ("service", "suggest")] == 2
    assert values["pictures_caption_latency_seconds_count", ("service", "caption")] == 1
    assert values["pictures_model_load_time_seconds_count", ("service", "caption")] == 1
    assert 0 < values["pictures_model_load_time_seconds_sum", ("service", "caption")] < 60
    assert values["pictures_waiting_calls", ("function", "UpdateFunction"), ("work", "POST /ml/update_model")] == 0
    assert "uploads/one" not in told.text


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists a process's libraries there")
def test_learning_is_loaded_in_the_background_before_the_first_rating_comes(start: Start) -> None:
    stack, end = start(), time.monotonic() + 60
    while "sklearn" not in Path(f"/proc/{stack.pid}/maps").read_text():
        assert time.monotonic() < end
        time.sleep(0.2)
    # A stop in the midst of it is in good order too.
    assert stack.stop() == 0


def test_help_names_every_setting() -> None:
    done = subprocess.run([sys.executable, "main.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)

    for name in (
        "HOST",
        "PORT",
        "API_KEY",
        "THROTTLE",
        "OBSERVATION_STORE",
        "SPACES",
        "CAPTION_STORE",
        "CAPTION_MODEL",
        "UPLOAD_BUCKET",
        "LOG_LEVEL",
        "LOG_FORMAT",
    ):
        assert name in done.stdout
