"""The state Redis goes away, in all the ways that there are, and comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sluice_gateway.limits.contract import Charge, Granted, Limit, Refused, Unit, Used
from sluice_gateway.state.counters import MOST_TOLD
from sluice_gateway.state.fleet import State
from sluice_gateway.state.shared import MOST_AT_ONCE, SharedStore
from tests.gateway.state.conftest import Logs, Open
from tests.support.redis_server import RedisServer

HOLDER = "ModelRoute/default/chat"
OPEN = Limit(HOLDER, "open", Unit.REQUESTS, 1000, "day")
TOKENS = Limit(HOLDER, "tokens", Unit.TOKENS, 100_000, "day")
PLACES = Limit(HOLDER, "places", Unit.PLACES, 10)
CLOSED = Limit(HOLDER, "closed", Unit.REQUESTS, 1000, "day", closed=True)
PATIENCE = 0.1
SLACK = 0.8  # seconds: two busy cores may come late, which is not what is tested


@pytest.fixture
async def breakable(redis_server: RedisServer, open_pod: Open) -> tuple[RedisServer, State]:
    """A server, and a pod that knows it."""
    return redis_server, await open_pod()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what comes by itself, within some seconds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it does not come")


async def back(store: SharedStore) -> None:
    await until(lambda: store.available)


async def counted(store: SharedStore, limit: Limit) -> int:
    """How much the state Redis has counted."""
    assert store.available
    answer = await store.reserve([Charge(limit, 0)])
    assert store.available
    if isinstance(answer, Granted):
        store.settle(answer, Used())
    return limit.most - answer.levels[0].remaining


@contextmanager
def impatient(store: SharedStore) -> Iterator[None]:
    """While the server is away: one that is there must not be missed because the machine is busy."""
    link = store._link
    patience, link._patience = link._patience, PATIENCE
    yield
    link._patience = patience


def at_once(asking: Coroutine[Any, Any, Granted | Refused]) -> Granted | Refused:
    """An answer that is not waited for."""
    with pytest.raises(StopIteration) as done:
        asking.send(None)
    answer: Granted | Refused = done.value.value
    return answer


async def timed(asking: Awaitable[Granted | Refused]) -> tuple[Granted | Refused, float]:
    started = time.perf_counter()
    return await asking, time.perf_counter() - started


def be_busy(seconds: float) -> None:
    """Keep the process from everything else."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def many(store: SharedStore, count: int) -> list[Granted]:
    asked = [store.reserve([Charge(OPEN, 1), Charge(TOKENS, 100)]) for _ in range(count)]
    answers = [await timed(one) for one in asyncio.as_completed(asked)]
    assert max(seconds for _, seconds in answers) < PATIENCE + SLACK
    return [answer for answer, _ in answers if isinstance(answer, Granted)]


async def test_a_server_that_stands_still_is_away_at_once_and_counted_for(
    redis_server: RedisServer, open_pod: Open, logs: Logs
) -> None:
    store = (await open_pod()).store
    before = await many(store, 5)
    with redis_server.stopped(), impatient(store):
        answers = await asyncio.gather(*(timed(store.reserve([Charge(OPEN, 1)])) for _ in range(20)))
        assert all(isinstance(answer, Granted) for answer, _ in answers)
        assert max(seconds for _, seconds in answers) < PATIENCE + SLACK
        assert not store.available
        later = at_once(store.reserve([Charge(OPEN, 1), Charge(TOKENS, 100)]))
        assert isinstance(later, Granted)
        refused = at_once(store.reserve([Charge(OPEN, 1), Charge(CLOSED, 1)]))
        assert isinstance(refused, Refused)
        assert (refused.limit, refused.away, refused.retry_after) == (CLOSED, True, 1.0)
        store.settle(later, Used(tokens=40))
        store.settle(before[0], Used(tokens=30))
        assert logs.events() == ["state redis is away"]
    await back(store)
    assert await counted(store, OPEN) == 5 + 20 + 1
    assert await counted(store, TOKENS) == 4 * 100 + 30 + 40
    assert await counted(store, CLOSED) == 0
    assert logs.events() == ["state redis is away", "state redis is back"]
    assert logs.lines()[0] | {"time": ""} == {
        "event": "state redis is away",
        "reason": "no answer in time",
        "level": "warning",
        "time": "",
    }


async def test_whoever_was_late_to_ask_is_counted_for_at_once(open_pod: Open, logs: Logs) -> None:
    """The server carries nothing out that nobody waits for: it must not be asked for it again and again."""
    store = (await open_pod()).store
    with impatient(store):
        asked = [asyncio.create_task(store.reserve([Charge(OPEN, 1), Charge(PLACES, 1)])) for _ in range(3)]
        await asyncio.sleep(0)
        be_busy(2 * PATIENCE)
        answers = [await timed(one) for one in asked]
    assert max(seconds for _, seconds in answers) < SLACK
    for answer, _ in answers:
        assert isinstance(answer, Granted)
        store.settle(answer, Used())
    await back(store)
    assert await counted(store, OPEN) == 3
    assert await counted(store, PLACES) == 0


async def test_a_settlement_without_an_answer_is_sent_again_and_counts_once(
    redis_server: RedisServer, open_pod: Open
) -> None:
    store = (await open_pod()).store
    granted = await many(store, 3)
    with redis_server.stopped(), impatient(store):
        store.settle(granted[0], Used(tokens=10))  # it is in the server's inbox when it goes on
        await until(lambda: not store.available)
        store.settle(granted[1], Used(tokens=20))
    await back(store)
    assert await counted(store, TOKENS) == 10 + 20 + 100


async def test_what_was_granted_here_is_settled_there(redis_server: RedisServer, open_pod: Open) -> None:
    store = (await open_pod()).store
    with redis_server.stopped(), impatient(store):
        granted = await many(store, 4)
    await back(store)
    assert await counted(store, TOKENS) == 400
    for one in granted[:3]:
        store.settle(one, Used(tokens=150))
        store.settle(one, Used(tokens=150))
    assert await counted(store, TOKENS) == 550


async def test_what_was_granted_here_and_undone_is_not_told_there(redis_server: RedisServer, open_pod: Open) -> None:
    store = (await open_pod()).store
    with redis_server.stopped(), impatient(store):
        early, late = await many(store, 2)
        store.undo(early)
    await back(store)
    store.undo(late)
    assert await counted(store, TOKENS) == 0


async def test_places_outlive_a_server_that_forgot_them(redis_server: RedisServer, open_pod: Open) -> None:
    store = (await open_pod()).store
    taken = [await store.reserve([Charge(PLACES, 1)]) for _ in range(2)]
    redis_server.kill()
    taken += [await store.reserve([Charge(PLACES, 1)]) for _ in range(3)]
    ended = taken.pop()
    assert isinstance(ended, Granted)
    store.settle(ended, Used())
    redis_server.start()
    await back(store)
    assert await counted(store, PLACES) == 4
    for one in taken:
        assert isinstance(one, Granted)
        store.settle(one, Used())
    assert await counted(store, PLACES) == 0


async def test_a_server_that_was_killed_and_lost_all_is_told_what_was_used_meanwhile(
    redis_server: RedisServer, open_pod: Open, logs: Logs
) -> None:
    pod = await open_pod()
    store, observed = pod.store, list[str]()
    pod.observers.append(observed.append)
    lost = await many(store, 7)
    redis_server.kill()
    granted = await many(store, 9)
    assert len(granted) == 9
    assert not store.available
    assert isinstance(at_once(store.reserve([Charge(CLOSED, 1)])), Refused)
    redis_server.start()
    await back(store)
    for one in lost + granted:
        store.settle(one, Used(tokens=50))
    assert await counted(store, OPEN) == 9
    assert await counted(store, TOKENS) == 9 * 50  # what was lost is lost, and nobody else's is given back for it
    assert logs.events() == ["state redis is away", "state redis is back"]
    assert observed == [logs.lines()[0]["reason"], ""]
    assert observed[0] in ("the connection was lost", "connection refused")  # whichever is seen first


async def test_what_many_consumers_used_meanwhile_is_told_bit_by_bit(
    redis_server: RedisServer, open_pod: Open, gateway: str
) -> None:
    """One command for all of it would keep the server busy for longer than anybody waits for its answer."""
    store, count = (await open_pod()).store, MOST_AT_ONCE + MOST_TOLD + 1
    redis_server.kill()
    for number in range(count):
        granted = await store.reserve([Charge(replace(TOKENS, consumer=str(number)), 100)])
        assert isinstance(granted, Granted)
        store.settle(granted, Used(tokens=number + 1))
    redis_server.start()
    await back(store)
    last = replace(TOKENS, consumer=str(count - 1))
    for _ in range(2):  # what is asked now goes with the first part
        assert await counted(store, replace(TOKENS, consumer="0")) == 1
    assert await counted(store, last) == count
    assert redis_server.call("INFO", "commandstats")["cmdstat_evalsha"]["calls"] == -(-count // MOST_TOLD) + 3
    assert len(redis_server.call("KEYS", f"*{gateway}*tokens*")) == count


async def test_a_restart_that_nobody_was_waiting_for_is_not_noticed(
    redis_server: RedisServer, open_pod: Open, logs: Logs
) -> None:
    store = (await open_pod()).store
    held = await store.reserve([Charge(PLACES, 1)])
    redis_server.kill()
    redis_server.start()
    await asyncio.sleep(0.01)  # the loop has a look at its sockets
    assert isinstance(await store.reserve([Charge(CLOSED, 1)]), Granted)
    assert await counted(store, PLACES) == 1
    assert isinstance(held, Granted)
    assert logs.events() == []


async def test_scripts_that_were_forgotten_are_taught_again(
    redis_server: RedisServer, open_pod: Open, logs: Logs
) -> None:
    store = (await open_pod()).store
    granted = await many(store, 2)
    redis_server.call("SCRIPT", "FLUSH")
    store.settle(granted[0], Used(tokens=1))
    assert len(await many(store, 5)) == 5
    assert await counted(store, OPEN) == 7
    assert await counted(store, TOKENS) == 601
    assert logs.events() == []


async def test_counters_that_were_flushed_begin_anew(redis_server: RedisServer, open_pod: Open, logs: Logs) -> None:
    store = (await open_pod()).store
    granted = await many(store, 3)
    redis_server.call("FLUSHALL")
    await asyncio.sleep(0.002)
    granted += await many(store, 2)
    for one in granted:
        store.settle(one, Used(tokens=60))
    assert await counted(store, OPEN) == 2
    assert await counted(store, TOKENS) == 120
    assert logs.events() == []


@pytest.mark.parametrize(
    ("broken", "mended", "reason"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "its memory is full"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "it is a replica that may only be read"),
        ("ACL SETUSER default -evalsha", "ACL SETUSER default +@all", "its user has no right to do this"),
    ],
)
async def test_a_server_that_can_not_be_written_to_is_away(
    breakable: tuple[RedisServer, State], logs: Logs, *, broken: str, mended: str, reason: str
) -> None:
    redis_server, store = breakable[0], breakable[1].store
    granted = await many(store, 2)
    redis_server.call(*broken.split())
    try:
        granted += await many(store, 3)
        assert not store.available
        assert isinstance(await store.reserve([Charge(CLOSED, 1)]), Refused)
        store.settle(granted[0], Used(tokens=1))
    finally:
        redis_server.call(*mended.split())
    await back(store)
    assert await counted(store, OPEN) == 5
    assert await counted(store, TOKENS) == 401
    assert {line.get("reason") for line in logs.lines() if line["event"] == "state redis is away"} == {reason}


async def test_a_counter_that_is_something_else_is_no_reason_to_leave(
    redis_server: RedisServer, open_pod: Open, logs: Logs, gateway: str
) -> None:
    store = (await open_pod()).store
    granted = await many(store, 1)
    key = f"{{sluice/{gateway}/{HOLDER}}}tokens/tokens/day/UTC/"
    redis_server.call("DEL", key)
    redis_server.call("LPUSH", key, "x")
    assert len(await many(store, 1)) == 1  # counted here
    store.settle(granted[0], Used(tokens=1))
    assert isinstance(await store.reserve([Charge(CLOSED, 1)]), Granted)
    assert store.available
    assert set(logs.events()) == {"defect"}
    assert "WRONGTYPE" in logs.lines()[0]["traceback"]
