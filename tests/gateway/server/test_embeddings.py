"""Embeddings over HTTP, in front of providers that have them and of those that do not."""

import pytest

from tests.support.gateway import gateway, provider, route
from tests.support.upstream import json_answer, says, serve

PATH = "/v1/embeddings"
ASKED = {"model": "chat", "input": "a"}
ANSWER = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [1.5]}]}


async def test_a_wish_for_a_stream_is_the_providers_to_answer() -> None:
    async with serve(says(json_answer(ANSWER))) as upstream:
        async with gateway(provider("up", upstream.url) + route("chat", "up/m")) as sluice:
            response, body = await sluice.post(ASKED | {"stream": True}, PATH)
    assert (response.status, body) == (200, ANSWER)
    assert upstream.requests[0].json()["stream"] is True


@pytest.mark.parametrize("vendor", ["groq", "deepseek", "mock"])
async def test_a_vendor_of_openais_shape_without_embeddings_is_not_asked_for_them(vendor: str) -> None:
    async with serve(says(json_answer(ANSWER))) as upstream:
        policy = provider("first", upstream.url, provider=vendor)
        async with gateway(policy + route("chat", "first/m")) as sluice:
            response, body = await sluice.post(ASKED, PATH)
        async with gateway(policy + provider("up", upstream.url) + route("chat", "first/m", "up/m")) as sluice:
            served, _ = await sluice.post(ASKED, PATH)
    assert (response.status, body["error"]["code"]) == (400, "unsupported_parameter")
    assert body["error"]["message"] == f"{vendor} has no embeddings"
    assert (served.status, served.headers["x-sluice-target"]) == (200, "up/m")
    assert len(upstream.requests) == 1
