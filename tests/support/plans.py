"""Routes, options and calls for tests of what chooses among targets, without a gateway around them."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from sluice_config.resources.model_route import Scoring
from sluice_gateway.calls import Call, Shape, parse
from sluice_gateway.providers.provider import Traits
from sluice_gateway.routing.plan import NO_NEEDS, Plan, unknown, well
from sluice_gateway.routing.standing import Expect, Look, Standing
from sluice_gateway.routing.strategies import Facts, Option
from sluice_gateway.routing.table import Match, RoutingTable, Target, build_table
from sluice_gateway.telemetry.target_figures import Expected
from sluice_gateway.upstream import LeanUpstream
from tests.support.loading import loaded, provider, route

_targets: list[Target] = []


async def table_of(text: str) -> RoutingTable:
    """The table of some resources."""
    event = loaded(text)
    return build_table(event.snapshot, event.digest, event.credentials, LeanUpstream())


async def match_of(*models: Mapping[str, Any], targets: list[dict[str, Any]] | None = None, **spec: Any) -> Match:
    """A route ``chat`` to the models of one provider ``p``; ``targets`` add what a route says of each, in order."""
    added = itertools.chain(targets or (), itertools.repeat({}))
    listed = [{"provider": "p", "model": model["name"]} | more for model, more in zip(models, added, strict=False)]
    text = provider("p", models=[dict(model) for model in models]) + route("chat", **{"targets": listed} | spec)
    match = (await table_of(text)).match("chat")
    assert match is not None
    return match


def model(name: str, price: str | None = None, **more: Any) -> dict[str, Any]:
    """A model that a policy declares, with one price for input and output, in dollars per million tokens."""
    pricing = {"pricing": {"inputPerMillion": price, "outputPerMillion": price}} if price is not None else {}
    return {"name": name} | pricing | more


async def target_of() -> Target:
    """Any target; made once, for examples by the hundred."""
    if not _targets:
        [target] = (await match_of(model("x"))).route.targets
        _targets.append(target)
    return _targets[0]


async def options_of(*traits: Traits, weights: tuple[int, ...] = (), priorities: tuple[int, ...] = ()) -> list[Option]:
    """Options with these traits, called a, b, c, ..."""
    usual, found = await target_of(), []
    for place, said in enumerate(traits):
        weight, priority = weights[place] if weights else 1, priorities[place] if priorities else 0
        name = chr(ord("a") + place)
        target = Target(usual.provider, name, usual.timeouts, weight, priority)
        found.append(Option(target, name, f"p/{name}", said))
    return found


def facts(**more: Any) -> Facts:
    """What a strategy knows: nothing in particular, but for ``more``."""
    return Facts(NO_NEEDS, unknown, lambda: 0.5, 0, Scoring())._replace(**more)


def expecting(**seconds: float) -> Expect:
    """A call to each model is expected to take so long, to the first byte and in all, and was seen just now."""
    return lambda _target, name: Expected(seconds[name], seconds[name], 0.0, 1.0, 10.0, 0.0)


def standing(**how: Standing) -> Look:
    """How the targets of these models stand; all others well."""
    return lambda target, name, tokens: how.get(name) or well(target, name, tokens)


def call_of(document: Mapping[str, Any], shape: Shape = Shape.CHAT) -> Call:
    """A call with this body."""
    return parse(json.dumps({"model": "chat"} | dict(document)).encode(), shape)


def said(text: str, **more: Any) -> Call:
    """A call of a user who says this."""
    return call_of({"messages": [{"role": "user", "content": text}]} | more)


def tried(plan: Plan) -> list[str]:
    """The names of the models that are tried, in order."""
    return [candidate.model for candidate in plan.to_try()]


def left_out(plan: Plan) -> dict[str, str]:
    """Why each of the others is not."""
    return {candidate.model: candidate.left_out for candidate in plan.candidates if candidate.left_out}
