"""What pods learn from each other: when a breaker has opened in one, the others look for themselves."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sluice_gateway.resilience.breaker import State
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable

if TYPE_CHECKING:  # the client library of Redis is loaded only where there is one
    from sluice_gateway.state.news import News, Told


class Hints:
    """Between this pod's breakers and the news. ``table`` gives what is served, ``clock`` seconds that only grow."""

    def __init__(
        self,
        news: "News",
        breakers: Breakers,
        table: Callable[[], RoutingTable | None],
        clock: Callable[[], float],
    ) -> None:
        self._news = news
        self._breakers = breakers
        self._table = table
        self._clock = clock

    def changed(self, provider: str, model: str, state: State, by_hand: bool) -> None:
        """A breaker of this pod has changed. Follows ``resilience.breakers.Observer``."""
        breaker = self._breakers.find(provider, model)
        if breaker is not None and state is State.OPEN and not by_hand:
            self._news.publish_open(provider, model, breaker.policy.open_seconds)

    def hear(self, told: "Told") -> None:
        """Another pod's breaker has opened. One probe decides here: it may be the other pod's own trouble."""
        table = self._table()
        if told.kind != "opened" or table is None:
            return
        known = next((one for one in table.providers if one.resource == told.provider), None)
        if known is not None:
            self._breakers.of(told.provider, told.model, known.breaker).suspect(self._clock())
