"""What answers say of a provider's own limits: both families of headers, and how a bucket fills meanwhile."""

import pytest

from sluice_gateway.limits.heard import NOTHING, Heard, Left, listen

NOW = 1000.0
OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "30s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "200",
    "x-ratelimit-reset-tokens": "20s",
}
ANTHROPIC = {
    "date": "Fri, 01 May 2026 12:00:00 GMT",
    "anthropic-ratelimit-requests-limit": "60",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-05-01T12:00:30Z",
    "anthropic-ratelimit-tokens-limit": "1000",
    "anthropic-ratelimit-tokens-remaining": "200",
    "anthropic-ratelimit-tokens-reset": "2026-05-01T12:00:20Z",
}


def heard(headers: dict[str, str], before: Heard = NOTHING, **changed: str | None) -> Heard:
    said = headers | {name.replace("_", "-"): value for name, value in changed.items()}
    return listen(said.get, before, NOW)


def without_tokens(reset: str) -> Heard:
    """An answer with no tokens left, and nothing said of requests."""
    tokens = {name: value for name, value in OPENAI.items() if name.endswith("tokens")}
    return heard(tokens, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens=reset)


def tokens_after(reset: str) -> float:
    """How long a request for all tokens waits then."""
    return without_tokens(reset).wait(1000, NOW)


@pytest.mark.parametrize("headers", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_a_request_waits_for_what_it_needs(headers: dict[str, str]) -> None:
    said = heard(headers)
    assert said.wait(0, NOW) == pytest.approx(0.5)  # 60 requests in 30 s
    assert said.wait(219, NOW) == pytest.approx(0.5)  # 800 tokens in 20 s
    assert said.wait(240, NOW) == pytest.approx(1.0)
    assert said.wait(1000, NOW) == pytest.approx(20.0)
    assert said.wait(1000, NOW + 5) == pytest.approx(15.0)
    assert said.wait(240, NOW + 1) == 0.0


def test_more_than_it_ever_has_waits_until_it_is_full() -> None:
    assert heard(OPENAI).wait(5000, NOW) == pytest.approx(20.0)
    assert heard(OPENAI).wait(5000, NOW + 20) == 0.0


def test_what_is_sent_is_taken_off() -> None:
    said = heard(OPENAI, x_ratelimit_remaining_requests="2")
    for _ in range(2):
        assert said.wait(100, NOW) == 0.0
        said.take(100)
    assert said.wait(0, NOW) == pytest.approx(1 / (58 / 30))
    assert said.wait(100, NOW + 1) == pytest.approx(1.5)


def test_what_is_enough_for_now_is_no_matter() -> None:
    assert heard(OPENAI, x_ratelimit_remaining_requests="30", x_ratelimit_remaining_tokens="500") == NOTHING
    assert NOTHING.wait(10**9, NOW) == 0.0
    said = heard(OPENAI, x_ratelimit_remaining_requests="29", x_ratelimit_remaining_tokens="499")
    assert said.requests
    assert said.tokens


def test_a_new_answer_takes_the_place_of_an_older_one_unit_by_unit() -> None:
    before = heard(OPENAI)
    assert heard({}, before) is before
    assert heard({"x-ratelimit-remaining-requests": "59", "x-ratelimit-limit-requests": "60"}, before) == (
        None,
        before.tokens,
    )
    assert heard({"x-ratelimit-remaining-tokens": "999", "x-ratelimit-limit-tokens": "1000"}, before) == (
        before.requests,
        None,
    )


def test_without_a_limit_only_what_is_used_up_counts() -> None:
    said = heard(OPENAI, x_ratelimit_limit_requests=None, x_ratelimit_limit_tokens=None)
    assert said.tokens is None
    assert said.wait(0, NOW) == pytest.approx(30.0)
    assert said.wait(0, NOW + 30) == 0.0


def test_a_word_holds_for_a_minute() -> None:
    assert tokens_after("6m0s") == 60.0
    assert without_tokens("6m0s").wait(1000, NOW + 61) == 0.0
    said = heard(OPENAI, x_ratelimit_reset_requests="1h0m0s")
    assert said.wait(0, NOW) == 60.0
    assert said.wait(0, NOW + 59.5) == pytest.approx(0.5)
    assert said.wait(0, NOW + 60) == said.wait(0, NOW + 61) == 0.0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("12ms", 0.012),
        ("7.66s", 7.66),
        ("1s", 1.0),
        ("1s500ms", 1.5),
        ("20", 20.0),
        ("0.5", 0.5),
        ("0m59.5s", 59.5),
        ("1m", 60.0),
        ("1m1s", 60.0),
        ("1h", 60.0),
        ("1d", 60.0),
        ("2m59.56s", 60.0),
    ],
)
def test_durations(reset: str, seconds: float) -> None:
    assert tokens_after(reset) == pytest.approx(seconds)


def test_longer_durations_count_in_the_pace() -> None:
    """One request of 7,200 comes back each second when it takes two hours to fill."""
    for reset in ("2h", "120m", "7200s", "7200", "1h60m", "1h59m60s", "1h59m59s1000ms"):
        said = heard(
            OPENAI,
            x_ratelimit_limit_requests="7200",
            x_ratelimit_reset_requests=reset,
            x_ratelimit_remaining_tokens=None,
        )
        assert said.wait(0, NOW) == pytest.approx(1.0), reset
    said = heard(
        OPENAI, x_ratelimit_limit_requests="86400", x_ratelimit_reset_requests="1d", x_ratelimit_remaining_tokens=None
    )
    assert said.wait(0, NOW) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "reset", ["", "soon", "-1s", "-0.5", "0", "0s", "nan", "inf", "-5", "1s1m", "٣s", "2026-05-01T12:00:30Z"]
)
def test_what_can_not_be_read_is_no_matter(reset: str) -> None:
    assert without_tokens(reset) == NOTHING


@pytest.mark.parametrize("remaining", ["", "-1", "many", "1.5", "9" * 19, "²"])
def test_numbers_that_are_none(remaining: str) -> None:
    assert heard(OPENAI, x_ratelimit_remaining_requests=remaining, x_ratelimit_remaining_tokens=None) == NOTHING


@pytest.mark.parametrize(("digits", "counts"), [(18, True), (19, False), (20, False)])
def test_numbers_beyond_all_limits(digits: int, counts: bool) -> None:
    assert (heard(OPENAI, x_ratelimit_limit_tokens="9" * digits).tokens is not None) == counts


@pytest.mark.parametrize("date", [None, "yesterday", "Fri, 01 May 2026 12:00:30 GMT", "Fri, 01 May 2026 12:00:40 GMT"])
def test_an_instant_counts_from_the_date_of_the_answer(date: str | None) -> None:
    assert heard(ANTHROPIC, date=date).requests is None


def test_a_bucket_by_itself() -> None:
    left = Left(10, 40, 30.0, NOW)
    assert [left.wait(amount, NOW) for amount in (10, 11, 40, 41)] == [0.0, 1.0, 30.0, 30.0]
    assert left.wait(10, NOW + 0.5) == 0.0
    assert Left(0, 60, 60.0, 1.0).wait(10, 5.0) == 6.0
    assert Left(0, 60, 3600.0, NOW).wait(10, NOW + 61) == 0.0
    left.take(5)
    assert left.wait(10, NOW) == 5.0
    assert left.wait(10, NOW + 5) == 0.0
