"""What is set by hand at one pod holds for the others, through a real state Redis, and for those that start later."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from sluice_gateway.limits.contract import Granted
from sluice_gateway.resilience.breaker import State as Breaker
from sluice_gateway.server.admin.limits import Limits
from sluice_gateway.server.served import Served
from sluice_gateway.state.fleet import State
from sluice_gateway.telemetry.log import make_logger
from tests.support.admin import Parts, admin, table_of
from tests.support.doors import OpenDoor
from tests.support.gateway import provider, route
from tests.support.redis_server import RedisServer

ONE = provider("a") + provider("b") + route("one", "a/small", "a/large", "b/small")
ALL_OF_A = {"provider": "default/a"}
PATIENCE = 5.0


@contextlib.asynccontextmanager
async def pod(server: RedisServer, gateway: str) -> AsyncIterator[tuple[OpenDoor, Parts]]:
    """A pod that hears the others."""
    state = State(server.address, gateway, make_logger(), patience=PATIENCE)
    async with admin(ONE, news=state.news) as (door, parts):
        state.news.subscribe(parts.overrides.hear)
        await state.start()
        async with asyncio.timeout(PATIENCE):
            await state.news.hearing.wait()
        try:
            yield door, parts
        finally:
            await state.close()


async def told(parts: Parts, provider: str, *wanted: tuple[str, Breaker]) -> None:
    """Wait until these breakers of a provider are set by hand, and no others."""

    def found() -> list[tuple[str, Breaker]]:
        listed = parts.breakers.all(parts.time.clock())
        return [(one.model, one.state) for one in listed if one.by_hand and one.provider == provider]

    news = asyncio.Event()
    parts.breakers.observers.append(lambda *_: news.set())
    async with asyncio.timeout(PATIENCE):
        while found() != list(wanted):
            news.clear()
            await news.wait()


async def say(door: OpenDoor, action: str, **asked: Any) -> None:
    status, body = await door.ask(f"/admin/breakers/{action}", asked)
    assert (status, body["scope"]) == (200, "gateway")


async def test_what_one_pod_is_asked_all_pods_do(redis_server: RedisServer) -> None:
    async with pod(redis_server, "default/all") as (first, mine), pod(redis_server, "default/all") as (second, theirs):
        await say(first, "open", **ALL_OF_A, seconds=600)
        for parts in (mine, theirs):
            await told(parts, "default/a", ("large", Breaker.OPEN), ("small", Breaker.OPEN))
        await say(second, "close", **ALL_OF_A, model="small", seconds=600)
        for parts in (mine, theirs):
            await told(parts, "default/a", ("large", Breaker.OPEN), ("small", Breaker.CLOSED))
        await say(first, "reset", **ALL_OF_A)
        for parts in (mine, theirs):
            await told(parts, "default/a")


async def test_a_pod_that_starts_later_hears_what_still_holds(redis_server: RedisServer) -> None:
    async with pod(redis_server, "default/later") as (first, _):
        await say(first, "open", **ALL_OF_A, model="small", seconds=600)
        await say(first, "open", provider="default/b", seconds=600)
        await say(first, "close", **ALL_OF_A, seconds=600)
        await say(first, "reset", **ALL_OF_A)
        async with pod(redis_server, "default/later") as (_, parts):
            await told(parts, "default/b", ("small", Breaker.OPEN))
            await told(parts, "default/a")


async def test_gateways_do_not_hear_each_other(redis_server: RedisServer) -> None:
    async with pod(redis_server, "default/one") as (first, _), pod(redis_server, "default/two") as (second, parts):
        await say(first, "open", **ALL_OF_A, seconds=600)
        await say(second, "open", provider="default/b", seconds=600)
        await told(parts, "default/b", ("small", Breaker.OPEN))
        await told(parts, "default/a")


async def test_without_the_redis_the_pod_that_was_asked_says_so(redis_server: RedisServer) -> None:
    state = State(redis_server.address, "default/away", make_logger(), patience=0.05)
    await state.start()
    try:
        async with admin(ONE, news=state.news) as (door, parts):
            with redis_server.stopped():
                status, body = await door.ask("/admin/breakers/open", ALL_OF_A | {"seconds": 600})
            assert (status, body["scope"]) == (200, "pod")
            assert "did not answer" in body["note"]
            await told(parts, "default/a", ("large", Breaker.OPEN), ("small", Breaker.OPEN))
    finally:
        await state.close()


async def test_limits_are_those_of_all_pods_and_asking_takes_nothing(redis_server: RedisServer) -> None:
    limits = [
        {"name": "each", "per": "consumer", "tokens": 500, "window": "day"},
        {"name": "all", "per": "route", "concurrent": 3},
    ]
    rate = {"requestsPerMinute": 60, "tokensPerMinute": 6000, "maxConcurrent": 2}
    served = Served(table_of(provider("a", rateLimit=rate) + route("one", "a/small", limits=limits)))
    first, second = (State(redis_server.address, "default/full", make_logger(), patience=PATIENCE) for _ in range(2))
    await first.start()
    await second.start()
    try:
        [one] = served.table.routes
        assert one.limits is not None
        assert isinstance(await first.store.reserve(one.limits.charges("team-a", 120)), Granted)
        for _ in range(2):
            told = await Limits(second.store).of_routes(served, None, "team-a")
            assert [(one["name"], one["remaining"]) for one in told["limits"]] == [("each", 380), ("all", None)]
            told = await Limits(second.store).of_routes(served, None, "team-b")
            assert told["limits"][0]["remaining"] == 500
            policy = await Limits(second.store).of_provider(served.providers["default/a"])
            assert [one["remaining"] for one in policy] == [60, 6000, None]
    finally:
        await first.close()
        await second.close()
