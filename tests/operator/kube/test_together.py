"""Calls side by side: bounded, in order, and none left behind."""

import asyncio

import pytest

from sluice_operator.kube.together import race, together


async def test_results_are_in_order_and_few_run_at_once():
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert await together(work, range(20), most=3) == [number * 2 for number in range(20)]
    assert most == 3
    assert await together(work, []) == []


async def test_the_first_failure_cancels_the_rest():
    cancelled = []

    async def work(number: int) -> None:
        if number == 1:
            raise ValueError(number)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    with pytest.raises(ValueError, match="1"):
        await together(work, range(3))
    assert cancelled == [0, 2]


async def test_a_race_ends_as_the_first_one_does():
    ended = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def returns() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ValueError, match="first"):
        await race(waits(), fails())
    await race(waits(), returns())
    assert ended == ["cancelled"] * 2
