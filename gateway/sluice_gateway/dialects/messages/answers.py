"""Writing messages (Anthropic API reference, "Message").

What a model says in pictures or sound has no block of its own: a picture becomes words with an image in Markdown, sound
its transcript.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.messages.requests import read_request
from sluice_gateway.dialects.messages.seals import CALL, ENCRYPTED, THOUGHT, sealed
from sluice_gateway.errors import CallerError
from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
from sluice_gateway.normal.estimate import estimate_answer, estimate_tokens
from sluice_gateway.normal.parts import Audio, Image, Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage

REASONS: Mapping[Finish, str] = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.CONTENT_FILTER: "refusal",
    Finish.REFUSAL: "refusal",
    Finish.PAUSE: "pause_turn",
    Finish.CONTEXT: "model_context_window_exceeded",
}
_TIERS = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}
_BROKEN = "INVALID_JSON"  # Anthropic's page "Fine-grained tool streaming": what to call input that is not JSON
_WHOLE: Choice = Choice()


def write_answer(answer: ChatAnswer, asked: Asked) -> bytes:
    """The body of a whole answer."""
    choice = answer.choices[0] if answer.choices else _WHOLE
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    omits = omits_thoughts(asked)
    return msgspec.json.encode(
        {
            **opening(answer.id, answer.model, asked),
            "content": [block for part in choice.parts for block in _blocks(part, omits=omits)],
            "stop_reason": stop_reason(choice.finish, refused=refused),
            "stop_sequence": choice.stop_sequence,
            "usage": usage_of(answer.usage or guessed(estimate_answer(choice.parts), asked), answer.service_tier),
        }
    )


def opening(given: str | None, model: str | None, asked: Asked) -> dict[str, Any]:
    """What is known of a message before its first word."""
    known = given or asked.id.removeprefix("req_")
    return {
        "id": known if known.startswith("msg_") else f"msg_{known}",
        "type": "message",
        "role": "assistant",
        "model": model or asked.model,
    }


def stop_reason(finish: Finish, *, refused: bool) -> str:
    """Why a message ends; one that holds a refusal ends with it."""
    return "refusal" if refused and finish is Finish.STOP else REASONS[finish]


def guessed(completion: int, asked: Asked) -> Usage:
    """Usage that no provider has reported: Anthropic's clients can't read a message without it."""
    try:
        prompt = estimate_tokens(read_request(asked.document, counts=True))
    except CallerError:
        prompt = 0
    return Usage(prompt, completion, estimated=True)


def usage_of(usage: Usage, tier: str | None = None) -> dict[str, Any]:
    """Usage as Anthropic counts it: what was read from the cache or written to it is no part of ``input_tokens``.
    ``estimated`` marks what no provider has reported.
    """
    body: dict[str, Any] = {
        "input_tokens": max(usage.prompt - usage.cached - usage.cache_write, 0),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
    }
    if usage.cache_write:
        hour = min(usage.cache_write_1h, usage.cache_write)
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write - hour,
            "ephemeral_1h_input_tokens": hour,
        }
    if usage.reasoning:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    if usage.estimated:
        body["estimated"] = True
    return body


def omits_thoughts(asked: Asked) -> bool:
    """Whether the caller wants the seals of thoughts alone (``thinking.display`` is omitted)."""
    thinking = asked.document.get("thinking")
    return isinstance(thinking, dict) and thinking.get("display") == "omitted"


def picture(image: Image) -> str:
    """A picture as words."""
    source = image.source
    url = source.url or source.file_id or f"data:{source.media_type};base64,{source.data}"
    return f"![]({url})"


def _blocks(part: Part, *, omits: bool) -> Sequence[dict[str, Any]]:
    if isinstance(part, Thought):
        return _thought(part, "" if omits else part.text)
    writer = _WRITERS.get(type(part))
    return writer(part) if writer else ()


def _words(part: Text | Refusal) -> Sequence[dict[str, Any]]:
    return [{"type": "text", "text": part.text}] if part.text else ()


def _picture(part: Image) -> Sequence[dict[str, Any]]:
    return [{"type": "text", "text": picture(part)}]


def _sound(part: Audio) -> Sequence[dict[str, Any]]:
    return [{"type": "text", "text": part.transcript}] if part.transcript else ()


def thinking(words: str, signature: str) -> dict[str, Any]:
    """A block of thinking."""
    return {"type": "thinking", "thinking": words, "signature": signature}


def redacted_thinking(encrypted: str, origin: str) -> dict[str, Any]:
    """A block of reasoning that only its provider can read."""
    return {"type": "redacted_thinking", "data": sealed(ENCRYPTED, origin, encrypted)}


def _thought(part: Thought, words: str) -> Sequence[dict[str, Any]]:
    blocks = []
    if part.encrypted is not None and part.signature is None and words:
        return [thinking(words, sealed(ENCRYPTED, part.origin, part.encrypted))]
    if words or part.signature:
        blocks.append(thinking(words, sealed(THOUGHT, part.origin, part.signature)))
    if part.encrypted is not None:
        blocks.append(redacted_thinking(part.encrypted, part.origin))
    return blocks


def _tool_use(part: ToolCall) -> Sequence[dict[str, Any]]:
    block = {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part.arguments)}
    if part.signature is None:
        return [block]
    return [thinking("", sealed(CALL, part.origin, part.signature)), block]


def _input(arguments: str) -> dict[str, Any]:
    """Arguments as an object; text that is none, such as one that was cut off, stands in it as it came."""
    if not arguments.strip():
        return {}
    try:
        read = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {_BROKEN: arguments}
    return read if type(read) is dict else {} if read is None else {_BROKEN: arguments}


_WRITERS: Mapping[type[Part], Callable[[Any], Sequence[dict[str, Any]]]] = {
    Text: _words,
    Refusal: _words,
    Image: _picture,
    Audio: _sound,
    ToolCall: _tool_use,
}
