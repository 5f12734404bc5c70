"""Writing chat completions (OpenAI API reference, "The chat completion object").

Thoughts are ``reasoning_content``, as DeepSeek's API has it, and ``reasoning_details`` where they carry a seal; that of
a tool call is ``extra_content``, as Google's compatible API has it. Callers who send them back lose nothing.
"""

from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
from sluice_gateway.normal.parts import Audio, Image, Part, Refusal, Source, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage

REASONS: dict[Finish, str] = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
    Finish.PAUSE: "stop",
    Finish.CONTEXT: "length",
}


def write_answer(answer: ChatAnswer, asked: Asked) -> bytes:
    """The body of a whole answer."""
    body: dict[str, Any] = {
        "id": identity(answer.id, asked),
        "object": "chat.completion",
        "created": answer.created or asked.created,
        "model": answer.model or asked.model,
        "choices": [_choice(choice) for choice in answer.choices],
    }
    if answer.usage is not None:
        body["usage"] = usage_of(answer.usage)
    if answer.service_tier is not None:
        body["service_tier"] = answer.service_tier
    return msgspec.json.encode(body)


def identity(given: str | None, asked: Asked) -> str:
    """The provider's id of the answer, or the request's."""
    return given or f"chatcmpl-{asked.id}"


def usage_of(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI counts it; ``estimated`` marks what no provider has reported."""
    prompt: dict[str, int] = {"cached_tokens": usage.cached, "audio_tokens": usage.audio_prompt}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    body: dict[str, Any] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_completion,
        },
    }
    return body | {"estimated": True} if usage.estimated else body


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "index": choice.index,
        "message": _message(choice.parts),
        "logprobs": choice.logprobs,
        "finish_reason": REASONS[choice.finish],
    }


def _message(parts: tuple[Part, ...]) -> dict[str, Any]:
    words = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    thoughts = [part for part in parts if isinstance(part, Thought)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    images = [part for part in parts if isinstance(part, Image)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(words) if words else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    if spoken := "".join(thought.text for thought in thoughts):
        message["reasoning_content"] = spoken
    if any(thought.signature or thought.encrypted for thought in thoughts):
        message["reasoning_details"] = [reasoning_detail(thought) for thought in thoughts]
    if calls:
        message["tool_calls"] = [tool_call(call) for call in calls]
    if images:
        message["images"] = [image_of(image) for image in images]
    for part in parts:
        if isinstance(part, Audio):
            message["audio"] = audio_of(part)
    return message


def reasoning_detail(thought: Thought) -> dict[str, Any]:
    """A thought with its seal."""
    if thought.encrypted is not None:
        return {"type": "reasoning.encrypted", "data": thought.encrypted, "format": thought.origin}
    return {
        "type": "reasoning.text",
        "text": thought.text,
        "signature": thought.signature,
        "format": thought.origin,
    }


def tool_call(call: ToolCall) -> dict[str, Any]:
    """A tool call, with its seal if it has one."""
    body: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature is not None:
        body["extra_content"] = {call.origin: {"thought_signature": call.signature}}
    return body


def audio_of(audio: Audio) -> dict[str, Any]:
    """Sound that a model has made. Nobody keeps it, so that it has expired."""
    return {"id": audio.id, "data": audio.data, "transcript": audio.transcript, "expires_at": 0}


def image_of(image: Image) -> dict[str, Any]:
    """A picture that a model has made, in the form in which pictures are sent."""
    return {"type": "image_url", "image_url": {"url": url_of(image.source)}}


def url_of(source: Source) -> str:
    """A URL, or the data as one (RFC 2397)."""
    if source.data is not None:
        return f"data:{source.media_type};base64,{source.data}"
    return source.url or ""
