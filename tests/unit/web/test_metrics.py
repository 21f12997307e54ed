"""Metrics as CloudWatch reads them from standard output."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from web.metrics import Metric, Metrics


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "pictures")
    return Metrics("caption")


def test_what_was_added_leaves_as_one_line_for_cloudwatch(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.count(Metric.CACHE_HITS, 0)
    metrics.count(Metric.CACHE_HITS)
    metrics.lasted(Metric.CAPTION_LATENCY, 0.25)
    metrics.flush()

    (line,) = _lines(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "pictures"
    assert directive["Dimensions"] == [["service"]]
    assert {one["Name"]: one["Unit"] for one in directive["Metrics"]} == {
        "CacheHits": "Count",
        "CaptionLatency": "Milliseconds",
    }
    assert (line["service"], line["CacheHits"], line["CaptionLatency"]) == ("caption", [0.0, 1.0], [250.0])


def test_a_line_is_written_once_and_none_for_nothing(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.flush()
    metrics.count(Metric.CACHE_HITS)
    metrics.flush()
    metrics.flush()
    metrics.count(Metric.CACHE_HITS)
    metrics.flush()

    assert [(line["service"], line["CacheHits"]) for line in _lines(capsys)] == [("caption", [1.0])] * 2


def test_a_block_that_raises_is_not_timed(metrics: Metrics, capsys: pytest.CaptureFixture[str]) -> None:
    with metrics.timed(Metric.CAPTION_LATENCY):
        pass
    with pytest.raises(ValueError, match="wrong"), metrics.timed(Metric.MODEL_LOAD_TIME):
        raise ValueError("wrong")
    metrics.flush()

    (line,) = _lines(capsys)
    assert line["CaptionLatency"][0] >= 0
    assert "ModelLoadTime" not in line


def test_functions_in_one_process_keep_their_metrics_apart(
    metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Metrics("suggest")
    metrics.count(Metric.CACHE_HITS)
    other.flush()
    assert _lines(capsys) == []
    metrics.flush()
    assert _lines(capsys)[0]["service"] == "caption"


def test_functions_of_one_image_are_told_apart_by_the_template(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "upload")
    other = Metrics("caption")
    other.count(Metric.CACHE_HITS)
    other.flush()

    assert _lines(capsys)[0]["service"] == "upload"


def test_without_a_namespace_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)
    metrics = Metrics("caption")
    metrics.count(Metric.CACHE_HITS)
    metrics.flush()

    assert _lines(capsys) == []


@pytest.fixture
def hurry() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_lose_no_value_of_each_other(metrics: Metrics, hurry: None, capsys: pytest.CaptureFixture[str]) -> None:
    def answer_events(_thread: int) -> None:
        for _ in range(150):
            metrics.count(Metric.CACHE_HITS)
            metrics.lasted(Metric.CAPTION_LATENCY, 0.001)
            metrics.flush()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(answer_events, range(4)))

    lines = _lines(capsys)
    for name in ("CacheHits", "CaptionLatency"):
        assert sum(len(line.get(name, ())) for line in lines) == 600
