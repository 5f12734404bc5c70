"""What one pod says, the others hear: at once, or when they start; and nobody hears himself."""

import asyncio

import msgspec
import pytest
import uvloop

from sluice_gateway.state.fleet import State
from sluice_gateway.state.news import LONGEST_SECONDS, Told
from tests.gateway.state.conftest import Logs, Open
from tests.support.redis_server import RedisServer


class Heard:
    """What a pod was told."""

    def __init__(self, pod: State) -> None:
        self.all: list[Told] = []
        self._news = asyncio.Event()
        pod.news.subscribe(self._take)

    def _take(self, told: Told) -> None:
        self.all.append(told)
        self._news.set()

    async def until(self, count: int) -> list[Told]:
        """The first so many, without their seconds."""
        async with asyncio.timeout(5):
            while len(self.all) < count:
                self._news.clear()
                await self._news.wait()
        return [told._replace(seconds=0) for told in self.all]


async def heard_by(pod: State) -> Heard:
    async with asyncio.timeout(5):
        await pod.news.hearing.wait()
    return Heard(pod)


async def test_a_breaker_that_opened_is_known_to_the_others(open_pod: Open) -> None:
    speaker, other = await open_pod(), await open_pod()
    himself, heard = await heard_by(speaker), await heard_by(other)
    speaker.news.publish_open("a/openai", "gpt", 60)
    assert await heard.until(1) == [Told("opened", "a/openai", "gpt", 0)]
    assert heard.all[0].seconds == pytest.approx(60, abs=1)
    other.news.publish_open("a/openai", "other", 5)
    assert await himself.until(1) == [Told("opened", "a/openai", "other", 0)]
    assert len(heard.all) == 1


async def test_orders_by_hand_reach_all(open_pod: Open) -> None:
    speaker, other = await open_pod(), await open_pod()
    heard = await heard_by(other)
    assert await speaker.news.override("open", "a/p", "m", 10)
    assert await speaker.news.override("close", "a/p", "m", 10**9)
    assert await speaker.news.override("reset", "a/p", "m")
    assert [told.kind for told in await heard.until(3)] == ["open", "close", "reset"]
    assert [told.seconds for told in heard.all] == [
        pytest.approx(10, abs=1),
        pytest.approx(LONGEST_SECONDS, abs=1),
        0.0,
    ]


def test_orders_within_a_millisecond_are_all_heard(redis_server: RedisServer, gateway: str, logs: Logs) -> None:
    """The clock of uvloop's event loop, which the gateway runs on, stands still for so long."""

    async def test() -> None:
        pods = [State(redis_server.address, gateway, logs.logger, patience=5.0) for _ in range(2)]
        for pod in pods:
            await pod.start()
        speaker, heard = pods[0].news, await heard_by(pods[1])
        await asyncio.gather(*(speaker.override("open", "a/p", "m", 10 + number) for number in range(20)))
        assert len(await heard.until(20)) == 20
        for pod in pods:
            await pod.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


async def test_who_starts_later_hears_what_still_holds(redis_server: RedisServer, open_pod: Open, gateway: str) -> None:
    speaker = await open_pod()
    for provider, seconds in (("a/over", 0.001), ("a/open", 50), ("a/ended", 50)):
        assert await speaker.news.override("open", provider, "m", seconds)
    assert await speaker.news.override("close", "a/open", "m", 40)  # in the place of the order before
    speaker.news.publish_open("a/open", "m", 30)
    assert await speaker.news.override("reset", "a/ended", "m")
    await asyncio.sleep(0.002)
    late = State(redis_server.address, gateway, Logs().logger, patience=5.0)
    heard = Heard(late)
    await late.start()
    assert await heard.until(3) == [
        Told("close", "a/open", "m", 0),
        Told("opened", "a/open", "m", 0),
        Told("reset", "a/ended", "m", 0),
    ]
    assert [told.seconds for told in heard.all] == pytest.approx([40, 30, 0], abs=1)
    await late.close()
    kept = redis_server.call("HKEYS", f"{{sluice/{gateway}}}kept-news")
    assert sorted(kept) == [b"hint\na/open\nm", b"order\na/ended\nm", b"order\na/open\nm"]
    assert redis_server.call("PTTL", f"{{sluice/{gateway}}}kept-news") > 0


async def test_what_was_said_before_comes_too_late(redis_server: RedisServer, open_pod: Open, gateway: str) -> None:
    """As when the answer to what is kept comes after what was said meanwhile."""
    speaker, other = await open_pod(), await open_pod()
    heard = await heard_by(other)
    assert await speaker.news.override("open", "a/p", "m", 10)
    [kept] = redis_server.call("HVALS", f"{{sluice/{gateway}}}kept-news")
    assert await speaker.news.override("reset", "a/p", "m")
    redis_server.call("PUBLISH", f"{{sluice/{gateway}}}news", kept)
    assert await speaker.news.override("open", "a/p", "other", 10)
    assert [(told.kind, told.model) for told in await heard.until(3)] == [
        ("open", "m"),
        ("reset", "m"),
        ("open", "other"),
    ]


async def test_an_order_that_reached_nobody_says_so(redis_server: RedisServer, open_pod: Open) -> None:
    pod = await open_pod()
    redis_server.kill()
    try:
        assert not await pod.news.override("open", "a/p", "m", 10)
        pod.news.publish_open("a/p", "m", 10)
    finally:
        redis_server.start()


async def test_a_server_that_is_away_is_noticed_while_nobody_asks(redis_server: RedisServer, open_pod: Open) -> None:
    pod = await open_pod()
    await heard_by(pod)
    away = asyncio.Event()
    pod.observers.append(lambda _why: away.set())
    redis_server.kill()
    try:
        async with asyncio.timeout(5):
            await away.wait()
    finally:
        redis_server.start()


async def test_who_was_cut_off_listens_again(redis_server: RedisServer, open_pod: Open) -> None:
    speaker, other = await open_pod(), await open_pod()
    heard = await heard_by(other)
    redis_server.call("CLIENT", "KILL", "TYPE", "pubsub")
    assert await speaker.news.override("open", "a/p", "m", 10)
    assert await heard.until(1) == [Told("open", "a/p", "m", 0)]


async def test_what_is_no_news_is_passed_over(
    redis_server: RedisServer, open_pod: Open, gateway: str, logs: Logs
) -> None:
    speaker, other = await open_pod(), await open_pod()
    heard = await heard_by(other)
    channel = f"{{sluice/{gateway}}}news"
    for nonsense in (b"\xff", b"{}", msgspec.json.encode({"kind": "burn", "provider": "a", "model": "m"})):
        redis_server.call("PUBLISH", channel, nonsense)

    def fails(_told: Told) -> None:
        raise ValueError

    other.news.subscribe(fails)
    speaker.news.publish_open("a/p", "m", 10)
    speaker.news.publish_open("a/p", "n", 10)
    assert [told.model for told in await heard.until(2)] == ["m", "n"]
    assert set(logs.events()) == {"defect"}
