"""The requests that are being served: how many there may be, and when the last one has ended."""

import asyncio

from sluice_gateway.errors import Overloaded


class InFlight:
    """A bound on requests.

    ``draining``: no more are wanted, those that come on open connections are the last of theirs. ``given_up``:
    whoever waited for the last one waits no longer; what is still served will be cut.
    """

    def __init__(self, limit: int) -> None:
        self.draining = False
        self.given_up = False
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._tasks)

    def enter(self, task: asyncio.Task[None]) -> None:
        """A request begins, served by ``task``. Raises Overloaded."""
        if len(self._tasks) >= self._limit:
            raise Overloaded(
                "the gateway is serving as many requests as it may (SLUICE_MAX_IN_FLIGHT); try again", retry_after=1
            )
        self._tasks.add(task)
        self._empty.clear()

    def leave(self, task: asyncio.Task[None]) -> None:
        """It has ended."""
        self._tasks.discard(task)
        if not self._tasks:
            self._empty.set()

    def give_up(self) -> None:
        """Cut those that are left. Each may still tell its caller."""
        self.given_up = True
        for task in self._tasks:
            task.cancel()

    async def drained(self) -> None:
        """Wait until none is left."""
        await self._empty.wait()
