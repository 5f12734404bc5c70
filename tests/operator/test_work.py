import asyncio

import pytest

from sluice_operator.work import Backoff, WorkQueue
from tests.support.moving_time import MovingTime

Queue = WorkQueue[str]


class Worker:
    """Takes keys off a queue and remembers when; keeps each until it is told how it ended."""

    def __init__(self, queue: Queue, time: MovingTime) -> None:
        self.taken: list[tuple[float, str]] = []
        self._queue, self._time, self._start = queue, time, time.clock()

    async def run(self) -> None:
        while True:
            key = await self._queue.next()
            self.taken.append((self._time.clock() - self._start, key))

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.taken]


@pytest.fixture
def time():
    return MovingTime()


@pytest.fixture
def queue(time: MovingTime):
    return Queue(time.clock, time.sleep, lambda: 0.0, Backoff(first=1.0, most=8.0))


@pytest.fixture
async def worker(queue: Queue, time: MovingTime):
    worker = Worker(queue, time)
    task = asyncio.create_task(worker.run())
    yield worker
    task.cancel()


async def test_a_key_that_waits_is_the_same_work(queue: Queue, worker: Worker, time: MovingTime):
    for _ in range(1000):
        queue.add("default/gateway")
    assert queue.depth == 1
    await time.settle()
    assert worker.keys == ["default/gateway"]


async def test_keys_come_in_the_order_in_which_they_are_due(queue: Queue, worker: Worker, time: MovingTime):
    queue.add("late", after=2)
    queue.add("soon", after=1)
    queue.add("now")
    await time.move(3)
    assert worker.taken == [(0, "now"), (1, "soon"), (2, "late")]


async def test_a_key_that_is_added_again_sooner_is_due_sooner(queue: Queue, worker: Worker, time: MovingTime):
    queue.add("a", after=10)
    await time.move(1)
    queue.add("a", after=1)
    queue.add("a", after=60)
    await time.move(60)
    assert worker.taken == [(2, "a")]


async def test_what_changes_during_the_work_is_worked_on_once_more_afterwards(
    queue: Queue, worker: Worker, time: MovingTime
):
    queue.add("a")
    await time.settle()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    await time.settle()
    assert worker.keys == ["a", "b"]  # never two at a time on one key
    queue.done("a")
    await time.settle()
    assert worker.keys == ["a", "b", "a"]
    queue.done("a")
    await time.move(100)
    assert worker.keys == ["a", "b", "a"]
    assert queue.depth == 1  # b, which is still worked on


async def test_a_failing_key_backs_off_and_holds_up_no_other(queue: Queue, worker: Worker, time: MovingTime):
    queue.add("bad")
    await time.settle()
    delays = []
    for number in range(6):
        delays.append(queue.failed("bad"))
        queue.add(f"good {number}")
        await time.settle()
        assert worker.keys[-1] == f"good {number}"
        await time.move(delays[-1])
        assert worker.keys[-1] == "bad"
    assert delays == [1, 2, 4, 8, 8, 8]
    assert queue.failing == 1


async def test_success_forgets_failures(queue: Queue, worker: Worker, time: MovingTime):
    queue.add("a")
    await time.settle()
    assert queue.failed("a") == 1
    await time.move(1)
    assert queue.failed("a") == 2
    await time.move(2)
    queue.done("a")
    assert queue.failing == 0
    queue.add("a")
    await time.settle()
    assert queue.failed("a") == 1


async def test_a_change_ends_the_back_off(queue: Queue, worker: Worker, time: MovingTime):
    queue.add("a")
    await time.settle()
    queue.failed("a")
    await time.move(0.1)
    queue.add("a")
    await time.move(0.1)
    assert worker.taken == [(0, "a"), (pytest.approx(0.1), "a")]


async def test_two_workers_share_the_keys(queue: Queue, time: MovingTime):
    one, two = (asyncio.create_task(queue.next()) for _ in range(2))
    await time.settle()
    queue.add("a")
    queue.add("b")
    assert {await one, await two} == {"a", "b"}


async def test_a_cancelled_wait_loses_nothing(queue: Queue, time: MovingTime):
    waiting = asyncio.create_task(queue.next())
    await time.settle()
    waiting.cancel()
    await time.settle()
    queue.add("a")
    assert await queue.next() == "a"
    assert time.sleeping == []


@pytest.mark.parametrize(
    ("failures", "random", "delay"), [(1, 0.0, 0.2), (1, 1.0, 0.1), (4, 0.0, 1.6), (10_000, 0.0, 30)]
)
def test_back_off(failures: int, random: float, delay: float):
    assert Backoff().delay(failures, lambda: random) == pytest.approx(delay)
