"""Calls side by side: all succeed, or the first failure cancels the others and is what the caller sees."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

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
