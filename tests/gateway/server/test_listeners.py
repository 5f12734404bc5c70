"""Two listeners in a pod: what applications reach, what only the cluster's own programs do, and how both end."""

import asyncio

import pytest

from sluice_gateway.process import CannotListen
from sluice_gateway.settings import Address
from tests.support.gateway import CHAT, HELLO, RunningGateway, gateway, loaded, provider, route
from tests.support.upstream import LAST_CHUNK, Peer, Request, chunk, serve, stream_head

MOCK = provider("mock") + route("chat", "mock")
LOOPBACK = Address("127.0.0.1", 0)
INTERNAL = ("/metrics", "/internal/config", "/internal/report")


async def status(sluice: RunningGateway, url: str) -> int:
    async with sluice.session.get(url) as response:
        return response.status


async def test_applications_do_not_reach_the_internal_paths() -> None:
    async with gateway(MOCK, internal_listen=LOOPBACK) as sluice:
        assert sluice.url != sluice.internal_url
        for path in INTERNAL:
            assert await status(sluice, sluice.url + path) == 404
            assert await status(sluice, sluice.internal_url + path) == 200
        assert await status(sluice, sluice.url + "/admin/breakers") == 404
        assert await status(sluice, sluice.internal_url + "/admin/breakers") == 403
        for path in ("/health", "/ready"):
            assert await status(sluice, sluice.url + path) == await status(sluice, sluice.internal_url + path) == 200


async def test_the_api_is_not_on_the_internal_listener() -> None:
    async with gateway(MOCK, internal_listen=LOOPBACK) as sluice:
        assert (await sluice.get("/v1/models"))[0].status == (await sluice.get("/v1/models/chat"))[0].status == 200
        for path in ("/v1/models", "/v1/models/chat", CHAT):
            assert (await sluice.get_internal(path))[0].status == 404


async def test_one_listener_serves_all() -> None:
    async with gateway(MOCK) as sluice:
        assert sluice.url == sluice.internal_url
        for path in (*INTERNAL, "/admin/breakers", "/health", "/ready", "/v1/models"):
            assert await status(sluice, sluice.url + path) == 200


async def test_the_internal_listener_stays_until_the_last_stream_has_ended() -> None:
    finish = asyncio.Event()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head(), chunk(b'data: {"choices":[]}\n\n'))
        await finish.wait()
        await peer.send(chunk(b"data: [DONE]\n\n"), LAST_CHUNK)

    async with serve(script) as upstream:
        text = provider("up", upstream.url) + route("chat", "up/gpt")
        async with gateway(text, internal_listen=LOOPBACK) as sluice:
            async with sluice.session.post(sluice.url + CHAT, json=HELLO | {"stream": True}) as response:
                await response.content.readuntil(b"\n\n")
                sluice.process.stop()
                async with asyncio.timeout(5):
                    while await status(sluice, sluice.internal_url + "/ready") == 200:
                        pass
                assert await status(sluice, sluice.internal_url + "/health") == 200
                assert (await sluice.get_internal("/internal/config"))[1]["digest"] == loaded(text).digest
                finish.set()
                assert await response.read() == b"data: [DONE]\n\n"


async def test_an_internal_address_that_is_taken_is_named() -> None:
    async with gateway(MOCK, internal_listen=LOOPBACK) as first:
        port = int(first.internal_url.rsplit(":", 1)[1])
        with pytest.raises(CannotListen, match=str(port)):
            async with gateway(MOCK, internal_listen=Address("127.0.0.1", port)):
                pass
