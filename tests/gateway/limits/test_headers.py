"""The headers of replies, to the letter."""

import pytest

from sluice_gateway.limits.contract import Level, Limit, Unit
from sluice_gateway.limits.headers import duration, ratelimit_headers


def level(unit: Unit, remaining: int, reset: float, most: int = 100) -> Level:
    return Level(Limit("ModelRoute/default/chat", "a", unit, most, "minute"), remaining, reset)


def test_each_unit_has_three_headers() -> None:
    levels = [level(Unit.TOKENS, 70_000, 360.0, 90_000), level(Unit.REQUESTS, 59, 1.0, 60)]
    assert ratelimit_headers(levels) == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "90000"),
        ("x-ratelimit-remaining-tokens", "70000"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ]


def test_there_are_none_for_places_nor_without_limits() -> None:
    assert ratelimit_headers([]) == []
    assert ratelimit_headers([level(Unit.PLACES, 1, 0.0)]) == []


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ([level(Unit.TOKENS, 5, 9.0, 10), level(Unit.TOKENS, 4, 1.0, 11)], ("11", "4", "1s")),
        ([level(Unit.TOKENS, 4, 1.0, 11), level(Unit.TOKENS, 5, 9.0, 10)], ("11", "4", "1s")),
        ([level(Unit.TOKENS, 4, 1.0, 10), level(Unit.TOKENS, 4, 9.0, 11)], ("11", "4", "9s")),
        ([level(Unit.TOKENS, 4, 9.0, 10), level(Unit.TOKENS, 4, 1.0, 11)], ("10", "4", "9s")),
        ([level(Unit.TOKENS, 4, 1.0, 10), level(Unit.TOKENS, 4, 1.0, 11)], ("10", "4", "1s")),
    ],
)
def test_the_tightest_limit_is_told(levels: list[Level], told: tuple[str, str, str]) -> None:
    assert tuple(value for _, value in ratelimit_headers(levels)) == told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0s"),
        (0.0, "0s"),
        (0.0001, "1ms"),
        (0.012, "12ms"),
        (0.9989, "999ms"),
        (0.999, "999ms"),
        (0.9991, "1s"),
        (1.0, "1s"),
        (1.01, "2s"),
        (59.0, "59s"),
        (59.5, "1m0s"),
        (60.0, "1m0s"),
        (359.9, "6m0s"),
        (3599.0, "59m59s"),
        (3599.5, "1h0m0s"),
        (3725.0, "1h2m5s"),
        (2_678_400.0, "744h0m0s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
