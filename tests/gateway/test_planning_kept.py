"""Plans in front of what a process knows: whose turn it is, and how long an order is good for."""

import msgspec

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.calls import Call, parse
from sluice_gateway.fleet import Fleet
from sluice_gateway.health.checks import Checks
from sluice_gateway.limits.expected import ExpectedOutput
from sluice_gateway.limits.gate import Gates
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.planning import FRESH_SECONDS, Planner
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.telemetry.log import make_logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.target_figures import SERVED, TargetFigures
from tests.support.loading import loaded, provider, route


class World:
    """A planner, its fleet and the time."""

    def __init__(self, strategy: str) -> None:
        self.now = 1000.0
        self.drawn = 0.5
        self.figures, self.breakers = TargetFigures(), Breakers()
        gates, checks = Gates(LocalStore(self.clock), self.clock), Checks(make_logger(), Metrics())
        fleet = Fleet(self.breakers, gates, self.figures, self.clock, checks)
        self.planner = Planner(fleet, ExpectedOutput(), lambda: self.drawn, self.clock, words=False)
        config = loaded(provider("a") + provider("b") + route("chat", "a/m", "b/m", strategy=strategy))
        self.table: RoutingTable = build_table(config.snapshot, config.digest, config.credentials, MockUpstream(Mock()))

    def clock(self) -> float:
        return self.now

    def seen(self, name: str, seconds: float) -> None:
        for _ in range(20):
            self.figures.note(f"default/{name}", "m", SERVED, asked=self.now - seconds, first_byte=None, now=self.now)

    def order(self, **body: object) -> list[str]:
        plan = self.planner.plan(self.table, call(**body), "", "somebody").plan
        return [one.target.provider.label for one in plan.to_try()]


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
    world.now += FRESH_SECONDS - 0.001
    assert world.order() == ["a", "b"]
    world.now += 0.002
    assert world.order() == ["b", "a"]


def test_a_request_of_another_kind_gets_an_order_of_its_own() -> None:
    world = World("latency")
    world.seen("a", 0.1)
    world.seen("b", 2.0)
    assert world.order() == ["a", "b"]
    world.seen("a", 30.0)
    assert world.order(max_tokens=100_000) == ["b", "a"]
    assert world.order() == ["a", "b"]


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
