"""A kept connection may be dead without our knowing: that is worth one more try on a new one, and no other case is."""

import asyncio

import pytest

from sluice_gateway.upstream import BadAnswer, ConnectionLost, FirstByteTimeout, LeanUpstream
from sluice_gateway.upstream.pool import Occupancy
from tests.support.exchanges import SHORT, endpoint, exchange, patient, send
from tests.support.upstream import Peer, Request, Script, answer, head, serve

OK = answer(200, b"ok")


def once_then(how: Script, *, connections: int = 1) -> Script:
    """The first so many connections each answer one request, and do `how` with the next; later ones answer all."""
    seen: set[int] = set()

    async def script(peer: Peer, request: Request) -> None:
        if peer.number in seen and peer.number < connections:
            await how(peer, request)
        else:
            seen.add(peer.number)
            await peer.upstream.got(connections)
            await peer.send(OK)

    return script


async def end(peer: Peer, request: Request) -> None:
    peer.end()


async def cut(peer: Peer, request: Request) -> None:
    peer.cut()


@pytest.mark.parametrize("how", [end, cut])
@pytest.mark.parametrize("body", [b"{}", bytes(4 * 1024 * 1024)], ids=["small", "large"])
async def test_a_kept_connection_that_closes_as_the_request_is_sent_is_replaced_once(
    lean: LeanUpstream, how: Script, body: bytes
) -> None:
    async with serve(once_then(how)) as upstream:
        assert await exchange(lean, upstream) == b"ok"
        assert await exchange(lean, upstream, body) == b"ok"
        assert [(one.connection, one.body == body) for one in upstream.requests[1:]] == [(0, True), (1, True)]


async def test_the_replacement_is_new_even_when_other_kept_ones_are_there(lean: LeanUpstream) -> None:
    async with serve(once_then(end, connections=3)) as upstream:
        await asyncio.gather(*(exchange(lean, upstream) for _ in range(3)))
        assert await exchange(lean, upstream) == b"ok"
        assert upstream.requests[-1].connection == 3


@pytest.mark.parametrize("limit", [1, 2])
async def test_the_replacement_finds_a_place_when_the_pool_is_full(limit: int) -> None:
    lean = LeanUpstream(limit=limit)
    async with serve(once_then(end, connections=limit)) as upstream:
        await asyncio.gather(*(exchange(lean, upstream) for _ in range(limit)))
        assert await exchange(lean, upstream) == b"ok"
        assert upstream.requests[-1].connection == limit
        await lean.close()
        assert lean.occupancy()[endpoint(upstream).origin] == Occupancy(0, 0, 0)


async def test_the_replacement_is_not_replaced(lean: LeanUpstream) -> None:
    async def script(peer: Peer, request: Request) -> None:
        if len(upstream.requests) == 1:
            await peer.send(OK)
        else:
            peer.end()

    async with serve(script) as upstream:
        await exchange(lean, upstream)
        with pytest.raises(ConnectionLost) as lost:
            await exchange(lean, upstream)
        assert not lost.value.answered
        assert [one.connection for one in upstream.requests] == [0, 0, 1]


async def test_a_new_connection_is_not_replaced(lean: LeanUpstream) -> None:
    async with serve(end) as upstream:
        with pytest.raises(ConnectionLost):
            await exchange(lean, upstream)
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("said", [b"H", head(100), OK[:-1]])
async def test_nothing_is_repeated_once_a_byte_has_come(lean: LeanUpstream, said: bytes) -> None:
    async def how(peer: Peer, request: Request) -> None:
        await peer.drip(said, len(said))
        peer.end()

    async with serve(once_then(how)) as upstream:
        await exchange(lean, upstream)
        with pytest.raises(ConnectionLost) as lost:
            await exchange(lean, upstream)
        assert lost.value.answered
        assert len(upstream.requests) == 2


async def test_silence_is_not_death(lean: LeanUpstream) -> None:
    async def how(peer: Peer, request: Request) -> None:
        await peer.stall()

    async with serve(once_then(how)) as upstream:
        await exchange(lean, upstream)
        with pytest.raises(FirstByteTimeout):
            await exchange(lean, upstream, timeouts=patient(first_byte=SHORT))
        assert len(upstream.requests) == 2


async def test_nonsense_is_not_death(lean: LeanUpstream) -> None:
    async def how(peer: Peer, request: Request) -> None:
        await peer.send(b"?")

    async with serve(once_then(how)) as upstream:
        await exchange(lean, upstream)
        with pytest.raises(BadAnswer):
            await send(lean, upstream)
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("how", [end, cut])
async def test_a_kept_connection_that_closes_while_unused_is_forgotten(lean: LeanUpstream, how: Script) -> None:
    async with serve(once_then(end)) as upstream:
        await exchange(lean, upstream)
        await how(upstream.peers[0], upstream.requests[0])
        await upstream.left()
        assert await exchange(lean, upstream) == b"ok"
        assert [one.connection for one in upstream.requests] == [0, 1]
        assert lean.occupancy()[endpoint(upstream).origin] == Occupancy(1, 1, 0)
