"""Prometheus metrics of a gateway process.

Labels come from the configuration or from fixed sets, never from what callers send.
"""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. LLM answers take from milliseconds (cache, mock) to minutes (reasoning).
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "sluice_requests",
            "Requests answered, by route, target and outcome.",
            ("route", "target", "status", "code"),
            registry=self.registry,
        )
        self.attempts = Counter(
            "sluice_attempts", "Calls to providers, by target and result.", ("target", "result"), registry=self.registry
        )
        self.duration = Histogram(
            "sluice_request_duration_seconds",
            "From the request's arrival to the last byte of the answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.first_byte = Histogram(
            "sluice_time_to_first_byte_seconds",
            "From the request's arrival to the first byte of the answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "sluice_tokens", "Tokens that providers reported.", ("route", "target", "kind"), registry=self.registry
        )
        self.in_flight = Gauge("sluice_in_flight_requests", "Requests being served.", registry=self.registry)
        self.reloads = Counter(
            "sluice_config_loads",
            "Configurations seen, by whether they were taken.",
            ("result",),
            registry=self.registry,
        )
        self.config = Gauge(
            "sluice_config_info", "The configuration that is served.", ("digest",), registry=self.registry
        )
        # Finding a child by its labels costs more than counting: each is looked up once.
        self.request_child = lru_cache(maxsize=65536)(self.requests.labels)
        self.attempt_child = lru_cache(maxsize=65536)(self.attempts.labels)
        self.duration_child = lru_cache(maxsize=16384)(self.duration.labels)
        self.first_byte_child = lru_cache(maxsize=16384)(self.first_byte.labels)
        self.tokens_child = lru_cache(maxsize=65536)(self.tokens.labels)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
