"""The local stack's metrics, for Prometheus at GET /metrics: requests, the functions' own metrics, waiting calls.

Deployed, CloudWatch has the same of the gateway and of the functions (docs/operations.md). Labels are routes and names
of the system: nothing that a caller sends becomes one, so that their number is bounded. This is the one module that
imports prometheus-client; no function does.
"""

import re
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from local.events import Response
from local.functions import Function
from web.metrics import Metric

PATH = "/metrics"

OTHER = "other"
"""The route of a request that has none, and the method of one whose method no route can have."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 29.0)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class _Waiting(Collector):
    """The calls that wait now, by function and kind of work."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Count them."""
        family = GaugeMetricFamily(
            "pictures_waiting_calls", "Calls that wait for their route's thread", labels=("function", "work")
        )
        for name, function in self._functions.items():
            for work, waiting in function.waiting().items():
                family.add_metric((name, work), waiting)
        return [family]


class Meters:
    """The metrics of one stack."""

    def __init__(self) -> None:
        # When each series began is of no use here, and as many series again.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Histogram(
            "pictures_request_seconds",
            "Requests: from the head's arrival to the whole answer, by route and status",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._of_functions: dict[Metric, Histogram | Counter] = {metric: self._meter(metric) for metric in Metric}

    def watch(self, functions: Mapping[str, Function]) -> None:
        """Show the waiting calls of `functions` too."""
        self._registry.register(_Waiting(functions))

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request that was answered. `route` is the template's path; None is no route."""
        self._requests.labels(method if method in _METHODS else OTHER, route or OTHER, str(status)).observe(seconds)

    def add(self, service: str, metric: Metric, value: float) -> None:
        """Add a value of a function's metric; durations come in milliseconds and are shown in seconds."""
        meter = self._of_functions[metric].labels(service)
        if isinstance(meter, Histogram):
            meter.observe(value / 1000)
        else:
            meter.inc(value)

    def page(self, accept: str) -> Response:
        """Return all metrics in the format that `accept` asks for: Prometheus' text, or OpenMetrics."""
        encode, media_type = choose_encoder(accept)
        return Response(200, (("content-type", media_type),), encode(self._registry))

    def _meter(self, metric: Metric) -> Histogram | Counter:
        name = f"pictures_{re.sub(r'(?<!^)(?=[A-Z])', '_', metric.value).lower()}"
        described = f"{metric.value} of docs/operations.md"
        if metric.value.endswith(("Latency", "Time")):
            return Histogram(f"{name}_seconds", described, ("service",), buckets=_SECONDS, registry=self._registry)
        return Counter(name, described, ("service",), registry=self._registry)
