"""Writing streams of Responses events (OpenAI API reference, "Streaming events" of the Responses API).

A stream ends with ``response.completed``, ``response.incomplete`` or ``response.failed``, whose answer holds all that
was sent; this shape has no other end mark.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.answers import Outline, ending, failure
from sluice_gateway.dialects.responses.items import Events
from sluice_gateway.dialects.responses.output import Output
from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import Counted, Delta, Ended, Finish, Finished, Started
from sluice_gateway.normal.usage import Usage


class ResponsesStreamWriter:
    """Writes one stream."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._events = Events()
        self._begun = False
        self._outline: Outline
        self._output: Output
        self._tier: str | None = None

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Frames for ``deltas``, in linear time: one event of a provider's may hold very many."""
        frames: list[bytes] = []
        for delta in deltas:
            if isinstance(delta, Counted):
                self._tier = delta.service_tier or self._tier
            elif not isinstance(delta, Ended):
                if not self._begun:
                    frames.append(self._begin(delta if isinstance(delta, Started) else Started()))
                if not isinstance(delta, Started):
                    frames.append(self._output.take(delta))
        return b"".join(frames)

    def end(self, usage: Usage | None) -> bytes:
        """The whole answer."""
        frames = self.write(() if self._begun and self._output.finished else (Finished(Finish.STOP),))
        incomplete = self._output.incomplete
        return frames + self._state(ending(self._output), incomplete=incomplete, usage=usage, tier=self._tier)

    def fail(self, error: GatewayError) -> bytes:
        """What there is of the answer, and what went wrong."""
        frames = b"" if self._begun else self._begin(Started())
        return frames + self._state("failed", error=failure(error))

    def _begin(self, started: Started) -> bytes:
        self._begun = True
        self._outline = Outline(self._asked, started)
        self._output = Output(self._events, self._outline.tail)
        response = self._outline.response("in_progress", [])
        return self._event("created", response) + self._event("in_progress", response)

    def _state(self, status: str, **how: Any) -> bytes:
        return self._event(status, self._outline.response(status, self._output.items(), **how))

    def _event(self, state: str, response: bytes) -> bytes:
        return self._events.event(f"response.{state}", {"response": msgspec.Raw(response)})
