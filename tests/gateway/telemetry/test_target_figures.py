"""Averages that forget."""

import pytest

from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.telemetry.record import LEFT
from sluice_gateway.telemetry.target_figures import HALF_LIFE, SERVED, Seen, TargetFigures

TARGET = ("default/openai", "gpt-5")


def noted(*results: str, at: float = 0.0, seconds: float = 1.0, figures: TargetFigures | None = None) -> TargetFigures:
    figures = figures or TargetFigures()
    for result in results:
        figures.note(*TARGET, result, asked=at - seconds, first_byte=at, now=at)
    return figures


def seen(figures: TargetFigures, now: float = 0.0) -> Seen:
    found = figures.seen(*TARGET, now)
    assert found is not None
    return found


def test_nothing_is_known_of_what_was_never_asked() -> None:
    assert TargetFigures().seen(*TARGET, 0.0) is None
    assert noted(SERVED).seen("default/openai", "other", 0.0) is None
    assert noted(SERVED).seen("other/openai", "gpt-5", 0.0) is None


@pytest.mark.parametrize("result", [LEFT, FaultKind.CALLER])
def test_what_is_no_verdict_is_not_counted(result: str) -> None:
    assert noted(result).seen(*TARGET, 0.0) is None
    assert noted(SERVED, result).seen(*TARGET, 0.0) == Seen(1000, 1.0, "healthy", 1)


@pytest.mark.parametrize("result", [*sorted(set(FaultKind) - {FaultKind.CALLER}), "timeout", "provider_error"])
def test_everything_else_is_a_failure(result: str) -> None:
    assert seen(noted(SERVED, result)).success_rate == 0.5


@pytest.mark.parametrize(
    ("results", "health"),
    [
        ([SERVED], "healthy"),
        ([SERVED, "failed"], "degraded"),
        (["failed", SERVED], "degraded"),
        (["failed", *[SERVED] * 30], "healthy"),
        (["failed", "failed"], "degraded"),
        (["failed"] * 3, "unhealthy"),
        ([*[SERVED] * 100, *["failed"] * 3], "unhealthy"),
        ([*["failed"] * 3, SERVED], "degraded"),
    ],
)
def test_health_is_about_the_last_attempts(results: list[str], health: str) -> None:
    assert seen(noted(*results)).health == health


def test_an_attempt_counts_half_after_the_half_life() -> None:
    figures = noted("failed", at=0.0)
    noted(SERVED, at=HALF_LIFE, figures=figures)
    assert seen(figures, HALF_LIFE).success_rate == pytest.approx(1 / 1.5, abs=0.001)


def test_latency_follows_the_latest() -> None:
    figures = noted(*[SERVED] * 10, at=0.0, seconds=1.0)
    assert seen(figures).average_latency_ms == 1000
    noted(*[SERVED] * 10, at=10 * HALF_LIFE, seconds=3.0, figures=figures)
    assert seen(figures, 10 * HALF_LIFE).average_latency_ms == pytest.approx(3000, abs=5)


def test_what_was_seen_long_ago_is_forgotten() -> None:
    figures = noted("failed", "failed", "failed")
    assert figures.seen(*TARGET, 6 * HALF_LIFE) is not None
    assert figures.seen(*TARGET, 9 * HALF_LIFE) is None
    assert figures.all(9 * HALF_LIFE) == {}


def test_a_first_byte_of_an_attempt_before_is_no_latency() -> None:
    figures = TargetFigures()
    figures.note(*TARGET, SERVED, asked=2.0, first_byte=1.0, now=3.0)
    assert figures.seen(*TARGET, 3.0) == Seen(None, 1.0, "healthy", 1)


def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    figures = TargetFigures()
    for number in range(5000):
        figures.note("default/any", f"made-up-{number}", SERVED, asked=0.0, first_byte=0.5, now=1.0)
    known = figures.all(1.0)
    assert len(known) == 4096
    assert ("default/any", "made-up-4999") in known
    assert ("default/any", "made-up-0") not in known
