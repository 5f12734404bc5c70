"""Plans in front of what a process knows: whose turn it is, and how long an order is good for."""

from typing import Any

import msgspec
import pytest

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.calls import Call, parse
from sluice_gateway.fleet import Fleet
from sluice_gateway.health.checks import Checks
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.limits.gate import Full, Gates
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.planning import FRESH_SECONDS, Planner
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.needs import needs_of
from sluice_gateway.routing.plan import EXPLORED, Plan
from sluice_gateway.routing.preferences import Preference, Preferences
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.telemetry.log import make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.target_figures import SERVED, TargetFigures
from tests.support.loading import loaded, provider, route


class World:
    """A planner, its fleet and the time."""

    def __init__(
        self,
        strategy: str,
        *,
        models: tuple[str, ...] = ("chat",),
        preferences: Preferences | None = None,
        **first: Any,
    ) -> None:
        """``first``: more of the first target's policy."""
        self.now = 0.0
        self.drawn = 0.5
        self.figures, self.breakers = TargetFigures(), Breakers()
        gates, checks = Gates(LocalStore(self.clock), self.clock), Checks(make_logger(), Metrics())
        self.fleet = Fleet(self.breakers, gates, self.figures, self.clock, checks)
        self.planner = Planner(
            self.fleet, ExpectedOutput(), lambda: self.drawn, self.clock, preferences=preferences, words=False
        )
        targets = provider("a", **first) + provider("b")
        config = loaded(targets + route("chat", "a/m", "b/m", models=models, strategy=strategy))
        self.table: RoutingTable = build_table(config.snapshot, config.digest, config.credentials, MockUpstream(Mock()))

    def clock(self) -> float:
        return self.now

    def seen(self, name: str, seconds: float) -> None:
        for _ in range(20):
            self.figures.note(f"default/{name}", "m", SERVED, asked=self.now - seconds, first_byte=None, now=self.now)

    def plan(self, asked: str = "", **body: object) -> Plan:
        return self.planner.plan(self.table, call(**body), asked, "somebody").plan

    def order(self, asked: str = "", **body: object) -> list[str]:
        return [one.target.provider.label for one in self.plan(asked, **body).to_try()]


def call(**body: object) -> Call:
    asked = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], **body}
    return parse(msgspec.json.encode(asked))


def test_each_request_takes_a_turn_and_who_only_asks_takes_none() -> None:
    world = World("round-robin")
    assert [world.order() for _ in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]
    explained = [world.planner.explain(world.table, call(), "", "")["targets"][0]["target"] for _ in range(2)]
    assert explained == ["b/m", "b/m"]
    assert world.order() == ["b", "a"]


def test_an_order_by_scores_is_good_for_a_moment() -> None:
    world = World("latency")
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    world.seen("a", 30.0)
    world.now = 0.049
    assert world.order() == ["a", "b"]
    world.now = FRESH_SECONDS
    assert world.order() == ["b", "a"]


@pytest.mark.parametrize("begin", [0.0, 100.0])
def test_an_order_is_not_good_for_a_second(begin: float) -> None:
    world = World("latency")
    world.now = begin
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order() == ["a", "b"]
    world.now += 1.0
    assert world.order() == ["b", "a"]


def test_a_request_of_another_kind_gets_an_order_of_its_own() -> None:
    world = World("latency")
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order(max_tokens=100_000) == ["b", "a"]
    for _ in range(20):
        world.figures.note("default/b", "m", SERVED, asked=0.0, first_byte=0.01, now=0.02, stream=True)
    assert world.order(stream=True) == ["b", "a"]
    assert world.order() == ["a", "b"]


def test_requests_of_about_the_same_size_are_of_a_kind() -> None:
    world = World("latency")
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order(user="x" * 10) == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order(user="x" * 18) == ["a", "b"]


def test_only_so_many_orders_are_kept() -> None:
    world = World("latency", models=("*",))
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    for number in range(1024):
        assert world.order(model=f"m{number}") == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order(model="m0") == ["a", "b"]
    assert world.order(model="another") == ["b", "a"]
    assert world.order(model="m0") == ["b", "a"]


async def test_an_order_is_made_anew_when_the_first_target_has_no_room_for_the_request() -> None:
    world = World("latency", rateLimit={"tokensPerMinute": 1000})
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    needs = needs_of(call(max_tokens=102))
    assert world.order(max_tokens=101) == world.order(max_tokens=102) == ["a", "b"]
    [first] = [one for one in world.table.providers if one.label == "a"]
    gate = world.fleet.gates.of(first)
    assert gate.step_in(900, "m")
    with pytest.raises(Full):
        await gate.enter("somebody", needs.prompt_tokens + 102, "m", until=None)
    world.seen("a", 30.0)
    assert world.order(max_tokens=101) == ["a", "b"]  # as before
    assert world.order(max_tokens=102) == ["b", "a"]


def test_an_order_is_made_anew_when_a_target_is_closed() -> None:
    world = World("latency")
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    [policy] = {one.breaker for one in world.table.providers}
    world.breakers.of("default/a", "m", policy).open(world.now + 60)
    assert world.order() == ["b"]


def test_an_idle_target_is_tried_out_though_an_order_is_there() -> None:
    world = World("latency")
    world.seen("b", 0.1)
    assert world.order() == ["b", "a"]
    world.drawn = 0.0
    assert world.order() == ["a", "b"]
    world.drawn = 0.5
    assert world.order() == ["b", "a"]


def test_an_order_is_kept_by_all_draws_that_try_nothing_out() -> None:
    world = World("latency")
    world.drawn = EXPLORED
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order() == ["a", "b"]


def test_the_plan_of_requests_that_ask_for_nothing_special_is_there_already() -> None:
    world = World("priority")
    assert world.plan() is world.plan(max_tokens=7)


def test_reasons_cost_nothing_where_nobody_reads_them() -> None:
    world = World("latency")
    assert {one.reason for one in world.plan().candidates} == {""}
    explained = world.planner.explain(world.table, call(), "", "")["targets"]
    assert all("answer in about" in one["because"] for one in explained)
    reader = Planner(world.fleet, ExpectedOutput(), lambda: 0.5, world.clock)
    assert "answer in about" in reader.plan(world.table, call(), "", "").plan.candidates[0].reason


class Stored:
    """One preference for all; ``asked`` are those who were looked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def of(self, consumer: str) -> Preference:
        self.asked.append(consumer)
        return Preference(targets=("b/m",))


def test_a_preference_is_looked_for_where_the_strategy_asks_for_it() -> None:
    stored = Stored()
    world = World("preference", preferences=stored)
    assert world.order() == ["b", "a"]
    assert stored.asked == ["somebody"]
    for strategy in ("weighted", "capability", "smart", "round-robin"):
        world.order(strategy)
    assert stored.asked == ["somebody"]
    assert world.order("round-robin") == ["b", "a"]  # the second time, whatever came between


@pytest.mark.parametrize("strategy", ["weighted", "smart", "preference"])
def test_other_strategies_take_no_turn(strategy: str) -> None:
    world = World("priority")
    world.order(strategy)
    assert world.order("round-robin") == ["a", "b"]
