"""One provider's limits, in time that moves."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from sluice_config.resources.provider_policy import Queue, RateLimit
from sluice_gateway.limits.contract import Charge, Granted, Refused, Used
from sluice_gateway.limits.gate import Full, Gate, Gates, Occupancy, Pass
from sluice_gateway.limits.local import LocalStore
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import build_table
from sluice_gateway.upstream import LeanUpstream
from tests.support.gateway import loaded, provider, route
from tests.support.moving_time import MovingTime

OUT_OF_REQUESTS = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "60s",
}
PLENTY = OUT_OF_REQUESTS | {"x-ratelimit-remaining-requests": "59"}


class FarStore(LocalStore):
    """One that is waited for."""

    async def reserve(self, charges: Sequence[Charge]) -> Granted | Refused:
        await asyncio.sleep(0)
        return await super().reserve(charges)


class Site:
    """A gate with the policy's limits, and requests at it."""

    kind: type[LocalStore] = LocalStore

    def __init__(self, depth: int = 100, wait: int = 5000, **limits: int) -> None:
        self.time = MovingTime()
        self.store = self.kind(self.time.clock)
        queue = Queue(max_depth=depth, max_wait_milliseconds=wait)
        self.gate = Gate("default/p", RateLimit(queue=queue, **limits), self.store, self.time.clock, self.time.sleep)
        self.tasks: list[asyncio.Task[Pass]] = []

    def wait(self, tokens: int = 0, model: str = "m") -> float:
        return self.gate.wait(tokens, self.time.clock(), model)

    async def enter(self, tokens: int = 0, model: str = "m") -> Pass:
        return await self.gate.enter("ada", tokens, model, until=None)

    async def refused(self, tokens: int = 0, model: str = "m") -> Full:
        with pytest.raises(Full) as caught:
            await self.enter(tokens, model)
        return caught.value

    async def queue(
        self, tokens: int = 0, model: str = "m", consumer: str = "ada", patience: float = 1000.0
    ) -> asyncio.Task[Pass]:
        until = self.time.clock() + patience
        task = asyncio.create_task(self.gate.enter(consumer, tokens, model, until=until))
        self.tasks.append(task)
        await self.time.settle()
        return task

    def heed(self, headers: dict[str, str], model: str = "m") -> None:
        self.gate.heed(headers.get, self.time.clock(), model)

    def seen(self) -> tuple[int, int]:
        provider, inside, waiting = self.gate.occupancy()
        assert provider == "default/p"
        return inside, waiting


class FarSite(Site):
    """One whose store is waited for."""

    kind = FarStore


async def test_without_limits_everybody_is_let_in() -> None:
    site = Site()
    passes = [await site.enter(10**9) for _ in range(50)]
    assert site.wait(10**9) == 0.0
    assert site.seen() == (50, 0)
    for one in passes:
        assert one.gate is site.gate
        one.leave(Used(5))
    assert site.seen() == (0, 0)


@pytest.mark.parametrize("limit", ["requests_per_minute", "tokens_per_minute", "max_concurrent"])
async def test_with_any_limit_nobody_walks_in(limit: str) -> None:
    assert not Site(**{limit: 1}).gate.is_open
    site = Site()
    was_open = [site.gate.is_open]
    site.gate.walk_in()
    assert site.seen() == (1, 0)
    for answer in (OUT_OF_REQUESTS, PLENTY):
        site.heed(answer)
        was_open.append(site.gate.is_open)
    assert was_open == [True, False, True]


async def test_times_may_begin_with_nothing() -> None:
    def clock() -> float:
        return 0.0

    gate = Gate("default/p", RateLimit(tokens_per_minute=60), LocalStore(clock), clock)
    assert gate.wait(60, 0.0, "m") == 0.0
    (await gate.enter("ada", 60, "m", until=None)).leave(Used(30))
    assert gate.wait(30, 0.0, "m") == 0.0
    with pytest.raises(Full):
        await gate.enter("ada", 60, "m", until=None)
    assert gate.wait(60, 10.0, "m") == pytest.approx(20.0)


class TestLimits:
    async def test_requests(self) -> None:
        site = Site(requests_per_minute=2)
        first = await site.enter()
        await site.enter()
        full = await site.refused()
        assert full.retry_after == pytest.approx(30.0)
        assert "rateLimit.requestsPerMinute" in str(full)
        assert site.wait() == pytest.approx(30.0)
        first.leave(Used())
        assert site.wait() == pytest.approx(30.0)
        await site.time.move(30.0)
        assert site.wait() == 0.0
        await site.time.move(0.5)
        assert site.wait() == 0.0
        await site.enter()
        await site.refused()

    async def test_tokens_are_settled(self) -> None:
        site = Site(tokens_per_minute=600)
        big = await site.enter(500)
        full = await site.refused(200)
        assert full.retry_after == pytest.approx(10.0)
        assert "rateLimit.tokensPerMinute" in str(full)
        assert site.wait(200) == site.wait(201) == pytest.approx(10.0)
        assert site.wait(199) == 0.0
        await site.enter(100)
        big.leave(Used(300))
        assert site.wait(200) == 0.0
        await site.enter(200)
        await site.refused(1)

    async def test_a_request_that_is_larger_than_the_bucket_takes_all_of_it(self) -> None:
        site = Site(tokens_per_minute=600)
        one = await site.enter(601)
        one.leave(Used(900))
        assert (await site.refused(5000)).retry_after == pytest.approx(90.0)
        await site.time.move(90.0)
        await site.enter(5000)

    async def test_places(self) -> None:
        site = Site(max_concurrent=2)
        first = await site.enter()
        assert site.wait() == 0.0
        await site.enter()
        assert site.wait() == 1.0
        full = await site.refused()
        assert full.retry_after == 1.0
        assert "rateLimit.maxConcurrent" in str(full)
        first.leave(Used())
        assert site.wait() == 0.0
        await site.enter()
        site.gate.follow(RateLimit(max_concurrent=1))
        assert site.wait() == 1.0

    async def test_all_limits_hold_together(self) -> None:
        site = Site(requests_per_minute=10, tokens_per_minute=100, max_concurrent=2)
        await site.enter(90)
        await site.refused(20)
        await site.enter(10)
        await site.refused(0)

    async def test_a_new_policy_goes_on_from_what_was_used(self) -> None:
        site = Site(requests_per_minute=2)
        await site.enter()
        await site.enter()
        await site.refused()
        site.gate.follow(RateLimit(requests_per_minute=4))
        assert site.wait() == 0.0
        await site.enter()
        await site.enter()
        await site.refused()
        site.gate.follow(RateLimit())
        await site.enter()


class TestQueue:
    async def test_it_wakes_when_the_store_said(self) -> None:
        site = Site(requests_per_minute=30)
        for _ in range(30):
            await site.enter()
        waiting = await site.queue()
        assert site.seen() == (30, 1)
        await site.time.move(1.9)
        assert not waiting.done()
        await site.time.move(0.1)
        assert waiting.done()
        assert site.seen() == (31, 0)

    async def test_it_wakes_when_a_place_is_given_back(self) -> None:
        site = Site(max_concurrent=1)
        inside = await site.enter()
        first, second = await site.queue(), await site.queue(consumer="bob")
        inside.leave(Used())
        await site.time.settle()
        assert first.done()
        assert not second.done()
        first.result().leave(Used())
        await site.time.settle()
        assert second.done()

    async def test_it_wakes_when_tokens_are_given_back(self) -> None:
        site = Site(tokens_per_minute=600)
        inside = await site.enter(600)
        waiting = await site.queue(300)
        inside.leave(Used(100))
        await site.time.settle()
        assert waiting.done()

    async def test_consumers_take_turns(self) -> None:
        site, served = Site(max_concurrent=1), []
        inside = await site.enter()
        names = ("ada", "ada", "ada", "bob", "cyd")
        tasks = [await site.queue(consumer=name) for name in names]
        for _ in names:
            inside.leave(Used())
            await site.time.settle()
            (number,) = [number for number, task in enumerate(tasks) if task.done() and number not in served]
            served.append(number)
            inside = tasks[number].result()
        assert served == [0, 3, 4, 1, 2]

    async def test_nobody_passes_those_who_wait(self) -> None:
        site = Site(tokens_per_minute=600)
        await site.enter(500)
        large = await site.queue(500)
        assert site.wait(1) >= 1.0
        full = await site.refused(1)
        assert full.retry_after == pytest.approx(1.0)
        small = await site.queue(1)
        assert not small.done()
        large.cancel()
        await site.time.settle()
        assert small.done()

    async def test_its_depth_is_bounded(self) -> None:
        site = Site(depth=2, max_concurrent=1)
        await site.enter()
        first, second = await site.queue(), await site.queue()
        third = await site.queue()
        with pytest.raises(Full, match="as many requests wait as may") as caught:
            await third
        assert caught.value.retry_after == 1.0
        assert site.seen() == (1, 2)
        second.cancel()
        await site.time.settle()
        assert site.seen() == (1, 1)
        assert not (await site.queue()).done()
        assert not first.done()

    async def test_no_consumer_keeps_another_out_of_it(self) -> None:
        site = Site(depth=3, max_concurrent=1)
        inside = await site.enter()
        greedy = [await site.queue() for _ in range(3)]
        meek = await site.queue(consumer="bob")
        with pytest.raises(Full, match="went to another consumer") as caught:
            await greedy[2]
        assert caught.value.retry_after == 1.0
        assert site.seen() == (1, 3)
        with pytest.raises(Full, match="as many requests wait as may"):
            await (await site.queue(consumer="bob"))
        inside.leave(Used())
        await site.time.settle()
        (await greedy[0]).leave(Used())
        await site.time.settle()
        (await meek).leave(Used())
        await site.time.settle()
        assert greedy[1].done()

    async def test_without_depth_nobody_waits(self) -> None:
        site = Site(depth=0, max_concurrent=1)
        inside = await site.enter()
        with pytest.raises(Full):
            await (await site.queue())
        inside.leave(Used())
        assert (await site.queue()).done()

    @pytest.mark.parametrize(("policy", "patience", "waits"), [(5000, 1000.0, 5.0), (5000, 2.0, 2.0), (700, 1.0, 0.7)])
    async def test_its_wait_is_bounded(self, policy: int, patience: float, waits: float) -> None:
        site = Site(wait=policy, max_concurrent=1)
        await site.enter()
        waiting = await site.queue(patience=patience)
        await site.time.move(waits - 0.01)
        assert not waiting.done()
        await site.time.move(0.01)
        with pytest.raises(Full, match=r"in the time .* rateLimit\.maxConcurrent") as caught:
            await waiting
        assert caught.value.retry_after == 1.0
        assert site.seen() == (1, 0)

    @pytest.mark.parametrize(("policy", "patience"), [(0, 1000.0), (5000, 0.0), (5000, -1.0)])
    async def test_without_time_nobody_waits(self, policy: int, patience: float) -> None:
        site = Site(wait=policy, max_concurrent=1)
        inside = await site.enter()
        with pytest.raises(Full):
            await (await site.queue(patience=patience))
        inside.leave(Used())
        assert (await site.queue(patience=patience)).done()

    async def test_who_leaves_takes_no_place(self) -> None:
        site = Site(max_concurrent=1)
        inside = await site.enter()
        waiting = await site.queue()
        waiting.cancel()
        await site.time.settle()
        assert site.seen() == (1, 0)
        inside.leave(Used())
        assert site.wait() == 0.0
        await site.enter()
        assert site.time.sleeping == []

    async def test_a_new_policy_lets_in_who_waits(self) -> None:
        site = Site(max_concurrent=1)
        await site.enter()
        waiting = await site.queue()
        site.gate.follow(RateLimit(max_concurrent=2))
        await site.time.settle()
        assert waiting.done()


class TestHeeding:
    async def test_a_model_without_room_waits_and_others_do_not(self) -> None:
        site = Site()
        site.heed(OUT_OF_REQUESTS)
        assert site.wait() == pytest.approx(1.0)
        full = await site.refused()
        assert full.retry_after == pytest.approx(1.0)
        assert "its own word" in str(full)
        assert site.wait(model="other") == 0.0
        await site.enter(model="other")
        await site.time.move(1.0)
        await site.enter()
        await site.refused()

    async def test_tokens_are_taken_off(self) -> None:
        site = Site()
        tokens = {name.replace("requests", "tokens"): value for name, value in OUT_OF_REQUESTS.items()}
        site.heed(tokens | {"x-ratelimit-remaining-tokens": "20"})
        await site.enter(20)
        await site.refused(1)
        await site.enter(0)

    async def test_a_queue_of_one_model_is_in_no_others_way(self) -> None:
        site = Site(max_concurrent=10)
        site.heed(OUT_OF_REQUESTS)
        first, second = await site.queue(), await site.queue()
        assert site.seen() == (0, 2)
        assert site.wait(model="other") == 0.0
        await site.enter(model="other")
        assert (await site.queue(model="other")).done()
        await site.time.move(1.0)
        assert first.done()
        assert not second.done()
        await site.time.move(1.0)
        assert second.done()

    async def test_a_new_answer_wakes_who_waits(self) -> None:
        site = Site()
        site.heed(OUT_OF_REQUESTS)
        waiting = await site.queue()
        site.heed(PLENTY)
        await site.time.settle()
        assert waiting.done()
        assert site.wait() == 0.0

    async def test_a_new_answer_wakes_who_waits_behind_another(self) -> None:
        site = Site()
        site.heed(OUT_OF_REQUESTS)
        first, second = await site.queue(), await site.queue()
        await site.time.move(1.0)
        assert (first.done(), second.done()) == (True, False)
        site.heed(PLENTY)
        await site.time.settle()
        assert second.done()

    async def test_an_answer_that_says_nothing_changes_nothing(self) -> None:
        site = Site()
        site.heed(OUT_OF_REQUESTS)
        assert site.gate.silent == 0
        site.heed({})
        assert site.wait() == pytest.approx(1.0)
        assert site.gate.silent == 15

    async def test_it_does_not_raise_what_the_policy_allows(self) -> None:
        site = Site(requests_per_minute=1)
        await site.enter()
        site.heed(PLENTY)
        await site.refused()

    async def test_both_must_have_room(self) -> None:
        site = Site(max_concurrent=1)
        inside = await site.enter()
        site.heed(OUT_OF_REQUESTS)
        waiting = await site.queue()
        inside.leave(Used())
        await site.time.settle()
        assert not waiting.done()
        await site.time.move(1.0)
        assert waiting.done()

    async def test_models_are_bounded(self) -> None:
        site = Site()
        for number in range(257):
            site.heed(OUT_OF_REQUESTS, model=str(number))
        assert [site.wait(model=str(number)) > 0 for number in (0, 1, 256)] == [False, True, True]
        site.heed(OUT_OF_REQUESTS, model="1")
        site.heed(OUT_OF_REQUESTS, model="new")
        assert [site.wait(model=name) > 0 for name in ("1", "2", "new")] == [True, False, True]


async def providers(**limits: Any) -> dict[str, Provider]:
    """Two providers as a new configuration makes them; ``a`` has the limits."""
    event = loaded(provider("a", rateLimit=limits) + provider("b") + route("r", "a", "b"))
    table = build_table(event.snapshot, event.digest, event.credentials, LeanUpstream())
    return {target.provider.label: target.provider for target in table.routes[0].targets_for("chat")}


class TestGates:
    async def test_a_gate_is_kept_over_configurations(self) -> None:
        time = MovingTime()
        gates = Gates(LocalStore(time.clock), time.clock, time.sleep)
        before, after = await providers(requestsPerMinute=1), await providers(requestsPerMinute=2)
        gate = gates.of(before["a"])
        assert gates.of(before["a"]) is gate
        assert gates.of(before["b"]) is not gate
        await gate.enter("ada", 0, "m", until=None)
        with pytest.raises(Full):
            await gate.enter("ada", 0, "m", until=None)
        assert gates.of(after["a"]) is gate
        await gate.enter("ada", 0, "m", until=None)
        with pytest.raises(Full):
            await gate.enter("ada", 0, "m", until=None)
        assert gates.all() == [Occupancy("default/a", 2, 0), Occupancy("default/b", 0, 0)]
        gates.keep({"default/b"})
        assert gates.all() == [Occupancy("default/b", 0, 0)]


async def test_what_the_provider_has_left_is_taken_before_others_look() -> None:
    site = FarSite(depth=0, max_concurrent=9)
    site.heed(OUT_OF_REQUESTS | {"x-ratelimit-remaining-requests": "1"})
    ends = await asyncio.gather(*(site.enter() for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [Pass, Full, Full]


@pytest.mark.parametrize("leaves", [True, False])
async def test_who_finds_no_room_leaves_to_others_what_the_provider_has_left(leaves: bool) -> None:
    site = FarSite(depth=9 if leaves else 0, max_concurrent=1)
    inside = await site.enter()
    site.heed(OUT_OF_REQUESTS | {"x-ratelimit-remaining-requests": "1"})
    waiting = await site.queue()
    if leaves:
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else Full):
        await waiting
    inside.leave(Used())
    await site.enter()
    await site.refused()
