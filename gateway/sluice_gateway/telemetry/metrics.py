"""Prometheus metrics of a process.

Labels come from the configuration or from fixed sets, never from what callers send.

What is counted with every request is counted in plain numbers, which are shown to the library when somebody asks: its
own counters and histograms take locks for threads that this process does not have, a twelfth of what a request costs.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. LLM answers take from milliseconds (cache, mock) to minutes (reasoning).
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_BOUNDS = [*map(floatToGoString, _BUCKETS), "+Inf"]


class Counts(dict[tuple[str, ...], int]):
    """How much there has been of something, by the values of its labels: ``counts["chat", "rpm"] += 1``.

    ``created``: since when each is counted, in seconds of Unix time.
    """

    def __init__(self) -> None:
        self.created: dict[tuple[str, ...], float] = {}

    def __missing__(self, labels: tuple[str, ...]) -> int:
        self.created[labels] = time.time()
        return 0


class Times:
    """How often something took how long since ``created``: in each bucket alone, and ``total`` seconds together."""

    __slots__ = ("buckets", "created", "total")

    def __init__(self) -> None:
        self.created = time.time()
        self.buckets = [0] * len(_BOUNDS)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Once more."""
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1
        self.total += seconds


class TimesByRoute(dict[str, Times]):
    """Of a route that is asked for first, there is nothing yet."""

    def __missing__(self, route: str) -> Times:
        times = self[route] = Times()
        return times


class _Counters(Collector):
    """Shows counts to the library."""

    def __init__(self, name: str, about: str, labels: tuple[str, ...]) -> None:
        self.counts = Counts()
        self._name = name
        self._about = about
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        metric = CounterMetricFamily(self._name, self._about, labels=self._labels)
        created = self.counts.created if _dated() else {}
        for labels, count in self.counts.items():
            metric.add_metric(labels, count, created.get(labels))
        yield metric


class _Histogram(Collector):
    """Shows times to the library."""

    def __init__(self, name: str, about: str) -> None:
        self.times = TimesByRoute()
        self._name = name
        self._about = f"From a request's arrival. {about}"

    def collect(self) -> Iterable[Metric]:
        metric = HistogramMetricFamily(self._name, self._about, labels=("route",))
        dated = _dated()
        for route, times in self.times.items():
            metric.add_metric((route,), list(zip(_BOUNDS, accumulate(times.buckets), strict=True)), times.total)
            if dated:  # which the library's own method has no argument for
                metric.samples.append(Sample(f"{self._name}_created", {"route": route}, times.created))
        yield metric


def _dated() -> bool:
    """Whether the library says since when it counts: who runs it may have switched that off."""
    [metric] = Counter("asked", "", registry=None).collect()
    return len(metric.samples) > 1


class Metrics:
    """All metrics of one process, in a registry of their own. ``refreshers`` bring up to date what is only looked at
    when somebody asks.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.refreshers: list[Callable[[], None]] = []
        ProcessCollector(registry=registry)
        self.requests = self._counts(
            "sluice_requests", "Requests by how they ended.", "route", "target", "status", "code"
        )
        self.attempts = self._counts("sluice_attempts", "Calls to providers by result.", "target", "result")
        self.limited = self._counts("sluice_limited_requests", "Requests that a limit refused.", "route", "limit")
        self.duration = self._times("sluice_request_duration_seconds", "To the last byte.")
        self.first_byte = self._times("sluice_time_to_first_byte_seconds", "To the first byte.")
        self.tokens = self._counts("sluice_tokens", "Tokens that providers reported.", "route", "target", "kind")
        self.provider_healthy = Gauge(
            "sluice_provider_healthy", "Whether a provider passes its health checks.", ("provider",), registry=registry
        )
        self.health_checks = Counter(
            "sluice_health_checks", "Health checks by result.", ("provider", "result"), registry=registry
        )
        self.alerts = Counter(
            "sluice_alerts", "Alerts for the webhook by what became of them.", ("result",), registry=registry
        )
        self.breakers = Gauge(
            "sluice_breakers", "Circuit breakers that are not closed.", ("provider", "state"), registry=registry
        )
        self.state_store = Gauge(
            "sluice_state_store_available", "Whether the state Redis answers; 1 without one.", registry=registry
        )
        self.state_store.set(1)
        self.in_flight = Gauge("sluice_in_flight_requests", "Requests being served.", registry=registry)
        self.loads = Counter(
            "sluice_config_loads", "Configurations by whether they were taken.", ("result",), registry=registry
        )
        self.config = Gauge("sluice_config_info", "The configuration that is served.", ("digest",), registry=registry)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        for refresh in self.refreshers:
            refresh()
        return generate_latest(self._registry)

    def _counts(self, name: str, about: str, *labels: str) -> Counts:
        collector = _Counters(name, about, labels)
        self._registry.register(collector)
        return collector.counts

    def _times(self, name: str, about: str) -> TimesByRoute:
        collector = _Histogram(name, about)
        self._registry.register(collector)
        return collector.times
