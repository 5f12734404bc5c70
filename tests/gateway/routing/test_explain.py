"""What is said of a decision is what was decided."""

import json
from typing import Any

from sluice_gateway.calls import Call
from sluice_gateway.routing.explain import Planned, described, explain
from sluice_gateway.routing.needs import needs_of
from sluice_gateway.routing.plan import make_plan, well
from sluice_gateway.routing.standing import Look, Standing
from sluice_gateway.routing.table import Match
from tests.support.loading import provider, route
from tests.support.plans import model, said, standing, table_of

MODELS = [model("a", "1", capabilities=["chat"]), model("b", "2"), model("c", "4"), model("d", "3")]
RESOURCES = (
    provider("p", models=MODELS)
    + route("chat", *(f"p/{name}" for name in "abcd"), models=("chat", "ch*"), strategy="cost")
    + route("rest", "p/a", models=("*",), allowedStrategies=["cost"])
    + route("none", models=("none",))
)
OPEN = Standing(closed="circuit breaker open for 9 s", wait=9.04)


async def explained(call: Call, asked: str = "", look: Look = well) -> dict[str, Any]:
    def make(match: Match, call: Call, strategy: str) -> Planned:
        needs = needs_of(call)
        plan = make_plan(match, call.model, strategy=strategy, needs=needs, look=look, call=call)
        return Planned(match, plan, needs)

    document = explain(await table_of(RESOURCES), call, asked, make)
    assert json.loads(json.dumps(document)) == document
    return document


async def test_the_whole_of_a_decision() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    call = said("Hello!", tools=[tool], stream=True, max_tokens=100)
    look = standing(b=OPEN, c=Standing(full="no room for 2 s", wait=2.0))
    document = await explained(call, look=look)
    assert document.pop("config").startswith("sha256:")
    prompt = needs_of(call).prompt_tokens
    cost = (prompt + 100) / 1e6
    assert document == {
        "model": "chat",
        "route": "default/chat",
        "pattern": "chat",
        "alsoMatching": [{"route": "default/chat", "pattern": "ch*"}, {"route": "default/rest", "pattern": "*"}],
        "strategy": "cost",
        "needs": {
            "capabilities": ["tools"],
            "stream": True,
            "promptTokens": prompt,
            "maxOutputTokens": 100,
            "likelyOutputTokens": 100,
        },
        "notes": [],
        "targets": [
            row("d", f"about ${3 * cost:.6f}", score=round((2 * cost + 1e-5) / (3 * cost + 1e-5), 3)),
            row(
                "c",
                f"about ${4 * cost:.6f}; after others: no room for 2 s",
                score=round((2 * cost + 1e-5) / (4 * cost + 1e-5), 3),
                full=True,
                wait=2.0,
            ),
            row("b", f"circuit breaker open for 9 s; about ${2 * cost:.6f}", tried=False, score=1.0, wait=9.0),
            row("a", "lacks tools", tried=False),
        ],
        "answer": "from p/d",
        "because": "the exact name",
    }


def row(
    name: str, because: str, *, tried: bool = True, score: float | None = None, full: bool = False, wait: float = 0.0
) -> dict[str, Any]:
    return {
        "target": f"p/{name}",
        "tried": tried,
        "score": score,
        "because": because,
        "full": full,
        "waitSeconds": wait,
    }


async def test_why_a_route_wins() -> None:
    assert (await explained(call("chat")))["because"] == "the exact name"
    assert (await explained(call("chatter")))["because"] == "the longest prefix that fits"
    assert (await explained(call("other")))["because"] == "no exact name and no prefix fits, and * takes the rest"


def call(name: str) -> Call:
    return said("Hello!", model=name)


async def test_a_strategy_that_is_asked_for_is_the_one_that_is_explained() -> None:
    document = await explained(call("chat"), "smart")
    assert document["strategy"] == "smart"
    assert document["notes"][0].startswith("class simple: ")


async def test_what_is_refused() -> None:
    document = await explained(call("other"), "latency")
    assert document["answer"] == "400 strategy_not_allowed"
    assert document["because"].endswith("allowed are cost")
    assert (document["route"], document["targets"]) == ("default/rest", [])
    document = await explained(said("Hello!", model="other", tools=[{}]))
    assert document["answer"] == "400 unsupported_parameter"
    assert document["because"].endswith("p/a lacks tools")
    assert [one["because"] for one in document["targets"]] == ["lacks tools"]
    document = await explained(call("other"), look=standing(a=OPEN))
    assert (document["answer"], document["because"]) == ("503 all_providers_failed", "no target can be asked now")
    document = await explained(call("none"))
    assert (document["answer"], document["route"]) == ("404 model_not_found", "default/none")


async def test_a_name_that_nobody_serves() -> None:
    table = await table_of(provider("p") + route("chat", "p/a"))

    def nobody(_match: Match, _call: Call, _strategy: str) -> Planned:
        raise AssertionError("there is nothing to plan")

    document = explain(table, call("x"), "", nobody)
    assert (document["answer"], document["route"], document["pattern"]) == ("404 model_not_found", None, None)
    assert (document["because"], document["targets"]) == ("no route serves the model 'x'", [])


async def test_a_plan_alone_is_described_the_same() -> None:
    match = (await table_of(RESOURCES)).match("chat")
    assert match is not None
    needs = needs_of(call("chat"))
    planned = Planned(match, make_plan(match, "chat", strategy="cost", needs=needs), needs)
    document = await explained(call("chat"))
    assert described(planned).items() <= document.items()
