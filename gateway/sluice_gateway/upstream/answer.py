"""The lean leg's answer: what the connection parsed, waiting for its reader."""

import asyncio
from typing import Protocol

from sluice_gateway.upstream.contract import Sink
from sluice_gateway.upstream.errors import AnswerTooLarge, ConnectionLost, UpstreamError

# Above this many unread bytes the connection stops reading. One read of uvloop's is at most as large again.
HIGH_WATER = 256 * 1024


class Flow(Protocol):
    """The connection, as far as an answer needs it."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def drop(self) -> None:
        """Close at once."""


class LeanAnswer:
    """Filled by its connection, read by one task. See contract.Answer.

    The connection's parser appends to `pieces` and adds to `size`, then the connection calls `on_news`.

    The connection lets go of the answer as soon as the last byte was parsed: an answer that nobody has read yet holds
    no connection.
    """

    __slots__ = (
        "_error",
        "_fields",
        "_flow",
        "_full",
        "_high_water",
        "_lines",
        "_loop",
        "_sink",
        "_waiter",
        "_whole",
        "ended",
        "pieces",
        "size",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, flow: Flow) -> None:
        self.status = 0
        self.ended = False
        self._loop = loop
        self._flow: Flow | None = flow
        self._lines: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.size = 0
        self._high_water = HIGH_WATER
        self._whole = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._sink: Sink | None = None
        self._full = False

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers in their order, names in lower case."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._lines]

    def header(self, name: str) -> str | None:
        """The first header of this name (in lower case)."""
        value = self._fields.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    async def head(self) -> None:
        """Wait for the head. Raises UpstreamError."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._news()

    async def read(self, limit: int) -> bytes:
        """The whole body; see contract.Answer."""
        self._whole = True
        self._high_water = limit
        while True:
            if self.size > limit:
                self.close()
                raise AnswerTooLarge
            if self.ended:
                return self._take()
            if self._error is not None:
                raise self._error
            self._resume()
            await self._news()

    async def chunk(self) -> bytes:
        """The next piece of the body; see contract.Answer."""
        while not self.pieces:
            if self.ended:
                return b""
            if self._error is not None:
                raise self._error
            self._resume()
            await self._news()
        return self._take()

    async def relay(self, sink: Sink) -> None:
        """See contract.Answer. Pieces go to `sink` straight from the connection, without waking a task for each."""
        while True:
            if self.pieces:
                self._full = not sink.feed(self._take())
            if self._full:
                self._full = False
                await sink.drained()
            elif self.ended:
                return
            elif self._error is not None:
                raise self._error
            else:
                self._resume()
                self._sink = sink
                try:
                    await self._news()
                finally:
                    self._sink = None

    def close(self) -> None:
        """Done with the answer; see contract.Answer."""
        self.pieces.clear()
        self.size = 0
        if self._error is None and not self.ended:
            self.fail(ConnectionLost("the answer was closed before its end", answered=self.status > 0))

    def on_head(self, status: int, lines: list[tuple[bytes, bytes]], fields: dict[bytes, bytes]) -> None:
        """The final head is complete; `fields` is `lines` with the first of each name."""
        self.status = status
        self._lines = lines
        self._fields = fields

    def on_news(self) -> None:
        """What was read has been parsed: wake the reader if that is news to it, and keep memory bounded."""
        if self._sink is not None:
            if not self._sink.feed(self._take()):
                self._hold()
            return
        if self.size > self._high_water:
            if self._whole:
                self.fail(AnswerTooLarge())
            elif self._flow is not None:
                self._flow.pause()
        elif self._whole and not self.ended:
            return
        self._wake()

    def _hold(self) -> None:
        """The sink has had enough: read no more, and wake the task that will wait for room."""
        self._full = True
        self._sink = None
        if self._flow is not None:
            self._flow.pause()
        self._wake()

    def on_end(self) -> None:
        """The body is complete; the connection is no longer this answer's."""
        self.ended = True
        self._flow = None
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """The exchange is over; the reader gets `error` after what had come before it."""
        self._error = error
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.drop()
        self._wake()

    def _take(self) -> bytes:
        pieces = self.pieces
        self.size = 0
        self.pieces = []
        if len(pieces) == 1:
            return pieces[0]
        return b"".join(pieces)

    def _resume(self) -> None:
        if self._flow is not None:
            self._flow.resume()

    async def _news(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
