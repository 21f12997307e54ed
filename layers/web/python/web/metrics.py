"""Metrics: counts and durations, in CloudWatch's embedded metric format, by Powertools.

They go to standard output beside the logs, from where CloudWatch reads them, and only where the template sets their
namespace (POWERTOOLS_METRICS_NAMESPACE): on one machine nothing is written. There the local stack listens, and shows
them at /metrics. The names are a closed list, because alarms, the dashboard and docs/operations.md use them.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class Metric(StrEnum):
    """The names of the metrics. Those that end in Latency or Time are milliseconds, the others counts."""

    SUGGESTION_LATENCY = "SuggestionLatency"
    SUGGESTIONS_GIVEN = "SuggestionsGiven"
    OBSERVATIONS_RECORDED = "ObservationsRecorded"
    FIT_TIME = "FitTime"
    LEARNING_FAILED = "LearningFailed"
    CAPTION_LATENCY = "CaptionLatency"
    CACHE_HITS = "CacheHits"
    MODEL_LOAD_TIME = "ModelLoadTime"
    MODEL_REFRESH_FAILED = "ModelRefreshFailed"
    PICTURES_EMPTY = "PicturesEmpty"
    PICTURES_TOO_LARGE = "PicturesTooLarge"
    PICTURES_NOT_READ = "PicturesNotRead"
    PICTURES_DAMAGED = "PicturesDamaged"
    FAILED_ANSWERS = "FailedAnswers"


Listener = Callable[[str, Metric, float], None]
"""Is told of each value as it is added: the service, the metric, and the value (milliseconds, or a count)."""

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Tell `listener` of every value of this process from now on. It must be quick, and must not raise."""
    _listeners.append(listener)


class Metrics:
    """The metrics of one function, kept until they are flushed.

    Their one dimension is the service: `service`, or POWERTOOLS_SERVICE_NAME, which the template sets for functions
    that share an image. Threads may share one object: each value is written once, with either thread's event.
    """

    def __init__(self, service: str) -> None:
        self.service = os.environ.get("POWERTOOLS_SERVICE_NAME") or service
        # Not Powertools' own Metrics, whose instances share their values: the local stack runs all functions in one
        # process.
        self._kept = EphemeralMetrics(service=self.service)
        self._lock = threading.Lock()
        self._written = bool(os.environ.get("POWERTOOLS_METRICS_NAMESPACE"))

    def count(self, metric: Metric, value: int = 1) -> None:
        """Add `value`; 0 is written too, as an event that could have counted and did not."""
        self._add(metric, MetricUnit.Count, value)

    def lasted(self, metric: Metric, seconds: float) -> None:
        """Add a duration, which is written in milliseconds."""
        self._add(metric, MetricUnit.Milliseconds, seconds * 1000)

    @contextmanager
    def timed(self, metric: Metric) -> Iterator[None]:
        """Add the duration of the block, unless it raises: the time to an error says nothing about the speed."""
        began = time.perf_counter()
        yield
        self.lasted(metric, time.perf_counter() - began)

    def flush(self) -> None:
        """Write what was added since the last flush, as one line; write nothing if nothing was added."""
        with self._lock:
            if self._kept.metric_set:
                self._kept.flush_metrics()

    def _add(self, metric: Metric, unit: MetricUnit, value: float) -> None:
        for listener in _listeners:
            listener(self.service, metric, value)
        if not self._written:
            return
        # Powertools writes by itself when it has a hundred values, and clears what it keeps.
        with self._lock:
            self._kept.add_metric(metric, unit, value)
