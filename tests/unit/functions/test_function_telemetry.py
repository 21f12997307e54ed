"""What the functions tell CloudWatch and X-Ray: real handlers, real events, and a daemon that listens for traces."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT

_CALL = """
import importlib, json, sys
handler = importlib.import_module(sys.argv[1]).handler
for line in sys.stdin:
    answer = handler(json.loads(line), None)
    print("answer", answer.get("statusCode") or answer["uploads"][0]["status"])
"""
_TRACE = "1-5759e988-bd862e3fe1be46a994272793"


def call(function: str, folder: Path, *events: dict[str, Any], **environment: str) -> tuple[list[str], list[Any]]:
    """The statuses that the function answered with, and the JSON lines that it wrote."""
    whole = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
        "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
        "UPLOAD_BUCKET": f"file://{folder}",
        **environment,
    }
    command = [sys.executable, "-c", _CALL, function]
    given = "\n".join(map(json.dumps, events))
    done = subprocess.run(command, cwd=ROOT, env=whole, input=given, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    statuses = [line.removeprefix("answer ") for line in lines if line.startswith("answer ")]
    return statuses, [json.loads(line) for line in lines if line.startswith("{")]


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return found


def measured(lines: list[Any]) -> dict[str, list[float]]:
    """The values of each metric, over all lines."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "pictures"
            for metric in directive["Metrics"]:
                found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


def test_suggestions_are_timed_and_counted_and_refused_ones_are_not(tmp_path: Path) -> None:
    events = event("suggest-parameters"), event("suggest-parameters-too-many"), event("suggest-stats")
    statuses, lines = call("functions.suggest.app", tmp_path, *events, POWERTOOLS_METRICS_NAMESPACE="pictures")

    assert statuses == ["200", "422", "200"]
    metrics = measured(lines)
    asked = json.loads(events[0]["body"]).get("num_suggestions", 2)
    assert metrics.keys() == {"SuggestionLatency", "SuggestionsGiven"}
    assert (len(metrics["SuggestionLatency"]), metrics["SuggestionsGiven"]) == (1, [asked])


def test_updates_count_ratings_once_and_time_the_fit(tmp_path: Path) -> None:
    update = event("update-model")
    parameters = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
    results = [{"parameters": {**parameters, "init_strength": 0.2 + i / 100}, "rating": 1 + i % 5} for i in range(6)]
    keyed = {**update["headers"], "Idempotency-Key": "once"}
    update |= {
        "body": json.dumps({"results": results}),
        "isBase64Encoded": False,
        "headers": keyed,
        "multiValueHeaders": {name: [value] for name, value in keyed.items()},
    }
    statuses, lines = call("functions.update.app", tmp_path, update, update, POWERTOOLS_METRICS_NAMESPACE="pictures")

    assert statuses == ["200", "200"]
    metrics = measured(lines)
    assert (metrics["ObservationsRecorded"], metrics["LearningFailed"]) == ([6], [0])
    (fit,) = metrics["FitTime"]
    assert fit > 1  # milliseconds, of which a fit takes several, however fast the machine


def test_captions_are_timed_and_say_whether_they_were_kept_and_how_long_the_models_took(tmp_path: Path) -> None:
    statuses, lines = call(
        "functions.caption.app",
        tmp_path,
        *[event("caption-generate")] * 2,
        POWERTOOLS_METRICS_NAMESPACE="pictures",
    )

    assert statuses == ["200", "200"]
    metrics = measured(lines)
    assert (len(metrics["CaptionLatency"]), metrics["CacheHits"]) == (2, [0, 1])
    assert len(metrics["ModelLoadTime"]) == 1


def test_a_bundle_that_cannot_be_used_is_counted(tmp_path: Path) -> None:
    nowhere = {"CAPTION_MODEL": f"file://{tmp_path}/no-bundle", "POWERTOOLS_METRICS_NAMESPACE": "pictures"}
    statuses, lines = call("functions.caption.app", tmp_path, event("caption-generate"), **nowhere)

    assert statuses == ["503"]
    assert measured(lines) == {"ModelRefreshFailed": [1]}


def test_uploads_are_timed_as_the_upload_functions_own(tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "sun.jpg").write_bytes(picture)
    found = {"key": "uploads/sun.jpg", "size": len(picture), "sequencer": "0055AED6DCD90281E5"}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "pictures"}, "object": found}}
    environment = {"POWERTOOLS_METRICS_NAMESPACE": "pictures", "POWERTOOLS_SERVICE_NAME": "upload"}
    statuses, lines = call("functions.caption.uploads", tmp_path, {"Records": [record]}, **environment)

    assert statuses == ["captioned"]
    assert measured(lines).keys() == {"CaptionLatency", "ModelLoadTime"}
    assert {line["service"] for line in lines if "_aws" in line} == {"upload"}


def test_without_a_namespace_there_are_logs_alone(tmp_path: Path) -> None:
    _, lines = call("functions.suggest.app", tmp_path, event("suggest-parameters"))

    assert lines
    assert all({"timestamp", "level", "message"} <= set(line) for line in lines)


@pytest.fixture
def daemon() -> "socket.socket":
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(5)
    return listener


def test_an_event_and_its_calls_of_aws_are_traced_without_what_was_said(tmp_path: Path, daemon: socket.socket) -> None:
    host, port = daemon.getsockname()
    with daemon:
        statuses, _ = call(
            "functions.caption.app",
            tmp_path,
            event("caption-generate"),
            # Nobody is there; a caption is made all the same.
            CAPTION_STORE="dynamodb://captions?region=eu-west-1&endpoint=http://127.0.0.1:9",
            AWS_XRAY_DAEMON_ADDRESS=f"{host}:{port}",
            LAMBDA_TASK_ROOT=str(ROOT),
            _X_AMZN_TRACE_ID=f"Root={_TRACE};Parent=53995c3f42cd8ad8;Sampled=1",
        )
        segments: dict[str, Any] = {}
        while "## handler" not in segments:
            segment = json.loads(daemon.recv(65_536).partition(b"\n")[2])
            segments[segment["name"]] = segment

    assert statuses == ["200"]
    whole, call_of_aws = segments["## handler"], segments["dynamodb"]
    assert whole["trace_id"] == call_of_aws["trace_id"] == _TRACE
    assert whole["annotations"]["Service"] == "caption"
    assert call_of_aws["aws"]["operation"] == "GetItem"
    assert "metadata" not in whole
