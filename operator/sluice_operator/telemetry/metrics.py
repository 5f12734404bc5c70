"""Prometheus metrics of the operator. Labels are names of gateways, or come from fixed sets."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. A gateway whose resources did not change takes milliseconds, the first of 10,000 routes tens of seconds.
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.duration = Histogram(
            "sluice_operator_reconcile_duration_seconds",
            "Of one reconcile, by what was reconciled: gateway or status.",
            ("what",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.reconciles = Counter(
            "sluice_operator_reconciles", "Reconciles by result: ok, or the error.", ("result",), registry=registry
        )
        self.writes = Counter("sluice_operator_writes", "Objects written, by kind.", ("kind",), registry=registry)
        self.snapshot_bytes = Gauge(
            "sluice_operator_snapshot_bytes", "All shards of a gateway, compressed.", ("gateway",), registry=registry
        )
        self.resources = Gauge("sluice_operator_resources", "Resources by kind.", ("kind",), registry=registry)
        self.pods = Gauge("sluice_operator_gateway_pods", "Ready pods of a gateway.", ("gateway",), registry=registry)
        self.pods_behind = Gauge(
            "sluice_operator_gateway_pods_behind",
            "Ready pods of a gateway that do not run its present configuration.",
            ("gateway",),
            registry=registry,
        )
        self.leading = Gauge("sluice_operator_leading", "1 while this replica is the leader.", registry=registry)
        self.queue = Gauge("sluice_operator_queue_depth", "Keys that wait or are worked on.", registry=registry)
        self.failing = Gauge("sluice_operator_queue_failing", "Keys that failed the last time.", registry=registry)

    def forget(self, gateway: str) -> None:
        """Drop a gateway that is gone."""
        for gauge in (self.snapshot_bytes, self.pods, self.pods_behind):
            gauge.remove_by_labels({"gateway": gateway})

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
