"""What a provider's answers say of its own limits, and how long to wait for what is not left.

| headers | of |
|---|---|
| ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}`` | OpenAI (guide "Rate limits") and who speaks its API |
| ``anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`` | Anthropic ("Rate limits", "Response headers") |

Both tell of buckets that fill all the time, and ``reset`` says when they are full: a duration as Go writes it, seconds,
or an instant (RFC 3339), which counts from the answer's own ``Date``.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

LONGEST = 60.0
"""Seconds for which a provider's word holds: a new answer says more, another pod or account may have changed it."""

Header = Callable[[str], str | None]
"""The first value of a header, by its name in lower case."""

_FAMILIES = (
    (
        ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ),
    (
        (
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ),
        (
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ),
    ),
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d*)?)s)?(?:(\d+(?:\.\d*)?)ms)?", re.ASCII)
_SCALES = (86_400.0, 3600.0, 60.0, 1.0, 0.001)


class Left:
    """A bucket of the provider's: ``left`` of ``most`` it had ``at``, and it gains ``pace`` a second."""

    __slots__ = ("at", "ends", "left", "most", "pace")

    def __init__(self, left: float, most: float, reset: float, now: float) -> None:
        self.left = left
        self.most = most
        self.pace = (most - left) / reset
        self.at = now
        self.ends = now + min(reset, LONGEST)

    def wait(self, amount: float, now: float) -> float:
        """Seconds until it has the amount, or is full; 0 when it has, and when its word holds no longer."""
        lacking = min(amount, self.most) - self.left - (now - self.at) * self.pace
        return min(lacking / self.pace, self.ends - now) if lacking > 0 and now < self.ends else 0.0

    def take(self, amount: float) -> None:
        """It is being asked for."""
        self.left -= amount


class Heard(NamedTuple):
    """What was last heard of a model's requests and tokens; None where it does not matter: nothing, or plenty."""

    requests: Left | None = None
    tokens: Left | None = None

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until one request of so many tokens may be sent."""
        wait = self.requests.wait(1, now) if self.requests is not None else 0.0
        return max(wait, self.tokens.wait(tokens, now)) if self.tokens is not None else wait

    def take(self, tokens: int, requests: int = 1) -> None:
        """Such a request is being sent; or is not, after all, when both are negative."""
        if self.requests is not None:
            self.requests.take(requests)
        if self.tokens is not None:
            self.tokens.take(tokens)


NOTHING = Heard()


def listen(header: Header, before: Heard, now: float) -> Heard:
    """What holds after another answer; of what it does not speak of, that is what held ``before``."""
    for requests, tokens in _FAMILIES:
        requests_left, tokens_left = header(requests[1]), header(tokens[1])
        if requests_left is not None or tokens_left is not None:
            return Heard(
                before.requests if requests_left is None else _left(header, requests_left, requests, now),
                before.tokens if tokens_left is None else _left(header, tokens_left, tokens, now),
            )
    return before


def _left(header: Header, remaining: str, names: tuple[str, str, str], now: float) -> Left | None:
    """None when at least half is left: that lasts until the next answer; and when it can't be read."""
    left, most = _number(remaining), _number(header(names[0]))
    if left is None or left * 2 >= (most or 1):
        return None
    reset = _seconds(header(names[2]), header("date"))
    return Left(left, most or 1, reset, now) if reset else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else None


def _seconds(text: str | None, date: str | None) -> float | None:
    """Until a reset; None when it is over, or can't be read."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        found = _DURATION.fullmatch(text)
        seconds = _between(date, text) if found is None else _sum(found)
    return seconds if 0 < seconds < math.inf else None


def _sum(found: re.Match[str]) -> float:
    return sum(float(part) * scale for part, scale in zip(found.groups(), _SCALES, strict=True) if part)


def _between(date: str | None, instant: str) -> float:
    try:
        return (datetime.fromisoformat(instant) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return math.nan
