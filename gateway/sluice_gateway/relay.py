"""The relay of a stream: whole frames as they come, a comment in silence, one error event when it breaks off."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from sluice_gateway import sse
from sluice_gateway.errors import ProviderError, UpstreamTimedOut
from sluice_gateway.providers.adapter import BadEvent, Event, Fault
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

    ``started``: the head of the answer has been sent, so another target is out of the question.
    """

    started: bool

    async def start(self) -> None:
        """Send the head of the answer, once."""
        ...

    async def write(self, data: bytes) -> None:
        """Send whole frames; waits while the caller reads too slowly. Raises ConnectionError when it has left."""
        ...

    async def end(self) -> None:
        """Close the answer cleanly."""
        ...

    def abort(self) -> None:
        """Drop the connection: the caller has stopped reading."""
        ...


STALL_SECONDS = 60.0  # a caller that takes nothing for so long is gone; the same patience that providers get by default
_END_SECONDS = 0.05  # after the shape's end mark: how long the transport's own end may lag, to keep the connection


class Stream:
    """One streamed answer on its way from a provider to a caller."""

    def __init__(
        self, answer: Answer, provider: Provider, client: Client, record: Record, clock: Callable[[], float]
    ) -> None:
        self._answer = answer
        self._provider = provider
        self._client = client
        self._record = record
        self._clock = clock
        self._finished = False  # a finish_reason was seen: what follows is welcome, but its lack is no cut
        self._done = False
        self._wrote = clock()
        self._writing = False

    async def relay(self, keepalive_seconds: float) -> None:
        """Relay to the end.

        While nothing was sent to the caller, raises UpstreamError, BadEvent or StreamFailed; ConnectionError when it
        left.
        """
        silence = _Silence(self, keepalive_seconds)
        try:
            await self._pump()
        except (UpstreamError, BadEvent, StreamFailed) as error:
            if not self._client.started:
                raise
            if not self._finished:
                await self._break_off(error)
        finally:
            silence.stop()
        if not self._done and not self._record.code:
            await self._client.write(sse.DONE)
        await self._client.end()
        if self._done:
            await self._await_end()

    async def _pump(self) -> None:
        answer, framer = self._answer, sse.Framer()
        if not (answer.header("content-type") or "").startswith("text/event-stream"):
            raise BadEvent("a stream was asked for, and the provider answered with something else")
        try:
            while not self._done and (chunk := await answer.chunk()):
                if frames := framer.feed(chunk):
                    await self._pass_on(frames)
        except sse.FrameTooLarge as error:
            raise BadEvent(f"the provider sent {error}") from error
        if not self._done and (rest := framer.rest()):
            await self._pass_on(rest)
        if not self._finished and not self._done:
            raise BadEvent("the provider's stream ended before its answer did")

    async def _pass_on(self, frames: bytes) -> None:
        """Read what whole frames say, then send them as they came; those before a broken one still go out."""
        read = 0
        events = sse.data_of(frames)
        try:
            for data in events:
                if event := self._provider.adapter.parse_event(data):
                    self._note(event)
                read += 1
        except (BadEvent, StreamFailed):
            if read:
                await self._send(sse.first(frames, read))
            raise
        if events or self._client.started:  # comments alone don't commit to this target
            await self._send(frames)

    def _note(self, event: Event) -> None:
        if event.fault is not None:
            raise StreamFailed(event.fault)
        self._finished |= event.finished
        self._done |= event.done
        if event.usage is not None:
            self._record.usage = event.usage

    async def _send(self, frames: bytes) -> None:
        self._writing = True
        if not self._client.started:
            await self._client.start()
        if self._record.first_byte is None:
            self._record.first_byte = self._clock()
        await self._client.write(frames)
        self._wrote = self._clock()
        self._writing = False

    async def _break_off(self, error: Exception) -> None:
        """One well-formed error event; the record says what the status would have been."""
        kind = UpstreamTimedOut if isinstance(error, UpstreamTimeout) else ProviderError
        told = kind(f"the stream broke off: {self._provider.redact(str(error))}")
        self._record.failed(told.status, told.code, told.message)
        await self._client.write(sse.error_frame(told.body()))

    async def _await_end(self) -> None:
        try:
            async with asyncio.timeout(_END_SECONDS):
                while await self._answer.chunk():
                    pass
        except (TimeoutError, UpstreamError):
            return

    def quiet_for(self) -> float:
        """Seconds since the caller last took something."""
        return self._clock() - self._wrote

    async def fill_silence(self) -> None:
        """Send a comment, which the standard tells clients to ignore; or give up on a caller that takes nothing."""
        if self._writing:
            if self.quiet_for() >= STALL_SECONDS:
                self._client.abort()
            return
        with contextlib.suppress(ConnectionError):
            if not self._client.started:
                await self._client.start()
            await self._client.write(sse.KEEP_ALIVE)
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
        if quiet >= self._interval and (self._task is None or self._task.done()):
            self._task = self._loop.create_task(self._stream.fill_silence())
            quiet = 0.0
        self._timer = self._loop.call_later(max(self._interval - quiet, 0.001), self._look)

    def stop(self) -> None:
        """The stream has ended."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
