"""Items of a Responses answer while they grow, and the events that tell of it (OpenAI API reference, "Streaming events"
of the Responses API).

What an item is when it is done is said in one place, for streams and for whole answers. Texts are kept as the JSON that
was sent, so that the events at the end, which repeat all of it, cost no second encoding.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from sluice_gateway.dialects.responses.seals import words_seal

Status = Literal["in_progress", "completed", "incomplete"]

_encode = msgspec.json.encode
_OPEN_TEXT = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
_OPEN_REFUSAL = {"type": "refusal", "refusal": ""}
_OPEN_SUMMARY = {"type": "summary_text", "text": ""}


class Events:
    """Writes events, and numbers them."""

    def __init__(self) -> None:
        self._number = 0

    def event(self, kind: str, body: Mapping[str, Any]) -> bytes:
        """One event."""
        number, name = self._number, kind.encode()
        self._number += 1
        head = b'event: %b\ndata: {"type":"%b","sequence_number":%d,' % (name, name, number)
        return b"%b%b\n\n" % (head, _encode(body)[1:])

    def more(self, growth: "Growth", delta: bytes) -> bytes:
        """One event of a text that grows by ``delta``, which is JSON."""
        number = self._number
        self._number += 1
        return b"%b%d%b%b%b" % (growth.head, number, growth.place, delta, growth.tail)


class Silence(Events):
    """For answers that are not streamed."""

    def event(self, kind: str, body: Mapping[str, Any]) -> bytes:
        """Nothing."""
        return b""

    def more(self, growth: "Growth", delta: bytes) -> bytes:
        """Nothing."""
        return b""


class Growth:
    """A text that comes in pieces, and all of its delta event but number and piece."""

    __slots__ = ("_text", "head", "place", "tail")

    def __init__(self, kind: str, place: Mapping[str, Any], tail: bytes = b"") -> None:
        name = kind.encode()
        self.head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name, name)
        self.place = b',%b,"delta":' % _encode(place)[1:-1]
        self.tail = tail + b"}\n\n"
        self._text = bytearray()

    def add(self, delta: str) -> bytes:
        """Take a piece in; its JSON."""
        encoded = _encode(delta)
        self._text += encoded[1:-1]
        return encoded

    def __bool__(self) -> bool:
        return bool(self._text)

    @property
    def text(self) -> msgspec.Raw:
        """All of it, as JSON."""
        return msgspec.Raw(b'"%b"' % bytes(self._text))


class Item(Protocol):
    """An item that is not done."""

    def item(self, status: Status) -> dict[str, Any]:
        """What it has become."""
        ...

    def close(self, status: Status) -> bytes:
        """The events of its end."""
        ...


class _Growing:
    """What all items have in common."""

    def __init__(self, events: Events, identity: str, index: int) -> None:
        self._events = events
        self._place: dict[str, Any] = {"item_id": identity, "output_index": index}
        self._id = identity
        self._index = index

    def _added(self, item: dict[str, Any]) -> bytes:
        return self._events.event("response.output_item.added", {"output_index": self._index, "item": item})

    def _done(self, item: dict[str, Any]) -> bytes:
        return self._events.event("response.output_item.done", {"output_index": self._index, "item": item})


class Spoken(_Growing):
    """A message: texts and refusals."""

    def __init__(self, events: Events, identity: str, index: int) -> None:
        super().__init__(events, identity, index)
        self._content: list[dict[str, Any]] = []
        self._text: Growth | None = None
        self._refusal: Growth | None = None
        self._logprobs: list[dict[str, Any]] = []

    def open(self) -> bytes:
        """The events of its begin."""
        return self._added(self.item("in_progress"))

    def text(self, delta: str, logprobs: list[dict[str, Any]]) -> bytes:
        """More words."""
        growth = self._text
        if growth is None:
            opened = self._turn_to(_OPEN_TEXT)
            growth = self._text = Growth("response.output_text.delta", self._part(), b',"logprobs":[]')
        else:
            opened = b""
        encoded = growth.add(delta)
        if not logprobs:
            return opened + self._events.more(growth, encoded)
        self._logprobs += logprobs
        body = {**self._part(), "delta": msgspec.Raw(encoded), "logprobs": logprobs}
        return opened + self._events.event("response.output_text.delta", body)

    def refusal(self, delta: str) -> bytes:
        """More words of a refusal."""
        opened = b""
        if self._refusal is None:
            opened = self._turn_to(_OPEN_REFUSAL)
            self._refusal = Growth("response.refusal.delta", self._part())
        return opened + self._events.more(self._refusal, self._refusal.add(delta))

    def item(self, status: Status) -> dict[str, Any]:
        """A message."""
        part = self._open_part()
        content = self._content if part is None else [*self._content, part]
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": content}

    def close(self, status: Status) -> bytes:
        """Its last part is done, then it is."""
        return self._end_part() + self._done(self.item(status))

    def _part(self) -> dict[str, Any]:
        return {**self._place, "content_index": len(self._content)}

    def _turn_to(self, part: dict[str, Any]) -> bytes:
        ended = self._end_part()
        return ended + self._events.event("response.content_part.added", {**self._part(), "part": part})

    def _open_part(self) -> dict[str, Any] | None:
        if self._text is not None:
            return {"type": "output_text", "annotations": [], "logprobs": self._logprobs, "text": self._text.text}
        if self._refusal is not None:
            return {"type": "refusal", "refusal": self._refusal.text}
        return None

    def _end_part(self) -> bytes:
        part = self._open_part()
        if part is None:
            return b""
        place = self._part()
        if self._text is not None:
            body = {**place, "text": part["text"], "logprobs": part["logprobs"]}
            done = self._events.event("response.output_text.done", body)
        else:
            done = self._events.event("response.refusal.done", {**place, "refusal": part["refusal"]})
        self._content.append(part)
        self._text, self._refusal, self._logprobs = None, None, []
        return done + self._events.event("response.content_part.done", {**place, "part": part})


class Thinking(_Growing):
    """A reasoning item: its words are a summary of one part, as that is what clients show."""

    def __init__(self, events: Events, identity: str, index: int) -> None:
        super().__init__(events, identity, index)
        self._part = {**self._place, "summary_index": 0}
        self._text = Growth("response.reasoning_summary_text.delta", self._part)
        self.origin = ""
        self.seal: str | None = None

    def open(self) -> bytes:
        """The events of its begin."""
        return self._added(self.item("in_progress"))

    def text(self, delta: str) -> bytes:
        """More words."""
        opened = b""
        if not self._text:
            body = {**self._part, "part": _OPEN_SUMMARY}
            opened = self._events.event("response.reasoning_summary_part.added", body)
        return opened + self._events.more(self._text, self._text.add(delta))

    def item(self, status: Status) -> dict[str, Any]:
        """Reasoning."""
        summary = [{"type": "summary_text", "text": self._text.text}] if self._text else []
        item = {"id": self._id, "type": "reasoning", "status": status, "summary": summary}
        if status == "in_progress":
            return item
        return item | {"encrypted_content": self.seal or words_seal(self.origin)}

    def close(self, status: Status) -> bytes:
        """Its words are done, then it is."""
        done = b""
        if self._text:
            text = self._text.text
            done = self._events.event("response.reasoning_summary_text.done", {**self._part, "text": text})
            part = {"type": "summary_text", "text": text}
            done += self._events.event("response.reasoning_summary_part.done", {**self._part, "part": part})
        return done + self._done(self.item(status))


class Calling(_Growing):
    """A tool call."""

    def __init__(self, events: Events, identity: str, index: int, call_id: str, name: str) -> None:
        super().__init__(events, identity, index)
        self.call_id = call_id
        self._name = name
        self._arguments = Growth("response.function_call_arguments.delta", self._place)

    def open(self) -> bytes:
        """The events of its begin."""
        return self._added(self.item("in_progress"))

    def arguments(self, delta: str) -> bytes:
        """More arguments."""
        return self._events.more(self._arguments, self._arguments.add(delta)) if delta else b""

    def item(self, status: Status) -> dict[str, Any]:
        """A function call."""
        call = {"id": self._id, "type": "function_call", "status": status, "call_id": self.call_id}
        return call | {"name": self._name, "arguments": self._arguments.text}

    def close(self, status: Status) -> bytes:
        """Its arguments are done, which are an object at the least, then it is."""
        rest = b"" if self._arguments else self.arguments("{}")
        body = {**self._place, "arguments": self._arguments.text}
        done = self._events.event("response.function_call_arguments.done", body)
        return rest + done + self._done(self.item(status))


class Picture(_Growing):
    """An image that comes whole."""

    def __init__(self, events: Events, identity: str, index: int, data: str, media_type: str) -> None:
        super().__init__(events, identity, index)
        self._data = data
        self._format = media_type.removeprefix("image/")

    def open(self) -> bytes:
        """The events of its begin."""
        item = {"id": self._id, "type": "image_generation_call", "status": "in_progress", "result": None}
        return self._added(item)

    def item(self, status: Status) -> dict[str, Any]:
        """An image, in base64."""
        item = {"id": self._id, "type": "image_generation_call", "status": "completed", "result": self._data}
        return item | {"output_format": self._format}

    def close(self, status: Status) -> bytes:
        """It is done."""
        return self._done(self.item(status))
