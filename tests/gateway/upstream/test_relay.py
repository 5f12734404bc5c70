"""A body handed over piece by piece: whole, in order, as the sink takes it, and a break told apart from the end."""

import asyncio
import gzip

import pytest

from sluice_gateway.upstream import ConnectionLost, IdleTimeout, LeanUpstream, Upstream
from sluice_gateway.upstream.answer import HIGH_WATER
from tests.support.exchanges import SHORT, exchange, patient, send
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    answer,
    chunk,
    event_stream,
    says,
    says_then_ends,
    says_then_stalls,
    serve,
    stream_head,
)

FRAMES = [b"data: %d\n\n" % number for number in range(20)]


class Sink:
    """Takes everything; after each piece it is full when it is `slow`, until a turn of the loop has passed."""

    def __init__(self, *, slow: bool = False) -> None:
        self.pieces: list[bytes] = []
        self.came = asyncio.Event()
        self._slow = slow
        self._full = False

    def feed(self, piece: bytes) -> bool:
        assert piece, "an empty piece is no piece"
        assert not self._full, "fed while full"
        self._full = self._slow
        self.pieces.append(piece)
        self.came.set()
        return not self._full

    async def drained(self) -> None:
        assert self._full, "asked for room that is there"
        await asyncio.sleep(0)
        self._full = False


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    "sent",
    [
        event_stream(FRAMES),
        answer(200, b"".join(FRAMES)),
        answer(200, gzip.compress(b"".join(FRAMES)), [("content-encoding", "gzip")]),
    ],
    ids=["chunked", "length", "gzip"],
)
async def test_the_whole_body_is_handed_over_and_the_connection_kept(client: Upstream, sent: bytes, slow: bool) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.drip(sent, 50)

    async with serve(script) as upstream:
        for _ in range(2):
            reply = await send(client, upstream)
            sink = Sink(slow=slow)
            await reply.relay(sink)
            reply.close()
            assert b"".join(sink.pieces) == b"".join(FRAMES)
        assert len(upstream.peers) == 1


async def test_each_piece_is_handed_over_before_the_next_is_sent(client: Upstream) -> None:
    sink = Sink()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        for frame in FRAMES:
            sink.came.clear()
            await peer.send(chunk(frame))
            await sink.came.wait()
        await peer.send(LAST_CHUNK)

    async with serve(script) as upstream:
        reply = await send(client, upstream)
        await reply.relay(sink)
        reply.close()
        assert sink.pieces == FRAMES


async def test_after_some_pieces_were_read_the_rest_is_handed_over(client: Upstream) -> None:
    async with serve(says(event_stream(FRAMES))) as upstream:
        reply = await send(client, upstream)
        first, sink = await reply.chunk(), Sink()
        await reply.relay(sink)
        reply.close()
        assert first + b"".join(sink.pieces) == b"".join(FRAMES)


@pytest.mark.parametrize("slow", [False, True])
async def test_what_came_before_a_break_is_handed_over_and_the_break_is_raised(client: Upstream, slow: bool) -> None:
    sink = Sink(slow=slow)
    async with serve(says_then_ends(stream_head() + chunk(b"data: 1\n\n"))) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(ConnectionLost):
            await reply.relay(sink)
        reply.close()
    assert sink.pieces == [b"data: 1\n\n"]


async def test_a_stall_is_raised(client: Upstream) -> None:
    async with serve(says_then_stalls(stream_head() + chunk(b"data: 1\n\n"))) as upstream:
        reply = await send(client, upstream, timeouts=patient(idle=SHORT))
        with pytest.raises(IdleTimeout):
            await reply.relay(Sink())
        await upstream.left()
        reply.close()


async def test_cancelling_reaches_the_upstream(client: Upstream) -> None:
    sink = Sink()
    async with serve(says_then_stalls(stream_head() + chunk(b"data: 1\n\n"))) as upstream:
        reply = await send(client, upstream)
        task = asyncio.create_task(reply.relay(sink))
        await sink.came.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.left()
        reply.close()


async def test_what_the_sink_raises_ends_the_relay(client: Upstream) -> None:
    class Gone(Sink):
        async def drained(self) -> None:
            raise ConnectionResetError

    async with serve(says_then_stalls(stream_head() + chunk(b"data: 1\n\n"))) as upstream:
        reply = await send(client, upstream)
        with pytest.raises(ConnectionResetError):
            await reply.relay(Gone(slow=True))
        reply.close()
        await upstream.left()


async def test_a_sink_without_room_pauses_the_upstream(lean: LeanUpstream) -> None:
    """The connection is read no further than its high-water mark while the sink waits for room."""
    total = 16 * 1024 * 1024
    room = asyncio.Event()

    class Narrow(Sink):
        async def drained(self) -> None:
            await room.wait()
            await super().drained()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(stream_head())
        for _ in range(total // 65536):
            await peer.send(chunk(bytes(65536)))
        await peer.send(LAST_CHUNK)

    sink = Narrow(slow=True)
    async with serve(script) as upstream:
        reply = await send(lean, upstream)
        task = asyncio.create_task(reply.relay(sink))
        await sink.came.wait()
        with pytest.raises(TimeoutError):
            await upstream.left(within=SHORT)
        assert len(sink.pieces) == 1
        assert len(sink.pieces[0]) < 4 * HIGH_WATER
        room.set()
        await task
        assert sum(map(len, sink.pieces)) == total


async def test_a_relayed_connection_serves_the_next_request(lean: LeanUpstream) -> None:
    async with serve(says(event_stream(FRAMES), answer(200, b"next"))) as upstream:
        await (await send(lean, upstream)).relay(Sink(slow=True))
        assert await exchange(lean, upstream) == b"next"
        assert len(upstream.peers) == 1
