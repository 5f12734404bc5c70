"""Limits whose counters have to be asked: the route's and the first provider's together, and nothing stays taken."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from sluice_gateway.calls import parse
from sluice_gateway.errors import ProviderError, RateLimitExceeded, UnsupportedParameter
from sluice_gateway.exchange import Exchange
from sluice_gateway.images import Images
from sluice_gateway.limits.contract import Charge, Limit, Unit
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.relay import Client
from sluice_gateway.routing.table import RoutingTable, build_table
from sluice_gateway.telemetry.record import Record
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import CHAT, HELLO, loaded, provider, route
from tests.support.limits import FarStore, Wall
from tests.support.pipelines import make_pipeline
from tests.support.upstream import Peer, Request, ScriptedUpstream, json_answer, says, serve

ROUTE, A, B = "ModelRoute/default/chat", "ProviderPolicy/default/a", "ProviderPolicy/default/b"
ANSWER = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}
LIMITS = [{"name": "few", "per": "route", "requests": 3, "window": "minute"}]
RATE = {"requestsPerMinute": 10, "tokensPerMinute": 1000, "maxConcurrent": 10}


class Site:
    """A pipeline whose counters are elsewhere, in a time of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.far = FarStore(Wall())
        self.images = Images()
        self.pipeline: Pipeline = make_pipeline(lambda: self.now, self.images, store=self.far)
        self.upstream = LeanUpstream()

    def table(self, *documents: str) -> RoutingTable:
        given = loaded("".join(documents))
        return build_table(given.snapshot, given.digest, given.credentials, self.upstream)

    async def ask(self, table: RoutingTable, **more: Any) -> Record:
        """Ask, and be answered."""
        record = Record("req_1", "POST", CHAT, self.now)
        call = parse(msgspec.json.encode(HELLO | more))
        assert await self.pipeline.serve(Exchange(call, table, record, cast("Client", None), None)) is not None
        return record

    def left(self, holder: str, name: str, unit: Unit, most: int) -> int:
        answer = self.far.counts.at_once([Charge(Limit(holder, name, unit, most), 0)])
        return answer.levels[0].remaining

    def left_at(self, holder: str) -> tuple[int, int, int]:
        """Requests, tokens and places of a provider."""
        return (
            self.left(holder, "requestsPerMinute", Unit.REQUESTS, 10),
            self.left(holder, "tokensPerMinute", Unit.TOKENS, 1000),
            self.left(holder, "maxConcurrent", Unit.PLACES, 10),
        )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    await made.upstream.close()
    await made.images.close()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with serve(says(json_answer(ANSWER))) as running:
        yield running


async def test_a_route_and_its_first_provider_are_asked_together(site: Site, server: ScriptedUpstream) -> None:
    table = site.table(provider("a", server.url, rateLimit=RATE), route("chat", "a/m", limits=LIMITS))
    assert (await site.ask(table)).levels[0].remaining == 2
    assert site.far.asked == [[ROUTE, A]]
    assert site.left_at(A) == (9, 995, 10)


async def test_a_provider_without_limits_is_not_asked_for(site: Site, server: ScriptedUpstream) -> None:
    table = site.table(provider("a", server.url), route("chat", "a/m", limits=LIMITS))
    await site.ask(table)
    assert site.far.asked == [[ROUTE]]


async def test_what_a_refused_request_had_ahead_is_given_back_and_others_have_nothing_ahead(
    site: Site, server: ScriptedUpstream
) -> None:
    table = site.table(provider("a", server.url, rateLimit=RATE), route("chat", "a/m", limits=LIMITS))
    for _ in range(3):
        await site.ask(table)
    before = site.left_at(A)
    site.far.asked.clear()
    for _ in range(2):
        with pytest.raises(RateLimitExceeded):
            await site.ask(table)
    site.now += 0.999
    with pytest.raises(RateLimitExceeded):
        await site.ask(table)
    site.now += 1.0
    with pytest.raises(RateLimitExceeded):
        await site.ask(table)
    assert site.far.asked == [[ROUTE, A], [ROUTE], [ROUTE], [ROUTE, A]]
    assert site.left_at(A) == before == (7, 985, 10)


async def test_a_provider_that_has_no_room_passes_the_request_on(site: Site, server: ScriptedUpstream) -> None:
    table = site.table(
        provider("a", server.url, rateLimit={"tokensPerMinute": 1}),
        provider("b", server.url, rateLimit=RATE),
        route("chat", "a/m", "b/m", limits=LIMITS),
    )
    site.far.counts.at_once([Charge(Limit(A, "tokensPerMinute", Unit.TOKENS, 1), 1)])
    assert (await site.ask(table, max_tokens=9)).target == "b/m"
    assert site.far.asked == [[ROUTE, A], [A], [B]]
    site.far.asked.clear()
    assert (await site.ask(table, max_tokens=9)).target == "b/m"
    assert site.far.asked == [[ROUTE, B]]  # what is known of the first one puts it behind


async def test_what_was_reserved_at_a_target_that_can_not_be_asked_is_given_back(
    site: Site, server: ScriptedUpstream
) -> None:
    table = site.table(
        provider("a", rateLimit=RATE, provider="anthropic", baseURL=server.url, parameterPolicy="strict"),
        provider("b", server.url),
        route("chat", "a/m", "b/m", limits=LIMITS),
    )
    record = await site.ask(table, logit_bias={"1": 1})
    assert record.target == "b/m"
    assert site.far.asked == [[ROUTE, A]]
    assert site.left_at(A) == (10, 1000, 10)


async def test_routes_that_hedge_reserve_at_each_target_when_it_is_asked(site: Site, server: ScriptedUpstream) -> None:
    table = site.table(
        provider("a", server.url, rateLimit=RATE),
        provider("b", server.url, rateLimit=RATE),
        route("chat", "a/m", "b/m", limits=LIMITS, hedging={"enabled": True}),
    )
    await site.ask(table)
    assert site.far.asked == [[ROUTE], [A]]
    assert site.left_at(A) == (9, 995, 10)


async def test_what_is_reserved_when_the_target_fails_is_settled(site: Site) -> None:
    async with serve(says(json_answer({"error": {"message": "no"}}, 500))) as failing:
        table = site.table(provider("a", failing.url, rateLimit=RATE), route("chat", "a/m", limits=LIMITS))
        with pytest.raises(ProviderError):
            await site.ask(table)
    assert site.left_at(A) == (9, 1000, 10)


async def test_what_no_target_can_do_takes_nothing(site: Site, server: ScriptedUpstream) -> None:
    policy = provider("a", server.url, rateLimit=RATE, models=[{"name": "m", "capabilities": ["chat"]}])
    table = site.table(policy, route("chat", "a/m", limits=LIMITS))
    with pytest.raises(UnsupportedParameter):
        await site.ask(table, tools=[{"type": "function", "function": {"name": "f"}}])
    assert site.far.asked == []


def asks_for_an_answer_of(tokens: int) -> dict[str, Any]:
    """More than Anthropic's API can do, where its policy is strict."""
    return {"logit_bias": {"1": 1}, "max_tokens": tokens}


async def test_a_target_that_can_not_be_asked_is_free_while_another_answers(
    site: Site, server: ScriptedUpstream
) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer, request: Request) -> None:
        asked.set()
        await answers.wait()
        await says(json_answer(ANSWER))(peer, request)

    async with serve(slow) as other:
        rate = {"maxConcurrent": 1, "tokensPerMinute": 1000}
        table = site.table(
            provider("a", rateLimit=rate, provider="anthropic", baseURL=server.url, parameterPolicy="strict"),
            provider("b", other.url),
            route("chat", "a/m", "b/m", limits=LIMITS),
        )
        asking = asyncio.create_task(site.ask(table, **asks_for_an_answer_of(900)))
        await asked.wait()
        assert site.left(A, "maxConcurrent", Unit.PLACES, 1) == 1
        assert site.left(A, "tokensPerMinute", Unit.TOKENS, 1000) == 1000
        answers.set()
        await asking


async def test_whoever_waits_gets_the_room_that_is_given_back(site: Site, server: ScriptedUpstream) -> None:
    rate = {"tokensPerMinute": 1000, "queue": {"maxDepth": 5, "maxWaitMilliseconds": 60000}}
    table = site.table(
        provider("a", server.url, rateLimit=rate),
        route("chat", "a/m", limits=LIMITS),
        route("other", "a/m", models=("other",)),
    )
    for _ in range(3):
        await site.ask(table, max_tokens=9)
    site.far.may_come.clear()
    site.far.answered.clear()
    one = asyncio.create_task(site.ask(table, max_tokens=900))
    await site.far.answered.wait()  # it has nearly all the room, ahead, and is refused by its route
    site.far.answered.clear()
    two = asyncio.create_task(site.ask(table, model="other", max_tokens=500))
    await site.far.answered.wait()
    site.far.may_come.set()
    with pytest.raises(RateLimitExceeded):
        await one
    async with asyncio.timeout(10):
        assert (await two).target == "a/m"


async def test_requests_that_come_together_do_not_pass_the_providers_own_word(site: Site) -> None:
    answers = asyncio.Event()
    word = {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "60s",
    }
    known = says(json_answer(ANSWER, headers=[*word.items()]))

    async def script(peer: Peer, request: Request) -> None:
        if len(running.requests) > 1:
            await answers.wait()
        await known(peer, request)

    async with serve(script) as running:
        table = site.table(
            provider("a", running.url, rateLimit={"requestsPerMinute": 100}),
            route("chat", "a/m", limits=[LIMITS[0] | {"requests": 100}]),
        )
        await site.ask(table)
        asking = [asyncio.create_task(site.ask(table)) for _ in range(5)]
        ends = asyncio.gather(*asking, return_exceptions=True)
        await running.got(2)
        await asyncio.sleep(0.05)  # in which the others would come
        assert len(running.requests) == 2
        answers.set()
        await ends


async def test_nothing_is_reserved_ahead_for_what_is_answered_here_or_needs_pictures(
    site: Site, server: ScriptedUpstream
) -> None:
    table = site.table(
        provider("a", server.url, rateLimit=RATE, imageFetch={"enabled": True}), route("chat", "a/m", limits=LIMITS)
    )
    await site.ask(table)
    assert site.far.asked == [[ROUTE], [A]]
