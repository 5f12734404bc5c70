"""When an object is asked for again, and what is known of it meanwhile."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.sources.api_server import Access, ApiServer
from sluice_gateway.sources.following import WATCH_SECONDS, Followed, Pace
from tests.support.fake_api import FakeApi, fake_api, refuses, watch_of
from tests.support.moving_time import MovingTime

MAP = {"metadata": {"name": "a"}, "data": {"k": "v"}}


class Watched:
    """A Followed object, and a wait for its news."""

    def __init__(self) -> None:
        self.it = Followed("configmaps", "a")
        self.news = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def failed(self, count: int) -> None:
        await self.until(lambda: self.it.failures == count)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as running:
        yield running


@contextlib.asynccontextmanager
async def followed(api: FakeApi, pace: Pace) -> AsyncIterator[Watched]:
    watched = Watched()
    async with ApiServer(Access(api.url), "default") as server:
        task = asyncio.create_task(watched.it.follow(server, pace, watched.news.set))
        try:
            yield watched
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def test_it_waits_longer_each_time_and_no_longer_than_it_may(api: FakeApi) -> None:
    time = MovingTime()
    api.always("list", refuses(500))
    async with followed(api, Pace(first=1, most=8, sleep=time.sleep, rng=random.Random(7))) as watched:
        waits = []
        for count in range(1, 8):
            await watched.failed(count)
            await time.settle()
            waits.append(time.sleeping[0])
            await time.move(waits[-1])
        assert not watched.it.known
    assert all(wait <= most for wait, most in zip(waits, [1, 2, 4, 8, 8, 8, 8], strict=True))
    assert all(wait >= most / 2 for wait, most in zip(waits, [1, 2, 4, 8, 8, 8, 8], strict=True))


async def test_it_waits_as_long_as_it_is_asked_to_within_bounds(api: FakeApi) -> None:
    time = MovingTime()
    api.once("list", *(refuses(429, headers=[("retry-after", text)]) for text in ("6", "3600")))
    async with followed(api, Pace(first=1, most=8, sleep=time.sleep)) as watched:
        await watched.failed(1)
        await time.settle()
        assert time.sleeping == [6]
        await time.move(6)
        await watched.failed(2)
        await time.settle()
        assert time.sleeping == [8]
        await time.move(8)
        await watched.until(lambda: watched.it.known)


async def test_what_was_known_stays_while_nothing_answers(api: FakeApi) -> None:
    api.put("configmaps", MAP)
    async with followed(api, Pace(first=0.001, most=0.01)) as watched:
        await watched.until(lambda: watched.it.stored is not None)
        await api.watched(1)
        api.always("list", refuses(403, "not any more"))
        api.cut()
        await watched.until(lambda: watched.it.failures >= 3)
        assert watched.it.stored is not None
        assert "not any more" in str(watched.it.trouble)
        api.always("list", None)
        await watched.until(lambda: watched.it.trouble is None)


async def test_watches_that_end_at_once_count_as_failures_until_one_lives(api: FakeApi) -> None:
    time = MovingTime()
    api.once("watch", watch_of(), watch_of())
    async with followed(api, Pace(first=1, most=8, sleep=time.sleep)) as watched:
        for count in (1, 2):
            await watched.failed(count)
            await time.settle()
            await time.move(8)
        await api.watched(1)
        api.put("configmaps", MAP)
        await watched.until(lambda: watched.it.stored is not None)
        assert (watched.it.failures, watched.it.trouble) == (0, None)


@given(failures=st.integers(1, 10_000), asked=st.floats(0, 1e9), seed=st.integers())
def test_a_pause_is_bounded_on_both_sides(failures: int, asked: float, seed: int) -> None:
    pace = Pace(rng=random.Random(seed))
    assert pace.first / 2 <= pace.delay(failures, asked) <= pace.most
    assert WATCH_SECONDS[0] <= pace.watch_seconds() <= WATCH_SECONDS[1]
