"""Calls side by side: all succeed, or the first failure cancels the others and is what the caller sees."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE: Final = 8
"""Calls of the API server. It queues what clients send, and gives a client with many calls no larger share."""


async def together(work: Callable[[T], Awaitable[R]], items: Sequence[T], most: int = MOST_AT_ONCE) -> list[R]:
    """The results in the items' order."""
    turns = asyncio.Semaphore(most)

    async def one(item: T) -> R:
        async with turns:
            return await work(item)

    tasks = [asyncio.ensure_future(one(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def race(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of these until the first one ends; cancel the others, wait for them, and end as the first one did."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
