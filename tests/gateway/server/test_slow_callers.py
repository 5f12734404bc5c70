"""Callers that read slowly, or not at all: patience for the first, an end for the second, and room for neither."""

import asyncio
import json
from typing import cast

import pytest

from sluice_gateway.server.patience import Patience
from tests.support.gateway import HELLO, asking, gateway, provider, route
from tests.support.upstream import Peer, Request, chunk, json_answer, says, serve, stream_head

LARGE = {"choices": [], "text": "y" * 30_000_000}
"""More than what the kernel takes on a caller's behalf."""


def in_front_of(url: str) -> str:
    return provider("up", url) + route("chat", "up/gpt")


async def endless(peer: Peer, request: Request) -> None:
    await peer.send(stream_head())
    while True:
        await peer.send(chunk(b'data: {"choices":[],"x":"' + b"y" * 100_000 + b'"}\n\n'))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_takes_nothing_is_dropped(stream: bool) -> None:
    script = endless if stream else says(json_answer(LARGE))
    async with (
        serve(script) as upstream,
        gateway(in_front_of(upstream.url), stall_seconds=0.2) as sluice,
        asking(sluice, HELLO | {"stream": stream}),
    ):
        [line] = await sluice.logged()
        assert (line["status"], line["code"]) == (499, "client_left")
        assert "sluice_in_flight_requests 0.0" in await (await sluice.session.get(sluice.url + "/metrics")).text()
        if stream:
            await upstream.left()


async def test_a_whole_answer_counts_as_in_flight_until_the_caller_has_it() -> None:
    """So that a drain waits for it."""
    async with (
        serve(says(json_answer(LARGE))) as upstream,
        gateway(in_front_of(upstream.url)) as sluice,
        asking(sluice, HELLO) as (reader, _),
    ):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        sluice.process.stop()
        body = await reader.read(-1)
        assert json.loads(body) == LARGE
        assert (await sluice.logged())[0]["status"] == 200


class Reading:
    """A transport whose peer takes a byte between two looks."""

    def __init__(self, size: int) -> None:
        self.looks = 0
        self.aborted = False
        self.news = asyncio.Event()
        self._size = size

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        self._size -= 1
        self.news.set()
        return self._size

    def abort(self) -> None:
        self.aborted = True

    async def looked_at(self, count: int) -> None:
        while self.looks < count:
            self.news.clear()
            await self.news.wait()


async def test_a_caller_that_reads_may_be_as_slow_as_it_likes() -> None:
    transport = Reading(100)
    async with asyncio.timeout(5):
        await Patience(cast("asyncio.Transport", transport), 0.001).wait(transport.looked_at(20))
    assert not transport.aborted
