"""A gate at the edges: of waiting times, of a line's length, and of what the provider has left."""

import asyncio

import pytest

from sluice_config.resources.provider_policy import Queue, RateLimit
from sluice_gateway.limits.contract import Granted
from sluice_gateway.limits.gate import Full, Gate
from sluice_gateway.limits.local import LocalStore
from tests.gateway.limits.test_gate import Site
from tests.gateway.limits.test_gate_at_once import ahead

LEFT = {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "1",
    "x-ratelimit-reset-requests": "3600s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "100",
    "x-ratelimit-reset-tokens": "3600s",
}


@pytest.mark.parametrize("past", [0.0, 1.0])
async def test_whoever_has_no_time_left_does_not_stand_in_line(past: float) -> None:
    site = Site(max_concurrent=1)
    await site.enter()
    with pytest.raises(Full, match="has no room"):
        await site.gate.enter("ada", 0, "m", until=site.time.clock() - past)


async def test_a_line_is_left_when_the_policys_time_is_over() -> None:
    site = Site(wait=5000, max_concurrent=1)
    await site.enter()
    waiting = await site.queue()
    await site.time.move(4.9975)
    assert not waiting.done()
    await site.time.move(0.01)
    with pytest.raises(Full, match="in the time that there was to wait"):
        await waiting


async def test_a_line_that_is_longer_than_the_policy_now_allows_takes_nobody() -> None:
    site = Site(depth=3, max_concurrent=1)
    await site.enter()
    waiting = [await site.queue() for _ in range(3)]
    site.gate.follow(RateLimit(queue=Queue(max_depth=1, max_wait_milliseconds=5000), max_concurrent=1))
    late = await site.queue()
    assert late.done()
    with pytest.raises(Full, match="as many requests wait as may"):
        await late
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_finds_no_room_has_taken_nothing_of_what_the_provider_has_left() -> None:
    site = Site(tokens_per_minute=10)
    await site.enter(10)
    site.heed(LEFT)
    await site.refused(50)
    site.gate.follow(RateLimit())
    assert site.wait(100) == 0.0
    assert site.wait(101) > 0.0
    assert site.gate.step_in(0, "m") is not None
    assert site.gate.step_in(0, "m") is None


async def test_what_is_given_back_ahead_is_what_the_provider_had_left() -> None:
    site = Site(max_concurrent=9)
    site.heed(LEFT)
    site.gate.give_back(await ahead(site, 50))
    assert site.wait(100) == 0.0
    assert site.wait(101) > 0.0


async def test_what_is_given_back_ahead_is_there_at_once_when_times_begin_with_nothing() -> None:
    def clock() -> float:
        return 0.0

    store = LocalStore(clock)
    gate = Gate("default/p", RateLimit(tokens_per_minute=60), store, clock)
    first = gate.foresee(60, "m")
    assert first is not None
    granted = store.at_once(first.charges)
    assert isinstance(granted, Granted)
    with pytest.raises(Full):
        await gate.enter("ada", 60, "m", until=None)
    assert gate.wait(60, 0.0, "m") == 60.0
    gate.give_back(first._replace(granted=granted))
    assert gate.wait(60, 0.0, "m") == 0.0
