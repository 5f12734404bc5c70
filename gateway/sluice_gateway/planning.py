"""The plan of one request: what it needs, what is known of the targets now, and the strategy that holds for it."""

from collections.abc import Callable
from typing import Any

from sluice_gateway.calls import Call
from sluice_gateway.errors import ModelNotFound
from sluice_gateway.fleet import Fleet
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.routing.explain import Planned, explain
from sluice_gateway.routing.needs import needs_of
from sluice_gateway.routing.plan import make_plan
from sluice_gateway.routing.preferences import Preferences
from sluice_gateway.routing.stickiness import conversation_of
from sluice_gateway.routing.strategies import chosen_strategy
from sluice_gateway.routing.table import Match, RoutingTable


class Planner:
    """Makes plans, with all reasons in ``words`` or only with those that cost nothing. ``chance`` gives numbers from 0
    to 1.
    """

    def __init__(
        self,
        fleet: Fleet,
        outputs: ExpectedOutput,
        chance: Callable[[], float],
        preferences: Preferences | None = None,
        *,
        words: bool = True,
    ) -> None:
        self._fleet = fleet
        self._outputs = outputs
        self._chance = chance
        self._preferences = preferences
        self._words = words
        self._turns: dict[str, int] = {}  # that have been taken

    def plan(self, table: RoutingTable, call: Call, asked: str, consumer: str) -> Planned:
        """Find the route of a call, and order its targets; ``asked`` is the strategy that the caller wants, "" without.
        Raises ModelNotFound, StrategyNotAllowed.
        """
        match = _match(table, call.model)
        route, chosen = match.route.label, chosen_strategy(match.route, asked)
        planned = self._made(match, call, chosen, consumer, words=self._words)
        if chosen == "round-robin":
            self._turns[route] = self._turns.get(route, 0) + 1
        return planned

    def explain(self, table: RoutingTable, call: Call, asked: str, consumer: str) -> dict[str, Any]:
        """What would become of a call now, as a document. Nobody's turn is taken."""

        def make(match: Match, call: Call, chosen: str) -> Planned:
            return self._made(match, call, chosen, consumer, words=True)

        return explain(table, call, asked, make)

    def _made(self, match: Match, call: Call, chosen: str, consumer: str, *, words: bool) -> Planned:
        route = match.route
        needs = needs_of(call, expected_output=self._outputs.of(route.label))
        plan = make_plan(
            match,
            call.model,
            strategy=chosen,
            needs=needs,
            look=self._fleet.look,
            expect=self._fleet.expect,
            chance=self._chance,
            turn=self._turns.get(route.label, 0),
            conversation=conversation_of(call, consumer) if route.sticky else b"",
            preference=self._preferences.of(consumer)
            if self._preferences is not None and chosen == "preference"
            else None,
            call=call,
            words=words,
        )
        return Planned(match, plan, needs)


def _match(table: RoutingTable, model: str) -> Match:
    match = table.match(model)
    if match is None:
        raise ModelNotFound.for_route(model)
    if not match.route.targets_for(model):
        raise ModelNotFound.for_route(model, match.route.label)
    return match
