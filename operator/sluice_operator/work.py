"""The work queue: keys that wait for their turn, each at most once, with a back-off of their own when they fail."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait after the n-th failure in a row: doubled each time, up to the most, less up to a half by chance.

    A key that fails for good (a right that is missing) must not cost much; one that fails once should be back at once.
    """

    first: float = 0.2
    most: float = 30.0

    def delay(self, failures: int, random: Random) -> float:
        """The wait after so many failures; ``random`` gives 0 to 1."""
        return float(min(self.most, self.first * 2 ** min(failures - 1, 16)) * (1 - random() / 2))


class WorkQueue(Generic[K]):
    """Keys to be worked on. ``clock`` in seconds; ``random`` gives 0 to 1.

    A key that is added while it waits is the same work; one that is added while it is worked on is worked on once more.
    No key is ever worked on twice at the same time.
    """

    def __init__(self, clock: Clock, sleep: Sleep, random: Random, backoff: Backoff | None = None) -> None:
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._backoff = backoff or Backoff()
        self._due: dict[K, float] = {}
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many keys wait or are worked on."""
        return len(self._due.keys() | self._active)

    @property
    def failing(self) -> int:
        """How many keys failed the last time."""
        return len(self._failures)

    def add(self, key: K, after: float = 0.0) -> None:
        """Have a key worked on, in so many seconds at the latest; sooner if it waits for less already."""
        due = self._clock() + after
        self._due[key] = min(due, self._due.get(key, due))
        self._changed.set()

    async def next(self) -> K:
        """The key that is due first, once one is. It must be given back with ``done`` or ``failed``."""
        while True:
            waiting = [
                (due, index, key) for index, (key, due) in enumerate(self._due.items()) if key not in self._active
            ]
            due, _, key = min(waiting, default=(None, 0, None))
            if key is not None and due is not None and due <= self._clock():
                del self._due[key]
                self._active.add(key)
                return key
            self._changed.clear()
            await self._wait(None if due is None else due - self._clock())

    def done(self, key: K) -> None:
        """The work on a key succeeded: its failures are forgotten."""
        self._failures.pop(key, None)
        self._give_back(key)

    def failed(self, key: K) -> float:
        """The work on a key failed: it is due again after its back-off, or as soon as it is added. Returns seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(self._failures[key], self._random)
        self._give_back(key)
        self.add(key, delay)
        return delay

    def _give_back(self, key: K) -> None:
        self._active.discard(key)
        self._changed.set()

    async def _wait(self, seconds: float | None) -> None:
        """Until something changed, or for so long."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
        if seconds is not None:
            waits.add(asyncio.ensure_future(self._sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await wait
