"""Connections are few, warm and fairly shared, and a place in the pool is never lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sluice_gateway.upstream import ConnectFailed, ConnectTimeout, Endpoint, LeanUpstream, TotalTimeout
from sluice_gateway.upstream.connection import Connection
from sluice_gateway.upstream.dial import default_tls, dial
from sluice_gateway.upstream.pool import Occupancy, Pool
from tests.support.exchanges import LIMIT, PATIENT, SHORT, endpoint, exchange, patient, send
from tests.support.upstream import Peer, Request, ScriptedUpstream, answer, says, says_then_stalls, serve, stream_head


class Gate:
    """A script that answers each request with its own body, once it is let through."""

    def __init__(self) -> None:
        self._open: dict[bytes, asyncio.Event] = {}

    def let(self, *bodies: bytes) -> None:
        """Let these requests through, now or when they come."""
        for body in bodies:
            self._open.setdefault(body, asyncio.Event()).set()

    async def __call__(self, peer: Peer, request: Request) -> None:
        await self._open.setdefault(request.body, asyncio.Event()).wait()
        await peer.send(answer(200, request.body))


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def narrow() -> AsyncIterator[LeanUpstream]:
    """One connection to an origin, no more."""
    client = LeanUpstream(limit=1)
    yield client
    await client.close()
    assert set(client.occupancy().values()) <= {Occupancy(0, 0, 0)}


def occupancy(client: LeanUpstream, upstream: ScriptedUpstream) -> Occupancy:
    return client.occupancy()[endpoint(upstream).origin]


async def start(client: LeanUpstream, upstream: ScriptedUpstream, body: bytes) -> asyncio.Task[bytes]:
    """A running exchange that has got as far as it can: to the server, or to the queue."""
    task = asyncio.create_task(exchange(client, upstream, body))
    await asyncio.sleep(0)
    await upstream.until(
        lambda: any(one.body == body for one in upstream.requests) or occupancy(client, upstream).waiting > 0
    )
    return task


async def test_the_connection_used_last_is_used_first(lean: LeanUpstream, gate: Gate) -> None:
    async with serve(gate) as upstream:
        tasks = [await start(lean, upstream, body) for body in (b"0", b"1", b"2")]
        for body, task in zip((b"0", b"2", b"1"), (tasks[0], tasks[2], tasks[1]), strict=True):
            gate.let(body)
            await task
        assert occupancy(lean, upstream) == Occupancy(3, 3, 0)
        gate.let(b"again")
        for _ in range(5):
            await exchange(lean, upstream, b"again")
        assert {one.connection for one in upstream.requests if one.body == b"again"} == {1}


async def test_no_more_connections_than_the_limit_and_whoever_waits_is_served_in_order(gate: Gate) -> None:
    client = LeanUpstream(limit=2)
    bodies = [str(number).encode() for number in range(10)]
    async with serve(gate) as upstream:
        tasks = [await start(client, upstream, body) for body in bodies]
        assert occupancy(client, upstream) == Occupancy(2, 0, 8)
        gate.let(*bodies)
        assert await asyncio.gather(*tasks) == bodies
        assert len(upstream.peers) == 2
        assert [one.body for one in upstream.requests] == bodies
        await client.close()


async def test_waiting_for_a_place_counts_as_connecting(narrow: LeanUpstream, gate: Gate) -> None:
    async with serve(gate) as upstream:
        busy = await start(narrow, upstream, b"busy")
        with pytest.raises(ConnectTimeout):
            await exchange(narrow, upstream, b"late", patient(connect=SHORT))
        with pytest.raises(TotalTimeout):
            await exchange(narrow, upstream, b"late", patient(total=SHORT))
        assert occupancy(narrow, upstream) == Occupancy(1, 0, 0)
        gate.let(b"busy")
        assert await busy == b"busy"


async def test_who_stops_waiting_is_passed_over(narrow: LeanUpstream, gate: Gate) -> None:
    async with serve(gate) as upstream:
        busy, gone, next_one = [await start(narrow, upstream, body) for body in (b"busy", b"gone", b"next")]
        gone.cancel()
        gate.let(b"busy", b"next")
        assert (await busy, await next_one) == (b"busy", b"next")
        assert gone.cancelled()
        assert [one.body for one in upstream.requests] == [b"busy", b"next"]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_place_given_to_one_who_is_cancelled_at_that_moment_goes_on_to_the_next(
    narrow: LeanUpstream, kept: bool
) -> None:
    """The place comes with a kept connection, or without one when that was dropped."""
    async with serve(says_then_stalls(stream_head())) as upstream:
        first = await send(narrow, upstream)
        gone = asyncio.create_task(send(narrow, upstream, b"gone"))
        next_one = asyncio.create_task(send(narrow, upstream, b"next"))
        await asyncio.sleep(0)
        assert occupancy(narrow, upstream).waiting == 2
        if kept:
            upstream.peers[0].transport.write(b"0\r\n\r\n")
            assert await first.chunk() == b""
        else:
            first.close()
        gone.cancel()
        if kept:
            upstream.peers[0].transport.abort()
        (await next_one).close()
        assert gone.cancelled()


async def test_a_dropped_connection_gives_its_place_to_the_next(narrow: LeanUpstream) -> None:
    async with serve(says_then_stalls(stream_head())) as upstream:
        first = await send(narrow, upstream)
        waiting = asyncio.create_task(send(narrow, upstream))
        await asyncio.sleep(0)
        assert occupancy(narrow, upstream).waiting == 1
        first.close()
        (await waiting).close()
        assert len(upstream.peers) == 2


async def test_a_failed_connection_gives_its_place_to_the_next(narrow: LeanUpstream) -> None:
    async with serve(says()) as upstream:
        closed = endpoint(upstream)
    results = await asyncio.gather(*(narrow.send(closed, b"", PATIENT) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectFailed] * 5
    assert narrow.occupancy()[closed.origin] == Occupancy(0, 0, 0)


async def test_only_so_many_unused_connections_are_kept(gate: Gate) -> None:
    client = LeanUpstream(idle_limit=2)
    bodies = [b"0", b"1", b"2", b"3"]
    async with serve(gate) as upstream:
        tasks = [await start(client, upstream, body) for body in bodies]
        gate.let(*bodies)
        await asyncio.gather(*tasks)
        await upstream.until(lambda: upstream.open == 2)
        assert occupancy(client, upstream) == Occupancy(2, 2, 0)
        await client.close()


async def test_an_unused_connection_is_closed_when_it_gets_old() -> None:
    client = LeanUpstream(idle_seconds=SHORT)
    async with serve(says(answer())) as upstream:
        await exchange(client, upstream)
        await upstream.left()
        assert occupancy(client, upstream) == Occupancy(0, 0, 0)
        await exchange(client, upstream)
        assert [one.connection for one in upstream.requests] == [0, 1]
        await client.close()


async def test_a_connection_in_use_does_not_get_old(gate: Gate) -> None:
    client = LeanUpstream(idle_seconds=SHORT)
    async with serve(gate) as upstream:
        task = await start(client, upstream, b"slow")
        with pytest.raises(TimeoutError):
            await upstream.left(within=3 * SHORT)
        gate.let(b"slow")
        assert await task == b"slow"
        await client.close()


async def test_each_origin_has_its_own_connections(narrow: LeanUpstream, gate: Gate) -> None:
    gate.let(b"other")
    async with serve(gate) as one, serve(gate) as other:
        busy = await start(narrow, one, b"busy")
        assert await exchange(narrow, other, b"other") == b"other"
        assert (occupancy(narrow, one), occupancy(narrow, other)) == (Occupancy(1, 0, 0), Occupancy(1, 1, 0))
        gate.let(b"busy")
        await busy


async def test_a_shared_origin_shares_its_connections(lean: LeanUpstream) -> None:
    async with serve(says(answer())) as upstream:
        for path in ("/v1/chat", "/v1/models"):
            reply = await lean.send(Endpoint("POST", upstream.url + path), b"", PATIENT)
            assert await reply.read(LIMIT) == b""
        assert len(upstream.peers) == 1


async def test_closing_refuses_who_waits_and_lets_finish_who_is_served(narrow: LeanUpstream, gate: Gate) -> None:
    async with serve(gate) as upstream:
        served, waiting = [await start(narrow, upstream, body) for body in (b"served", b"waiting")]
        await narrow.close()
        with pytest.raises(ConnectFailed, match="closed"):
            await waiting
        gate.let(b"served")
        assert await served == b"served"
        await upstream.left()


async def test_an_answer_that_nobody_has_read_yet_holds_no_connection(narrow: LeanUpstream) -> None:
    async with serve(says(answer(200, b"mine"))) as upstream:
        replies = [await send(narrow, upstream) for _ in range(3)]
        assert [await reply.read(LIMIT) for reply in replies] == [b"mine"] * 3
        assert len(upstream.peers) == 1


async def test_an_answer_that_nobody_closes_ends_with_its_total_time(lean: LeanUpstream) -> None:
    async with serve(says_then_stalls(stream_head())) as upstream:
        await send(lean, upstream, timeouts=patient(total=SHORT))
        await upstream.left()


@pytest.fixture
async def pool() -> AsyncIterator[tuple[Pool, ScriptedUpstream]]:
    """A pool of one place, and where it leads."""
    loop = asyncio.get_running_loop()
    async with serve(says(answer())) as upstream:
        made = Pool(loop, lambda: dial(endpoint(upstream).origin, lambda: Connection(loop, 60), default_tls), 1, 1)
        yield made, upstream
        await made.close()
        assert made.occupancy == Occupancy(0, 0, 0)


async def handed_over(pool: Pool, *, fresh: bool) -> tuple[Connection, asyncio.Task[tuple[Connection, bool]]]:
    """A kept connection at the moment in which it was given to one who waits and does not know it yet."""
    connection, served = await pool.connect(fresh=False)
    assert not served
    waiting = asyncio.create_task(pool.connect(fresh=fresh))
    await asyncio.sleep(0)
    assert pool.occupancy == Occupancy(1, 0, 1)
    pool.put(connection)
    return connection, waiting


async def test_a_connection_that_closes_while_it_is_handed_over_costs_no_place(
    pool: tuple[Pool, ScriptedUpstream],
) -> None:
    connection, waiting = await handed_over(pool[0], fresh=True)
    connection.drop()
    other, served = await waiting
    assert (other is connection, served, pool[0].occupancy) == (False, False, Occupancy(1, 0, 0))
    other.drop()


async def test_a_connection_that_is_handed_over_to_one_who_wants_a_new_one_leaves_its_place(
    pool: tuple[Pool, ScriptedUpstream],
) -> None:
    connection, waiting = await handed_over(pool[0], fresh=True)
    other, served = await waiting
    assert (connection.closed, served, pool[0].occupancy) == (True, False, Occupancy(1, 0, 0))
    other.drop()


@pytest.mark.parametrize("closes", [True, False])
async def test_who_is_cancelled_while_a_connection_is_handed_over_gives_it_back(
    pool: tuple[Pool, ScriptedUpstream], closes: bool
) -> None:
    connection, waiting = await handed_over(pool[0], fresh=False)
    waiting.cancel()
    if closes:
        connection.drop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool[0].idle == ([] if closes else [connection])


async def test_who_is_cancelled_while_a_place_is_handed_over_gives_it_back(
    pool: tuple[Pool, ScriptedUpstream],
) -> None:
    connection, _ = await pool[0].connect(fresh=False)
    waiting = asyncio.create_task(pool[0].connect(fresh=False))
    await asyncio.sleep(0)
    connection.drop()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool[0].occupancy == Occupancy(0, 0, 0)


async def test_a_connection_handed_over_dead_is_replaced(narrow: LeanUpstream, gate: Gate) -> None:
    async with serve(gate) as upstream:
        served, waiting = [await start(narrow, upstream, body) for body in (b"served", b"waiting")]
        gate.let(b"served", b"waiting")
        assert await served == b"served"
        # The waiting task has been given the connection and has not run since.
        upstream.peers[0].cut()
        assert await waiting == b"waiting"


async def test_a_closed_client_opens_nothing_for_new_origins_either() -> None:
    client = LeanUpstream()
    await client.close()
    async with serve(says(answer())) as upstream:
        with pytest.raises(ConnectFailed, match="closed"):
            await send(client, upstream)
        assert not upstream.peers
