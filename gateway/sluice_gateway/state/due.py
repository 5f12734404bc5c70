"""A deadline that is fair to the other side when this side was late."""

import asyncio
from types import TracebackType

STALL = 0.01
"""Seconds that the loop may come late to a deadline. If it comes later than that it was busy, and what has arrived
meanwhile is read first: uvloop looks at its timers before it looks at its sockets."""


class Due:
    """A block that ends by ``due``, the loop's time. Raises TimeoutError."""

    def __init__(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._loop = loop
        self._due = due
        self._limit = asyncio.timeout(None)
        self._handle: asyncio.TimerHandle

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._handle = self._loop.call_at(self._due, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._handle.cancel()
        await self._limit.__aexit__(kind, error, where)

    def _look(self) -> None:
        now = self._loop.time()
        if now - self._due > STALL:
            self._due = now + STALL
            self._handle = self._loop.call_at(self._due, self._look)
        else:
            self._limit.reschedule(now)
