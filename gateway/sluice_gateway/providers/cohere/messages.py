"""Conversations as Cohere wants them (Cohere API reference, "Chat", messages).

All system messages become one, which stands first; a conversation of nothing else is said as the user's. Empty texts
and turns, which the API refuses, are left out, and so are names of participants, thoughts of other providers, and what
those have added to answers. What a model has thought before it called tools goes back as its plan.
"""

from collections.abc import Iterator
from typing import Any

from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import Image, Part, Refusal, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Message
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.cohere.answers import ORIGIN
from sluice_gateway.providers.openai.parts import only_hints

_Turn = dict[str, Any]

_BETWEEN = "\n\n"
_OWN = ("", ORIGIN)  # callers who send thoughts back without a seal don't say whose they are


def turns_of(request: ChatRequest, facts: Facts) -> list[_Turn]:
    """The turns. Raises CallerError when there are none, and for what Cohere can't be told."""
    place = request.named("messages")
    system = _system(request, facts, place)
    turns = [turn for message in request.messages if message.role != "system" for turn in _turns(message, facts, place)]
    if not turns and not system:
        raise CallerError(f"{place} must have a turn that is not empty", param=place)
    if not turns:
        return [{"role": "user", "content": system}]
    return [{"role": "system", "content": system}, *turns] if system else turns


def _system(request: ChatRequest, facts: Facts, place: str) -> str:
    found = []
    for message in request.messages:
        if message.role == "system":
            only_hints(message.extra, facts)
            found += [_words(part, facts, place, "anything but text in system messages") for part in message.parts]
    return _BETWEEN.join(filter(None, found))


def _turns(message: Message, facts: Facts, place: str) -> Iterator[_Turn]:
    """Those that a message becomes: none when it is empty, one for each result of a tool."""
    if message.role != "assistant":
        only_hints(message.extra, facts)
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield _result(part, facts, place)
    elif message.role == "assistant":
        turn = _said(message, facts, place)
        if len(turn) > 1:
            yield turn
    elif content := [block for part in message.parts if (block := _asked(part, facts, place))]:
        yield {"role": "user", "content": _simple(content)}


def _simple(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A lone text as a string."""
    return content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content


def _asked(part: Part, facts: Facts, place: str) -> dict[str, Any] | None:
    """A piece of what a user says; None for an empty text."""
    if not isinstance(part, Image):
        text = _words(part, facts, place, f"{type(part).__name__.lower()} in messages")
        return {"type": "text", "text": text} if text else None
    only_hints(part.extra, facts)
    source = part.source
    if source.data is None and source.url is None:
        raise _unsupported("images by the id of a file", facts, place)
    image = {"url": source.url if source.data is None else f"data:{source.media_type};base64,{source.data}"}
    return {"type": "image_url", "image_url": image if part.detail is None else image | {"detail": part.detail}}


def _said(message: Message, facts: Facts, place: str) -> _Turn:
    """What the model has said."""
    thoughts = [part.text for part in message.parts if isinstance(part, Thought) and part.text and part.origin in _OWN]
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    spoken = [
        {"type": "text", "text": text}
        for part in message.parts
        if not isinstance(part, Thought | ToolCall)
        and (text := _text(part, facts, place, f"{type(part).__name__.lower()} in answers"))
    ]
    turn: _Turn = {"role": "assistant"}
    if thoughts and calls:
        turn["tool_plan"] = "".join(thoughts)
    elif thoughts and spoken:
        spoken = [{"type": "thinking", "thinking": text} for text in thoughts] + spoken
    if calls:
        turn["tool_calls"] = calls
    if spoken:
        turn["content"] = _simple(spoken)
    return turn


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _result(result: ToolResult, facts: Facts, place: str) -> _Turn:
    """The API has no mark for results that are errors: the words tell."""
    only_hints(result.extra, facts)
    found = (_words(part, facts, place, "anything but text in results of tools") for part in result.content)
    texts = [text for text in found if text]
    if result.is_error:
        texts[:1] = [f"Error: {texts[0]}" if texts else "Error"]
    blocks = [{"type": "text", "text": text} for text in texts]
    return {"role": "tool", "tool_call_id": result.call_id, "content": _simple(blocks) if blocks else ""}


def _words(part: Part, facts: Facts, place: str, otherwise: str) -> str:
    """The text of a part of the caller's. Raises UnsupportedParameter, for ``otherwise`` when it is none."""
    only_hints(part.extra, facts)
    return _text(part, facts, place, otherwise)


def _text(part: Part, facts: Facts, place: str, otherwise: str) -> str:
    if isinstance(part, Text | Refusal):
        return part.text
    raise _unsupported(otherwise, facts, place)


def _unsupported(what: str, facts: Facts, place: str) -> UnsupportedParameter:
    return UnsupportedParameter(f"{facts.vendor} does not take {what}", param=place)
