"""How each target has fared lately, as this process has seen it: averages that forget, for lists and reports.

Noted once an attempt, on the path of every request: one look-up and a few multiplications.
"""

import math
from typing import Literal, NamedTuple

from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.telemetry.record import LEFT

SERVED = "served"
HALF_LIFE = 300.0
"""Seconds after which an attempt counts half."""

_NO_VERDICT = frozenset({LEFT, FaultKind.CALLER})  # say nothing of the target
_FORGOTTEN = 0.01  # of an attempt: what weighs less was seen more than half an hour ago
_MOST_TARGETS = 4096  # callers choose the models of targets that name none
_DECAY = math.log(2) / HALF_LIFE
_UNHEALTHY_AFTER = 3  # failures in a row
_GOOD_RATE = 0.95  # below it a target that serves is degraded

Health = Literal["healthy", "degraded", "unhealthy"]


class Seen(NamedTuple):
    """One target.

    ``average_latency_ms``: from the request until the first byte for the caller, over attempts that served, in
    milliseconds; None when none has. ``success_rate``: 0 to 1. ``attempts`` have been noted in all.
    """

    average_latency_ms: int | None
    success_rate: float
    health: Health
    attempts: int


class _Figures:
    __slots__ = ("at", "attempts", "failures", "good", "latencies", "latency", "weight")

    def __init__(self, now: float) -> None:
        self.at = now
        self.weight = self.good = self.latencies = self.latency = 0.0
        self.failures = self.attempts = 0


class TargetFigures:
    """All targets, by provider (``namespace/name``) and the provider's name of the model. Times are seconds."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], _Figures] = {}

    def note(
        self, provider: str, model: str, result: str, *, asked: float, first_byte: float | None, now: float
    ) -> None:
        """An attempt that was asked at ``asked`` has ended ``now``. What is no verdict on the target is passed over."""
        if result in _NO_VERDICT:
            return
        found = self._figures.get((provider, model))
        if found is None:
            found = self._add(provider, model, now)
        kept = math.exp((found.at - now) * _DECAY)
        found.at = now
        found.attempts += 1
        found.weight = found.weight * kept + 1
        found.good *= kept
        if result != SERVED:
            found.failures += 1
            return
        found.failures = 0
        found.good += 1
        if first_byte is not None and first_byte >= asked:  # else it is that of an attempt before
            found.latencies = found.latencies * kept + 1
            found.latency += (first_byte - asked - found.latency) / found.latencies

    def _add(self, provider: str, model: str, now: float) -> _Figures:
        if len(self._figures) >= _MOST_TARGETS:
            del self._figures[next(iter(self._figures))]
        added = self._figures[provider, model] = _Figures(now)
        return added

    def seen(self, provider: str, model: str, now: float) -> Seen | None:
        """What is known of a target; None when nothing was seen of it for long."""
        found = self._figures.get((provider, model))
        if found is None or found.weight * math.exp((found.at - now) * _DECAY) < _FORGOTTEN:
            return None
        rate = found.good / found.weight
        latency = round(found.latency * 1000) if found.latencies else None
        return Seen(latency, round(rate, 3), _health(found, rate), found.attempts)

    def all(self, now: float) -> dict[tuple[str, str], Seen]:
        """Every target of which something is known."""
        return {key: seen for key in sorted(self._figures) if (seen := self.seen(*key, now))}


def _health(figures: _Figures, rate: float) -> Health:
    if figures.failures >= _UNHEALTHY_AFTER:
        return "unhealthy"
    return "degraded" if figures.failures or rate < _GOOD_RATE else "healthy"
