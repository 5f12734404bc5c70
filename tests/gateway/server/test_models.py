"""/v1/models: true facts of each name, in OpenAI's form, and no more bytes than a caller needs."""

import asyncio
from typing import Any

import openai
import pytest

from tests.support.gateway import HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import Peer, Request, answer, json_answer, says, serve

MINI = {
    "name": "gpt-4o-mini",
    "displayName": "GPT-4o mini",
    "description": "Small talk",
    "contextWindow": 128000,
    "maxOutputTokens": 16384,
    "capabilities": ["chat", "tools"],
    "pricing": {"inputPerMillion": "0.15", "outputPerMillion": "0.60"},
}
ANSWER = json_answer({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]})
BROKEN = answer(500, b"{}")


async def shown(sluice: RunningGateway, name: str = "chat") -> dict[str, Any]:
    response, model = await sluice.get(f"/v1/models/{name}")
    assert response.status == 200
    assert isinstance(model, dict)
    return model


async def test_a_model_shows_what_its_policy_says_and_null_for_what_was_never_seen() -> None:
    async with gateway(provider("up", "http://127.0.0.1:1", models=[MINI]) + route("chat", "up/gpt-4o-mini")) as sluice:
        model = await shown(sluice)
    assert model == {
        "id": "chat",
        "object": "model",
        "created": 0,
        "owned_by": "default/chat",
        "display_name": "GPT-4o mini",
        "description": "Small talk",
        "provider": "openai-compatible",
        "capabilities": ["chat", "tools"],
        "context_window": 128000,
        "max_output_tokens": 16384,
        "pricing": {
            "currency": "USD",
            "input_per_million": "0.15",
            "output_per_million": "0.60",
            "cached_input_per_million": "unknown",
            "cache_write_per_million": "unknown",
            "reasoning_per_million": "0.60",
        },
        "average_latency_ms": None,
        "success_rate": None,
        "availability": None,
        "health": None,
        "loaded": None,
        "recommended": True,
    }


async def test_an_unknown_price_is_never_zero() -> None:
    async with gateway(provider("up", "http://127.0.0.1:1") + route("chat", "up/anything")) as sluice:
        model = await shown(sluice)
    assert set(model["pricing"].values()) == {"USD", "unknown"}
    assert model["capabilities"] is model["context_window"] is model["max_output_tokens"] is None


async def test_what_was_seen_of_a_target_is_shown() -> None:
    async with serve(says(ANSWER, ANSWER, ANSWER, BROKEN)) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m")) as sluice:
            for _ in range(3):
                await sluice.post()
            served = await shown(sluice)
            await sluice.post()
            failed = await shown(sluice)
    assert (served["success_rate"], served["health"], served["availability"]) == (1.0, "healthy", "available")
    assert isinstance(served["average_latency_ms"], int)
    assert 0 <= served["average_latency_ms"] < 5000
    assert failed["success_rate"] == pytest.approx(0.75, abs=0.01)
    assert (failed["health"], failed["availability"], failed["recommended"]) == ("degraded", "available", True)
    assert failed["average_latency_ms"] == served["average_latency_ms"]


async def test_a_target_that_keeps_failing_is_unhealthy_and_not_recommended() -> None:
    async with serve(says(BROKEN)) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m")) as sluice:
            for _ in range(3):
                await sluice.post()
            model = await shown(sluice)
    assert (model["health"], model["availability"], model["recommended"]) == ("unhealthy", "unavailable", False)
    assert model["average_latency_ms"] is None


async def test_with_another_target_that_serves_the_name_stays_available() -> None:
    async with serve(says(BROKEN)) as broken, serve(says(ANSWER)) as good:
        text = provider("bad", broken.url) + provider("good", good.url) + route("chat", "bad/m", "good/m")
        async with gateway(text) as sluice:
            for _ in range(3):
                assert (await sluice.post())[0].status == 200
            model = await shown(sluice)
    assert (model["health"], model["availability"]) == ("unhealthy", "available")


async def test_a_callers_own_mistake_and_a_caller_who_leaves_say_nothing_of_a_target() -> None:
    asked = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        if request.json()["messages"][0]["content"] == "wait":
            asked.set()
            await peer.stall()
        await peer.send(json_answer({"error": {"message": "no such role", "type": "invalid_request_error"}}, 400))

    async with serve(script) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m")) as sluice:
            assert (await sluice.post())[0].status == 400
            waiting = asyncio.create_task(sluice.post(HELLO | {"messages": [{"role": "user", "content": "wait"}]}))
            await asked.wait()
            waiting.cancel()
            await sluice.logged(2)
            assert (await shown(sluice))["success_rate"] is None


async def test_names_that_only_a_pattern_covers_are_not_recommended() -> None:
    async with gateway(provider("mock", models=[MINI]) + route("all", "mock", models=("gpt-*",))) as sluice:
        assert (await shown(sluice, "gpt-4o-mini"))["recommended"] is False


async def test_the_list_has_the_same_facts_in_the_order_of_names() -> None:
    text = provider("mock", models=[MINI, {"name": "b"}, {"name": "a"}]) + route("some", "mock", models=("*", "zebra"))
    async with gateway(text) as sluice:
        _, body = await sluice.get("/v1/models")
        each = [await shown(sluice, model["id"]) for model in body["data"]]
    assert body["data"] == each
    assert [model["id"] for model in each] == ["a", "b", "gpt-4o-mini", "zebra"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/chat"])
async def test_a_caller_who_has_the_answer_gets_no_body(path: str) -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        first, _ = await sluice.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, max-age=5"
        assert "authorization" in first.headers["vary"]
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            async with sluice.session.get(sluice.url + path, headers={"if-none-match": given}) as response:
                assert (response.status, response.headers["etag"], await response.read()) == (304, tag, b"")
        for given in ('"other"', "", "W/"):
            assert (await sluice.get(path, headers={"if-none-match": given}))[0].status == 200
        await sluice.send(loaded(provider("mock") + route("chat", "mock/other")))
        assert (await sluice.get(path, headers={"if-none-match": '"none"'}))[0].status == 200


async def test_a_new_configuration_is_listed_at_once() -> None:
    async with gateway(provider("mock") + route("chat", "mock")) as sluice:
        first, _ = await sluice.get("/v1/models")
        await sluice.send(loaded(provider("mock") + route("chat", "mock", models=("chat", "more"))))
        again, body = await sluice.get("/v1/models", headers={"if-none-match": first.headers["etag"]})
    assert again.status == 200
    assert [model["id"] for model in body["data"]] == ["chat", "more"]


async def test_anthropics_key_header_opens_the_list_too() -> None:
    event = loaded(provider("mock") + route("chat", "mock"), callers={"one": "key-one"})
    async with gateway(event, auth=True) as sluice:
        assert (await sluice.get("/v1/models", headers={"x-api-key": "key-one"}))[0].status == 200
        assert (await sluice.get("/v1/models", headers={"x-api-key": "wrong"}))[0].status == 401


async def test_openais_own_client_reads_the_list() -> None:
    async with gateway(provider("mock", models=[MINI]) + route("chat", "mock", models=("chat", "*"))) as sluice:
        strict = openai.AsyncOpenAI(
            base_url=f"{sluice.url}/v1", api_key="x", _strict_response_validation=True, max_retries=0
        )
        async with strict as client:
            listed = [model async for model in client.models.list()]
            one = await client.models.retrieve("gpt-4o-mini")
    assert [model.id for model in listed] == ["chat", "gpt-4o-mini"]
    assert one.model_dump() == listed[1].model_dump()


async def test_figures_outlive_a_reload() -> None:
    async with serve(says(ANSWER)) as upstream:
        text = provider("up", upstream.url) + route("chat", "up/m")
        async with gateway(text) as sluice:
            await sluice.post()
            await sluice.send(loaded(text + route("more", "up/m", models=("more",))))
            assert (await shown(sluice, "more"))["success_rate"] == 1.0
