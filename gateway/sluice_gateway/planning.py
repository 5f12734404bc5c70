"""The plan of one request: what it needs, what is known of the targets now, and the strategy that holds for it."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sluice_gateway.calls import Call
from sluice_gateway.errors import ModelNotFound
from sluice_gateway.fleet import Fleet
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.routing.explain import Planned, explain
from sluice_gateway.routing.needs import Needs, needs_of
from sluice_gateway.routing.plan import EXPLORED, Plan, make_plan, straight
from sluice_gateway.routing.preferences import Preferences
from sluice_gateway.routing.standing import WELL
from sluice_gateway.routing.stickiness import conversation_of
from sluice_gateway.routing.strategies import chosen_strategy
from sluice_gateway.routing.table import Match, RoutingTable

FRESH_SECONDS = 0.05
"""How long an order by scores is good for requests of the same kind: what it rests on changes with each answer, but not
much.
"""
_MOST_KEPT = 1024
_BY_SCORES = frozenset({"cost", "latency", "performance", "capability", "quality", "balanced"})


class _Kept(NamedTuple):
    """A plan in which all targets stood well, and when it was made."""

    plan: Plan
    at: float


class Planner:
    """Makes plans, with all reasons in ``words`` or only with those that cost nothing. ``chance`` gives numbers from 0
    to 1, ``clock`` seconds that only grow.
    """

    def __init__(
        self,
        fleet: Fleet,
        outputs: ExpectedOutput,
        chance: Callable[[], float],
        clock: Callable[[], float],
        *,
        preferences: Preferences | None = None,
        words: bool = True,
    ) -> None:
        self._fleet = fleet
        self._look = fleet.look
        self._outputs = outputs
        self._chance = chance
        self._preferences = preferences
        self._words = words
        self._clock = clock
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._turns: dict[str, int] = {}  # that have been taken

    def plan(self, table: RoutingTable, call: Call, asked: str, consumer: str) -> Planned:
        """Find the route of a call, and order its targets; ``asked`` is the strategy that the caller wants, "" without.
        Raises ModelNotFound, StrategyNotAllowed.
        """
        match = _match(table, call.model)
        route, chosen = match.route.label, chosen_strategy(match.route, asked)
        needs = needs_of(call, expected_output=self._outputs.of(route))
        if chosen == "priority" and not match.route.sticky and (plan := straight(match, call.model, needs, self._look)):
            return Planned(match, plan, needs)
        if chosen in _BY_SCORES and not match.route.sticky and not self._words:
            return Planned(match, self._by_scores(match, call, chosen, needs), needs)
        plan = self._made(match, call, chosen, consumer, needs=needs, chance=self._chance, words=self._words)
        if chosen == "round-robin":
            self._turns[route] = self._turns.get(route, 0) + 1
        return Planned(match, plan, needs)

    def keep(self, routes: Collection[str]) -> None:
        """Forget what is known of all other routes (``namespace/name``), and every order: it holds on to its table."""
        self._turns = {route: turn for route, turn in self._turns.items() if route in routes}
        self._kept.clear()

    def _by_scores(self, match: Match, call: Call, chosen: str, needs: Needs) -> Plan:
        """An order that was just made for another request of the kind: when all targets stood well then, and the first
        does now; else a new one. Tokens are of one kind from one power of two to the next.
        """
        route, tokens = match.route, needs.prompt_tokens + needs.max_output
        sizes = needs.prompt_tokens.bit_length(), needs.likely_output.bit_length(), needs.window.bit_length()
        key = (route, call.model, chosen, *needs[:6], *sizes)
        now, drawn, kept = self._clock(), self._chance(), self._kept.get(key)
        if kept is not None and now - kept.at < FRESH_SECONDS and drawn >= EXPLORED:
            first = kept.plan.candidates[0]
            if self._look(first.target, first.model, tokens) is WELL:
                return kept.plan
        plan = self._made(match, call, chosen, "", needs=needs, chance=lambda: drawn, words=False)
        if drawn >= EXPLORED and all(one.stands_well for one in plan.candidates):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            tried = tuple(plan.to_try())
            self._kept[key] = _Kept(plan._replace(tried=tried), now)
        return plan

    def explain(self, table: RoutingTable, call: Call, asked: str, consumer: str) -> dict[str, Any]:
        """What would become of a call now, as a document. Nobody's turn is taken."""

        def make(match: Match, call: Call, chosen: str) -> Planned:
            needs = needs_of(call, expected_output=self._outputs.of(match.route.label))
            plan = self._made(match, call, chosen, consumer, needs=needs, chance=self._chance, words=True)
            return Planned(match, plan, needs)

        return explain(table, call, asked, make)

    def _made(
        self,
        match: Match,
        call: Call,
        chosen: str,
        consumer: str,
        *,
        needs: Needs,
        chance: Callable[[], float],
        words: bool,
    ) -> Plan:
        route, preferences = match.route, self._preferences
        return make_plan(
            match,
            call.model,
            strategy=chosen,
            needs=needs,
            look=self._look,
            expect=self._fleet.expect,
            chance=chance,
            turn=self._turns.get(route.label, 0),
            conversation=conversation_of(call, consumer) if route.sticky else b"",
            preference=preferences.of(consumer) if preferences is not None and chosen == "preference" else None,
            call=call,
            words=words,
        )


def _match(table: RoutingTable, model: str) -> Match:
    match = table.match(model)
    if match is None:
        raise ModelNotFound.for_route(model)
    if not match.route.targets_for(model):
        raise ModelNotFound.for_route(model, match.route.label)
    return match
