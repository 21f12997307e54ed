"""What the functions tell CloudWatch and X-Ray: real handlers, real events, and a daemon that listens for traces."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.template import parse, read
from tests.support.handwritten import encoded, photograph, png
from tests.support.stack import ROOT
from web.metrics import Metric

# The first test waits for six functions to start.
pytestmark = pytest.mark.timeout(300)

DOCUMENT = parse((ROOT / "template.yaml").read_text())
HANDLERS = read(ROOT / "template.yaml").handlers
NAMESPACE = {"Ref": "AWS::StackName"}

_CALL = """
import importlib, json, sys
handler = importlib.import_module(sys.argv[1]).handler
for line in sys.stdin:
    answer = handler(json.loads(line), None)
    print("answer", answer.get("statusCode") or " ".join(one["status"] for one in answer["uploads"]))
"""
_TRACE = "1-5759e988-bd862e3fe1be46a994272793"


@dataclass(frozen=True, slots=True)
class Run:
    """What a function did in one process: the statuses that it answered with, and the JSON lines that it wrote."""

    statuses: list[str]
    lines: list[Any]


def call(function: str, folder: Path, *events: dict[str, Any], **environment: str) -> Run:
    """Calls a function of the template as it is deployed in a stack called pictures, but for its storage."""
    whole = {
        **os.environ,
        **deployed(function),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
        "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
        "UPLOAD_BUCKET": f"file://{folder}",
        **environment,
    }
    command = [sys.executable, "-c", _CALL, HANDLERS[function].rpartition(".")[0]]
    given = "\n".join(map(json.dumps, events))
    done = subprocess.run(command, cwd=ROOT, env=whole, input=given, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    statuses = [line.removeprefix("answer ") for line in lines if line.startswith("answer ")]
    return Run(statuses, [json.loads(line) for line in lines if line.startswith("{")])


REFUSED = {
    "empty": b"",
    "wide": png(65_536, 1, b""),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400),
    "cut": encoded(photograph(), "JPEG")[:2_000],
}


def deployed(function: str) -> dict[str, str]:
    """What the template sets for a function's metrics."""
    shared = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]
    whole = shared | DOCUMENT["Resources"][function]["Properties"]["Environment"]["Variables"]
    assert whole["POWERTOOLS_METRICS_NAMESPACE"] == NAMESPACE
    set_by_name = {name: value for name, value in whole.items() if name.startswith("POWERTOOLS_")}
    return set_by_name | {"POWERTOOLS_METRICS_NAMESPACE": "pictures"}


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return found


def rated(count: int) -> dict[str, Any]:
    """An update of so many ratings, with a key that makes its repetition harmless."""
    parameters = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
    settings = [{**parameters, "init_strength": 0.2 + step / 100} for step in range(count)]
    results = [{"parameters": setting, "rating": 1 + step % 5} for step, setting in enumerate(settings)]
    update = event("update-model")
    keyed = {**update["headers"], "Idempotency-Key": "once"}
    return update | {
        "body": json.dumps({"results": results}),
        "isBase64Encoded": False,
        "headers": keyed,
        "multiValueHeaders": {name: [value] for name, value in keyed.items()},
    }


def sent(picture: bytes) -> dict[str, Any]:
    """A request to caption a picture, with a name that is nobody's business."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="private.jpg"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return event("caption-generate") | {
        "body": base64.b64encode(head + picture + b"\r\n--b--\r\n").decode(),
        "isBase64Encoded": True,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
    }


def uploaded(folder: Path, picture: bytes, name: str = "sun.jpg") -> dict[str, Any]:
    """S3's event of a picture that is put into `folder` here."""
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads" / name).write_bytes(picture)
    found = {"key": f"uploads/{name}", "size": len(picture), "sequencer": "0055AED6DCD90281E5"}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "pictures"}, "object": found}}]}


def measured(lines: list[Any]) -> dict[str, list[float]]:
    """The values of each metric, over all lines."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "pictures"
            assert directive["Dimensions"] == [["service"]]
            for metric in directive["Metrics"]:
                found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, picture: bytes) -> dict[str, Run]:
    """Every function with all that it measures, and what those of the caption image do without a bundle."""
    folder = tmp_path_factory.mktemp("data")
    suggest = event("suggest-parameters"), event("suggest-parameters-too-many"), event("suggest-stats")
    caption = event("caption-generate")
    no_bundle = {"CAPTION_MODEL": f"file://{folder}/no-bundle"}
    return {
        "suggest": call("SuggestFunction", folder, *suggest),
        "update": call("UpdateFunction", folder, *[rated(6)] * 2),
        "caption": call("CaptionFunction", folder, *[caption] * 2),
        "caption without a bundle": call("CaptionFunction", folder, caption, **no_bundle),
        "status without a bundle": call("StatusFunction", folder, event("status-health"), **no_bundle),
        "caption refused": call("CaptionFunction", folder, *map(sent, REFUSED.values())),
        "upload": call("UploadFunction", folder, uploaded(folder, picture)),
        "upload refused": call(
            "UploadFunction", folder, *(uploaded(folder, content, name) for name, content in REFUSED.items())
        ),
        "upload without a bundle": call("UploadFunction", folder, event("upload-test"), **no_bundle),
    }


@pytest.mark.parametrize("function", ["caption", "upload"])
def test_why_a_picture_was_refused_is_logged_and_counted_without_the_picture(
    runs: dict[str, Run], function: str
) -> None:
    run = runs[f"{function} refused"]

    metrics = measured(run.lines)
    for name in ("PicturesEmpty", "PicturesTooLarge", "PicturesNotRead", "PicturesDamaged"):
        assert metrics[name] == [1]
    lines = [line for line in run.lines if line.get("message") == "a picture was refused"]
    assert [(line["reason"], line["format"], line["bytes"]) for line in lines] == [
        ("empty", "unknown", 0),
        ("too_large", "PNG", len(REFUSED["wide"])),
        ("not_read", "HEIC", len(REFUSED["heic"])),
        ("damaged", "JPEG", len(REFUSED["cut"])),
    ]
    assert "HEIC" in lines[2]["why"]
    assert "private" not in json.dumps(lines)


def test_suggestions_are_timed_and_counted_and_refused_ones_are_not(runs: dict[str, Run]) -> None:
    run = runs["suggest"]

    assert run.statuses == ["200", "422", "200"]
    metrics = measured(run.lines)
    asked = json.loads(event("suggest-parameters")["body"]).get("num_suggestions", 2)
    assert metrics.keys() == {"SuggestionLatency", "SuggestionsGiven", "FailedAnswers"}
    assert metrics["FailedAnswers"] == [0, 0, 0], "a refusal is no failure"
    assert (len(metrics["SuggestionLatency"]), metrics["SuggestionsGiven"]) == (1, [asked])


def test_updates_count_ratings_once_and_time_the_fit(runs: dict[str, Run]) -> None:
    run = runs["update"]

    assert run.statuses == ["200", "200"]
    metrics = measured(run.lines)
    assert (metrics["ObservationsRecorded"], metrics["LearningFailed"]) == ([6], [0])
    (fit,) = metrics["FitTime"]
    assert fit > 1  # milliseconds, of which a fit takes several, however fast the machine


def test_captions_are_timed_and_say_whether_they_were_kept_and_how_long_the_models_took(runs: dict[str, Run]) -> None:
    run = runs["caption"]

    assert run.statuses == ["200", "200"]
    metrics = measured(run.lines)
    assert (len(metrics["CaptionLatency"]), metrics["CacheHits"]) == (2, [0, 1])
    assert len(metrics["ModelLoadTime"]) == 1


def test_a_bundle_that_cannot_be_used_is_counted(runs: dict[str, Run]) -> None:
    caption, status, upload = (runs[f"{name} without a bundle"] for name in ("caption", "status", "upload"))

    assert caption.statuses == status.statuses == ["503"]
    for run in (caption, status):
        assert measured(run.lines) == {"ModelRefreshFailed": [1], "FailedAnswers": [1]}
    assert measured(upload.lines) == {"ModelRefreshFailed": [1]}


def test_uploads_are_timed_as_the_upload_functions_own(runs: dict[str, Run]) -> None:
    run = runs["upload"]

    assert run.statuses == ["captioned"]
    assert measured(run.lines).keys() == {"CaptionLatency", "ModelLoadTime"}
    assert {line["service"] for line in run.lines if "_aws" in line} == {"upload"}


def watched() -> set[tuple[str, str]]:
    """The service and the name of every metric of ours that an alarm or the dashboard looks at."""
    resources = DOCUMENT["Resources"]
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    sums = [part["MetricStat"]["Metric"] for one in alarms for part in one.get("Metrics", ()) if "MetricStat" in part]
    found = set()
    for metric in (*alarms, *sums):
        if metric.get("Namespace") == NAMESPACE:
            (dimension,) = metric["Dimensions"]
            assert dimension["Name"] == "service"
            found.add((dimension["Value"], metric["MetricName"]))
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown = re.findall(r'\["\$\{AWS::StackName\}", "(\w+)", "(\w+)", "(\w+)"', body)
    assert {dimension for _, dimension, _ in shown} == {"service"}
    return found | {(service, name) for name, _, service in shown}


def test_what_alarms_and_the_dashboard_look_at_is_what_the_functions_write(runs: dict[str, Run]) -> None:
    written = {(line["service"], name) for run in runs.values() for line in run.lines for name in measured([line])}

    assert watched() <= written
    assert {name for _, name in written} == set(Metric)


def test_without_a_namespace_there_are_logs_alone(tmp_path: Path) -> None:
    run = call("SuggestFunction", tmp_path, event("suggest-parameters"), POWERTOOLS_METRICS_NAMESPACE="")

    assert run.lines
    assert all({"timestamp", "level", "message"} <= set(line) for line in run.lines)


@pytest.fixture
def daemon() -> "socket.socket":
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(5)
    return listener


def test_an_event_and_its_calls_of_aws_are_traced_without_what_was_said(tmp_path: Path, daemon: socket.socket) -> None:
    host, port = daemon.getsockname()
    with daemon:
        run = call(
            "CaptionFunction",
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

    assert run.statuses == ["200"]
    whole, call_of_aws = segments["## handler"], segments["dynamodb"]
    assert whole["trace_id"] == call_of_aws["trace_id"] == _TRACE
    assert whole["annotations"]["Service"] == "caption"
    assert call_of_aws["aws"]["operation"] == "GetItem"
    assert "metadata" not in whole
