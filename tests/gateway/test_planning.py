"""What is explained is what happens: the target that is named first is the one that serves."""

from typing import Any

import pytest

from tests.support.gateway import CHAT, gateway, loaded, provider, route

SAID = [{"role": "user", "content": "Prove that there are infinitely many primes."}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("chat", CHAT, {"messages": SAID}),
    ("chat", CHAT, {"messages": SAID, "tools": TOOLS, "n": 2}),
    ("chat", CHAT, {"messages": [{"role": "user", "content": PICTURE}]}),
    ("chat", CHAT, {"messages": SAID, "response_format": {"type": "json_object"}, "max_tokens": 9}),
    ("chat", CHAT, {"messages": [{"role": "user", "content": "long " * 9000}]}),
    ("completions", "/v1/completions", {"prompt": "Hello"}),
    ("messages", "/v1/messages", {"messages": SAID, "max_tokens": 9}),
    ("responses", "/v1/responses", {"input": "Hello"}),
]


def rated(name: str, quality: int, dollars: str, **more: Any) -> str:
    price = {"inputPerMillion": dollars, "outputPerMillion": dollars}
    return provider(name, models=[{"name": "m", "quality": quality, "pricing": price} | more])


TARGETS = (
    rated("small", 20, "0.1", contextWindow=8000)
    + rated("large", 90, "9")
    + provider("unknown")
    + route("chat", "small/m", "large/m", "unknown/m", "large/m", stickiness="conversation")
)


@pytest.mark.parametrize("strategy", ["priority", "round-robin", "cost", "capability", "quality"])
async def test_the_target_that_is_explained_to_serve_serves(strategy: str) -> None:
    async with gateway(TARGETS) as sluice:
        for shape, path, body in ASKED:
            asked = body | {"model": "chat"}
            for _ in range(3):
                question = {"request": asked, "shape": shape, "strategy": strategy}
                _, explained = await sluice.post(question, "/admin/explain")
                _, again = await sluice.post(question, "/admin/explain")
                response, _ = await sluice.post(asked, path, headers={"x-routing-strategy": strategy})
                served = response.headers["x-sluice-target"]
                assert explained["answer"] == again["answer"] == f"from {served}", (shape, body)


@pytest.mark.parametrize("strategy", ["latency", "performance", "balanced", "smart"])
async def test_by_what_was_seen_the_target_serves_that_is_explained_before_or_after(strategy: str) -> None:
    """What was seen fades while the question is asked; who is best may change in between, and changes once."""
    async with gateway(TARGETS) as sluice:
        nothing_said, in_turn = {"model": "chat", "prompt": "Hello"}, {"x-routing-strategy": "round-robin"}
        asked_once = [await sluice.post(nothing_said, "/v1/completions", headers=in_turn) for _ in range(3)]
        targets = {response.headers["x-sluice-target"] for response, _ in asked_once}
        assert len(targets) == 3  # and so none of them is tried out now and then
        for shape, path, body in ASKED:
            asked = body | {"model": "chat"}
            for _ in range(3):
                question = {"request": asked, "shape": shape, "strategy": strategy}
                _, before = await sluice.post(question, "/admin/explain")
                response, _ = await sluice.post(asked, path, headers={"x-routing-strategy": strategy})
                _, after = await sluice.post(question, "/admin/explain")
                served = response.headers["x-sluice-target"]
                assert f"from {served}" in {before["answer"], after["answer"]}, (shape, body)


async def test_turns_are_explained_before_they_are_taken() -> None:
    text = provider("a") + provider("b") + provider("c") + route("chat", "a/m", "b/m", "c/m", strategy="round-robin")
    explained, served = [], []
    async with gateway(text) as sluice:
        for _ in range(4):
            _, document = await sluice.post({"request": {"model": "chat", "messages": SAID}}, "/admin/explain")
            response, _ = await sluice.post({"model": "chat", "messages": SAID})
            explained.append(document["answer"].removeprefix("from "))
            served.append(response.headers["x-sluice-target"])
    assert explained == served == ["a/m", "b/m", "c/m", "a/m"]


async def test_a_route_that_was_away_begins_with_its_first_target_again() -> None:
    text = provider("a") + provider("b") + route("chat", "a/m", "b/m", strategy="round-robin")
    served = []
    async with gateway(text) as sluice:
        for config in (text, provider("a"), text):
            await sluice.send(loaded(config))
            response, _ = await sluice.post({"model": "chat", "messages": SAID})
            served.append(response.headers.get("x-sluice-target"))
    assert served == ["a/m", None, "a/m"]
