"""The load counts what really came back: a benchmark that takes broken answers for whole ones measures nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bench.load import Streams, counted, load_streams
from bench.polling import Caller
from bench.upstream import start
from bench.wire import FRAMES, FRAMES_AROUND_CONTENT, request_body, stream_frames, stream_head

CONTENT_FRAMES = 5
WHOLE = CONTENT_FRAMES + FRAMES_AROUND_CONTENT

Sending = Callable[[bytes], Awaitable[int]]


def port_of(server: asyncio.Server) -> int:
    port = server.sockets[0].getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.fixture
async def provider() -> AsyncIterator[int]:
    """The port of a provider whose streams have eight frames, one after the other without a pause."""
    server = await start(0, CONTENT_FRAMES, 0)
    yield port_of(server)
    server.close()


@pytest.fixture
async def sending() -> AsyncIterator[Sending]:
    """Makes providers that answer with these bytes and hang up."""
    servers = []

    async def make(answer: bytes) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return port_of(servers[-1])

    yield make
    for server in servers:
        server.close()


async def test_as_many_streams_run_as_were_asked_for(provider: int) -> None:
    streams = Streams()
    await load_streams(provider, 3, WHOLE, streams, counted(10))
    assert (streams.count, len(streams.whole), len(streams.first_frame), streams.broken) == (10, 10, 10, [])


async def test_a_frame_too_few_is_a_broken_stream(provider: int) -> None:
    streams = Streams()
    await load_streams(provider, 1, WHOLE + 1, streams, counted(2))
    assert (len(streams.broken), streams.whole) == (2, [])


async def test_frames_count_whatever_chunks_they_come_in(sending: Sending) -> None:
    frames = b"".join(stream_frames(CONTENT_FRAMES))
    halved = frames.replace(b"data: ", b"da\r\n4\r\nta: ")  # a chunk may end in the middle of a word
    streams = Streams()
    await load_streams(await sending(stream_head() + halved), 1, WHOLE, streams, counted(1))
    assert (len(streams.whole), streams.broken) == (1, [])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        stream_head(),
        stream_head() + b"".join(stream_frames(CONTENT_FRAMES)[:-1]),
        stream_head().replace(b"200", b"500") + b"".join(stream_frames(CONTENT_FRAMES)),
        stream_head() + b"".join(stream_frames(CONTENT_FRAMES)).replace(b"[DONE]", b"[GONE]"),
    ],
    ids=["nothing", "head only", "cut", "wrong status", "no end"],
)
async def test_a_stream_that_is_not_whole_is_broken(sending: Sending, answer: bytes) -> None:
    streams = Streams()
    await load_streams(await sending(answer), 1, WHOLE, streams, counted(1))
    assert (len(streams.broken), streams.whole) == (1, [])


async def test_a_caller_sees_who_answered_and_counts_failures(sending: Sending) -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\nX-Sluice-Target: mock/small\r\nContent-Length: 2\r\n\r\n{}"
    async with Caller(await sending(head)) as caller:
        assert await caller.target() == "mock/small"
    assert (caller.requests, caller.failed) == (1, 1)


async def test_a_caller_keeps_asking_on_one_connection(provider: int) -> None:
    async with Caller(provider) as caller:
        await caller.ask_until(lambda _: caller.requests == 3)
    assert (caller.requests, caller.failed) == (3, 0)


def test_the_stream_is_the_one_that_figures_elsewhere_stand_for() -> None:
    frames = stream_frames()
    assert len(frames) == FRAMES == 53
    assert b'"usage": {"prompt_tokens"' in frames[-2]
    assert frames[-1].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b'"include_usage": true' in request_body(stream=True)
