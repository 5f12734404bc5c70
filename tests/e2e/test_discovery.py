"""What providers say of their models: lists, read as the gateway reads them, and that one is still loading."""

from typing import Any

import pytest

from sluice_gateway.discovery.watch import ask
from sluice_gateway.routing.table import build_table
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import HELLO, gateway, loaded, provider, route
from tests.support.live import OFFERS, policies
from tests.support.model_server.exchange import KEY
from tests.support.model_server.server import serve

SECRET = {"secretRef": {"name": "right", "key": "api-key"}}
LISTING = ("openai", "anthropic", "google", "cohere", "ollama", "compatible")


@pytest.mark.parametrize("wire", LISTING)
async def test_what_a_provider_lists_holds_what_it_serves(wire: str) -> None:
    http = LeanUpstream()
    try:
        async with serve() as server:
            event = policies(server.url)
            table = build_table(event.snapshot, event.digest, event.credentials, http)
            [asked] = [one for one in table.providers if one.label == wire]
            offered = await ask(asked, http)
    finally:
        await http.close()
    assert set(OFFERS[wire].models.values()) <= {one.model.name for one in offered.models}


async def test_a_model_that_is_still_loading_is_passed_over() -> None:
    async with serve(loading=1) as server:
        spec: dict[str, Any] = {"provider": "huggingface", "baseURL": f"{server.url}/tgi/v1", "credentials": SECRET}
        text = provider("tgi", **spec) + provider("spare", f"{server.url}/openai", credentials=SECRET)
        text += route("chat", "tgi/gpt-4o-mini", "spare/gpt-4o-mini")
        async with gateway(loaded(text, keys={"right": KEY})) as sluice:
            first, said = await sluice.post(HELLO)
            second, _ = await sluice.post(HELLO)
    assert (first.status, said["choices"][0]["message"]["content"]) == (200, "You said: Hello")
    assert (first.headers["x-sluice-target"], first.headers["x-sluice-attempts"]) == ("spare/gpt-4o-mini", "2")
    assert second.headers["x-sluice-target"] == "tgi/gpt-4o-mini"
