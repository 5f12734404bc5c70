"""The wire: answers in their order, however they come, and one word at its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from sluice_gateway.settings import StateAddress
from sluice_gateway.state.wire import Complaint, Wire, connect, packed, words
from tests.support.redis_server import RedisServer


@asynccontextmanager
async def wire_to(*pieces: bytes) -> AsyncIterator[Wire]:
    """To a server that waits for a word, says these one by one, and hangs up."""

    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.002)
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire = await connect(StateAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1]), None)
    yield wire
    wire.close()
    await over.wait()
    server.close()


def test_words_are_those_of_a_command_without_its_number() -> None:
    many = ("ECHO", b"a\r\nb", -12, "é", *range(20))
    assert b"*24\r\n" + words(*many) == packed(many)
    assert b"*4\r\n" + words("ECHO") + words(1, "", 2) == packed(("ECHO", 1, "", 2))


async def test_answers_are_heard_in_their_order_then_the_end() -> None:
    over = asyncio.Event()
    heard: list[Any] = []

    def ended(error: Exception | None) -> None:
        heard.append(error)
        over.set()

    async with wire_to(b"$3\r\none\r\n*2\r\n:2\r\n$", b"2\r\n", b"xy\r\n-ERR no\r\n$-1\r\n") as wire:
        wire.hear, wire.ended = heard.append, ended
        wire.write(b"PING\r\n")
        await over.wait()
    assert heard[:2] == [b"one", [2, b"xy"]]
    assert isinstance(heard[2], Complaint)
    assert str(heard[2]) == "ERR no"
    assert heard[3:] == [None, None]  # an answer, and the end


async def test_nothing_is_heard_after_the_end() -> None:
    heard: list[Any] = []
    async with wire_to(b"+1\r\n+2\r\n") as wire:

        def hear(said: Any) -> None:
            heard.append(said)
            wire.close()

        wire.hear, wire.ended = hear, heard.append
        wire.write(b"PING\r\n")
        await asyncio.sleep(0.02)
    assert heard == [b"1"]


async def test_a_wire_knows_that_the_server_has_hung_up() -> None:
    over = asyncio.Event()
    async with wire_to(b"+1\r\n") as wire:
        assert not wire.is_closed
        wire.ended = lambda _: over.set()
        async with asyncio.timeout(10):
            wire.write(b"PING\r\n")
            await over.wait()
        assert wire.is_closed


async def test_all_answers_are_waited_for() -> None:
    async with wire_to(b"+1\r\n", b"+2\r\n") as wire:
        assert await wire.exchange([("ONE",), ("TWO",)]) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("said", "error"), [(b"+1\r\n-ERR no\r\n", Complaint), (b"+1\r\n", OSError), (b"HTTP/1.1 400 Bad\r\n", OSError)]
)
async def test_what_is_no_answer_is_raised(said: bytes, error: type[Exception]) -> None:
    async with wire_to(said) as wire:
        with pytest.raises(error):
            await wire.exchange([("ONE",), ("TWO",)])


async def test_logging_in(redis_server: RedisServer) -> None:
    redis_server.call("ACL", "SETUSER", "somebody", "on", ">battery-staple", "+@all", "~*")
    address = replace(redis_server.address, username="somebody", password="battery-staple", database=3)
    wire = await connect(address, None)
    info = (await wire.exchange([("CLIENT", "INFO")]))[0].decode().split()
    wire.close()
    assert {"db=3", "user=somebody"} <= set(info)
    for wrong in (replace(address, password="wrong"), replace(address, username="")):
        with pytest.raises(Complaint):
            await connect(wrong, None)
