"""What a reply says of the caller's limits: the headers that OpenAI's API has for its own.

| header | value |
|---|---|
| ``x-ratelimit-limit-requests``, ``-tokens`` | what may be used in a window |
| ``x-ratelimit-remaining-requests``, ``-tokens`` | what is left of it |
| ``x-ratelimit-reset-requests``, ``-tokens`` | until it is whole again, as ``1s``, ``6m0s``, ``12ms`` |

Read in OpenAI's guide "Rate limits", section "Rate limits in headers".
"""

import math
from collections.abc import Iterable
from functools import lru_cache

from sluice_gateway.limits.contract import Level, Unit

_REQUESTS, _TOKENS = Unit.REQUESTS, Unit.TOKENS  # OpenAI has no header for what runs at the same time


def ratelimit_headers(levels: Iterable[Level]) -> list[tuple[str, str]]:
    """The headers for the tightest limit of each unit: the one with the least left, of several the last to be whole."""
    requests: Level | None = None
    tokens: Level | None = None
    for level in levels:
        unit = level.limit.unit
        if unit is _REQUESTS:
            requests = level if requests is None else _tighter(requests, level)
        elif unit is _TOKENS:
            tokens = level if tokens is None else _tighter(tokens, level)
    headers = []
    if requests is not None:
        headers += [
            ("x-ratelimit-limit-requests", str(requests.limit.most)),
            ("x-ratelimit-remaining-requests", str(requests.remaining)),
            ("x-ratelimit-reset-requests", duration(requests.reset)),
        ]
    if tokens is not None:
        headers += [
            ("x-ratelimit-limit-tokens", str(tokens.limit.most)),
            ("x-ratelimit-remaining-tokens", str(tokens.remaining)),
            ("x-ratelimit-reset-tokens", duration(tokens.reset)),
        ]
    return headers


def _tighter(one: Level, other: Level) -> Level:
    return other if (other.remaining, -other.reset) < (one.remaining, -one.reset) else one


def duration(seconds: float) -> str:
    """A time as Go writes it, rounded up: whole seconds, below one second whole milliseconds."""
    if 0 < seconds <= 0.999:
        return f"{math.ceil(seconds * 1000)}ms"
    return _whole(math.ceil(seconds)) if seconds > 0 else "0s"


@lru_cache(maxsize=1024)
def _whole(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"
