"""Prometheus metrics of a process.

Labels come from the configuration or from fixed sets, never from what callers send.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. LLM answers take from milliseconds (cache, mock) to minutes (reasoning).
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

M = TypeVar("M", Counter, Histogram)


class Family(Generic[M]):
    """A metric with labels.

    Finding a child by its labels costs the library more than counting does: it is done once.
    """

    def __init__(self, metric: M, suffix: tuple[str, ...] = ()) -> None:
        self._find: Callable[..., M] = metric.labels
        self._suffix = suffix
        self._children: dict[tuple[str, ...], M] = {}

    def child(self, *labels: str) -> M:
        """The metric for these values of its labels."""
        return self._children.get(labels) or self._add(labels)

    def _add(self, labels: tuple[str, ...]) -> M:
        child = self._children[labels] = self._find(*labels, *self._suffix)
        return child


class Metrics:
    """All metrics of one process, in a registry of their own. ``refreshers`` bring up to date what is only looked at
    when somebody asks.
    """

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.refreshers: list[Callable[[], None]] = []
        ProcessCollector(registry=registry)
        self.requests = Family(
            Counter(
                "sluice_requests",
                "Requests by how they ended.",
                ("route", "target", "status", "code"),
                registry=registry,
            )
        )
        self.attempts = Family(
            Counter("sluice_attempts", "Calls to providers by result.", ("target", "result"), registry=registry)
        )
        self.limited = Family(
            Counter("sluice_limited_requests", "Requests that a limit refused.", ("route", "limit"), registry=registry)
        )
        self.duration = Family(_histogram("sluice_request_duration_seconds", "To the last byte.", registry))
        self.first_byte = Family(_histogram("sluice_time_to_first_byte_seconds", "To the first byte.", registry))
        tokens = Counter(
            "sluice_tokens", "Tokens that providers reported.", ("route", "target", "kind"), registry=registry
        )
        self.prompt_tokens = Family(tokens, ("prompt",))
        self.completion_tokens = Family(tokens, ("completion",))
        self.provider_healthy = Gauge(
            "sluice_provider_healthy", "Whether a provider passes its health checks.", ("provider",), registry=registry
        )
        self.health_checks = Family(
            Counter("sluice_health_checks", "Health checks by result.", ("provider", "result"), registry=registry)
        )
        self.alerts = Family(
            Counter("sluice_alerts", "Alerts for the webhook by what became of them.", ("result",), registry=registry)
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


def _histogram(name: str, about: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, f"From a request's arrival. {about}", ("route",), buckets=_BUCKETS, registry=registry)
