"""Who is next: turns between consumers, order within each, and nobody who asks without a reason."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.limits.line import Displaced, GaveUp, Line
from tests.support.moving_time import MovingTime


class Place:
    """A line before a room, in time that moves. Members are named by their consumer and a number, such as ``a1``.

    The room has no free place at first, and tells who asks in vain to come again after ``pause``.
    """

    def __init__(self, pause: float = 50.0) -> None:
        self.time = MovingTime()
        self.line = Line(self.time.clock, self.time.sleep)
        self.pause = pause
        self.places = 0
        self.asked: list[str] = []
        self.entered: list[str] = []
        self.tasks: dict[str, asyncio.Task[str]] = {}

    def _ask(self, name: str) -> Callable[[], Awaitable[str | float]]:
        async def ask() -> str | float:
            self.asked.append(name)
            if not self.places:
                return self.pause
            self.places -= 1
            self.entered.append(name)
            return name

        return ask

    async def come(self, *names: str, wait: float = 1000.0) -> None:
        until = self.time.clock() + wait
        for name in names:
            self.tasks[name] = asyncio.create_task(self.line.stand(name[0], self._ask(name), until))
            await self.time.settle()

    async def free(self, places: int) -> None:
        self.places += places
        self.line.call()
        for _ in range(places + 1):
            await self.time.settle()

    async def leave(self, name: str) -> None:
        self.tasks[name].cancel()
        await self.time.settle()
        assert self.tasks[name].cancelled()


async def test_who_finds_room_does_not_stay() -> None:
    place = Place()
    place.places = 1
    await place.come("a1")
    assert place.tasks["a1"].result() == "a1"
    assert not place.line
    assert place.time.sleeping == []


async def test_the_last_place_of_who_has_the_most_goes_to_who_has_fewer() -> None:
    place = Place()
    assert not place.line.displace("b")
    await place.come("a1", "b1", "a2")
    assert not place.line.displace("a")
    assert not place.line.displace("b")  # it would have more than the other then
    assert place.line.displace("c")
    assert not place.line.displace("c")
    await place.come("c1", "c2")
    with pytest.raises(Displaced):
        await place.tasks["a2"]
    await place.free(4)
    assert place.entered == ["a1", "b1", "c1", "c2"]
    assert not place.line


async def test_who_is_displaced_and_leaves_at_once_is_out_of_the_line() -> None:
    place = Place()
    await place.come("a1", "a2")
    assert place.line.displace("b")
    await place.leave("a2")
    await place.leave("a1")
    assert not place.line


async def test_consumers_take_turns_and_each_keeps_its_order() -> None:
    place = Place()
    await place.come("a1", "a2", "a3", "a4", "b1", "c1", "c2")
    await place.free(7)
    assert place.entered == ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]
    assert not place.line


async def test_who_was_served_and_comes_back_is_behind_all_others() -> None:
    place = Place()
    await place.come("a1", "b1", "b2")
    await place.free(1)
    await place.come("a2")
    await place.free(3)
    assert place.entered == ["a1", "b1", "a2", "b2"]


async def test_one_place_lets_one_in() -> None:
    place = Place()
    await place.come("a1", "b1", "c1")
    for number, name in enumerate(("a1", "b1", "c1"), start=1):
        await place.free(1)
        assert place.entered[-1] == name
        assert len(place.entered) == number


async def test_only_the_first_asks_and_only_when_there_may_be_room() -> None:
    place = Place(pause=50.0)
    await place.come("a1", "a2", "b1")
    assert place.asked == ["a1"]
    await place.time.move(49.9)
    assert place.asked == ["a1"]
    await place.time.move(0.1)
    assert place.asked == ["a1", "a1"]
    await place.free(0)
    assert place.asked == ["a1", "a1", "a1"]
    await place.time.move(49.9)
    assert len(place.asked) == 3


async def test_a_call_while_the_first_asks_is_not_missed() -> None:
    time = MovingTime()
    line, asking = Line(time.clock, time.sleep), asyncio.Event()
    answers = iter(list[str | float]([50.0, "in"]))

    async def ask() -> str | float:
        await asking.wait()
        return next(answers)

    standing = asyncio.create_task(line.stand("a", ask, 2000.0))
    await time.settle()
    line.call()
    asking.set()
    await time.settle()
    assert standing.result() == "in"


async def test_in_time_or_not_at_all() -> None:
    place = Place(pause=9.5)
    await place.come("a1", "b1", wait=10.0)
    await place.time.move(9.9)
    assert not place.tasks["a1"].done()
    assert not place.tasks["b1"].done()
    await place.time.move(0.1)
    for name in ("a1", "b1"):
        with pytest.raises(GaveUp):
            await place.tasks[name]
    assert place.asked == ["a1", "a1", "a1"]
    assert not place.line
    assert place.time.sleeping == []


async def test_room_in_the_last_moment_is_taken() -> None:
    place = Place()
    await place.come("a1", wait=10.0)
    place.places = 1
    await place.time.move(10.0)
    assert place.tasks["a1"].result() == "a1"


@pytest.mark.parametrize("wait", [0.0, -1.0])
async def test_whose_time_is_over_asks_once(wait: float) -> None:
    place = Place()
    await place.come("a1", wait=wait)
    with pytest.raises(GaveUp):
        await place.tasks["a1"]
    assert place.asked == ["a1"]


async def test_the_first_leaves_and_the_next_asks() -> None:
    place = Place()
    await place.come("a1", "a2", "b1")
    await place.leave("a1")
    assert place.asked == ["a1", "a2"]
    await place.free(2)
    assert place.entered == ["a2", "b1"]


async def test_who_leaves_from_the_middle_costs_nobody_a_turn() -> None:
    place = Place()
    await place.come("a1", "b1", "b2", "c1")
    await place.leave("b1")
    assert place.asked == ["a1"]
    await place.free(3)
    assert place.entered == ["a1", "b2", "c1"]


async def test_who_leaves_while_asking_is_gone() -> None:
    time = MovingTime()
    line, never = Line(time.clock, time.sleep), asyncio.Event()

    async def ask() -> str | float:
        await never.wait()
        return "in"

    standing = asyncio.create_task(line.stand("a", ask, 2000.0))
    await time.settle()
    assert line
    standing.cancel()
    await time.settle()
    assert not line


async def test_calling_an_empty_line_is_harmless() -> None:
    place = Place()
    await place.free(1)
    assert place.asked == []


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "free", "leave", "wait"]), max_size=40))
async def test_nobody_is_passed_twice_by_another_consumer(steps: list[str]) -> None:
    """Between two turns of one consumer, each other that waits all the while has had exactly one."""
    place, waiting = Place(pause=5.0), list[str]()
    for number, step in enumerate(steps):
        before = len(place.entered)
        if step == "free":
            await place.free(1)
        elif step == "wait":
            await place.time.move(3.0)
        elif step == "leave" and waiting:
            await place.leave(waiting.pop(number % len(waiting)))
        elif step != "leave":
            await place.come(f"{step}{number}")
            waiting.append(f"{step}{number}")
        for name in place.entered[before:]:
            own = [other for other in waiting if other[0] == name[0]]
            assert own[0] == name
            waiting.remove(name)
        assert not (waiting and place.places)
        assert bool(place.line) == bool(waiting)
    others = dict.fromkeys(name[0] for name in waiting)
    begun = len(place.entered)
    await place.free(len(waiting))
    assert len({name[0] for name in place.entered[begun : begun + len(others)]}) == len(others)
    assert place.time.sleeping == []
