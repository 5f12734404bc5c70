"""What the scripts count, asked of a real Redis: windows, buckets and places, and settling them."""

import asyncio
import time
from typing import Any

import pytest

from sluice_gateway.limits.contract import Charge, Granted, Limit, Refused, Unit, Used
from sluice_gateway.limits.windows import bounds
from sluice_gateway.normal.usage import MOST_TOKENS
from sluice_gateway.state.fleet import State
from sluice_gateway.state.shared import SharedStore
from tests.gateway.state.conftest import Logs, Open
from tests.support.redis_server import RedisServer

HOLDER = "ModelRoute/default/chat"
REQUESTS = Limit(HOLDER, "calls", Unit.REQUESTS, 3, "day")
TOKENS = Limit(HOLDER, "tokens", Unit.TOKENS, 1000, "day", consumer="alice")
PLACES = Limit(HOLDER, "streams", Unit.PLACES, 2)
BUCKET = Limit(HOLDER, "flow", Unit.TOKENS, 6000)
FLOW = 100.0  # a second


@pytest.fixture
async def store(open_pod: Open) -> SharedStore:
    return (await open_pod()).store


@pytest.fixture
def prefix(gateway: str) -> str:
    return f"{{sluice/{gateway}/{HOLDER}}}"


async def granted(store: SharedStore, *charges: Charge) -> Granted:
    answer = await store.reserve(charges)
    assert isinstance(answer, Granted), answer
    return answer


async def refused(store: SharedStore, *charges: Charge) -> Refused:
    answer = await store.reserve(charges)
    assert isinstance(answer, Refused), answer
    return answer


async def remaining(store: SharedStore, limit: Limit) -> int:
    """What is left, asked with a charge of nothing. A pod's own settlements go ahead of its questions."""
    answer = await store.reserve([Charge(limit, 0)])
    if isinstance(answer, Granted):
        store.settle(answer, Used())
    return answer.levels[0].remaining


def changing(value: float, since: float, per_second: float = -1.0) -> Any:
    """Equals what was ``value`` at some time since then, and has changed at this pace; times are of a busy machine.

    Redis rounds to milliseconds, and what is left of a bucket to whole tokens.
    """
    most = per_second * (time.time() - since)
    return pytest.approx(value + most / 2, abs=abs(most) / 2 + max(0.002, abs(per_second) / 50))


async def test_a_window_gives_what_it_holds_and_no_more(store: SharedStore) -> None:
    left = [(await granted(store, Charge(REQUESTS, 1))).levels[0].remaining for _ in range(3)]
    assert left == [2, 1, 0]
    no = await refused(store, Charge(REQUESTS, 1))
    _, end = bounds("day", "UTC", time.time())
    assert no.limit is REQUESTS
    assert no.retry_after == pytest.approx(end - time.time(), abs=5)
    assert no.levels[0].remaining == 0
    assert no.levels[0].reset == no.retry_after
    assert not no.away


async def test_all_is_taken_or_nothing(store: SharedStore) -> None:
    both = (Charge(REQUESTS, 1), Charge(TOKENS, 600), Charge(PLACES, 1))
    await granted(store, *both)
    no = await refused(store, *both)
    assert no.limit is TOKENS
    assert [level.remaining for level in no.levels] == [2, 400, 1]
    assert await remaining(store, REQUESTS) == 2
    assert await remaining(store, TOKENS) == 400
    assert await remaining(store, PLACES) == 1


async def test_the_longest_wait_is_told_and_never_is_the_longest(store: SharedStore) -> None:
    await granted(store, Charge(BUCKET, 6000), Charge(REQUESTS, 3))
    both = (Charge(BUCKET, 60), Charge(REQUESTS, 1))
    assert (await refused(store, *both)).limit is REQUESTS
    never = await refused(store, *both, Charge(TOKENS, 1001))
    assert (never.limit, never.retry_after) == (TOKENS, None)
    assert (await refused(store, Charge(BUCKET, 6001))).retry_after is None


async def test_consumers_have_their_own_and_so_have_gateways(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    await granted(store, Charge(TOKENS, 1000))
    bob = Limit(HOLDER, "tokens", Unit.TOKENS, 1000, "day", consumer="bob")
    assert await remaining(store, bob) == 1000
    keys = {key.decode() for key in redis_server.call("KEYS", prefix.replace("{", "*{") + "*")}
    assert {f"{prefix}tokens/tokens/day/UTC/alice", f"{prefix}tokens/tokens/day/UTC/bob"} <= keys


async def test_settling_gives_back_what_was_not_used_and_counts_what_was_more(store: SharedStore) -> None:
    first = await granted(store, Charge(TOKENS, 800), Charge(REQUESTS, 1))
    store.settle(first, Used(tokens=100))
    assert await remaining(store, TOKENS) == 900
    assert await remaining(store, REQUESTS) == 2  # a request stays one
    store.settle(first, Used(tokens=0))  # a second time is none
    assert await remaining(store, TOKENS) == 900
    store.settle(await granted(store, Charge(TOKENS, 10)), Used(tokens=2000))
    assert await remaining(store, TOKENS) == 0
    assert (await refused(store, Charge(TOKENS, 1))).levels[0].remaining == 0


async def test_a_window_that_is_over_is_neither_counted_nor_settled(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    start, end = bounds("day", "UTC", time.time())
    key = f"{prefix}tokens/tokens/day/UTC/alice"
    redis_server.call("SET", key, f"{bounds('day', 'UTC', start - 1)[0]} 5 1000")
    late = await granted(store, Charge(TOKENS, 600))
    assert late.levels[0].remaining == 400
    assert redis_server.call("PTTL", key) == pytest.approx((end - time.time()) * 1000, abs=5000)
    value = redis_server.call("GET", key).decode().split()
    assert (value[0], value[2]) == (str(start), "600")
    redis_server.call("SET", key, f"{end} 7 50")  # the next has begun, and with it another count
    store.settle(late, Used(tokens=0))
    await granted(store, Charge(PLACES, 1))
    assert redis_server.call("GET", key).decode() == f"{end} 7 50"


async def test_a_clock_that_was_set_back_gives_no_window_twice(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    """A pod, or the server before this one, was in the next window already. (Half a minute before a window ends, ours
    reaches no further: then there is nothing to see.)
    """
    _, end = bounds("day", "UTC", time.time() - 30)
    redis_server.call("SET", f"{prefix}tokens/tokens/day/UTC/alice", f"{end} 5 950")
    no = await refused(store, Charge(TOKENS, 51))
    assert no.levels[0].remaining == 50
    assert no.levels[0].reset == pytest.approx(bounds("day", "UTC", end)[1] - time.time(), abs=5)


async def test_what_was_lost_is_not_given_back_from_what_others_use(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    lost = await granted(store, Charge(TOKENS, 500), Charge(BUCKET, 500))
    redis_server.call("DEL", f"{prefix}tokens/tokens/day/UTC/alice", f"{prefix}tokens/flow/")
    await asyncio.sleep(0.002)  # or the new count would begin within the same millisecond
    since = time.time()
    await granted(store, Charge(TOKENS, 300), Charge(BUCKET, 5000))
    store.settle(lost, Used(tokens=0))
    assert await remaining(store, TOKENS) == 700
    assert await remaining(store, BUCKET) == changing(1000, since, FLOW)


async def test_more_than_was_reserved_counts_also_when_the_count_was_lost(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    lost = await granted(store, Charge(TOKENS, 500), Charge(BUCKET, 500))
    redis_server.call("DEL", f"{prefix}tokens/tokens/day/UTC/alice", f"{prefix}tokens/flow/")
    since = time.time()
    store.settle(lost, Used(tokens=700))
    assert await remaining(store, TOKENS) == 800
    assert await remaining(store, BUCKET) == changing(5800, since, FLOW)


async def test_a_bucket_fills_as_time_goes_by(store: SharedStore, redis_server: RedisServer, prefix: str) -> None:
    key, since = f"{prefix}tokens/flow/", time.time()
    await granted(store, Charge(BUCKET, 6000))
    no = await refused(store, Charge(BUCKET, 600))
    assert no.retry_after == changing(6.0, since)
    assert no.levels[0].reset == changing(60.0, since)
    began, taken, at = map(int, redis_server.call("GET", key).split())
    assert taken == 6000 * 60_000
    assert redis_server.call("PTTL", key) / 1000 == changing(60.0, since)
    redis_server.call("SET", key, f"{began} {taken} {at - 30_000}")  # half a minute ago
    half = await granted(store, Charge(BUCKET, 2900))
    assert half.levels[0].remaining == changing(100, since, FLOW)
    assert half.levels[0].reset == changing(59.0, since)
    assert (await refused(store, Charge(BUCKET, 5900))).retry_after == changing(58.0, since)


async def test_a_bucket_that_was_full_in_between_has_nothing_to_give_back(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    """All that was reserved has come back by itself already."""
    key = f"{prefix}tokens/flow/"
    slow = await granted(store, Charge(BUCKET, 3000))
    began, taken, at = map(int, redis_server.call("GET", key).split())
    redis_server.call("SET", key, f"{began - 40_000} {taken} {at - 40_000}")
    since = time.time()
    await granted(store, Charge(BUCKET, 3000))
    store.settle(slow, Used(tokens=0))
    assert await remaining(store, BUCKET) == changing(3000, since, FLOW)


async def test_a_bucket_owes_what_was_used_beyond_it(store: SharedStore) -> None:
    since = time.time()
    store.settle(await granted(store, Charge(BUCKET, 6000)), Used(tokens=12_000))
    assert await remaining(store, BUCKET) == 0
    assert (await refused(store, Charge(BUCKET, 60))).retry_after == changing(60.6, since)


async def test_places_are_given_back_and_taken_again(store: SharedStore) -> None:
    first, _ = await granted(store, Charge(PLACES, 1)), await granted(store, Charge(PLACES, 1))
    no = await refused(store, Charge(PLACES, 1))
    assert (no.retry_after, no.levels[0].remaining, no.levels[0].reset) == (1.0, 0, 0.0)
    store.settle(first, Used())
    assert await remaining(store, PLACES) == 1
    store.settle(first, Used())
    assert await remaining(store, PLACES) == 1


async def test_places_of_a_pod_that_died_are_free_when_their_lease_ends(
    store: SharedStore, redis_server: RedisServer, prefix: str
) -> None:
    key = f"{prefix}concurrent/streams/"
    since = time.time()
    redis_server.call("ZADD", key, int(since * 1000 - 1), "dead:1", int(since * 1000 + 50_000), "other:1")
    one = await granted(store, Charge(PLACES, 1))
    assert one.levels[0].remaining == 0
    leases = dict(redis_server.call("ZRANGE", key, 0, -1, "WITHSCORES"))
    assert len(leases) == 2
    assert b"dead:1" not in leases
    assert redis_server.call("PTTL", key) / 1000 == changing(60.0, since)
    assert max(map(float, leases.values())) / 1000 - since == changing(60.0, since, 1.0)


async def test_numbers_stay_whole_however_large(store: SharedStore) -> None:
    much = Limit(HOLDER, "much", Unit.TOKENS, 10**15, "month")
    flood = Limit(HOLDER, "flood", Unit.TOKENS, 10**11)
    taken = await granted(store, Charge(much, 10**15 - 1), Charge(flood, 10**11 - 10**10))
    assert taken.levels[0].remaining == 1
    assert await remaining(store, much) == 1
    store.settle(taken, Used(tokens=10**15 - 3))
    assert await remaining(store, much) == 3


async def test_what_a_provider_claims_at_most_is_settled_in_the_smallest_bucket(store: SharedStore) -> None:
    smallest = Limit(HOLDER, "smallest", Unit.TOKENS, 1)
    answers = [await granted(store, Charge(smallest, 0), Charge(PLACES, 1)) for _ in range(2)]
    for answer in answers:
        store.settle(answer, Used(tokens=2 * MOST_TOKENS))
    assert (await refused(store, Charge(smallest, 1))).retry_after == pytest.approx(4 * MOST_TOKENS * 60, rel=0.001)
    await granted(store, Charge(PLACES, 1))


async def test_whoever_leaves_while_he_asks_takes_nothing(open_pod: Open) -> None:
    pod: State = await open_pod()
    charges = (Charge(REQUESTS, 1), Charge(TOKENS, 1000), Charge(PLACES, 1))
    for turns in range(6):  # at each step of the way
        asking = asyncio.create_task(pod.store.reserve(charges))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if not asking.cancelled():
            continue
        assert await remaining(pod.store, REQUESTS) == 3, turns
        assert await remaining(pod.store, TOKENS) == 1000, turns
        assert await remaining(pod.store, PLACES) == 2, turns


async def test_whoever_leaves_before_he_could_ask_is_not_asked_for(open_pod: Open, redis_server: RedisServer) -> None:
    pod: State = await open_pod()
    with redis_server.stopped():
        first = asyncio.create_task(pod.store.reserve([Charge(REQUESTS, 1)]))
        for _ in range(3):
            await asyncio.sleep(0)
        assert pod.store._link._under_way
        second = asyncio.create_task(pod.store.reserve([Charge(REQUESTS, 1)]))  # it waits for the first one's answer
        await asyncio.sleep(0)
        second.cancel()
    assert await remaining(pod.store, REQUESTS) == 2
    assert (await first).levels[0].remaining == 2
    assert second.cancelled()


async def test_what_is_undone_was_never_taken(open_pod: Open) -> None:
    store = (await open_pod()).store
    taken = await granted(store, Charge(REQUESTS, 1), Charge(TOKENS, 1000), Charge(PLACES, 1))
    flow = await granted(store, Charge(BUCKET, 6000))
    store.undo(taken)
    store.undo(flow)
    store.undo(taken)  # once
    store.settle(taken, Used(7))
    assert [await remaining(store, one) for one in (REQUESTS, TOKENS, PLACES, BUCKET)] == [3, 1000, 2, 6000]


async def test_several_are_asked_together_each_for_itself(open_pod: Open) -> None:
    store = (await open_pod()).store
    other = Limit("ProviderPolicy/default/p", "few", Unit.REQUESTS, 1)
    first = await store.reserve_each([(Charge(REQUESTS, 1), Charge(PLACES, 1)), (Charge(other, 1),)])
    second = await store.reserve_each([(Charge(REQUESTS, 1), Charge(PLACES, 1)), (Charge(other, 1),)])
    assert [type(answer) for answer in first] == [Granted, Granted]
    assert [type(answer) for answer in second] == [Granted, Refused]
    assert [level.remaining for answer in second for level in answer.levels] == [1, 0, 0]


async def test_whoever_leaves_while_he_asks_for_several_takes_nothing(open_pod: Open) -> None:
    pod: State = await open_pod()
    other = Limit("ProviderPolicy/default/p", "few", Unit.PLACES, 1)
    left_at_steps = 0
    for turns in range(8):  # at each step of the way
        questions = [(Charge(REQUESTS, 1), Charge(TOKENS, 1000)), (Charge(other, 1),)]
        asking = asyncio.create_task(pod.store.reserve_each(questions))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        [answers] = await asyncio.gather(asking, return_exceptions=True)
        left_at_steps += asking.cancelled()
        if isinstance(answers, list):
            for answer in answers:
                assert isinstance(answer, Granted)
                pod.store.undo(answer)
        assert [await remaining(pod.store, one) for one in (REQUESTS, TOKENS, other)] == [3, 1000, 1], turns
    assert left_at_steps


async def test_places_are_kept_as_long_as_they_are_held(open_pod: Open, redis_server: RedisServer, prefix: str) -> None:
    pod = await open_pod()
    held, ended = await granted(pod.store, Charge(PLACES, 1)), await granted(pod.store, Charge(PLACES, 1))
    key = f"{prefix}concurrent/streams/"
    leases = redis_server.call("ZRANGE", key, 0, -1)
    since = time.time()
    soon = int(since * 1000) + 5000
    redis_server.call("ZADD", key, *(word for lease in leases for word in (soon, lease)))
    pod.store.settle(ended, Used())
    pod.store._renew()  # as it does every 20 s
    assert await remaining(pod.store, PLACES) == 1
    ends = dict(redis_server.call("ZRANGE", key, 0, -1, "WITHSCORES"))
    assert float(ends[leases[0]]) / 1000 - since == changing(60.0, since, 1.0)
    assert leases[1] not in ends
    pod.store.settle(held, Used())
    assert await remaining(pod.store, PLACES) == 2


@pytest.mark.parametrize("seconds", [-50, -6, 3600 * 24 * 40])
async def test_a_server_whose_clock_has_leapt_is_asked_again(open_pod: Open, logs: Logs, seconds: int) -> None:
    """What we think of its time is behind, or far ahead."""
    pod = await open_pod()
    pod.store._link.heard(int((time.time() + seconds) * 1000))
    taken = await granted(pod.store, Charge(TOKENS, 100), Charge(REQUESTS, 1))
    assert await remaining(pod.store, TOKENS) == 900
    pod.store.settle(taken, Used(tokens=10))
    assert await remaining(pod.store, TOKENS) == 990
    assert logs.events() == []
