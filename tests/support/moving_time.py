"""Time that a test moves: a clock, and a sleep that ends when the clock gets there."""

import asyncio


class MovingTime:
    """``clock`` and ``sleep`` as arguments for what is tested; ``move`` lets seconds pass."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        await woken

    @property
    def sleeping(self) -> list[float]:
        """For how long each sleeper has still to sleep, shortest first."""
        return sorted(due - self._now for due, woken in self._sleepers if not woken.done())

    async def move(self, seconds: float) -> None:
        """Let seconds pass; whoever wakes up on the way gets to act, in order."""
        await self.settle()
        end = self._now + seconds
        while True:
            due = min((due for due, woken in self._sleepers if not woken.done()), default=None)
            if due is None or due > end:
                break
            self._now = max(self._now, due)
            for moment, woken in self._sleepers:
                if moment <= self._now and not woken.done():
                    woken.set_result(None)
            await self.settle()
        self._now = end
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let every task run until it waits for something."""
        for _ in range(20):
            await asyncio.sleep(0)
