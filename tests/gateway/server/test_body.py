"""A body may take its time as long as it comes; one that stops, or never ends, is given up."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sluice_gateway.errors import RequestTimeout
from sluice_gateway.server.body import BODY_SECONDS, PIECE_SECONDS, read_json_body
from sluice_gateway.server.connection import Server
from sluice_gateway.telemetry.log import LineWriter, make_logger

LIMIT = 1024 * 1024
LONG = 30.0


class Reading:
    """A server that reads one body with these time limits; ``body`` is what came, or why it did not."""

    def __init__(self, piece_seconds: float, body_seconds: float) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.begun = asyncio.Event()
        self._limits = piece_seconds, body_seconds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.begun.set()
        try:
            self.body.set_result(await read_json_body(request, LIMIT, *self._limits))
        except RequestTimeout as error:
            self.body.set_exception(error)
        return web.Response()


@contextlib.asynccontextmanager
async def reading(piece_seconds: float, body_seconds: float) -> AsyncIterator[tuple[Reading, asyncio.StreamWriter]]:
    """A caller that has announced a body of 1,000 bytes to such a server, and sent none of them."""
    server = Reading(piece_seconds, body_seconds)
    runner = web.ServerRunner(Server(server.handle, make_logger(LineWriter(io.BytesIO()))))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, writer = await asyncio.open_connection(*runner.addresses[0])
    try:
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        await asyncio.wait_for(server.begun.wait(), 5)
        yield server, writer
    finally:
        writer.close()
        await runner.cleanup()


@pytest.mark.parametrize("sent", [0, 1, 999])
async def test_a_body_that_stops_is_given_up_long_before_its_last_second(sent: int) -> None:
    async with reading(0.05, LONG) as (server, writer):
        writer.write(b"x" * sent)
        with pytest.raises(RequestTimeout, match=r"nothing of the body came for 0.05 seconds"):
            await asyncio.wait_for(server.body, 5)


async def test_a_body_that_comes_slowly_is_read() -> None:
    """In all it takes more than twice what a single piece may."""
    async with reading(0.6, LONG) as (server, writer):
        clock = asyncio.get_running_loop().time
        started = clock()
        for _ in range(999):
            writer.write(b"x")
            if clock() - started < 1.3:
                await asyncio.wait((server.body,), timeout=0.02)
        assert not server.body.done()
        writer.write(b"x")
        assert len(await asyncio.wait_for(server.body, 5)) == 1000


async def test_a_body_that_never_ends_is_given_up() -> None:
    async with reading(LONG, 0.1) as (server, writer):
        while not server.body.done():
            writer.write(b"x")
            await asyncio.wait((server.body,), timeout=0.005)
        with pytest.raises(RequestTimeout, match=r"within 0.1"):
            await server.body


def test_patience_with_a_piece_is_less_than_with_all_of_them() -> None:
    assert (PIECE_SECONDS, BODY_SECONDS) == (30, 600)
