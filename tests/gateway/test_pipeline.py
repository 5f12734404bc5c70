"""The flow of a request where no other test sees all of it: pictures that are fetched, lines before many providers."""

import asyncio
from typing import cast

import msgspec
import pytest

from sluice_gateway.calls import parse
from sluice_gateway.errors import AllProvidersFailed, UpstreamTimedOut
from sluice_gateway.exchange import Exchange
from sluice_gateway.images import Images
from sluice_gateway.relay import Client
from sluice_gateway.routing.table import build_table
from sluice_gateway.telemetry.record import Record
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import CHAT, HELLO, gateway, loaded, provider, route
from tests.support.pipelines import make_pipeline
from tests.support.upstream import answer, says, says_then_stalls, serve

VERTEX = {"provider": "google", "google": {"vertex": {"project": "p", "location": "us"}}}


def asking_about(picture: str, config: str, deadline: float | None = None) -> Exchange:
    """A request that names a picture by its URL."""
    clock = asyncio.get_running_loop().time
    given = loaded(config)
    table = build_table(given.snapshot, given.digest, given.credentials, LeanUpstream())
    part = {"type": "image_url", "image_url": {"url": picture}}
    asked = {"model": "chat", "messages": [{"role": "user", "content": [part]}]}
    return Exchange(
        parse(msgspec.json.encode(asked)),
        table,
        Record("req_1", "POST", CHAT, clock()),
        cast("Client", None),  # nothing is streamed to the caller here
        None if deadline is None else clock() + deadline,
    )


def fetching(name: str, **rules: object) -> str:
    """A provider that nobody answers for."""
    return provider(name, "http://127.0.0.1:1", imageFetch={"enabled": True, "timeoutSeconds": 4} | rules, **VERTEX)


async def test_a_callers_own_time_covers_the_pictures_that_are_fetched() -> None:
    images = Images(lambda _: True)
    pipeline = make_pipeline(asyncio.get_running_loop().time, images)
    async with serve(says_then_stalls()) as pictures:
        exchange = asking_about(pictures.url + "/a.png", fetching("google") + route("chat", "google/gemini"), 0.5)
        try:
            async with asyncio.timeout(10):
                with pytest.raises(UpstreamTimedOut, match="x-request-timeout-ms"):
                    await pipeline.serve(exchange)
        finally:
            await images.close()
    assert [request.target for request in pictures.requests] == ["/a.png"]


async def test_pictures_are_fetched_once_for_all_targets_with_the_same_rules() -> None:
    images = Images(lambda _: True)
    pipeline = make_pipeline(asyncio.get_running_loop().time, images)
    picture = answer(200, b"\x89PNG\r\n\x1a\n" + b"x" * 2000, [("content-type", "image/png")])
    config = fetching("a") + fetching("b") + fetching("strict", maxBytes=4096)
    async with serve(says(picture)) as pictures:
        exchange = asking_about(pictures.url + "/a.png", config + route("chat", "a/m", "b/m", "strict/m", "a/n"))
        try:
            with pytest.raises(AllProvidersFailed):
                await pipeline.serve(exchange)
        finally:
            await images.close()
    assert [attempt["target"] for attempt in exchange.record.failed_attempts] == ["a/m", "b/m", "strict/m", "a/n"]
    assert len(pictures.requests) == 2


async def test_a_request_waits_in_all_lines_together_no_longer_than_in_one() -> None:
    names, wait = "abcde", 300
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
