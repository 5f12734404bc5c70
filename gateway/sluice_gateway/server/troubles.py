"""What is not well, and whom it concerns: what the operator makes of it is the condition TargetsHealthy."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sluice_gateway.resilience.breaker import State
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.server.served import Serving

MOST_ENTRIES = 200
"""Of each kind: callers choose the models of targets that name none, and the operator asks each pod for this."""

Health = Callable[[], Sequence[Mapping[str, Any]]]
"""How each provider that is checked has fared, as ``health.checks.Checks.described`` says it."""
Trouble = dict[str, Any]


class Troubles:
    """Looks for what is not well. ``clock`` gives seconds that only grow."""

    def __init__(self, serving: Serving, breakers: Breakers, health: Health, clock: Callable[[], float]) -> None:
        self._serving = serving
        self._breakers = breakers
        self._health = health
        self._clock = clock

    def described(self) -> dict[str, list[Trouble]]:
        """By kinds, as /internal/report shows it. A provider whose key is refused is in one of them alone."""
        health = self._health()
        return {
            "breakers": [*islice(self._not_closed(), MOST_ENTRIES)],
            "unhealthy": [
                {"provider": one["provider"], "reason": one["reason"], "routes": self._routes(one["provider"])}
                for one in islice(filter(_is_unhealthy, health), MOST_ENTRIES)
            ],
            "rejected": [
                {"provider": one["provider"], "routes": self._routes(one["provider"])}
                for one in islice(filter(_is_rejected, health), MOST_ENTRIES)
            ],
        }

    def _not_closed(self) -> Iterable[Trouble]:
        found = [one for one in self._breakers.all(self._clock()) if one.state is not State.CLOSED]
        for one in sorted(found, key=lambda one: one.state is not State.OPEN):
            served = self._serving.now()
            yield {
                "provider": one.provider,
                "model": one.model,
                "state": one.state,
                "secondsLeft": math.ceil(one.left),
                "byHand": one.by_hand,
                "routes": served.routes_to(one.provider, one.model) if served is not None else [],
            }

    def _routes(self, provider: str) -> list[str]:
        served = self._serving.now()
        return served.routes_of(provider) if served is not None else []


def _is_unhealthy(one: Mapping[str, Any]) -> bool:
    return one["state"] == "unhealthy" and not _is_rejected(one)


def _is_rejected(one: Mapping[str, Any]) -> bool:
    return bool(one["credentialsRejected"])
