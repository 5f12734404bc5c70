"""What a ModelRoute's limits ask of a request."""

from collections.abc import Sequence

from sluice_config.resources import model_route
from sluice_gateway.limits.contract import Charge, Limit, Unit

_TOKENS = Unit.TOKENS
_MOST_CONSUMERS = 10_000  # kept in mind; one that is forgotten costs a few microseconds more, once


class RouteLimits:
    """The limits of one route. ``holder`` is the resource, as counters and messages name it. ``short_until`` is for
    whoever asks for them: until when they are likely to refuse.
    """

    def __init__(self, holder: str, limits: Sequence[model_route.Limit]) -> None:
        self._holder = holder
        self._limits = limits
        self._by_consumer: dict[str, tuple[Charge, ...]] = {}
        self.short_until = 0.0
        self.counts_tokens = any(limit.tokens is not None for limit in limits)

    def charges(self, consumer: str, tokens: int) -> tuple[Charge, ...]:
        """What a request of ``consumer`` asks for that may use so many tokens, of prompt and answer together."""
        found = self._by_consumer.get(consumer)
        if found is None:
            if len(self._by_consumer) >= _MOST_CONSUMERS:
                self._by_consumer.clear()
            found = self._by_consumer[consumer] = self._of(consumer)
        if not self.counts_tokens:
            return found
        return tuple([one if one.limit.unit is not _TOKENS else Charge(one.limit, tokens) for one in found])

    def _of(self, consumer: str) -> tuple[Charge, ...]:
        return tuple(Charge(_limit(self._holder, limit, consumer), 1) for limit in self._limits)


def _limit(holder: str, said: model_route.Limit, consumer: str) -> Limit:
    quantities = {Unit.REQUESTS: said.requests, Unit.TOKENS: said.tokens, Unit.PLACES: said.concurrent}
    unit, most = next((unit, most) for unit, most in quantities.items() if most is not None)
    return Limit(
        holder=holder,
        name=said.name,
        unit=unit,
        most=most,
        span=said.window,
        zone=said.time_zone,
        consumer=consumer if said.per == "consumer" else "",
        closed=said.on_store_failure == "closed",
    )
