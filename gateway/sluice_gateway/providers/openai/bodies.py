"""What chat completions and their chunks are made of (OpenAI API reference, "The chat completion object" and "The chat
completion chunk object"), as OpenAI writes them and as those do who speak its shape.

Thoughts come as ``reasoning_content`` (DeepSeek, llama.cpp, older vLLM) or ``reasoning`` (Groq, Ollama, vLLM); content
may be a list of parts (Mistral).
"""

from typing import Any

import msgspec

from sluice_gateway.normal.answers import Finish
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import ProviderFault
from sluice_gateway.providers.faults import mended, parsed
from sluice_gateway.providers.loose import loosely
from sluice_gateway.providers.openai.observer import BREAKDOWNS, broken_down, raise_bare, raise_within
from sluice_gateway.providers.openai.usage import Groq, Reported, Timings, counted, timed
from sluice_gateway.sse import BadEvent

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

FINISHES: dict[str, Finish] = {
    "stop": Finish.STOP,
    "eos_token": Finish.STOP,  # TGI
    "stop_sequence": Finish.STOP_SEQUENCE,  # TGI
    "length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "model_length": Finish.CONTEXT,  # Mistral
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
    "refusal": Finish.REFUSAL,
}


class SaidFunction(msgspec.Struct, gc=False):
    """Which function is called."""

    name: str | None = None
    arguments: str | None = None


class SaidCall(msgspec.Struct, gc=False):
    """A tool call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: SaidFunction | None = None


class SaidAudio(msgspec.Struct, gc=False):
    """Sound, or a piece of it."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class Said(msgspec.Struct, gc=False):
    """A message, or the delta of one."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[SaidCall] | None = None
    function_call: SaidFunction | None = None
    audio: SaidAudio | None = None
    annotations: list[Any] | None = None


class SaidChoice(msgspec.Struct, gc=False):
    """A choice. ``stop_reason`` is vLLM's: the stop sequence that was met, or the number of a token."""

    index: int | None = None
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: dict[str, Any] | None = None
    usage: Reported | None = None


class Body(msgspec.Struct, gc=False):
    """A whole answer, or a chunk of a streamed one."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[SaidChoice] | None = None
    usage: Reported | None = None
    service_tier: str | None = None
    error: msgspec.Raw | None = None
    x_groq: Groq | None = None
    timings: Timings | None = None


_decode_body = msgspec.json.Decoder(Body).decode


def read_body(data: bytes) -> Body:
    """What a provider has sent. Raises BadEvent when it is no JSON object, ProviderFault when it holds an error."""
    try:
        body = _decode_body(data)
    except msgspec.ValidationError:
        body = _read_loosely(parsed(data))
    except _NOT_JSON:
        return read_body(mended(data))
    if body.error is not None:
        raise_within(parsed(body.error))
    if body.x_groq is not None and body.x_groq.error:
        raise_within(body.x_groq.error)
    if body.choices is None and b'"error"' in data:
        raise_bare(data)
    return body


def _read_loosely(document: object) -> Body:
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        for said in (choice.get("message"), choice.get("delta")) if isinstance(choice, dict) else ():
            if isinstance(said, dict) and isinstance(said.get("content"), list):
                said.update(_of_parts(said["content"]))
    return loosely(Body, document)


def _of_parts(parts: list[Any]) -> dict[str, str | None]:
    """Content that is a list: its words, and what the model has thought."""
    words, thoughts = "", ""
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            thoughts += _of_parts(inner)["content"] or "" if isinstance(inner, list) else str(inner or "")
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            words += part["text"]
    return {"content": words, "reasoning_content": thoughts} if thoughts else {"content": words}


def usage_in(body: Body) -> Usage | None:
    """The first that there is of all the places where vendors report it."""
    if body.usage is not None:
        return counted(body.usage)
    if body.x_groq is not None and body.x_groq.usage is not None:
        return counted(body.x_groq.usage)
    for choice in body.choices or ():
        if choice.usage is not None:
            return counted(choice.usage)
    return timed(body.timings)


def finish_of(choice: SaidChoice, *, called: bool, refused: bool) -> tuple[Finish, str | None]:
    """Why a choice ends, and the stop sequence that has ended it.

    Some vendors say ``stop`` although tools were called; where none was, ``tool_calls`` would have the caller wait for
    one. Raises ProviderFault when the server has broken it off.
    """
    reason = choice.finish_reason or "stop"
    if reason in BREAKDOWNS:
        raise ProviderFault(broken_down(reason))
    finish = FINISHES.get(reason, Finish.STOP)
    if finish not in (Finish.STOP, Finish.TOOL_CALLS):
        return finish, None
    if called:
        return Finish.TOOL_CALLS, None
    if refused:
        return Finish.REFUSAL, None
    if isinstance(choice.stop_reason, str):
        return Finish.STOP_SEQUENCE, choice.stop_reason
    return Finish.STOP, None


def made_id(answer: str | None, choice: int, number: int) -> str:
    """An id for a tool call whose provider gives none: the answer's own makes it unlike those of other turns."""
    tail = "".join(filter(str.isalnum, answer or ""))[-24:]
    return "_".join(filter(None, ("call", tail, str(choice), str(number))))
