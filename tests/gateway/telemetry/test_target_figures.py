"""Averages that forget."""

import math

import pytest

from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.telemetry.record import LEFT
from sluice_gateway.telemetry.target_figures import (
    HALF_LIFE,
    PRIOR,
    PRIOR_WEIGHT,
    SAMPLE_SECONDS,
    SAMPLES,
    SERVED,
    Expected,
    Percentiles,
    Seen,
    TargetFigures,
)

TARGET = ("default/openai", "gpt-5")


def noted(*results: str, at: float = 0.0, seconds: float = 1.0, figures: TargetFigures | None = None) -> TargetFigures:
    figures = figures or TargetFigures()
    for result in results:
        figures.note(*TARGET, result, asked=at - seconds, first_byte=at, now=at)
    return figures


def streamed(
    figures: TargetFigures, *first_bytes: float, total: float = 3.0, tokens: int = 101, at: float = 0.0
) -> None:
    """Streams that ended ``at``, and took ``total`` seconds."""
    for first_byte in first_bytes:
        asked = at - total
        figures.note(
            *TARGET, SERVED, asked=asked, first_byte=asked + first_byte, now=at, total=total, tokens=tokens, stream=True
        )


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
    assert seen(noted(SERVED, result))[:4] == (1000, 1.0, "healthy", 1)
    assert noted(result).expected(*TARGET, 0.0) == PRIOR


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
        (["failed"] * 4, "unhealthy"),
        (["failed", *[SERVED] * 19], "healthy"),
        (["failed", *[SERVED] * 18], "degraded"),
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


def test_the_success_rate_is_rounded() -> None:
    assert seen(noted(SERVED, SERVED, "failed")).success_rate == 0.667


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
    assert figures.seen(*TARGET, 3.0) == Seen(None, 1.0, "healthy", 1, None, Percentiles(1000, 1000))
    figures.note(*TARGET, SERVED, asked=2.0, first_byte=2.0, now=3.0)
    assert seen(figures, 3.0).average_latency_ms == 0


def test_names_that_callers_make_up_do_not_fill_the_memory() -> None:
    figures = TargetFigures()
    for number in range(5000):
        figures.note("default/any", f"made-up-{number}", SERVED, asked=0.0, first_byte=0.5, now=1.0)
    known = figures.all(1.0)
    assert len(known) == 4096
    assert ("default/any", "made-up-4999") in known
    assert ("default/any", "made-up-0") not in known


def test_of_what_was_never_asked_the_prior_is_expected() -> None:
    assert TargetFigures().expected(*TARGET, 7.0) == PRIOR == Expected(1.0, 5.0, 0.02, 0.95, 0.0, math.inf)
    assert noted(SERVED).expected("default/openai", "other", 0.0) == PRIOR


def test_what_is_seen_counts_against_the_prior_by_its_evidence() -> None:
    figures = TargetFigures()
    streamed(figures, 0.4, 0.4, total=2.4, tokens=101)
    expected = figures.expected(*TARGET, 0.0)
    assert expected.seen == PRIOR_WEIGHT == 2.0
    assert expected.first_byte == pytest.approx((1.0 + 0.4) / 2)
    assert expected.total == pytest.approx((5.0 + 2.4) / 2)
    assert expected.per_token == pytest.approx((0.02 + 2.0 / 100) / 2)
    assert expected.success == pytest.approx((0.95 + 1.0) / 2)
    streamed(figures, *[0.4] * 198, total=2.4)
    assert figures.expected(*TARGET, 0.0).first_byte == pytest.approx(0.4, abs=0.01)


def test_an_idle_target_goes_back_to_the_prior() -> None:
    figures = TargetFigures()
    streamed(figures, *[9.0] * 4, total=20.0)
    noted("failed", figures=figures)
    soon, later, late = (figures.expected(*TARGET, seconds) for seconds in (0.0, HALF_LIFE, 20 * HALF_LIFE))
    assert (soon.seen, soon.idle) == (5.0, 0.0)
    assert later.seen == pytest.approx(2.5)
    assert later.idle == HALF_LIFE
    assert soon.first_byte == pytest.approx((2 * 1.0 + 4 * 9.0) / 6)
    assert later.first_byte == pytest.approx((2 * 1.0 + 2 * 9.0) / 4)
    assert later.success == pytest.approx((2 * 0.95 + 2.5 * 0.8) / 4.5)
    assert late[:4] == pytest.approx(PRIOR[:4], abs=0.001)
    assert figures.expected(*TARGET, 0.0) == soon  # asking changes nothing


def test_what_is_seen_fades_while_only_failures_come() -> None:
    figures = TargetFigures()
    streamed(figures, 9.0, 9.0)
    noted("failed", at=HALF_LIFE, figures=figures)
    assert figures.expected(*TARGET, HALF_LIFE).first_byte == pytest.approx((2 * 1.0 + 1 * 9.0) / 3)
    assert figures.expected(*TARGET, HALF_LIFE).seen == pytest.approx(2.0)


def test_whole_answers_say_nothing_of_first_bytes_and_tokens() -> None:
    expected = noted(SERVED, SERVED, seconds=3.0).expected(*TARGET, 0.0)
    assert (expected.first_byte, expected.per_token) == (PRIOR.first_byte, PRIOR.per_token)
    assert expected.total == pytest.approx(4.0)


def test_failures_say_nothing_of_latency() -> None:
    expected = noted("failed", "timeout", seconds=60.0).expected(*TARGET, 0.0)
    assert expected[:3] == pytest.approx(PRIOR[:3])
    assert expected.success == pytest.approx(0.95 / 2)
    assert seen(noted("failed"))[4:] == (None, None)


@pytest.mark.parametrize(("tokens", "per_token"), [(0, 0.02), (1, 0.02), (2, (2 * 0.02 + 2.0) / 3)])
def test_the_time_of_a_token_is_of_those_after_the_first(tokens: int, per_token: float) -> None:
    figures = TargetFigures()
    streamed(figures, 1.0, total=3.0, tokens=tokens)
    assert figures.expected(*TARGET, 0.0).per_token == pytest.approx(per_token)


def test_the_total_is_until_now_when_nothing_else_is_said() -> None:
    figures = TargetFigures()
    figures.note(*TARGET, SERVED, asked=1.0, first_byte=2.0, now=5.0)
    assert seen(figures, 5.0).total == Percentiles(4000, 4000)
    figures = TargetFigures()
    figures.note(*TARGET, SERVED, asked=1.0, first_byte=2.0, now=5.0, total=0.5, tokens=3, stream=True)
    assert seen(figures, 5.0).total == Percentiles(500, 500)
    assert figures.expected(*TARGET, 5.0).per_token == pytest.approx(2 * 0.02 / 3)


@pytest.mark.parametrize(
    ("count", "p50", "p95"),
    [(1, 1, 1), (2, 1, 2), (3, 2, 3), (19, 10, 19), (20, 10, 19), (21, 11, 20), (51, 26, 49), (SAMPLES, 32, 61)],
)
def test_percentiles_are_by_nearest_rank(count: int, p50: int, p95: int) -> None:
    figures = TargetFigures()
    for seconds in range(count, 0, -1):
        streamed(figures, float(seconds), total=100.0 + seconds)
    assert seen(figures).first_byte == Percentiles(p50 * 1000, p95 * 1000)
    assert seen(figures).total == Percentiles((100 + p50) * 1000, (100 + p95) * 1000)


def test_percentiles_are_of_the_latest_attempts() -> None:
    assert (HALF_LIFE, SAMPLES, SAMPLE_SECONDS) == (300.0, 64, 900.0)
    figures = TargetFigures()
    streamed(figures, *[9.0] * 64, *[1.0] * 63)
    assert seen(figures).first_byte == Percentiles(1000, 1000)
    streamed(figures, *[9.0] * 4)
    assert seen(figures).first_byte == Percentiles(1000, 9000)
    assert seen(figures, SAMPLE_SECONDS).first_byte is not None
    assert seen(figures, SAMPLE_SECONDS + 1)[4:] == (None, None)


def test_percentiles_of_first_bytes_are_of_streams() -> None:
    figures = noted(SERVED, SERVED, seconds=2.0)
    assert seen(figures)[4:] == (None, Percentiles(2000, 2000))
    streamed(figures, 0.5, total=4.0)
    assert seen(figures)[4:] == (Percentiles(500, 500), Percentiles(2000, 4000))
    assert figures.all(0.0)[TARGET] == seen(figures)


def test_idle_is_since_the_last_attempt_that_said_something() -> None:
    figures = noted(SERVED, "failed", at=100.0)
    noted(LEFT, at=110.0, figures=figures)
    assert figures.expected(*TARGET, 130.0).idle == 30.0


def test_how_old_a_sample_is_does_not_depend_on_the_clocks_start() -> None:
    figures = TargetFigures()
    streamed(figures, 1.0, at=5000.0)
    assert seen(figures, 5000.0 + SAMPLE_SECONDS).total == Percentiles(3000, 3000)
    assert seen(figures, 5000.1 + SAMPLE_SECONDS).total is None
