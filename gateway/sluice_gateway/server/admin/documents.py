"""What the admin paths and reports show, as JSON documents: bounded, for callers may choose the names of models."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from sluice_gateway.resilience.breaker import State
from sluice_gateway.resilience.breakers import Described
from sluice_gateway.telemetry.target_figures import Percentiles, Seen

MOST_BREAKERS = 1000
MOST_NAMES = 200
MOST_ROUTES = 50
"""Of one provider or target, that are named."""
_MOST_TOLD = 20  # in a sentence


def breaker(one: Described) -> dict[str, Any]:
    """One breaker. Whole seconds, rounded up: when they are over, the state has ended."""
    return {
        "provider": one.provider,
        "model": one.model,
        "state": one.state,
        "secondsLeft": math.ceil(one.left),
        "byHand": one.by_hand,
        "failures": one.failures,
        "opened": one.opened,
    }


def breakers(found: Sequence[Described]) -> dict[str, Any]:
    """All of them; those that are open or half-open first, then those that were set by hand."""
    ordered = sorted(found, key=lambda one: (one.state is State.CLOSED, not one.by_hand, one.provider, one.model))
    shown = [breaker(one) for one in ordered[:MOST_BREAKERS]]
    return {"breakers": shown, "more": len(ordered) - len(shown)}


def target(model: str, seen: Seen | None, routes: Sequence[str]) -> dict[str, Any]:
    """One target and how it has fared; what nobody has seen is null."""
    return {
        "model": model,
        **cut("routes", routes, MOST_ROUTES),
        "health": seen.health if seen else None,
        "successRate": seen.success_rate if seen else None,
        "averageLatencyMilliseconds": seen.average_latency_ms if seen else None,
        "firstByteMilliseconds": _percentiles(seen.first_byte if seen else None),
        "totalMilliseconds": _percentiles(seen.total if seen else None),
        "attempts": seen.attempts if seen else 0,
    }


def cut(name: str, names: Sequence[str], most: int = MOST_NAMES) -> dict[str, Any]:
    """A member that lists names, and another that says how many more there are, where there are too many."""
    more = {"more" + name.capitalize(): len(names) - most} if len(names) > most else {}
    return {name: list(names[:most]), **more}


def some(names: Iterable[str]) -> str:
    """The first of what there is, in words, for whoever has asked for something else."""
    known = sorted(names)
    listed = ", ".join(known[:_MOST_TOLD]) or "none"
    return listed + (f" and {len(known) - _MOST_TOLD} more" if len(known) > _MOST_TOLD else "")


def _percentiles(found: Percentiles | None) -> dict[str, int] | None:
    return {"p50": found.p50, "p95": found.p95} if found else None
