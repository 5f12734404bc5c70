"""How long to wait for a caller that reads slowly: as long as it reads at all."""

import asyncio
from collections.abc import Awaitable

HIGH_WATER = 64 * 1024  # bytes that may wait for a slow caller: asyncio's own mark, at which its transport says so too


class Patience:
    """Looks after one connection while something waits for its peer to read. Costs nothing when nobody waits.

    ``seconds``: how long the peer may take nothing at all.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._left = 0
        self._timer: asyncio.Handle | None = None

    async def wait(self, waiting: Awaitable[None]) -> None:
        """Wait for ``waiting``. The connection is dropped when its peer takes nothing for too long.

        Raises ConnectionError when the peer has left, or was dropped.
        """
        self._timer = asyncio.get_running_loop().call_soon(self._arm)  # when what is waited for has been written
        try:
            await waiting
        finally:
            self._timer.cancel()

    def _arm(self) -> None:
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() >= self._left:
            self._transport.abort()
        else:
            self._arm()
