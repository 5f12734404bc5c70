"""Writing streams of chat completion chunks (OpenAI API reference, "The chat completion chunk object").

What does not change within a stream is encoded once; a delta costs one small encoding.
"""

from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from typing import Any

import msgspec

from sluice_gateway.dialects.chat.answers import REASONS, audio_of, identity, image_of, reasoning_detail, usage_of
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.normal.answers import (
    Delta,
    Finished,
    PartDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Audio, Image, Thought
from sluice_gateway.normal.usage import Usage
from sluice_gateway.sse import DONE

_encode = msgspec.json.encode
_FIRST = {"role": "assistant", "content": ""}


class ChatStreamWriter:
    """Writes one stream. A choice's first chunk carries its role, and no other does."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = b""
        self._open: set[int] = set()
        self._thinking: dict[int, StringIO] = {}  # thoughts whose seal may come, by choice
        options = asked.document.get("stream_options")
        self._shows_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._writers: Mapping[type, Callable[[Any], bytes]] = {
            Started: self._start,
            TextDelta: self._text,
            RefusalDelta: self._refusal,
            ThoughtDelta: self._thought,
            ToolCallDelta: self._tool_call,
            PartDelta: self._part,
            Finished: self._finish,
        }

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Frames for ``deltas``, in linear time: one event of a provider's may hold very many."""
        writers = self._writers
        return b"".join([writers[kind](delta) for delta in deltas if (kind := type(delta)) in writers])

    def end(self, usage: Usage | None) -> bytes:
        """Usage, for callers who have asked for it, and the end mark."""
        if usage is None or not self._shows_usage:
            return DONE
        if not self._head:
            self._begin(Started())
        return b'data: %b[],"usage":%b}\n\n%b' % (self._head, _encode(usage_of(usage)), DONE)

    def _begin(self, started: Started) -> None:
        head = {
            "id": identity(started.id, self._asked),
            "object": "chat.completion.chunk",
            "created": started.created or self._asked.created,
            "model": started.model or self._asked.model,
        }
        self._head = _encode(head)[:-1] + b',"choices":'

    def _start(self, started: Started) -> bytes:
        if self._head:
            return b""
        self._begin(started)
        return self._opened(0)

    def _opened(self, choice: int) -> bytes:
        """The first chunk of a choice, unless it was sent."""
        if choice in self._open:
            return b""
        if not self._head:
            self._begin(Started())
        self._open.add(choice)
        return self._chunk(choice, _encode(_FIRST))

    def _chunk(self, choice: int, delta: bytes, reason: bytes = b"null", logprobs: bytes = b"null") -> bytes:
        return b'data: %b[{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]}\n\n' % (
            self._head,
            choice,
            delta,
            logprobs,
            reason,
        )

    def _text(self, delta: TextDelta) -> bytes:
        opened = b"" if delta.choice in self._open else self._opened(delta.choice)
        if self._thinking:
            self._thinking.pop(delta.choice, None)
        logprobs = b"null" if delta.logprobs is None else _encode(delta.logprobs)
        return opened + self._chunk(delta.choice, b'{"content":%b}' % _encode(delta.text), logprobs=logprobs)

    def _refusal(self, delta: RefusalDelta) -> bytes:
        return self._opened(delta.choice) + self._chunk(delta.choice, _encode({"refusal": delta.text}))

    def _thought(self, delta: ThoughtDelta) -> bytes:
        body: dict[str, Any] = {}
        if delta.text:
            body["reasoning_content"] = delta.text
            if delta.origin:
                self._thinking.setdefault(delta.choice, StringIO()).write(delta.text)
        if delta.signature or delta.encrypted:
            spoken = self._thinking.pop(delta.choice, None)  # a seal is worth nothing without all that it seals
            thought = Thought(
                text=spoken.getvalue() if spoken else "",
                signature=delta.signature,
                encrypted=delta.encrypted,
                origin=delta.origin,
            )
            body["reasoning_details"] = [reasoning_detail(thought)]
        return self._opened(delta.choice) + self._chunk(delta.choice, _encode(body)) if body else b""

    def _tool_call(self, delta: ToolCallDelta) -> bytes:
        call: dict[str, Any] = {"index": delta.index}
        if delta.id:
            call |= {"id": delta.id, "type": "function"}
        function = {"name": delta.name} if delta.name else {}
        call["function"] = function | {"arguments": delta.arguments}
        if delta.signature is not None:
            call["extra_content"] = {delta.origin: {"thought_signature": delta.signature}}
        return self._opened(delta.choice) + self._chunk(delta.choice, _encode({"tool_calls": [call]}))

    def _part(self, delta: PartDelta) -> bytes:
        body: dict[str, Any]
        if isinstance(delta.part, Image):
            body = {"images": [{"index": 0, **image_of(delta.part)}]}
        elif isinstance(delta.part, Audio):
            body = {"audio": audio_of(delta.part)}
        else:
            return b""
        return self._opened(delta.choice) + self._chunk(delta.choice, _encode(body))

    def _finish(self, delta: Finished) -> bytes:
        reason = _encode(REASONS[delta.finish])
        return self._opened(delta.choice) + self._chunk(delta.choice, b"{}", reason)
