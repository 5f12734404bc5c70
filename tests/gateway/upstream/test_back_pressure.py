"""Neither side runs ahead of the other, and waiting that we cause is not held against the upstream."""

import asyncio
from collections.abc import Callable

import pytest

from sluice_gateway.upstream import ConnectionLost, FirstByteTimeout, LeanUpstream, Timeouts, TotalTimeout
from sluice_gateway.upstream.answer import HIGH_WATER, LeanAnswer
from tests.support.exchanges import LIMIT, PATIENT, SHORT, endpoint, exchange, patient, send
from tests.support.upstream import (
    LAST_CHUNK,
    Peer,
    Request,
    ScriptedUpstream,
    answer,
    chunk,
    head,
    says_then_ends,
    serve,
    stream_head,
)

# The most that either event loop reads at once.
ONE_READ = 256 * 1024
TOTAL = 32 * 1024 * 1024
LARGE = bytes(8 * 1024 * 1024)


async def flood(peer: Peer, request: Request) -> None:
    """As much as fits, as fast as it can."""
    await peer.send(stream_head())
    for _ in range(TOTAL // 65536):
        await peer.send(chunk(bytes(65536)))
    await peer.send(LAST_CHUNK)


async def send_and_pause(lean: LeanUpstream, upstream: ScriptedUpstream, timeouts: Timeouts = PATIENT) -> LeanAnswer:
    """An answer that nobody reads until its connection has stopped reading as well."""
    reply = await send(lean, upstream, timeouts=timeouts)
    assert isinstance(reply, LeanAnswer)
    await upstream.until(lambda: reply.size > HIGH_WATER)
    return reply


async def test_a_slow_reader_behind_a_fast_upstream_costs_bounded_memory(lean: LeanUpstream) -> None:
    async with serve(flood) as upstream:
        reply = await send_and_pause(lean, upstream)
        read = 0
        while piece := await reply.chunk():
            read += len(piece)
            for _ in range(20):
                await asyncio.sleep(0)
            assert reply.size <= HIGH_WATER + ONE_READ
        assert read == TOTAL
    assert len(upstream.peers) == 1


async def test_idle_time_does_not_run_while_we_do_not_read(lean: LeanUpstream) -> None:
    async with serve(flood) as upstream:
        reply = await send_and_pause(lean, upstream, patient(idle=SHORT))
        with pytest.raises(TimeoutError):
            await upstream.left(within=4 * SHORT)
        assert len(await reply.read(TOTAL)) == TOTAL


async def test_total_time_runs_even_so(lean: LeanUpstream) -> None:
    async with serve(flood) as upstream:
        reply = await send_and_pause(lean, upstream, patient(total=4 * SHORT))
        await upstream.left()
        with pytest.raises(TotalTimeout):
            await reply.read(TOTAL)


async def test_a_connection_that_was_paused_serves_another_request(lean: LeanUpstream) -> None:
    async with serve(flood) as upstream:
        for _ in range(2):
            reply = await send_and_pause(lean, upstream)
            assert len(await reply.read(TOTAL)) == TOTAL
        assert len(upstream.peers) == 1


async def test_an_upstream_that_does_not_take_the_request_is_given_up(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        peer.pause()
        await peer.stall()

    async with serve(script, reads_bodies=False) as upstream:
        with pytest.raises(FirstByteTimeout):
            await send(lean, upstream, LARGE, patient(first_byte=SHORT))
        with pytest.raises(TotalTimeout):
            await send(lean, upstream, LARGE, patient(total=SHORT))


async def test_an_upstream_that_takes_the_request_slowly_is_waited_for(lean: LeanUpstream) -> None:
    """Each step forward counts: only a standstill of `first_byte` ends it."""

    async def script(peer: Peer, request: Request) -> None:
        for _ in range(0, len(huge), 1024 * 1024):
            peer.pause()
            await peer.pace(SHORT)
            peer.resume()
            await peer.read(1024 * 1024)
        await peer.send(answer(200, b"taken"))

    huge = 4 * LARGE  # more than the kernel holds: what it holds is taken after the last step forward that shows
    async with serve(script, reads_bodies=False) as upstream:
        assert await exchange(lean, upstream, huge, patient(first_byte=20 * SHORT)) == b"taken"


async def test_cancelling_while_the_request_is_written_reaches_the_upstream(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        peer.pause()
        await cancelled.wait()
        peer.resume()
        await peer.stall()

    cancelled = asyncio.Event()
    async with serve(script, reads_bodies=False) as upstream:
        task = asyncio.create_task(send(lean, upstream, LARGE))
        await upstream.got(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        cancelled.set()
        await upstream.left()


async def test_an_early_answer_is_delivered_and_the_rest_of_the_request_is_not_sent(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        peer.pause()
        await peer.send(answer(413, b"too much"))
        await delivered.wait()
        peer.resume()
        await peer.stall()

    delivered = asyncio.Event()
    async with serve(script, reads_bodies=False) as upstream:
        reply = await send(lean, upstream, LARGE)
        assert (reply.status, await reply.read(LIMIT)) == (413, b"too much")
        assert not lean.occupancy()[endpoint(upstream).origin].idle
        delivered.set()
        await upstream.left()
        assert len(upstream.peers[0].received) < len(LARGE)


@pytest.mark.parametrize("how", [Peer.end, Peer.cut])
async def test_an_early_answer_is_delivered_even_when_the_upstream_then_resets_the_connection(
    lean: LeanUpstream, how: Callable[[Peer], None]
) -> None:
    """Closing with bytes unread is a reset, which makes our writes fail while the answer is still on its way up."""

    async def script(peer: Peer, request: Request) -> None:
        peer.pause()
        await peer.send(answer(413, b"too much"))
        how(peer)

    async with serve(script, reads_bodies=False) as upstream:
        for _ in range(20):
            reply = await send(lean, upstream, LARGE)
            assert (reply.status, await reply.read(LIMIT)) == (413, b"too much")


async def test_an_early_answer_may_take_its_time(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        peer.pause()
        await peer.send(stream_head() + chunk(b"too "))
        await started.wait()
        await peer.send(chunk(b"much") + LAST_CHUNK)
        peer.resume()
        await peer.stall()

    started = asyncio.Event()
    async with serve(script, reads_bodies=False) as upstream:
        reply = await send(lean, upstream, LARGE)
        started.set()
        assert await reply.read(LIMIT) == b"too much"
        await upstream.left()


async def test_an_interim_answer_does_not_stop_the_request(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        await peer.send(head(100))
        body = await peer.read(len(LARGE))
        await peer.send(answer(200, str(len(body)).encode()))

    async with serve(script, reads_bodies=False) as upstream:
        for _ in range(2):
            assert await exchange(lean, upstream, LARGE) == str(len(LARGE)).encode()
        assert len(upstream.peers) == 1


async def test_an_upstream_that_closes_instead_of_taking_the_request(lean: LeanUpstream) -> None:
    async with serve(says_then_ends(b""), reads_bodies=False) as upstream:
        with pytest.raises(ConnectionLost) as lost:
            await send(lean, upstream, LARGE)
        assert not lost.value.answered
        assert len(upstream.requests) == 1
