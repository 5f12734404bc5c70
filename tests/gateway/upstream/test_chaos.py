"""Many exchanges at once, upstreams that do anything, callers who leave at any time: nothing is lost or mixed up."""

import asyncio
import contextlib
import random

import pytest

from sluice_gateway.upstream import LeanUpstream, Timeouts, UpstreamError
from sluice_gateway.upstream.pool import Occupancy
from tests.support.exchanges import LIMIT, SHORT, endpoint
from tests.support.upstream import Peer, Request, ScriptedUpstream, answer, chunk, head, serve, stream_head

TIMEOUTS = Timeouts(connect=10, first_byte=SHORT, idle=SHORT, total=20)
CONNECTIONS = 8


async def misbehave(peer: Peer, request: Request, dice: random.Random) -> None:
    """Answer with what was asked, or do one of the things that upstreams do."""
    good = dice.choice([answer(200, request.body), stream_head() + chunk(request.body) + b"0\r\n\r\n"])
    part = good[: dice.randrange(len(good))]
    match dice.randrange(12):
        case 0:
            await peer.send(part)
            peer.end()
        case 1:
            await peer.send(part)
            peer.cut()
        case 2:
            await peer.send(part)
            await peer.stall()
        case 3:
            await peer.send(good + answer(200, b"not yours"))
        case 4:
            await peer.send(good)
            peer.end()
        case 5:
            await peer.send(dice.randbytes(50))
        case 6:
            await peer.send(head(103), *(good[at : at + 7] for at in range(0, len(good), 7)))
        case _:
            await peer.send(good)


async def one(client: LeanUpstream, upstream: ScriptedUpstream, body: bytes, dice: random.Random) -> bool:
    """An exchange that may be left at any time; an answer that comes is the right one."""
    with contextlib.suppress(UpstreamError, TimeoutError):
        async with asyncio.timeout(dice.choice([20, 20, 0, SHORT / 10])):
            reply = await client.send(endpoint(upstream), body, TIMEOUTS)
            try:
                got = await reply.read(LIMIT) if dice.random() < 0.5 else await reply.chunk()
                assert body.startswith(got) or body == got
                return body == got
            finally:
                reply.close()
    return False


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_places_come_back_and_answers_are_not_mixed_up(seed: int) -> None:
    dice = random.Random(seed)
    client = LeanUpstream(limit=CONNECTIONS, idle_limit=CONNECTIONS // 2)

    async def script(peer: Peer, request: Request) -> None:
        assert client.occupancy()[endpoint(upstream).origin].open <= CONNECTIONS
        await misbehave(peer, request, dice)

    async with serve(script) as upstream:
        bodies = [f"{number:04d}".encode() * dice.randrange(1, 30) for number in range(400)]
        answered = await asyncio.gather(*(one(client, upstream, body, dice) for body in bodies))
        assert sum(answered) > 50
        held = client.occupancy()[endpoint(upstream).origin]
        assert held.open == held.idle <= CONNECTIONS // 2
        assert held.waiting == 0
        await client.close()
        assert client.occupancy()[endpoint(upstream).origin] == Occupancy(0, 0, 0)
        await upstream.left()
