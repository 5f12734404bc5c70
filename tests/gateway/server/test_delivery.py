"""Whole answers written straight to the transport: on the wire no one can tell them from aiohttp's own."""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web

from sluice_gateway.server.connection import Server
from sluice_gateway.server.delivery import Sent, deliver
from sluice_gateway.telemetry.log import LineWriter, make_logger

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BODY = b'{"choices":[]}'
HEADERS = {"content-type": "application/json", "server": "sluice", "x-request-id": "req_1"}


def ours(headers: dict[str, str], *, last: bool = False, body: bytes = BODY) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return await deliver(body, headers, request, last=last, stall_seconds=5)

    return handle


def of_aiohttp(headers: dict[str, str], *, last: bool = False, body: bytes = BODY) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.Response(body=body, headers=headers)
        if last:
            response.force_close()
        await response.prepare(request)
        await response.write_eof()
        return response

    return handle


class Caller:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader

    async def ask(self, version: str = "1.1", connection: str = "", times: int = 1) -> None:
        more = f"connection: {connection}\r\n" if connection else ""
        self.writer.write(f"POST / HTTP/{version}\r\nhost: x\r\n{more}content-length: 2\r\n\r\n{{}}".encode() * times)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The next answer without its date, nothing when the connection has ended."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        [length] = re.findall(rb"\r\ncontent-length: ([0-9]+)\r\n", head, re.IGNORECASE)
        return re.sub(rb"(?<=\r\nDate: )[^\r]+", b"<now>", head) + await self._reader.readexactly(int(length))


@contextlib.asynccontextmanager
async def calling(handler: Handler) -> AsyncIterator[Caller]:
    runner = web.ServerRunner(Server(handler, make_logger(LineWriter(io.BytesIO()))))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        try:
            async with asyncio.timeout(5):
                yield Caller(reader, writer)
        finally:
            writer.close()
    finally:
        await runner.cleanup()


async def told(handler: Handler, version: str, connection: str) -> list[bytes]:
    """What comes for a request, and for another behind it."""
    async with calling(handler) as caller:
        answers = []
        for _ in range(2):
            with contextlib.suppress(ConnectionError):
                await caller.ask(version, connection)
            answers.append(await caller.answer())
    return answers


@pytest.mark.parametrize("last", [False, True], ids=["", "last"])
@pytest.mark.parametrize("connection", ["", "close", "keep-alive"])
@pytest.mark.parametrize("version", ["0.9", "1.0", "1.1", "2.0"])
async def test_it_is_what_aiohttp_would_send(version: str, connection: str, last: bool) -> None:
    first, second = await told(ours(HEADERS, last=last), version, connection)
    assert [first, second] == await told(of_aiohttp(HEADERS, last=last), version, connection)
    assert first.startswith(f"HTTP/{version} 200 OK\r\n".encode())
    kept = connection != "close" if version == "1.1" else connection == "keep-alive"
    assert bool(second) == (kept and not last)


@pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n\r\n", b"y" * 300_000], ids=["empty", "binary", "large"])
async def test_any_body_goes_out_whole(body: bytes) -> None:
    async with calling(ours(HEADERS, body=body)) as caller, calling(of_aiohttp(HEADERS, body=body)) as other:
        await caller.ask()
        await other.ask()
        answer = await caller.answer()
        assert answer == await other.answer()
        assert answer.partition(b"\r\n\r\n")[2] == body


async def test_requests_sent_at_once_are_answered_one_by_one() -> None:
    async with calling(ours(HEADERS)) as caller:
        await caller.ask(times=3)
        first, second, third = [await caller.answer() for _ in range(3)]
    assert first == second == third
    assert first.endswith(BODY)


async def test_it_has_the_date() -> None:
    head = b""

    async def listen(request: web.BaseRequest) -> web.StreamResponse:
        return await deliver(BODY, HEADERS, request, last=True, stall_seconds=5)

    async with calling(listen) as caller:
        await caller.ask()
        reader = caller._reader
        head = await reader.readuntil(b"\r\n\r\n")
    [date] = re.findall(r"\r\nDate: ([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT)\r\n", head.decode())
    assert abs(parsedate_to_datetime(date) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("value", ["", "a\tb", "x\x80\x85\xa0\xff", "é€", "😀", "a: b"])
async def test_a_value_may_be_any_text(value: str) -> None:
    headers = HEADERS | {"x-sluice-target": value}
    async with calling(ours(headers)) as caller, calling(of_aiohttp(headers)) as other:
        await caller.ask()
        await other.ask()
        answer = await caller.answer()
        assert answer == await other.answer()
        assert f"\r\nx-sluice-target: {value}\r\n".encode() in answer


@pytest.mark.parametrize("code", [*(set(range(32)) - {9}), 127])
async def test_a_value_with_control_characters_never_goes_out(code: int) -> None:
    """As with aiohttp: it would let whoever chose it write headers of its own."""
    headers = HEADERS | {"x-sluice-target": f"up/a{chr(code)}b"}
    async with calling(ours(headers)) as caller, calling(of_aiohttp(headers)) as other:
        await caller.ask()
        await other.ask()
        answer = await caller.answer()
        assert answer == await other.answer()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"up/a" not in answer


async def test_a_defect_behind_it_adds_nothing_and_ends_the_connection() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await ours(HEADERS)(request)
        raise LookupError("what the code thought impossible")

    async with calling(handle) as caller:
        await caller.ask()
        assert (await caller.answer()).endswith(BODY)
        assert await caller.answer() == b""


async def test_a_caller_who_has_left_is_noticed() -> None:
    noticed = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        try:
            return await ours(HEADERS)(request)
        except ConnectionError:
            noticed.set()
            raise

    async with calling(handle) as caller:
        await caller.ask()
        await noticed.wait()
        assert await caller.answer() == b""


async def test_a_connection_may_be_given_up_behind_it() -> None:
    """As the gateway does that began to shut down meanwhile."""
    sent = Sent(keep_alive=True)
    assert (sent.keep_alive, Sent(keep_alive=False).keep_alive) == (True, False)
    sent.force_close()
    assert not sent.keep_alive
