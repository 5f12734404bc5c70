"""Strategies as callers see them: what they ask for, what they get, and why."""

from typing import Any

import pytest

from tests.support.gateway import HELLO, RunningGateway, gateway, provider, route

MODELS: list[dict[str, Any]] = [
    {"name": "dear", "pricing": {"inputPerMillion": "5", "outputPerMillion": "5"}, "capabilities": ["chat"]},
    {"name": "cheap", "pricing": {"inputPerMillion": "1", "outputPerMillion": "1"}, "quality": 10},
    {"name": "good", "pricing": {"inputPerMillion": "9", "outputPerMillion": "9"}, "quality": 90},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def resources(**spec: Any) -> str:
    return provider("mock", models=MODELS) + route("chat", *(f"mock/{one['name']}" for one in MODELS), **spec)


async def target(sluice: RunningGateway, body: dict[str, Any] = HELLO, **headers: str) -> str:
    response, answer = await sluice.post(body, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert response.status == 200, answer
    return response.headers["x-sluice-target"].removeprefix("mock/")


async def test_callers_may_choose_a_strategy() -> None:
    async with gateway(resources()) as sluice:
        assert await target(sluice) == "dear"
        assert await target(sluice, x_routing_strategy="cost") == "cheap"
        assert await target(sluice, x_routing_strategy="quality") == "good"
        assert {await target(sluice, x_routing_strategy="round-robin") for _ in range(3)} == {"dear", "cheap", "good"}


@pytest.mark.parametrize(("allowed", "named"), [(["cost"], "allowed are cost"), ([], "callers may choose none")])
async def test_a_strategy_that_is_not_allowed_is_refused(allowed: list[str], named: str) -> None:
    async with gateway(resources(allowedStrategies=allowed)) as sluice:
        response, body = await sluice.post(headers={"x-routing-strategy": "quality"})
        assert (response.status, body["error"]["code"]) == (400, "strategy_not_allowed")
        assert named in body["error"]["message"]


async def test_who_lacks_what_is_asked_is_not_asked() -> None:
    async with gateway(resources()) as sluice:
        assert await target(sluice, HELLO | {"tools": TOOLS}) == "cheap"
    alone = provider("mock", models=MODELS[:1]) + route("chat", "mock/dear")
    async with gateway(alone) as sluice:
        response, body = await sluice.post(HELLO | {"tools": TOOLS})
        assert (response.status, body["error"]["code"]) == (400, "unsupported_parameter")
        assert (body["error"]["param"], "mock/dear lacks tools" in body["error"]["message"]) == ("tools", True)


async def test_smart_reads_the_request() -> None:
    async with gateway(resources(strategy="smart")) as sluice:
        asked = {await target(sluice, x_routing_strategy="round-robin") for _ in MODELS}
        assert len(asked) == len(MODELS)  # and so none of them is tried out now and then
        assert await target(sluice) == "cheap"
        thoughtful = HELLO | {"messages": [{"role": "user", "content": "Prove it step by step."}]}
        assert await target(sluice, thoughtful) == "good"


async def test_a_conversation_stays_and_others_go_elsewhere() -> None:
    async with gateway(resources(strategy="weighted", stickiness="conversation")) as sluice:
        chosen = []
        for number in range(12):
            turns = [{"role": "user", "content": f"Hello {number}!"}]
            first = await target(sluice, HELLO | {"messages": turns})
            turns += [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And?"}]
            assert await target(sluice, HELLO | {"messages": turns}) == first
            chosen.append(first)
        assert set(chosen) == {"dear", "cheap", "good"}
