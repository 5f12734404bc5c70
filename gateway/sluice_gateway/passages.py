"""How the frames of a provider's stream become those of the caller: passed on as they are, or translated."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sluice_gateway import sse
from sluice_gateway.dialects.dialect import ErrorWriter, StreamWriter, TellsFailure
from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import Counted, Delta, Ended, Finished
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import GUARDED, Event, ProviderFault


class Passage(Protocol):
    """One stream on its way.

    ``begun``: an event of the answer has come; ``done``: the provider's end mark has; ``usage``: as counted so far;
    ``events``: how many have come.
    """

    begun: bool
    done: bool
    events: int
    usage: Usage | None

    def take(self, frames: bytes) -> bytes:
        """Whole frames of the provider's as whole frames for the caller. Raises BadEvent and ProviderFault."""
        ...

    def salvage(self, frames: bytes) -> bytes:
        """Of ``frames``, at which ``take`` has raised, what stands before the fault."""
        ...

    @property
    def complete(self) -> bool:
        """Whether every choice has finished: what follows is welcome, but its lack is no cut."""
        ...

    @property
    def finished(self) -> bool:
        """Whether any choice has."""
        ...

    def end(self) -> bytes:
        """The last frames of a stream that was not cut."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The last frames of one that was."""
        ...


class _Progress:
    """How far a stream has come. ``choices``: how many answers the caller has asked for, which come side by side."""

    def __init__(self, choices: int) -> None:
        self.begun = False
        self.done = False
        self.events = 0
        self.usage: Usage | None = None
        self._choices = choices
        self._finished: set[int] = set()

    @property
    def complete(self) -> bool:
        """All choices that were asked for."""
        return len(self._finished) >= self._choices

    @property
    def finished(self) -> bool:
        """Any of them."""
        return bool(self._finished)

    def _count(self, usage: Usage) -> None:
        self.usage = usage if self.usage is None else self.usage.merged(usage)


class RelayedPassage(_Progress):
    """Frames go through as they are; only read for what the gateway must know.

    ``hide_usage``: the caller has not asked for usage, the gateway has.
    """

    def __init__(
        self,
        observe: Callable[[bytes], Event | None],
        errors: ErrorWriter,
        end_mark: bytes,
        *,
        choices: int,
        hide_usage: bool,
    ) -> None:
        super().__init__(choices)
        self._observe = observe
        self._errors = errors
        self._end_mark = end_mark
        self._hide_usage = hide_usage

    def take(self, frames: bytes) -> bytes:
        """Read each event, and pass all on."""
        bare = 0
        events = sse.data_of(frames)
        with GUARDED:
            for data in events:
                if (event := self._observe(data)) is not None:
                    self._note(event)
                    bare += event.bare
        self.events += len(events)
        if not self.begun:
            self.begun = len(events) > self.done
        if bare and self._hide_usage:
            return self._without_bare(frames)
        return frames

    def _note(self, event: Event) -> None:
        self._finished.update(event.finished)
        self.done |= event.done
        if event.usage is not None:
            self._count(event.usage)

    def _without_bare(self, frames: bytes) -> bytes:
        kept = []
        for frame in sse.split(frames):
            event = None
            for data in sse.data_of(frame):
                event = self._observe(data)
            if event is None or not event.bare:
                kept.append(frame)
        return b"".join(kept)

    def salvage(self, frames: bytes) -> bytes:
        """Those of ``frames`` that stand before the one that is broken or a refusal."""
        good = 0
        for data in sse.data_of(frames):
            try:
                if (event := self._observe(data)) is not None:
                    self._note(event)
            except (sse.BadEvent, ProviderFault):
                break
            good += 1
        self.begun |= good > 0
        return sse.first(frames, good) if good else b""

    def end(self) -> bytes:
        """The end mark, if the provider has forgotten it."""
        return b"" if self.done else self._end_mark

    def fail(self, error: GatewayError) -> bytes:
        """One error event."""
        return self._errors.error_event(error)


class TranslatedPassage(_Progress):
    """Events are read into the normal form, and written in the caller's shape."""

    def __init__(
        self,
        parse: Callable[[bytes, dict[str, Any]], Sequence[Delta]],
        writer: StreamWriter,
        errors: ErrorWriter,
        *,
        choices: int,
    ) -> None:
        super().__init__(choices)
        self._parse = parse
        self._writer = writer
        self._errors = errors
        self._memory: dict[str, Any] = {}
        self._written: list[bytes] = []

    def take(self, frames: bytes) -> bytes:
        """Translate each event."""
        self._written = written = []
        with GUARDED:
            for data in sse.data_of(frames):
                deltas = self._parse(data, self._memory)
                if deltas:
                    self.events += 1
                    for delta in deltas:
                        if isinstance(delta, Finished | Counted | Ended):
                            self._note(delta)
                    written.append(self._writer.write(deltas))
        out = b"".join(written)
        self._written = []
        self.begun = self.begun or bool(out)
        return out

    def _note(self, delta: Finished | Counted | Ended) -> None:
        if isinstance(delta, Finished):
            self._finished.add(delta.choice)
        elif isinstance(delta, Counted):
            self._count(delta.usage)
        else:
            self.done = True

    def salvage(self, frames: bytes) -> bytes:
        """What was written before the fault."""
        written = b"".join(self._written)
        self.begun = self.begun or bool(written)
        return written

    def end(self) -> bytes:
        """The shape's own last frames."""
        return self._writer.end(self.usage)

    def fail(self, error: GatewayError) -> bytes:
        """One error event."""
        if isinstance(self._writer, TellsFailure):
            return self._writer.fail(error)
        return self._errors.error_event(error)
