"""The output of a Responses answer, built from deltas: one item after the other, each done when another begins.

Calls of tools stay open to the end of the answer, as providers may send their arguments in turns.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from sluice_gateway.dialects.responses.items import Calling, Events, Item, Picture, Spoken, Status, Thinking
from sluice_gateway.dialects.responses.seals import call_seal, thought_seal
from sluice_gateway.normal.answers import (
    Choice,
    Finish,
    Finished,
    PartDelta,
    RefusalDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Image, Refusal, Text, Thought, ToolCall

# Of an item's id without prefix and number: OpenAI takes ids of up to 64 letters, digits, _ and - back.
_ID_LENGTH = 48
_NOT_OF_IDS = re.compile(r"[^A-Za-z0-9_-]")

# Why an answer is incomplete (API reference, "The response object", incomplete_details.reason).
CUT: Mapping[Finish, str] = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT: "max_output_tokens",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
}


Saying = TextDelta | RefusalDelta | ThoughtDelta | ToolCallDelta | PartDelta | Finished


class Output:
    """Takes the deltas of one answer and gives the events of its items.

    ``identity`` makes the items' ids; ``incomplete`` is why the answer is not whole, None when it is.
    """

    def __init__(self, events: Events, identity: str) -> None:
        self.incomplete: str | None = None
        self.finished = False
        self._events = events
        self._identity = _NOT_OF_IDS.sub("_", identity[:_ID_LENGTH])
        self._done: list[msgspec.Raw | None] = []
        self._open: dict[int, Item] = {}
        self._current: tuple[int, Spoken | Thinking] | None = None
        self._calls: dict[int, Calling] = {}
        self._has_refused = False
        self._takers: Mapping[type, Callable[[Any], bytes]] = {
            TextDelta: self._text,
            RefusalDelta: self._refusal,
            ThoughtDelta: self._thought,
            ToolCallDelta: self._tool_call,
            PartDelta: self._part,
            Finished: self._finish,
        }

    def take(self, delta: Saying) -> bytes:
        """The events of a delta; none for other answers than the first, of which this shape has no more."""
        return b"" if self.finished or delta.choice else self._takers[type(delta)](delta)

    def items(self) -> list[msgspec.Raw]:
        """All items as JSON: as they are when they are done, else as far as they have come."""
        return [
            msgspec.Raw(msgspec.json.encode(self._open[index].item("incomplete"))) if item is None else item
            for index, item in enumerate(self._done)
        ]

    def finish(self, finish: Finish) -> bytes:
        """No more will come. What comes last is what was cut, if anything was."""
        if finish is not Finish.REFUSAL or not self._has_refused:
            self.incomplete = CUT.get(finish)
        last = len(self._done) - 1
        self.finished = True
        return b"".join(
            self._close(index, "incomplete" if self.incomplete and index == last else "completed")
            for index in sorted(self._open)
        )

    def _text(self, delta: TextDelta) -> bytes:
        logprobs = _logprobs(delta.logprobs)
        if not delta.text and not logprobs:
            return b""
        current = self._current
        if current is not None and type(current[1]) is Spoken:
            return current[1].text(delta.text, logprobs)
        opened, message = self._message()
        return opened + message.text(delta.text, logprobs)

    def _refusal(self, delta: RefusalDelta) -> bytes:
        if not delta.text:
            return b""
        self._has_refused = True
        opened, message = self._message()
        return opened + message.refusal(delta.text)

    def _thought(self, delta: ThoughtDelta) -> bytes:
        seal = thought_seal(delta.signature, delta.encrypted, delta.origin)
        if not delta.text and seal is None:
            return b""
        opened, thinking = self._thinking()
        thinking.origin = delta.origin
        frames = opened + (thinking.text(delta.text) if delta.text else b"")
        if seal is None:
            return frames
        thinking.seal = seal
        return frames + self._pass_on()

    def _tool_call(self, delta: ToolCallDelta) -> bytes:
        frames = self._sealed_call(delta) if delta.signature is not None else b""
        call = self._calls.get(delta.index)
        if call is None:
            frames += self._pass_on()
            call = Calling(self._events, *self._next("fc"), delta.id, delta.name)
            self._calls[delta.index] = call
            self._begin(call)
            frames += call.open()
        return frames + call.arguments(delta.arguments)

    def _sealed_call(self, delta: ToolCallDelta) -> bytes:
        call = self._calls.get(delta.index)
        frames = self._pass_on()
        opened, thinking = self._thinking()
        thinking.seal = call_seal(delta.id if call is None else call.call_id, delta.signature or "", delta.origin)
        return frames + opened + self._pass_on()

    def _part(self, delta: PartDelta) -> bytes:
        if not isinstance(delta.part, Image):
            return b""
        source = delta.part.source
        if source.data is None:
            return self._text(TextDelta(source.url or ""))  # this shape has no place for images elsewhere
        frames = self._pass_on()
        picture = Picture(self._events, *self._next("ig"), source.data, source.media_type or "image/png")
        index = self._begin(picture)
        return frames + picture.open() + self._close(index, "completed")

    def _finish(self, delta: Finished) -> bytes:
        return self.finish(delta.finish)

    def _message(self) -> tuple[bytes, Spoken]:
        """The message that is being written, and the events of its begin if it is new."""
        if self._current is not None and isinstance(self._current[1], Spoken):
            return b"", self._current[1]
        frames = self._pass_on()
        message = Spoken(self._events, *self._next("msg"))
        self._current = self._begin(message), message
        return frames + message.open(), message

    def _thinking(self) -> tuple[bytes, Thinking]:
        if self._current is not None and isinstance(self._current[1], Thinking):
            return b"", self._current[1]
        frames = self._pass_on()
        thinking = Thinking(self._events, *self._next("rs"))
        self._current = self._begin(thinking), thinking
        return frames + thinking.open(), thinking

    def _next(self, prefix: str) -> tuple[str, int]:
        index = len(self._done)
        return f"{prefix}_{self._identity}_{index}", index

    def _begin(self, item: Item) -> int:
        index = len(self._done)
        self._done.append(None)
        self._open[index] = item
        return index

    def _pass_on(self) -> bytes:
        """What was being said or thought is done."""
        if self._current is None:
            return b""
        return self._close(self._current[0], "completed")

    def _close(self, index: int, status: Status) -> bytes:
        item = self._open.pop(index)
        if self._current is not None and self._current[0] == index:
            self._current = None
        frames = item.close(status)
        self._done[index] = msgspec.Raw(msgspec.json.encode(item.item(status)))
        return frames


def deltas_of(choice: Choice) -> Iterator[Saying]:
    """A whole answer as the deltas that add up to it."""
    logprobs = choice.logprobs
    calls = 0
    for part in choice.parts:
        if isinstance(part, Text):
            yield TextDelta(part.text, logprobs=logprobs)
            logprobs = None
        elif isinstance(part, Refusal):
            yield RefusalDelta(part.text)
        elif isinstance(part, Thought):
            yield ThoughtDelta(part.text, signature=part.signature, encrypted=part.encrypted, origin=part.origin)
        elif isinstance(part, ToolCall):
            yield ToolCallDelta(calls, part.arguments, part.id, part.name, signature=part.signature, origin=part.origin)
            calls += 1
        else:
            yield PartDelta(part)
    yield Finished(choice.finish)


def _logprobs(given: Any) -> list[dict[str, Any]]:
    """Logprobs of chat completions as this shape has them: a token's bytes are always there."""
    if given is None:  # by far the most common
        return []
    content = given.get("content") if isinstance(given, dict) else None
    return [
        _logprob(token) | {"top_logprobs": [_logprob(other) for other in _tokens(token.get("top_logprobs"))]}
        for token in _tokens(content)
    ]


def _tokens(given: Any) -> Iterator[dict[str, Any]]:
    for token in given if isinstance(given, list) else ():
        if isinstance(token, dict) and isinstance(token.get("token"), str):
            yield token


def _logprob(token: dict[str, Any]) -> dict[str, Any]:
    words = token["token"]
    known = token.get("bytes")
    return {
        "token": words,
        "bytes": known if isinstance(known, list) else list(words.encode("utf-8", "replace")),
        "logprob": token.get("logprob") or 0.0,
    }
