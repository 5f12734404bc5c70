"""Conversations as Anthropic's Messages API wants them (Claude API reference, "Create a Message").

System messages become the one system prompt, but for later ones where a model takes them in their place; turns of one
side become one turn, and results of tools stand first in theirs. Blank text and empty turns, which the API refuses, are
left out. So are names of participants, hints on an image's detail, thoughts without a seal and other providers' seals:
the API has no place for them. Other members that it does not know are refused under the policy strict, but for those of
earlier answers: what other providers have added to them is no wish of the caller's.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import Document, Image, Part, Refusal, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.anthropic.answers import ORIGIN

_Block = dict[str, Any]

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})  # API reference, Base64ImageSource
_PDF = "application/pdf"
_TEXTS = ("text/", "application/json")
_NOT_OF_IDS = re.compile(r"[^a-zA-Z0-9_-]")  # what ids of tool calls may not hold
_PLAIN = {"type", "text"}  # the members of a block that is nothing but words

# Members of Anthropic's own blocks that callers of another shape may give to their parts.
_MARK = frozenset({"cache_control"})
_OWN: Mapping[type[Part], frozenset[str]] = {
    Text: _MARK | {"citations"},
    Refusal: _MARK,
    Image: _MARK | {"transformations"},
    Document: _MARK | {"citations", "context", "title"},
    ToolCall: _MARK,
    ToolResult: _MARK,
}
_HINTS = frozenset({"annotations", "prompt_cache_breakpoint"})  # of OpenAI's, which change nothing in an answer

_decode = msgspec.json.Decoder().decode


class Conversation(NamedTuple):
    """Members of the body: ``system`` and ``messages``."""

    system: str | list[_Block] | None
    turns: list[dict[str, Any]]


def conversation_of(request: ChatRequest, facts: Facts, *, system_turns: bool) -> Conversation:
    """The system prompt and the turns. Raises CallerError when there are none, and for what Anthropic can't be told.

    ``system_turns``: whether the model takes system messages behind a turn of the user's.
    """
    writer = _Writer(request.named("messages"), facts)
    turns = _Turns()
    for message in request.messages:
        if message.role == "system":
            turns.tell(writer.instructions(message), later=system_turns)
        elif blocks := writer.blocks(message):
            turns.say("assistant" if message.role == "assistant" else "user", blocks)
    turns.settle()
    if not turns.turns:
        raise writer.wrong("must have a turn that is not empty, beside system messages")
    for turn in turns.turns:
        turn["content"] = _content(turn["content"])
    return Conversation(_prompt(turns.system), turns.turns)


class _Turns:
    """Puts messages in the order that the API wants.

    A system message within the conversation stands behind the user's whole turn and before the model's (Claude docs,
    "Mid-conversation system messages", on placement). So what was said before it stays as it was, which the prompt's
    cache and the seals of thoughts depend on ("Preserved thinking").
    """

    def __init__(self) -> None:
        self.system: list[_Block] = []
        self.turns: list[dict[str, Any]] = []
        self._waiting: list[_Block] = []

    def tell(self, blocks: list[_Block], *, later: bool) -> None:
        """A system message."""
        if later and self.turns:
            self._waiting += blocks
        else:
            self.system += blocks

    def say(self, role: str, blocks: list[_Block]) -> None:
        """A message of the user's or the model's: more of the same turn, or the next."""
        if role == "assistant":
            self.settle()
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def settle(self) -> None:
        """The user's turn has ended: system messages that were in it follow. Those in no turn join the prompt."""
        if self._waiting and self.turns[-1]["role"] == "user":
            self.turns.append({"role": "system", "content": self._waiting})
        else:
            self.system += self._waiting
        self._waiting = []


def _prompt(blocks: list[_Block]) -> str | list[_Block] | None:
    """One text, or blocks where one of them is marked for the cache."""
    if any(block.keys() != _PLAIN for block in blocks):
        return blocks
    return "\n\n".join(block["text"] for block in blocks) or None


def _content(blocks: list[_Block]) -> str | list[_Block]:
    """Results of tools first, as the API wants them; a lone text as a string."""
    if len(blocks) == 1 and blocks[0].keys() == _PLAIN:
        text: str = blocks[0]["text"]
        return text
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


class _Writer:
    """Writes blocks. ``place`` is where the caller has what is being written: at first, the list of messages."""

    def __init__(self, place: str, facts: Facts) -> None:
        self._messages = self._place = place
        self._vendor = facts.vendor
        self._strict = facts.policy == "strict"
        self._writers: Mapping[type[Part], Callable[[Any], _Block | None]] = {
            Text: _words,
            Refusal: _words,
            Thought: _thinking,
            Image: self._image,
            Document: self._document,
            ToolCall: self._call,
            ToolResult: self._result,
        }

    def wrong(self, what: str) -> CallerError:
        """The caller's mistake."""
        return CallerError(f"{self._place} {what}", param=self._place)

    def unsupported(self, what: str) -> UnsupportedParameter:
        """Something that the API can't be told."""
        return UnsupportedParameter(f"{self._place}: {self._vendor} takes no {what}", param=self._place)

    def instructions(self, message: Message) -> list[_Block]:
        """A system message's blocks."""
        blocks = self.blocks(message)
        if any(block["type"] != "text" for block in blocks):
            raise self.unsupported("images or documents in system messages")
        return blocks

    def blocks(self, message: Message) -> list[_Block]:
        """A message's."""
        place = message.place or self._messages
        wishes = message.role != "assistant"
        listed = message.place and message.role in ("system", "user")
        blocks = []
        for at, part in enumerate(message.parts):
            self._place = f"{place}.content[{at}]" if listed else place
            if (block := self._block(part, wishes=wishes)) is not None:
                blocks.append(block)
        self._place = place
        if message.extra:
            mark = self._own(message.extra, _MARK, wishes=wishes)
            if blocks and mark:
                blocks[-1] = mark | blocks[-1]
        self._place = self._messages
        return blocks

    def _block(self, part: Part, *, wishes: bool = True) -> _Block | None:
        """One block; None for what says nothing. ``wishes``: it is the caller who has made it."""
        writer = self._writers.get(type(part))
        if writer is None:
            raise self.unsupported(type(part).__name__.lower())
        block = writer(part)
        if block is not None and part.extra:
            block |= self._own(part.extra, _OWN.get(type(part), _MARK), wishes=wishes)
        return block

    def _own(self, extra: Mapping[str, Any], known: frozenset[str], *, wishes: bool) -> _Block:
        """Those of ``extra`` that Anthropic knows. Raises UnsupportedParameter for other wishes, under strict."""
        if self._strict and wishes:
            for name in sorted(extra.keys() - known - _HINTS):
                place = f"{self._place}.{name}"
                raise UnsupportedParameter(f"{self._vendor} has no {place}", param=place)
        return {name: value for name, value in extra.items() if name in known}

    def _image(self, part: Image) -> _Block:
        source = part.source
        if source.data is None:
            return {"type": "image", "source": _elsewhere(source)}
        if source.media_type not in _IMAGES:
            raise self.unsupported(f"images of type {source.media_type}")
        return {"type": "image", "source": {"type": "base64", "media_type": source.media_type, "data": source.data}}

    def _document(self, part: Document) -> _Block:
        block: _Block = {"type": "document", "source": self._document_source(part.source)}
        return block | {"title": part.name} if part.name else block

    def _document_source(self, source: Source) -> _Block:
        kind = source.media_type or ""
        if source.data is None:
            return _elsewhere(source)
        if kind == _PDF:
            return {"type": "base64", "media_type": _PDF, "data": source.data}
        if not kind.startswith(_TEXTS):
            raise self.unsupported(f"documents of type {kind}")
        try:
            text = base64.b64decode(source.data, validate=True).decode()
        except ValueError as error:
            raise self.wrong(f"holds a document of type {kind} that is not UTF-8 in base64") from error
        return {"type": "text", "media_type": "text/plain", "data": text}

    def _call(self, part: ToolCall) -> _Block:
        return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": self._input(part)}

    def _input(self, part: ToolCall) -> msgspec.Raw:
        """The arguments as they were written, digit by digit."""
        try:
            arguments = _decode(part.arguments) if part.arguments else None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            arguments = part
        if isinstance(arguments, dict):
            return msgspec.Raw(part.arguments.encode())
        if arguments is None:
            return msgspec.Raw(b"{}")
        raise self.wrong(f"holds a call of {part.name[:64]!r} whose arguments are not a JSON object")

    def _result(self, part: ToolResult) -> _Block:
        block: _Block = {"type": "tool_result", "tool_use_id": _id(part.call_id)}
        if content := [inner for piece in part.content if (inner := self._block(piece)) is not None]:
            block["content"] = _content(content)
        return block | {"is_error": True} if part.is_error else block


def _words(part: Text | Refusal) -> _Block | None:
    return {"type": "text", "text": part.text} if part.text and not part.text.isspace() else None


def _thinking(thought: Thought) -> _Block | None:
    if thought.origin != ORIGIN:
        return None
    if thought.encrypted is not None:
        return {"type": "redacted_thinking", "data": thought.encrypted}
    if thought.signature is None:
        return None
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _elsewhere(source: Source) -> _Block:
    if source.url is not None:
        return {"type": "url", "url": source.url}
    return {"type": "file", "file_id": source.file_id}


def _id(given: str) -> str:
    """An id that the API takes: other providers' may have dots and colons. Calls and results change alike."""
    return _NOT_OF_IDS.sub("_", given)
