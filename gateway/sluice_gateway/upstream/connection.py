"""One HTTP/1.1 connection: writes requests, feeds the parser, keeps the deadlines."""

import asyncio
import contextlib
import math
import os
from typing import Protocol, cast

from sluice_gateway.upstream.answer import LeanAnswer
from sluice_gateway.upstream.contract import Timeouts
from sluice_gateway.upstream.errors import (
    BadAnswer,
    ConnectionLost,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    UpstreamError,
)
from sluice_gateway.upstream.parser import AnswerParser

# Bodies up to this size go out in one write together with their head; larger ones in pieces of it, without a copy.
WRITE_SIZE = 64 * 1024


class Keeper(Protocol):
    """The pool, as far as a connection needs it."""

    def put(self, connection: "Connection") -> None:
        """The exchange ended cleanly: the connection may serve another."""

    def lost(self, connection: "Connection") -> None:
        """The connection is closed; called once."""


class Connection(asyncio.Protocol):
    """Serves one exchange at a time, and tells its `keeper` when it is free and when it is closed.

    Deadlines need one timer per connection, which lives on over exchanges and is moved only if it would come too late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, idle_seconds: float) -> None:
        self.keeper: Keeper | None = None
        self.closed = False
        self._loop = loop
        self._parser = AnswerParser()
        self._transport: asyncio.Transport
        self._gone = False
        self._gone_waiter: asyncio.Future[None] | None = None
        self._answer: LeanAnswer | None = None
        self._idle_seconds = idle_seconds
        self._timeouts: Timeouts
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        # When the phase began or last moved: idle since, request sent, last piece of the body. The loop's clock.
        self._since = 0.0
        self._total_at = math.inf
        self._paused = False
        self._sending = False
        self._write_paused = False
        self._drained: asyncio.Future[None] | None = None

    async def exchange(
        self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float, *, bodiless: bool = False
    ) -> LeanAnswer:
        """Send one request and wait for the head of its answer.

        `head` ends with its blank line, `total_at` is on the loop's clock. Raises UpstreamError.
        """
        if self.closed:
            raise ConnectionLost(answered=False)
        answer = self._answer = LeanAnswer(self._loop, self)
        self._parser.begin(answer, bodiless=bodiless)
        self._timeouts = timeouts
        self._total_at = total_at
        self._since = self._loop.time()
        self._arm()
        if len(body) <= WRITE_SIZE:
            self._transport.write(head + body)
        else:
            try:
                await self._send_in_pieces(answer, head, memoryview(body))
            except asyncio.CancelledError:
                answer.close()
                raise
        await answer.head()
        return answer

    def drop(self) -> None:
        """Close at once, whatever is under way."""
        if not self.closed:
            self._shut()
            self._transport.abort()

    def pause(self) -> None:
        """Read no more for now; the idle time does not run meanwhile."""
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._since = self._loop.time()
            self._arm()

    async def wait_gone(self) -> None:
        """Wait until a dropped connection's socket is closed."""
        if not self._gone:
            self._gone_waiter = self._loop.create_future()
            await self._gone_waiter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._become_idle()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        answer = self._answer
        if answer is None:
            # Nobody asked: what an upstream says unasked would be taken for the next answer.
            self.drop()
            return
        parser = self._parser
        try:
            moved = parser.feed(data)
        except BadAnswer as bad:
            answer.fail(bad)
            return
        if parser.complete:
            self._finish(answer)
        elif moved:
            self._since = self._loop.time()
            self._arm()
            answer.on_news()
            if self._drained is not None:
                self._wake_sender()

    def eof_received(self) -> None:
        """Part of asyncio.Protocol. The upstream will send no more; the transport closes itself."""
        answer = self._answer
        if answer is not None and self._parser.ends_with_stream():
            self._answer = None
            answer.on_end()
        self._lose()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._gone = True
        if self._sending:
            self._salvage()
        self._lose()
        if self._gone_waiter is not None and not self._gone_waiter.done():
            self._gone_waiter.set_result(None)

    def pause_writing(self) -> None:
        """Part of asyncio.Protocol."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol."""
        self._write_paused = False
        self._wake_sender()

    def _become_idle(self) -> None:
        """No exchange: the time until the connection is too old for another begins."""
        self._answer = None
        self._since = self._loop.time()
        self._arm()

    def _salvage(self) -> None:
        """Read what the upstream said before it reset the connection.

        An early answer followed by a close makes our writes fail, and the transport gives up, before it was read. Not
        over TLS: there the rest is lost with the transport.
        """
        if self._transport.get_extra_info("sslcontext") is None:
            number = self._transport.get_extra_info("socket").fileno()
            with contextlib.suppress(OSError):
                while self._answer is not None and (data := os.read(number, WRITE_SIZE)):
                    self.data_received(data)

    def _lose(self) -> None:
        answer = self._answer
        if answer is None:
            self.drop()
        else:
            answer.fail(ConnectionLost(answered=self._parser.started))

    def _shut(self) -> None:
        self.closed = True
        self._answer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_sender()
        if self.keeper is not None:
            self.keeper.lost(self)

    def _finish(self, answer: LeanAnswer) -> None:
        """The last byte of the answer was parsed: whoever reads it needs this connection no longer."""
        if self._parser.keep_alive and not self._sending and self.keeper is not None:
            if self._paused:
                self.resume()
            self._become_idle()
            answer.on_end()
            self.keeper.put(self)
        else:
            self._answer = None
            answer.on_end()
            self.drop()

    async def _send_in_pieces(self, answer: LeanAnswer, head: bytes, body: memoryview) -> None:
        """Hand the body over as fast as the upstream takes it; stop as soon as there is an answer or an end."""
        self._sending = True
        self._transport.write(head)
        for start in range(0, len(body), WRITE_SIZE):
            if self.closed or answer.status:
                return
            self._transport.write(body[start : start + WRITE_SIZE])
            await self._drain()
            self._since = self._loop.time()
        self._sending = False

    async def _drain(self) -> None:
        """Wait until the transport takes more, and let the loop read: there may be an early answer."""
        if not self._write_paused:
            await asyncio.sleep(0)
            return
        self._drained = self._loop.create_future()
        try:
            await self._drained
        finally:
            self._drained = None

    def _wake_sender(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _deadline(self) -> tuple[float, type[UpstreamError] | None]:
        """When the phase ends by time, and as what; None is the quiet end of an idle connection."""
        answer = self._answer
        if answer is None:
            return self._since + self._idle_seconds, None
        due = math.inf
        error: type[UpstreamError] = IdleTimeout
        if not answer.status:
            due, error = self._since + self._timeouts.first_byte, FirstByteTimeout
        elif not self._paused:
            due = self._since + self._timeouts.idle
        return (due, error) if due < self._total_at else (self._total_at, TotalTimeout)

    def _arm(self) -> None:
        due, _ = self._deadline()
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        due, error = self._deadline()
        if due > self._loop.time():
            self._arm()
        elif self._answer is None or error is None:
            self.drop()
        else:
            self._answer.fail(error())
