"""Following one object of the API server, whatever happens to the connection: list, watch, and again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from sluice_gateway.sources.api_server import ApiError, ApiServer, Forbidden, Plural, Stored

WATCH_SECONDS = (240, 480)
"""How long a watch lasts at most: between these, so that a thousand pods don't come back at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to try again. Seconds: ``first`` after the first failure, then doubled up to ``most``, each time between
    half of it and all. A watch that has lived for ``steady`` seconds or said something was no failure.
    """

    first: float = 0.2
    most: float = 15.0
    steady: float = 5.0
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    def delay(self, failures: int, asked: float = 0) -> float:
        """Seconds to wait after so many failures in a row. ``asked``: what the API server wants, within bounds."""
        grown = min(self.most, self.first * 2.0 ** min(failures - 1, 30))
        return max(grown * self.rng.uniform(0.5, 1), min(asked, self.most))

    def watch_seconds(self) -> int:
        """How long the next watch may last."""
        return self.rng.randint(*WATCH_SECONDS)


@dataclass(slots=True, eq=False)
class Followed:
    """One object: what is known of it.

    ``known`` is False until the API server has said what there is, or that we have no right to know. ``stored`` is
    None when there is nothing. While requests fail, both stay as they were; ``trouble`` says why, and ``failures`` for
    how many times in a row.
    """

    plural: Plural
    name: str
    known: bool = False
    stored: Stored | None = None
    trouble: ApiError | None = None
    failures: int = 0

    async def follow(self, api: ApiServer, pace: Pace, changed: Callable[[], None]) -> None:
        """Keep it up to date, for ever. ``changed`` is called whenever there may be news.

        However a watch ends, the object is read anew before the next one: for one object that is no more work than to
        go on from the version seen last, and it needs no case for versions that are too old, or of another etcd.
        """
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            error: ApiError | None = None
            try:
                await self._once(api, pace, changed)
            except ApiError as failed:
                error = failed
            steady = clock() - started >= pace.steady
            if steady:
                self.failures = 0
            if error or not steady:
                await self._wait(pace, error or ApiError("it ends watches at once"), changed)

    async def _once(self, api: ApiServer, pace: Pace, changed: Callable[[], None]) -> None:
        """Read the object, then take its changes until the watch ends."""
        self.stored, version = await api.find(self.plural, self.name)
        self.known = True
        changed()
        async with aclosing(api.watch(self.plural, self.name, version, pace.watch_seconds())) as changes:
            async for change in changes:
                self.trouble = None
                if change is not None:
                    self.failures = 0
                    if not change.bookmark:
                        self.stored = change.stored
                changed()

    async def _wait(self, pace: Pace, error: ApiError, changed: Callable[[], None]) -> None:
        self.failures += 1
        self.trouble = error
        self.known = self.known or isinstance(error, Forbidden)
        changed()
        await pace.sleep(pace.delay(self.failures, error.retry_after))
