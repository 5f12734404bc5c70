"""What is counted in plain numbers reads like what the library's own counters and histograms would have said."""

import re
import time
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from sluice_gateway.telemetry.metrics import Metrics

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COUNTED = {
    "requests": ("sluice_requests", "Requests by how they ended.", ("route", "target", "status", "code")),
    "attempts": ("sluice_attempts", "Calls to providers by result.", ("target", "result")),
    "limited": ("sluice_limited_requests", "Requests that a limit refused.", ("route", "limit")),
}
TIMED = {
    "duration": ("sluice_request_duration_seconds", "From a request's arrival. To the last byte."),
    "first_byte": ("sluice_time_to_first_byte_seconds", "From a request's arrival. To the first byte."),
}
TOKENS = ("sluice_tokens", "Tokens that providers reported.", ("route", "target", "kind"))


class Library:
    """The same metrics, as the library's own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {name: self._counter(*COUNTED[name]) for name in COUNTED}
        for name, (full, about) in TIMED.items():
            self._metrics[name] = Histogram(full, about, ("route",), registry=self._registry, buckets=BUCKETS)
        self._metrics["tokens"] = self._counter(*TOKENS)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    def count(self, name: str, labels: tuple[str, ...], amount: int) -> None:
        self._metrics[name].labels(*labels).inc(amount)

    def observe(self, name: str, route: str, seconds: float) -> None:
        self._metrics[name].labels(route).observe(seconds)

    def text(self) -> str:
        return generate_latest(self._registry).decode()


def shown(metrics: Metrics) -> str:
    """What ``Library`` has of it: all that stands between the metrics of the process and the first gauge."""
    text = metrics.render().decode()
    return text[text.index("# HELP sluice_requests_total") : text.index("# HELP sluice_provider_healthy")]


def undated(text: str) -> str:
    return re.sub(r"^(sluice_\w+_created.*) \S+$", r"\1 <time>", text, flags=re.MULTILINE)


values = st.text(max_size=5) | st.sampled_from(["", 'a"b', "a\\b", "a\nb", "ns/chat", "{}", "é"])
counts = st.sampled_from(sorted([*COUNTED, "tokens"])).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.tuples(*[values] * len({**COUNTED, "tokens": TOKENS}[name][2])),
        st.integers(0, 10**9),
    )
)
times = st.tuples(
    st.sampled_from(sorted(TIMED)), values, st.floats(0, 1000) | st.sampled_from([0.0, *BUCKETS, 600.0000001])
)


@settings(max_examples=40)
@given(st.lists(counts | times, max_size=30))
def test_it_reads_like_the_librarys_own_whatever_happens(events: list[Any]) -> None:
    metrics, library = Metrics(), Library()
    for name, labels, amount in events:
        if name in TIMED:
            getattr(metrics, name)[labels].observe(amount)
            library.observe(name, labels, amount)
        else:
            getattr(metrics, name)[labels] += amount
            library.count(name, labels, amount)
    assert undated(shown(metrics)) == undated(library.text())


@pytest.fixture
def without_created() -> Iterator[None]:
    switches: Any = prometheus_client
    switches.disable_created_metrics()
    yield
    switches.enable_created_metrics()


def test_nothing_is_dated_where_the_library_dates_nothing(without_created: None) -> None:
    metrics, library = Metrics(), Library()
    metrics.attempts["up/gpt", "ok"] += 2
    library.count("attempts", ("up/gpt", "ok"), 2)
    metrics.duration["chat"].observe(1.5)
    library.observe("duration", "chat", 1.5)
    assert shown(metrics) == library.text()
    assert "_created" not in shown(metrics)


def test_each_is_dated_by_its_first_event() -> None:
    metrics, before = Metrics(), time.time()
    metrics.limited["chat", "rpm"] += 1
    metrics.first_byte["chat"].observe(0.2)
    after = time.time()
    metrics.limited["chat", "rpm"] += 1
    metrics.first_byte["chat"].observe(0.2)
    text = shown(metrics)
    for name in ("sluice_limited_requests", "sluice_time_to_first_byte_seconds"):
        [created] = re.findall(rf"^{name}_created{{.*}} (\S+)$", text, re.MULTILINE)
        assert before <= float(created) <= after


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, "0.005"), (0.005, "0.005"), (0.0051, "0.01"), (600.0, "600.0"), (600.1, "+Inf")]
)
def test_a_time_belongs_to_the_first_bucket_that_is_not_below_it(seconds: float, bucket: str) -> None:
    metrics = Metrics()
    metrics.duration["chat"].observe(seconds)
    found = re.findall(r'^sluice_request_duration_seconds_bucket{le="(.*)",.*} 1.0$', shown(metrics), re.MULTILINE)
    assert found[0] == bucket
    assert found[-1] == "+Inf"


def test_who_asks_brings_up_to_date_what_is_only_looked_at_then() -> None:
    metrics = Metrics()
    metrics.refreshers.append(lambda: metrics.breakers.labels("up", "open").set(3))
    assert 'sluice_breakers{provider="up",state="open"} 3.0' in metrics.render().decode()
