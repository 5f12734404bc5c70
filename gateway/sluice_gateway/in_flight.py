"""The requests that are being served: how many there may be, and when the last one has ended."""

import asyncio
from types import TracebackType

from sluice_gateway.errors import Overloaded


class InFlight:
    """A bound on requests, entered as a context by each of them.

    ``given_up``: whoever waited for the last one waits no longer; what is still served will be cut.
    """

    def __init__(self, limit: int) -> None:
        self.count = 0
        self.given_up = False
        self._limit = limit
        self._empty = asyncio.Event()
        self._empty.set()

    def __enter__(self) -> None:
        """Raises Overloaded."""
        if self.count >= self._limit:
            raise Overloaded(
                "the gateway is serving as many requests as it may (SLUICE_MAX_IN_FLIGHT); try again", retry_after=1
            )
        self.count += 1
        self._empty.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.count -= 1
        if not self.count:
            self._empty.set()

    async def drained(self) -> None:
        """Wait until none is left."""
        await self._empty.wait()
