"""What callers are told when a route's limit has no room."""

from typing import get_args

import pytest

from sluice_gateway.attempts import limit_refusal
from sluice_gateway.errors import GatewayError
from sluice_gateway.limits.contract import Limit, Refused, Span, Unit

HOLDER = "ModelRoute/default/chat"
BUDGET = f"limit budget of {HOLDER} (1000 tokens an hour)"
SHORTER = "allow a shorter answer (max_tokens, or what the API calls it)"


def refusal(limit: Limit, retry_after: float | None, *, away: bool = False) -> GatewayError:
    return limit_refusal(Refused((), limit, retry_after, away), 530)


@pytest.mark.parametrize(
    ("limit", "wait", "told", "header"),
    [
        (
            Limit(HOLDER, "pace", Unit.REQUESTS, 3, "minute", consumer="team-a"),
            48.2,
            f"limit pace of {HOLDER} (3 requests a minute for team-a) is used up; try again in 49 s",
            49,
        ),
        (
            Limit(HOLDER, "at-once", Unit.PLACES, 2),
            0.25,
            f"limit at-once of {HOLDER} (2 requests at a time) is used up; try again in 1 s",
            1,
        ),
        (
            Limit(HOLDER, "budget", Unit.TOKENS, 1000, "hour"),
            7.0,
            f"the request may use 530 tokens, more than is left of {BUDGET}: try again in 7 s, or {SHORTER}",
            7,
        ),
        (
            Limit(HOLDER, "budget", Unit.TOKENS, 500, "day"),
            None,
            f"the request may use 530 tokens, more than limit budget of {HOLDER} (500 tokens a day) holds: {SHORTER}",
            None,
        ),
    ],
)
def test_a_refusal_says_what_helps(limit: Limit, wait: float | None, told: str, header: int | None) -> None:
    error = refusal(limit, wait)
    assert (error.code, error.message, error.retry_after) == ("rate_limit_exceeded", told, header)


def test_a_closed_limit_says_that_it_waits_for_its_counters() -> None:
    error = refusal(Limit(HOLDER, "hard", Unit.REQUESTS, 9, "day", closed=True), 1.0, away=True)
    assert (error.code, error.retry_after) == ("overloaded", 1)
    assert error.message == (
        f"the counters of limit hard of {HOLDER} (9 requests a day) cannot be read now, "
        "and it lets nothing through until they can"
    )


@pytest.mark.parametrize("span", get_args(Span))
def test_each_window_has_its_article(span: Span) -> None:
    assert f" {'an' if span == 'hour' else 'a'} {span})" in str(
        refusal(Limit(HOLDER, "x", Unit.TOKENS, 1, span), 1).message
    )
