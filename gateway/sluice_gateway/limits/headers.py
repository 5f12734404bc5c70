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

from sluice_gateway.limits.contract import Level, Unit

_UNITS = (Unit.REQUESTS, Unit.TOKENS)  # OpenAI has no header for what runs at the same time


def ratelimit_headers(levels: Iterable[Level]) -> list[tuple[str, str]]:
    """The headers for the tightest limit of each unit: the one with the least left, of several the last to be whole."""
    tightest: dict[Unit, Level] = {}
    for level in levels:
        other = tightest.get(level.limit.unit)
        if other is None or (level.remaining, -level.reset) < (other.remaining, -other.reset):
            tightest[level.limit.unit] = level
    headers = []
    for unit in _UNITS:
        if (found := tightest.get(unit)) is not None:
            headers += [
                (f"x-ratelimit-limit-{unit}", str(found.limit.most)),
                (f"x-ratelimit-remaining-{unit}", str(found.remaining)),
                (f"x-ratelimit-reset-{unit}", duration(found.reset)),
            ]
    return headers


def duration(seconds: float) -> str:
    """A time as Go writes it, rounded up: whole seconds, below one second whole milliseconds."""
    if 0 < seconds <= 0.999:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(max(0, math.ceil(seconds)), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"
