"""Limits hold over all processes that share a state Redis: exactly where requests are counted, and for tokens up to
what the requests under way were estimated too low.

All limits here are ``closed``: on a machine that is too busy to ask Redis in time, callers are refused and ask again,
and what was reserved without an answer stays counted. So never is more served than the limit, and exactly as much
where nothing of that kind has happened.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.counting import CUT, SLOW, Counting, counting
from tests.support.gateway import CHAT, provider, route
from tests.support.replicas import TRIALS, Replicas, becomes, replicas, trial

pytestmark = pytest.mark.slow
CLIENTS = 200
REQUESTS, TOKENS, PLACES, LAST = 60, 6_000, 10, 120
MANY = 1_000_000
ASKED = 40  # tokens that a request for a limited answer asks for
MOST_TIMES = 100  # that anybody asks again
MOST_RESERVED = ASKED + 60  # the prompts are estimated at less

WIDE = {"per": "route", "onStoreFailure": "closed"}
MONTH = {"window": "month", **WIDE}
LIMITS: dict[str, list[dict[str, Any]]] = {
    "requests-2": [{"name": "limit", "requests": REQUESTS, "window": "minute", **WIDE}],
    "requests-4": [{"name": "limit", "requests": REQUESTS, "window": "minute", **WIDE}],
    "tokens-2": [{"name": "limit", "tokens": TOKENS, **MONTH}],
    "tokens-4": [{"name": "limit", "tokens": TOKENS, **MONTH}],
    "underestimated": [{"name": "limit", "tokens": TOKENS, **MONTH}],
    "places": [{"name": "limit", "concurrent": PLACES, **WIDE}],
    "mixed": [
        {"name": "requests", "requests": MANY, **MONTH},
        {"name": "tokens", "tokens": MANY, **MONTH},
        {"name": "places", "concurrent": CLIENTS, **WIDE},
    ],
    "killed": [{"name": "requests", "requests": LAST, **MONTH}, {"name": "tokens", "tokens": MANY, **MONTH}],
}


def configuration(port: int) -> str:
    names = [(f"{name}-{number}", limits) for name, limits in LIMITS.items() for number in range(TRIALS)]
    calm = {"failureThreshold": 10_000}  # streams are cut here on purpose
    policy = provider("up", f"http://127.0.0.1:{port}", retry={"maxRetries": 0}, circuitBreaker=calm)
    return policy + "".join(route(name, "up/m", models=(name,), limits=limits) for name, limits in names)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicas(tmp_path_factory.mktemp("replicas"), 4, configuration) as found:
        yield found


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as found:
        yield found


def asking(model: str, said: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


@contextlib.asynccontextmanager
async def asked(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, of a gateway that was not too busy; a refusal must say when to come again."""
    for _ in range(MOST_TIMES):
        async with session.post(url + CHAT, json=body) as response:
            if response.status == 503:
                await asyncio.sleep(0.05)
                continue
            if response.status == 429:
                assert (await response.json())["error"]["code"] == "rate_limit_exceeded"
                assert int(response.headers["retry-after"]) > 0
            yield response
            return
    raise AssertionError("no gateway could ask Redis")


async def ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> int:
    """The status, once all of the answer is here."""
    async with asked(session, url, body) as response:
        await response.read()
        return response.status


async def until_refused(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> None:
    for _ in range(MOST_TIMES):
        if await ask(session, url, body) != 200:
            return
    pytest.fail("nothing was refused")


async def all_clients(
    site: Replicas, count: int, one: Callable[[str], Awaitable[None]], clients: int = CLIENTS
) -> None:
    """Each does the same, at one of so many gateways."""
    await asyncio.gather(*(one(site.urls[number % count]) for number in range(clients)))


def at_most(served: int, limit: int) -> None:
    """What holds whatever happens to Redis."""
    if served > limit:
        pytest.fail(f"{served} were served of {limit}")


@pytest.mark.parametrize("count", [2, 4])
async def test_as_many_requests_are_served_as_the_limit_says(
    site: Replicas, session: aiohttp.ClientSession, count: int
) -> None:
    async def once(model: str) -> None:
        statuses: Counter[int] = Counter()

        async def one(url: str) -> None:
            statuses[await ask(session, url, asking(model))] += 1

        async with counting(site.listener) as up:
            began = time.time() // 60
            await all_clients(site, count, one)
            minutes = round(time.time() // 60 - began) + 1  # windows that it took: one, but for one in sixty runs
        at_most(up.requests, REQUESTS * minutes)
        assert up.requests >= REQUESTS
        assert (statuses[200], statuses[429]) == (up.requests, CLIENTS - up.requests)
        if minutes == 1:
            assert await becomes(lambda: site.used(model, "limit") == REQUESTS)

    await trial(site, f"requests-{count}", once)


@pytest.mark.parametrize("count", [2, 4])
async def test_tokens_are_used_up_to_the_limit_and_not_beyond_it(
    site: Replicas, session: aiohttp.ClientSession, count: int
) -> None:
    async def once(model: str) -> None:
        async def one(url: str) -> None:
            await until_refused(session, url, asking(model, max_tokens=ASKED))

        async with counting(site.listener, answers=range(1, ASKED)) as up:
            await all_clients(site, count, one)
            at_most(up.tokens, TOKENS)
            assert await becomes(lambda: site.used(model, "limit") == up.tokens)
            await one(site.urls[0])  # what was reserved too much can be had now
        at_most(up.tokens, TOKENS)
        assert up.tokens > TOKENS - MOST_RESERVED
        assert await becomes(lambda: site.used(model, "limit") == up.tokens)

    await trial(site, f"tokens-{count}", once)


async def test_estimates_that_are_too_low_pass_the_limit_by_what_is_under_way(
    site: Replicas, session: aiohttp.ClientSession
) -> None:
    clients, prompt = 20, 200  # tokens of a prompt that is estimated at a tenth

    async def once(model: str) -> None:
        async def one(url: str) -> None:
            await until_refused(session, url, asking(model, max_tokens=1))

        async with counting(site.listener, prompt_tokens=prompt) as up:
            await all_clients(site, 4, one, clients)
        at_most(up.tokens, TOKENS + clients * prompt)
        assert up.tokens > TOKENS - prompt
        assert await becomes(lambda: site.used(model, "limit") == up.tokens)

    await trial(site, "underestimated", once)


async def test_no_more_run_at_the_same_time_than_there_are_places(
    site: Replicas, session: aiohttp.ClientSession
) -> None:
    async def once(model: str) -> None:
        async def one(url: str) -> None:
            for _ in range(CLIENTS):
                if await ask(session, url, asking(model)) == 200:
                    return
                await asyncio.sleep(0.1)

        async with counting(site.listener) as up:
            await all_clients(site, 4, one)
        at_most(up.most, PLACES)
        assert (up.requests, up.most) == (CLIENTS, PLACES)
        assert await becomes(lambda: site.used(model, "limit") == 0)

    await trial(site, "places", once)


async def test_what_is_cut_and_left_is_settled_too(site: Replicas, session: aiohttp.ClientSession) -> None:
    """A third of the streams is whole, a third is cut by the provider, and a third by its caller."""

    async def once(model: str) -> None:
        prompts = iter(["whole", CUT, SLOW] * CLIENTS)

        async def one(url: str) -> None:
            prompt = next(prompts)
            async with asked(session, url, asking(model, prompt, max_tokens=ASKED, stream=True)) as response:
                assert b"word" in await response.content.readuntil(b"\n\n")
                if prompt == SLOW:
                    response.close()
                    return
                assert (b"[DONE]" if prompt == "whole" else b"provider_error") in await response.read()

        async with counting(site.listener) as up:
            await all_clients(site, 4, one)
            assert await becomes(lambda: len(site.lines(model)) == CLIENTS)
        lines = site.lines(model)
        known = [line["prompt_tokens"] + line["completion_tokens"] for line in lines if not line["estimated"]]
        assert (len(known), sum(known)) == (-(-CLIENTS // 3), up.tokens)
        counted = sum(line["prompt_tokens"] + line["completion_tokens"] for line in lines)
        assert await becomes(lambda: site.used(model, "tokens") == counted)
        assert await becomes(lambda: site.used(model, "requests") == up.requests == CLIENTS)
        assert await becomes(lambda: site.used(model, "places") == 0)

    await trial(site, "mixed", once)


async def test_what_a_killed_gateway_has_taken_stays_taken(site: Replicas, session: aiohttp.ClientSession) -> None:
    """The last test here: one of the gateways is no more. Its requests count, and nobody gets more for it."""

    async def once(model: str) -> None:
        statuses: Counter[int] = Counter()

        async def one(url: str) -> None:
            try:
                statuses[await ask(session, url, asking(model, SLOW, max_tokens=ASKED, stream=True))] += 1
            except aiohttp.ClientError:
                statuses[0] += 1

        async with counting(site.listener) as up:
            lost = await _killed_under_way(site, up, one)
            await all_clients(site, len(site.urls), one)
        at_most(up.requests, LAST)
        assert (statuses[0], statuses[200]) == (lost, LAST - lost)
        assert await becomes(lambda: site.used(model, "requests") == up.requests == LAST)
        assert await becomes(lambda: up.tokens <= site.used(model, "tokens") <= LAST * MOST_RESERVED)

    await trial(site, "killed", once)


async def _killed_under_way(site: Replicas, up: Counting, one: Callable[[str], Awaitable[None]]) -> int:
    """Half of the requests are under way when one gateway ends; how many of them are its own."""
    half, count = LAST // 2, len(site.urls)
    first = asyncio.ensure_future(all_clients(site, count, one, half))
    try:
        assert await becomes(lambda: up.now == half)
        site.kill()
    finally:
        up.go.set()
        await first
    return half // count
