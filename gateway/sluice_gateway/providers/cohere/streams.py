"""Reading Cohere's streams (Cohere docs, "Streaming Responses"; API reference, "Chat with Streaming").

``message-start``; blocks of ``content-start``, ``content-delta`` and ``content-end``; ``tool-plan-delta``; calls of
``tool-call-start``, ``tool-call-delta`` and ``tool-call-end``; ``message-end``, which is the last, though ``[DONE]``
may follow. Citations, and events that are not known, say nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluice_gateway.normal.answers import (
    Counted,
    Delta,
    Ended,
    Finished,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.providers.adapter import ProviderFault
from sluice_gateway.providers.cohere.answers import (
    ORIGIN,
    Call,
    Counts,
    Item,
    Logprob,
    call_id,
    finish_of,
    logprobs_of,
    read_loosely,
    usage_of,
)
from sluice_gateway.providers.cohere.faults import fault_said

_NOTHING: Sequence[Delta] = ()
_ENDED: Sequence[Delta] = (Ended(),)
_DONE = b"[DONE]"
_READER = "reader"


class _Message(msgspec.Struct, gc=False):
    """Lists, which are empty, come in the first event alone."""

    content: Item | list[Any] | None = None
    tool_plan: str | None = None
    tool_calls: Call | list[Any] | None = None


class _Change(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    error: str | None = None
    usage: Counts | None = None


class _Event(msgspec.Struct, gc=False):
    """``message`` and ``error`` stand there in an error alone."""

    type: str | None = None
    id: str | None = None
    index: int | None = None
    delta: _Change | None = None
    logprobs: Logprob | None = None
    message: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Event).decode


def read_event(data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
    """The data of one event. Raises BadEvent and ProviderFault."""
    if data == _DONE:
        return _ENDED
    try:
        event = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = read_loosely(_Event, data)
    reader = memory.get(_READER)
    if reader is None:
        reader = memory[_READER] = _Reader()
    return reader.read(event)


class _Reader:
    """Reads the events of one stream. ``_open``: the call whose arguments have not come yet."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._calls: dict[int | None, int] = {}  # numbers of calls, by the index in their events
        self._count = 0
        self._open: int | None = None
        self._readers: Mapping[str, Callable[[_Event, _Message], Sequence[Delta]]] = {
            "message-start": self._start,
            "content-start": self._content,
            "content-delta": self._content,
            "tool-plan-delta": self._plan,
            "tool-call-start": self._begin_call,
            "tool-call-delta": self._arguments,
            "tool-call-end": self._end_call,
        }

    def read(self, event: _Event) -> Sequence[Delta]:
        """One event of any kind."""
        change = event.delta or _Change()
        if event.type == "message-end":
            return self._finish(change)
        reader = self._readers.get(event.type or "")
        if reader is not None:
            return reader(event, change.message or _Message())
        if event.type is None and (said := event.message or event.error):
            raise ProviderFault(fault_said(said))
        return _NOTHING

    def _start(self, event: _Event, message: _Message) -> Sequence[Delta]:
        self._id = event.id
        return (Started(id=event.id),)

    def _content(self, event: _Event, message: _Message) -> Sequence[Delta]:
        item = message.content
        if not isinstance(item, Item):
            return _NOTHING
        if item.thinking:
            return (ThoughtDelta(item.thinking, origin=ORIGIN),)
        logprobs = None if event.logprobs is None else logprobs_of((event.logprobs,))
        return (TextDelta(item.text or "", logprobs=logprobs),) if item.text or logprobs else _NOTHING

    def _plan(self, event: _Event, message: _Message) -> Sequence[Delta]:
        return (ThoughtDelta(message.tool_plan, origin=ORIGIN),) if message.tool_plan else _NOTHING

    def _begin_call(self, event: _Event, message: _Message) -> Sequence[Delta]:
        call = message.tool_calls
        function = call.function if isinstance(call, Call) else None
        if not isinstance(call, Call) or function is None or not function.name:
            return _NOTHING
        before = self._settled()
        number, self._count = self._count, self._count + 1
        self._calls[event.index] = number
        self._open = None if function.arguments else number
        identity = call_id(call.id, self._id, number)
        return (*before, ToolCallDelta(number, function.arguments or "", identity, function.name))

    def _arguments(self, event: _Event, message: _Message) -> Sequence[Delta]:
        number = self._calls.get(event.index)
        call = message.tool_calls
        piece = call.function.arguments if isinstance(call, Call) and call.function else None
        if number is None or not piece:
            return _NOTHING
        if self._open == number:
            self._open = None
        return (ToolCallDelta(number, piece),)

    def _end_call(self, event: _Event, message: _Message) -> Sequence[Delta]:
        return self._settled() if self._calls.get(event.index) == self._open else _NOTHING

    def _settled(self) -> Sequence[Delta]:
        """The arguments of a call that takes none, of which no event says so."""
        number, self._open = self._open, None
        return _NOTHING if number is None else (ToolCallDelta(number, "{}"),)

    def _finish(self, change: _Change) -> Sequence[Delta]:
        finish = finish_of(change.finish_reason, calls=self._count > 0, error=change.error)
        found: list[Delta] = [*self._settled(), Finished(finish)]
        if (usage := usage_of(change.usage)) is not None:
            found.append(Counted(usage))
        return (*found, *_ENDED)
