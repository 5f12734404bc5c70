"""The relay of a stream: whole frames as they come, a comment in silence, one error event when it breaks off."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from sluice_gateway import sse
from sluice_gateway.errors import ProviderError, UpstreamTimedOut
from sluice_gateway.passages import Passage
from sluice_gateway.providers.adapter import ProviderFault, WireDefect
from sluice_gateway.telemetry.record import Record
from sluice_gateway.upstream import Answer, UpstreamError, UpstreamTimeout


class Client(Protocol):
    """The caller's side of a stream.

    ``started``: the head of the answer was sent, so another target is out of question.
    """

    started: bool

    async def start(self) -> None:
        """Send the head of the answer, once."""
        ...

    def write(self, data: bytes) -> bool:
        """Send whole frames; False when the caller reads too slowly, or has left: see ``drained``."""
        ...

    async def drained(self) -> None:
        """Wait until the caller has taken enough. Raises ConnectionError when it has left, or takes nothing."""
        ...

    async def end(self) -> None:
        """Close the answer cleanly."""
        ...


_END_SECONDS = 0.05  # after the shape's end mark: how long the transport's own end may lag, to keep the connection


_NOTHING = sse.BadEvent("the provider's stream ended before it began")


class _Done(Exception):
    """The shape's end mark was relayed: what the provider may still send is of no interest."""


class Stream:
    """One streamed answer on its way from a provider to a caller. Is the ``upstream.Sink`` of the answer.

    ``redact`` takes keys and hosts out of a provider's words.
    """

    def __init__(
        self,
        answer: Answer,
        passage: Passage,
        client: Client,
        record: Record,
        *,
        clock: Callable[[], float],
        redact: Callable[[str], str],
    ) -> None:
        self._answer = answer
        self._passage = passage
        self._client = client
        self._record = record
        self._clock = clock
        self._redact = redact
        self._framer = sse.Framer()
        self._wrote = clock()
        self._waiting = False
        self._failure: Exception | None = None

    async def relay(self, keepalive_seconds: float) -> None:
        """Relay to the end, or to one error event.

        While nothing was sent to the caller, raises UpstreamError, BadEvent or ProviderFault; at any time
        ConnectionError when the caller has left.
        """
        silence = _Silence(self, keepalive_seconds)
        try:
            try:
                await self._pump()
            except (UpstreamError, sse.BadEvent, ProviderFault) as error:
                if not self._client.started:
                    raise
                if not self._passage.complete:  # else what follows is welcome, but its lack is no cut
                    self._break_off(error)
            await self._end()
        finally:
            silence.stop()
        if self._passage.done:
            await self._await_end()

    async def _pump(self) -> None:
        answer = self._answer
        if not (answer.header("content-type") or "").lower().startswith("text/event-stream"):
            raise sse.BadEvent("a stream was asked for, and the provider answered with something else")
        try:
            await self._begin()
            await answer.relay(self)
            if (rest := self._framer.rest()) and not self.feed(rest):
                await self.drained()
        except _Done:
            return
        if not self._passage.finished and not self._passage.done:
            raise sse.BadEvent("the provider's stream ended before its answer did")

    async def _begin(self) -> None:
        """Wait for the first event, which commits to this target: comments alone do not."""
        while not self._client.started and (piece := await self._answer.chunk()):
            frames = self._framer.feed(piece)
            out = self._passage.take(frames) if frames else b""
            if self._passage.begun and out:
                self._record.first_byte = self._clock()
                if not self._client.started:  # silence may have been filled meanwhile
                    await self._client.start()
                if not self._send(out):
                    await self.drained()
            elif self._passage.done:
                raise _NOTHING

    def feed(self, piece: bytes) -> bool:
        """Pass a piece on. Called straight from the provider's connection: this is where streams spend their time."""
        frames = b""
        try:
            frames = self._framer.feed(piece)
            if not frames:
                return True
            out = self._passage.take(frames)
        except (sse.BadEvent, ProviderFault) as error:
            self._failure = error
            if (rest := self._passage.salvage(frames)) and self._opens():
                self._send(rest)
            return False
        if self._record.first_byte is None and not self._opens():
            return False
        if not out:
            return not self._passage.done
        return self._send(out)

    async def drained(self) -> None:
        """Wait for a slow caller. Raises what ``feed`` ran into, or that the answer is done."""
        if self._failure is not None:
            raise self._failure
        if self._passage.done:
            raise _Done
        self._waiting = True
        await self._client.drained()
        self._waiting = False
        self._wrote = self._clock()

    def _opens(self) -> bool:
        """Whether the answer has begun: the end mark alone does not."""
        if self._record.first_byte is None:
            if self._passage.begun:
                self._record.first_byte = self._clock()
            elif self._passage.done:
                self._failure = _NOTHING
                return False
        return True

    def _send(self, frames: bytes) -> bool:
        self._wrote = self._clock()
        return self._client.write(frames) and not self._passage.done

    def _break_off(self, error: Exception) -> None:
        """One well-formed error event; the record says what the status would have been."""
        if isinstance(error, WireDefect):
            self._record.defect = error.__cause__
        kind = UpstreamTimedOut if isinstance(error, UpstreamTimeout) else ProviderError
        told = kind(f"the stream broke off: {self._redact(str(error))}")
        self._record.failed(told.status, told.code or "", told.message)
        self._client.write(self._passage.fail(told))

    async def _end(self) -> None:
        """The last of what the caller gets: from here on, silence can only be its own."""
        if not self._record.code and (last := self._passage.end()):
            self._client.write(last)
        self._waiting = True
        await self._client.end()
        self._record.served()

    async def _await_end(self) -> None:
        try:
            async with asyncio.timeout(_END_SECONDS):
                while await self._answer.chunk():
                    pass
        except (TimeoutError, UpstreamError):
            return

    def quiet_for(self) -> float:
        """Seconds since the caller was last sent something, or took something."""
        return self._clock() - self._wrote

    async def fill_silence(self) -> None:
        """Send a comment, which the standard tells clients to ignore."""
        if self._waiting:  # a caller that does not take what there is needs no more of it
            return
        if not self._client.started:
            await self._client.start()
        self._client.write(sse.KEEP_ALIVE)
        self._wrote = self._clock()


class _Silence:
    """Looks after a stream from time to time, with one timer that costs the stream nothing."""

    def __init__(self, stream: Stream, interval: float) -> None:
        self._stream = stream
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(interval, self._look)

    def _look(self) -> None:
        quiet = self._stream.quiet_for()
        if quiet >= self._interval:
            if self._task is None or self._task.done():
                self._task = self._loop.create_task(self._stream.fill_silence())
            quiet = 0.0
        self._timer = self._loop.call_later(max(self._interval - quiet, 0.001), self._look)

    def stop(self) -> None:
        """The stream has ended."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
