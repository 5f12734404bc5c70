"""Writing the parts of messages (OpenAI API reference, "Create chat completion", messages)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.parts import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Source,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from sluice_gateway.normal.requests import Message
from sluice_gateway.providers.adapter import Facts

_BETWEEN = "\n\n"  # texts that become one; those of an answer were one before a tool or a citation cut them
_INSTEAD_OF_CONTENT = frozenset({"tool_calls", "refusal", "audio"})  # beside one of these alone it may be null
_HINTS = frozenset({"cache_control", "annotations", "prompt_cache_breakpoint"})


def only_hints(extra: Mapping[str, Any], facts: Facts) -> None:
    """Raises UnsupportedParameter, under ``strict``, when ``extra`` holds more than what may be left out."""
    if extra and facts.policy == "strict":
        for name in sorted(extra.keys() - _HINTS):
            raise UnsupportedParameter(f"{facts.vendor} has no {name} there", param=name)


def content_of(parts: Sequence[Part], facts: Facts) -> str | list[dict[str, Any]]:
    """What the system or a user says: a string, or a list of parts where it takes more than words."""
    for part in parts:
        only_hints(part.extra, facts)
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) == len(parts) and (len(texts) < 2 or not facts.quirks.text_parts):
        return _BETWEEN.join(texts)
    return [_part(part, facts) for part in parts]


def _part(part: Part, facts: Facts) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        image = {"url": _url(part.source, facts)}
        return {"type": "image_url", "image_url": image if part.detail is None else image | {"detail": part.detail}}
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    if isinstance(part, Document):
        return {"type": "file", "file": _file(part, facts)}
    kind = type(part).__name__.lower()
    raise UnsupportedParameter(f"{facts.vendor} has no place for parts of kind {kind} there", param="messages")


def _url(source: Source, facts: Facts) -> str:
    if source.data is not None:
        return f"data:{source.media_type};base64,{source.data}"
    if source.url is None:
        raise UnsupportedParameter(f"{facts.vendor} takes images by URL or as data", param="messages")
    return source.url


def _file(document: Document, facts: Facts) -> dict[str, Any]:
    source = document.source
    if source.file_id is not None:
        return {"file_id": source.file_id}
    if source.data is None:
        raise UnsupportedParameter(f"{facts.vendor} takes documents as data, not by URL", param="messages")
    data = f"data:{source.media_type};base64,{source.data}"
    return {"filename": document.name or "document", "file_data": data}


def assistant_message(message: Message, facts: Facts) -> dict[str, Any]:
    """What the model has said: words, calls of tools, and its reasoning where the vendor wants that back."""
    body: dict[str, Any] = {"role": "assistant", "content": None}
    if message.name is not None:
        body["name"] = message.name
    for part in message.parts:
        only_hints(part.extra, facts)
        _say(body, part, facts)
    if "tool_calls" in body and facts.quirks.thoughts is not None and facts.quirks.thoughts_needed:
        body.setdefault(facts.quirks.thoughts, "")  # another provider's model has called: there is nothing to send back
    if body["content"] is None and body.keys().isdisjoint(_INSTEAD_OF_CONTENT):
        body["content"] = ""
    return body


def _say(body: dict[str, Any], part: Part, facts: Facts) -> None:
    """Add one part of an answer to the message."""
    if isinstance(part, Text):
        body["content"] = (body["content"] or "") + part.text
    elif isinstance(part, ToolCall):
        body.setdefault("tool_calls", []).append(_call(part))
    elif isinstance(part, Thought):
        if part.text and facts.quirks.thoughts is not None:
            body[facts.quirks.thoughts] = body.get(facts.quirks.thoughts, "") + part.text
    elif isinstance(part, Refusal):
        body["refusal"] = body.get("refusal", "") + part.text
    elif isinstance(part, Audio) and part.id is not None:
        body["audio"] = {"id": part.id}
    else:
        kind = type(part).__name__.lower()
        raise UnsupportedParameter(f"{facts.vendor} has no place for parts of kind {kind} in answers", param="messages")


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def without_results(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """What a message holds beside results of tools."""
    return tuple(part for part in parts if not isinstance(part, ToolResult))


def result_message(result: ToolResult, facts: Facts) -> dict[str, Any]:
    """The words that a tool has answered with."""
    only_hints(result.extra, facts)
    texts = [part.text for part in result.content if isinstance(part, Text)]
    words = _BETWEEN.join(texts)
    return {
        "role": "tool",
        "tool_call_id": result.call_id,
        "content": f"Error: {words}" if result.is_error else words,
    }


def shown_results(results: Sequence[ToolResult], facts: Facts) -> list[dict[str, Any]]:
    """What tools have answered with beside words, each after the name of its call."""
    shown: list[dict[str, Any]] = []
    for result in results:
        parts = [part for part in result.content if not isinstance(part, Text)]
        if parts:
            shown.append({"type": "text", "text": f"Output of the tool call {result.call_id}:"})
            shown += [_part(part, facts) for part in parts]
    return shown
