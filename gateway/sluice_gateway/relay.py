"""The relay of a stream: whole frames as they come, a comment in silence, one error event when it breaks off."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from sluice_gateway import sse
from sluice_gateway.errors import ProviderError, UpstreamTimedOut
from sluice_gateway.providers.adapter import Event, Fault
from sluice_gateway.providers.provider import Provider
from sluice_gateway.telemetry.record import Record
from sluice_gateway.upstream import Answer, UpstreamError, UpstreamTimeout


class StreamFailed(Exception):
    """A provider's answer is, or holds, a refusal."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


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


class _Done(Exception):
    """The shape's end mark was relayed: what the provider may still send is of no interest."""


class Stream:
    """One streamed answer on its way from a provider to a caller. Is the ``upstream.Sink`` of the answer.

    ``choices``: how many answers the caller has asked for, which come side by side.
    """

    def __init__(
        self,
        answer: Answer,
        provider: Provider,
        client: Client,
        record: Record,
        clock: Callable[[], float],
        *,
        choices: int = 1,
    ) -> None:
        self._answer = answer
        self._provider = provider
        self._client = client
        self._record = record
        self._clock = clock
        self._framer = sse.Framer()
        self._parse_event = provider.adapter.parse_event
        self._choices = choices
        self._finished: set[int] = set()  # their finish_reason was seen
        self._done = False
        self._wrote = clock()
        self._waiting = False
        self._failure: Exception | None = None

    async def relay(self, keepalive_seconds: float) -> None:
        """Relay to the end, or to one error event.

        While nothing was sent to the caller, raises UpstreamError, BadEvent or StreamFailed; at any time
        ConnectionError when the caller has left.
        """
        silence = _Silence(self, keepalive_seconds)
        try:
            try:
                await self._pump()
            except (UpstreamError, sse.BadEvent, StreamFailed) as error:
                if not self._client.started:
                    raise
                if len(self._finished) < self._choices:  # else what follows is welcome, but its lack is no cut
                    self._break_off(error)
            await self._end()
        finally:
            silence.stop()
        if self._done:
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
        if not self._finished and not self._done:
            raise sse.BadEvent("the provider's stream ended before its answer did")

    async def _begin(self) -> None:
        """Wait for the first event, which commits to this target: comments alone do not."""
        while not self._client.started and (piece := await self._answer.chunk()):
            frames = self._framer.feed(piece)
            if events := sse.data_of(frames):
                for data in events:
                    self._note(self._parse_event(data))
                if not self._opens(len(events)):
                    await self.drained()
                if not self._client.started:  # silence may have been filled meanwhile
                    await self._client.start()
                if not self._send(frames):
                    await self.drained()

    def feed(self, piece: bytes) -> bool:
        """Pass a piece on. Called straight from the provider's connection: this is where streams spend their time."""
        frames = b""
        try:
            frames = self._framer.feed(piece)
            if not frames:
                return True
            for data in sse.data_of(frames):
                if (event := self._parse_event(data)) is not None:
                    self._note(event)
        except (sse.BadEvent, StreamFailed) as error:
            self._failure = error
            self._salvage(frames)
            return False
        if self._record.first_byte is None and not self._opens(len(sse.data_of(frames))):
            return False
        return self._send(frames)

    def _salvage(self, frames: bytes) -> None:
        """Send those of ``frames`` that stand before the one that is broken or a refusal."""
        good = 0
        for data in sse.data_of(frames):
            try:
                self._note(self._parse_event(data))
            except (sse.BadEvent, StreamFailed):
                break
            good += 1
        if good and self._opens(good):
            self._send(sse.first(frames, good))

    async def drained(self) -> None:
        """Wait for a slow caller. Raises what ``feed`` ran into, or that the answer is done."""
        if self._failure is not None:
            raise self._failure
        if self._done:
            raise _Done
        self._waiting = True
        await self._client.drained()
        self._waiting = False
        self._wrote = self._clock()

    def _opens(self, events: int) -> bool:
        """Whether so many events begin an answer: the end mark alone does not."""
        if self._record.first_byte is None and events:
            if self._done and events == 1:
                self._failure = sse.BadEvent("the provider's stream ended before it began")
                return False
            self._record.first_byte = self._clock()
        return True

    def _note(self, event: Event | None) -> None:
        if event is None:
            return
        if event.fault is not None:
            raise StreamFailed(event.fault)
        self._finished.update(event.finished)
        self._done |= event.done
        if event.usage is not None:
            self._record.usage = event.usage

    def _send(self, frames: bytes) -> bool:
        self._wrote = self._clock()
        return self._client.write(frames) and not self._done

    def _break_off(self, error: Exception) -> None:
        """One well-formed error event; the record says what the status would have been."""
        kind = UpstreamTimedOut if isinstance(error, UpstreamTimeout) else ProviderError
        told = kind(f"the stream broke off: {self._provider.redact(str(error))}")
        self._record.failed(told.status, told.code or "", told.message)
        self._client.write(sse.error_frame(told.body()))

    async def _end(self) -> None:
        """The last of what the caller gets: from here on, silence can only be its own."""
        if not self._done and not self._record.code:
            self._client.write(sse.DONE)
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
