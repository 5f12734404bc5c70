"""The flow of a request where no other test sees all of it: pictures that are fetched, lines before many providers."""

import asyncio
from typing import cast

import msgspec
import pytest

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.calls import parse
from sluice_gateway.errors import UpstreamTimedOut
from sluice_gateway.exchange import Exchange
from sluice_gateway.images import Images
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.relay import Client
from sluice_gateway.routing.table import build_table
from sluice_gateway.telemetry.record import Record
from tests.support.gateway import HELLO, gateway, loaded, provider, route
from tests.support.pipelines import make_pipeline
from tests.support.upstream import says_then_stalls, serve

VERTEX = {"provider": "google", "google": {"vertex": {"project": "p", "location": "us"}}}


async def test_a_callers_own_time_covers_the_pictures_that_are_fetched() -> None:
    clock = asyncio.get_running_loop().time
    images = Images(lambda _: True)
    pipeline = make_pipeline(clock, images)
    async with serve(says_then_stalls()) as pictures:
        config = loaded(
            provider("google", "http://127.0.0.1:1", imageFetch={"enabled": True, "timeoutSeconds": 4}, **VERTEX)
            + route("chat", "google/gemini")
        )
        table = build_table(config.snapshot, config.digest, config.credentials, MockUpstream(Mock()))
        picture = {"type": "image_url", "image_url": {"url": pictures.url + "/a.png"}}
        asked = {"model": "chat", "messages": [{"role": "user", "content": [picture]}]}
        exchange = Exchange(
            parse(msgspec.json.encode(asked)),
            table,
            Record("req_1", "POST", "/v1/chat/completions", clock()),
            cast("Client", None),  # nothing is streamed to the caller here
            clock() + 0.2,
        )
        try:
            async with asyncio.timeout(3):
                with pytest.raises(UpstreamTimedOut, match="x-request-timeout-ms"):
                    await pipeline.serve(exchange)
        finally:
            await images.close()
    assert [request.target for request in pictures.requests] == ["/a.png"]


async def test_a_request_waits_in_all_lines_together_no_longer_than_in_one() -> None:
    names, wait = "abcde", 100
    async with serve(says_then_stalls()) as upstream:
        limits = {"maxConcurrent": 1, "queue": {"maxWaitMilliseconds": wait}}
        config = "".join(provider(name, upstream.url, rateLimit=limits) for name in names)
        config += "".join(route(name, f"{name}/m", models=(name,)) for name in names)
        config += route("chat", *(f"{name}/m" for name in names))
        async with gateway(config) as sluice:
            taken = [asyncio.create_task(sluice.post(HELLO | {"model": name})) for name in names]
            await upstream.got(len(names))
            began = asyncio.get_running_loop().time()
            response, body = await sluice.post()
            took = asyncio.get_running_loop().time() - began
            for one in taken:
                one.cancel()
    assert (response.status, body["error"]["code"]) == (503, "all_providers_failed")
    assert [attempt["target"] for attempt in body["error"]["attempts"]] == [f"{name}/m" for name in names]
    assert wait <= took * 1000 < 4 * wait
