"""How each target has fared lately, as this process has seen it: averages that forget, for plans, lists and reports.

Noted once an attempt, on the path of every request: one look-up and a few multiplications. What costs more, such as
percentiles, is worked out by whoever asks.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.telemetry.record import LEFT

SERVED = "served"
HALF_LIFE = 300.0
"""Seconds after which an attempt counts half."""
SAMPLES = 64
"""The latest attempts of a target over which its percentiles are taken."""
LEAST_SAMPLES = 20
"""With fewer, a percentile is the chance of one or two answers."""
SAMPLE_SECONDS = 3 * HALF_LIFE
"""The greatest age of one: as an attempt, it would count an eighth."""

_NO_VERDICT = frozenset({LEFT, FaultKind.CALLER})  # say nothing of the target
_FORGOTTEN = 0.01  # of an attempt: what weighs less was seen more than half an hour ago
_MOST_TARGETS = 4096  # callers choose the models of targets that name none
_DECAY = math.log(2) / HALF_LIFE
_FADE_SECONDS = 0.05  # in which next to nothing fades: not worth the time at each attempt
_UNHEALTHY_AFTER = 3  # failures in a row
_GOOD_RATE = 0.95  # below it a target that serves is degraded

Health = Literal["healthy", "degraded", "unhealthy"]


class Expected(NamedTuple):
    """What a call is expected to take, in seconds: as lately seen, or a prior where little was seen.

    ``first_byte`` is of answers that stream; ``per_token`` of their tokens after the first. ``total`` is of all.
    ``success`` is a rate, 0 to 1. ``seen``: how much evidence there is, in attempts, old ones counting less; ``idle``:
    seconds since an attempt at the target has last ended, inf when none has.
    """

    first_byte: float
    total: float
    per_token: float
    success: float
    seen: float
    idle: float


PRIOR = Expected(first_byte=1.0, total=5.0, per_token=0.02, success=0.95, seen=0.0, idle=math.inf)
"""Of a target that nobody has asked. Assumed, not measured: a middling hosted model, and an answer of 200 tokens. All
targets have the same, so what matters is where it lies among those that are known.
"""
PRIOR_WEIGHT = 2.0
"""As many attempts as the prior counts for. With as much seen, it is half of what is expected."""


class Percentiles(NamedTuple):
    """Of the latest attempts that served, in milliseconds, by nearest rank."""

    p50: int
    p95: int


class Seen(NamedTuple):
    """One target.

    ``average_latency_ms``: from the request until the first byte for the caller, over attempts that served, in
    milliseconds; None when none has. ``success_rate``: 0 to 1. ``attempts`` have been noted in all. ``first_byte`` (of
    answers that stream) and ``total`` are None when no such attempt has lately served.
    """

    average_latency_ms: int | None
    success_rate: float
    health: Health
    attempts: int
    first_byte: Percentiles | None = None
    total: Percentiles | None = None


class _Mean:
    """An average over ``evidence`` attempts, which fades while it gets no news."""

    __slots__ = ("evidence", "value")

    def __init__(self) -> None:
        self.evidence = self.value = 0.0

    def add(self, value: float) -> None:
        self.evidence += 1
        self.value += (value - self.value) / self.evidence

    def blended(self, prior: float, kept: float) -> float:
        """With a prior, after all evidence has faded to the part ``kept``."""
        return _blended(self.value, self.evidence * kept, prior)


class _Sample(NamedTuple):
    """An attempt that served: when it ended, and its seconds. ``first_byte`` is None for what did not stream."""

    at: float
    first_byte: float | None
    total: float


class _Figures:
    """``at``: when the last attempt has ended; ``faded``: until when weights and evidence have faded."""

    __slots__ = (
        "at",
        "attempts",
        "faded",
        "failures",
        "first_byte",
        "good",
        "per_token",
        "samples",
        "total",
        "wait",
        "weight",
    )

    def __init__(self, now: float) -> None:
        self.at = self.faded = now
        self.weight = self.good = 0.0
        self.failures = self.attempts = 0
        self.wait, self.first_byte, self.per_token, self.total = _Mean(), _Mean(), _Mean(), _Mean()
        self.samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def fade(self, now: float) -> None:
        kept = self.kept(now)
        self.faded = now
        self.weight *= kept
        self.good *= kept
        self.wait.evidence *= kept
        self.first_byte.evidence *= kept
        self.per_token.evidence *= kept
        self.total.evidence *= kept

    def kept(self, now: float) -> float:
        return math.exp((self.faded - now) * _DECAY)


class TargetFigures:
    """All targets, by provider (``namespace/name``) and the provider's name of the model. Times are seconds."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], _Figures] = {}

    def note(
        self,
        provider: str,
        model: str,
        result: str,
        *,
        asked: float,
        first_byte: float | None,
        now: float,
        total: float | None = None,
        tokens: int = 0,
        stream: bool = False,
    ) -> None:
        """An attempt that was asked at ``asked`` has ended ``now``. What is no verdict on the target is passed over.

        ``first_byte`` is a moment, ``total`` a length (until now when None); ``tokens`` are the answer's.
        """
        if result in _NO_VERDICT:
            return
        found = self._figures.get((provider, model))
        if found is None:
            found = self._add(provider, model, now)
        else:
            found.at = now
            if now - found.faded >= _FADE_SECONDS:
                found.fade(now)
        found.attempts += 1
        found.weight += 1
        if result != SERVED:
            found.failures += 1
            return
        found.failures = 0
        found.good += 1
        if total is None:
            total = now - asked
        found.total.add(total)
        streamed = None
        if first_byte is not None and first_byte >= asked:  # else it is that of an attempt before
            wait = first_byte - asked
            found.wait.add(wait)
            if stream:
                streamed = wait
                found.first_byte.add(wait)
                if tokens > 1:
                    found.per_token.add(max(0.0, total - wait) / (tokens - 1))
        found.samples.append(_Sample(now, streamed, total))

    def _add(self, provider: str, model: str, now: float) -> _Figures:
        if len(self._figures) >= _MOST_TARGETS:
            del self._figures[next(iter(self._figures))]
        added = self._figures[provider, model] = _Figures(now)
        return added

    def expected(self, provider: str, model: str, now: float) -> Expected:
        """What a call to a target is expected to take: what was seen, blended with the prior by its evidence."""
        found = self._figures.get((provider, model))
        if found is None:
            return PRIOR
        kept = found.kept(now)
        weight = found.weight * kept
        return Expected(
            found.first_byte.blended(PRIOR.first_byte, kept),
            found.total.blended(PRIOR.total, kept),
            found.per_token.blended(PRIOR.per_token, kept),
            _blended(found.good / found.weight, weight, PRIOR.success),
            weight,
            now - found.at,
        )

    def slowest(self, provider: str, model: str, percent: int, now: float) -> float | None:
        """Seconds within which so many per cent of a target's latest whole answers came; None when few were seen."""
        found = self._figures.get((provider, model))
        if found is None:
            return None
        ranked = sorted(one.total for one in found.samples if now - one.at <= SAMPLE_SECONDS and one.first_byte is None)
        if len(ranked) < LEAST_SAMPLES:
            return None
        return ranked[(len(ranked) * percent - 1) // 100]

    def seen(self, provider: str, model: str, now: float) -> Seen | None:
        """What is known of a target; None when nothing was seen of it for long."""
        found = self._figures.get((provider, model))
        if found is None or found.weight * found.kept(now) < _FORGOTTEN:
            return None
        rate = found.good / found.weight
        fresh = [sample for sample in found.samples if now - sample.at <= SAMPLE_SECONDS]
        return Seen(
            round(found.wait.value * 1000) if found.wait.evidence else None,
            round(rate, 3),
            _health(found, rate),
            found.attempts,
            _percentiles([sample.first_byte for sample in fresh if sample.first_byte is not None]),
            _percentiles([sample.total for sample in fresh]),
        )

    def all(self, now: float) -> dict[tuple[str, str], Seen]:
        """Every target of which something is known."""
        return {key: seen for key in sorted(self._figures) if (seen := self.seen(*key, now))}


def _blended(value: float, evidence: float, prior: float) -> float:
    return (prior * PRIOR_WEIGHT + value * evidence) / (PRIOR_WEIGHT + evidence)


def _percentiles(seconds: Sequence[float]) -> Percentiles | None:
    if not seconds:
        return None
    ranked = sorted(seconds)
    return Percentiles(*(round(ranked[(len(ranked) * percent - 1) // 100] * 1000) for percent in (50, 95)))


def _health(figures: _Figures, rate: float) -> Health:
    if figures.failures >= _UNHEALTHY_AFTER:
        return "unhealthy"
    return "degraded" if figures.failures or rate < _GOOD_RATE else "healthy"
