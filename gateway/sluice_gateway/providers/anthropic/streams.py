"""Reading streams of Anthropic's Messages API (Claude docs, "Streaming messages").

``message_start``, then blocks of ``content_block_start``, deltas and ``content_block_stop``, then ``message_delta`` and
``message_stop``; ``ping`` and events that are not known may come anywhere and say nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluice_gateway.normal.answers import (
    Counted,
    Delta,
    Ended,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.providers.adapter import ProviderFault
from sluice_gateway.providers.anthropic.answers import (
    ORIGIN,
    arguments_of,
    call_id,
    document_of,
    explanation_of,
    finish_of,
    text_of,
    tier_of,
    usage_of,
)
from sluice_gateway.providers.anthropic.faults import fault_of_event

_NOTHING: Sequence[Delta] = ()
_ENDED: Sequence[Delta] = (Ended(),)


class _Call:
    """A tool call of a stream, of which its block's later events know only the block's number.

    ``waiting`` is the input that stood in its start, until pieces come in the place of it.
    """

    __slots__ = ("number", "waiting")

    def __init__(self, number: int, waiting: str) -> None:
        self.number = number
        self.waiting: str | None = waiting

    def settled(self) -> Sequence[Delta]:
        """Its arguments, if they have not come in pieces."""
        waiting, self.waiting = self.waiting, None
        return _NOTHING if waiting is None else (ToolCallDelta(self.number, waiting),)


class _Piece(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""


class _Quick(msgspec.Struct, gc=False):
    """Of an event, what most events are made of."""

    type: str = ""
    delta: _Piece | None = None


_decode_quick = msgspec.json.Decoder(_Quick).decode
_READER = "reader"


def read_event(data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
    """The data of one event. Raises BadEvent and ProviderFault."""
    try:
        event = _decode_quick(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        piece = event.delta
        if event.type == "content_block_delta" and piece is not None and piece.type == "text_delta":
            return (TextDelta(piece.text),) if piece.text else _NOTHING
    reader = memory.get(_READER)
    if reader is None:
        reader = memory[_READER] = _Reader()
    return reader.read(document_of(data))


class _Reader:
    """Reads the events of one stream that are not mere text."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}  # by the number of their blocks
        self._count = 0
        self._answer: str | None = None
        self._finished = False
        self._readers: Mapping[object, Callable[[dict[str, Any]], Sequence[Delta]]] = {
            "message_start": self._start,
            "content_block_start": self._begin_block,
            "content_block_delta": self._piece,
            "content_block_stop": self._end_block,
            "message_delta": self._finish,
        }

    def read(self, document: dict[str, Any]) -> Sequence[Delta]:
        """One event of any kind."""
        kind = document.get("type")
        if kind == "error" or isinstance(document.get("error"), dict):
            raise ProviderFault(fault_of_event(document))
        if kind == "message_stop":
            return _ENDED
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        return _NOTHING if reader is None else reader(document)

    def _start(self, document: dict[str, Any]) -> Sequence[Delta]:
        message = document.get("message")
        if not isinstance(message, dict):
            return (Started(),)
        self._answer = text_of(message.get("id")) or None
        started = Started(id=self._answer, model=text_of(message.get("model")) or None)
        return (started, *_counted(message.get("usage")))

    def _begin_block(self, document: dict[str, Any]) -> Sequence[Delta]:
        """A block begins. Servers that do not speak in pieces may have all of it here."""
        block = document.get("content_block")
        if not isinstance(block, dict):
            return _NOTHING
        kind = block.get("type")
        if kind == "text":
            return _text(block)
        if kind == "thinking":
            return (*_thought(block), *_seal(block))
        if kind == "redacted_thinking":
            return (ThoughtDelta(encrypted=text_of(block.get("data")), origin=ORIGIN),)
        return self._begin_call(block, _index(document)) if kind == "tool_use" else _NOTHING

    def _begin_call(self, block: dict[str, Any], index: int) -> Sequence[Delta]:
        name = text_of(block.get("name"))
        if not name:
            return _NOTHING
        before = self._calls[index].settled() if index in self._calls else _NOTHING
        number, self._count = self._count, self._count + 1
        self._calls[index] = _Call(number, arguments_of(block.get("input")))
        return (*before, ToolCallDelta(number, id=call_id(text_of(block.get("id")), self._answer, number), name=name))

    def _piece(self, document: dict[str, Any]) -> Sequence[Delta]:
        delta = document.get("delta")
        if not isinstance(delta, dict):
            return _NOTHING
        kind = delta.get("type")
        if kind == "input_json_delta":
            return self._arguments(_index(document), text_of(delta.get("partial_json")))
        if kind == "thinking_delta":
            return _thought(delta)
        if kind == "signature_delta":
            return _seal(delta)
        return _text(delta) if kind == "text_delta" else _NOTHING

    def _arguments(self, index: int, piece: str) -> Sequence[Delta]:
        call = self._calls.get(index)
        if call is None or not piece:
            return _NOTHING  # of a tool that the provider runs itself, or the empty piece that inputs begin with
        call.waiting = None
        return (ToolCallDelta(call.number, piece),)

    def _end_block(self, document: dict[str, Any]) -> Sequence[Delta]:
        call = self._calls.get(_index(document))
        return _NOTHING if call is None else call.settled()

    def _finish(self, document: dict[str, Any]) -> Sequence[Delta]:
        delta = document.get("delta")
        found: list[Delta] = []
        if isinstance(delta, dict) and delta.get("stop_reason") is not None and not self._finished:
            self._finished = True
            for call in self._calls.values():
                found += call.settled()
            if explanation := explanation_of(delta.get("stop_details")):
                found.append(RefusalDelta(explanation))
            finish = finish_of(delta["stop_reason"], calls=bool(self._calls))
            found.append(Finished(finish, stop_sequence=text_of(delta.get("stop_sequence")) or None))
        return (*found, *_counted(document.get("usage")))


def _counted(usage: object) -> Sequence[Delta]:
    counted = usage_of(usage)
    return () if counted is None else (Counted(counted, service_tier=tier_of(usage)),)


def _text(said: dict[str, Any]) -> Sequence[Delta]:
    text = text_of(said.get("text"))
    return (TextDelta(text),) if text else _NOTHING


def _thought(said: dict[str, Any]) -> Sequence[Delta]:
    text = text_of(said.get("thinking"))
    return (ThoughtDelta(text, origin=ORIGIN),) if text else _NOTHING


def _seal(said: dict[str, Any]) -> Sequence[Delta]:
    signature = text_of(said.get("signature"))
    return (ThoughtDelta(signature=signature, origin=ORIGIN),) if signature else _NOTHING


def _index(document: dict[str, Any]) -> int:
    index = document.get("index")
    return index if isinstance(index, int) else 0
