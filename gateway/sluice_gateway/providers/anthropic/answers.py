"""Reading whole answers of Anthropic's Messages API (Claude API reference, "Messages", "Stop reasons").

Blocks of tools that Anthropic runs itself (server_tool_use and their results) are left out: no translated request can
ask for them but by members of its own, whose callers read the text that comes of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
from sluice_gateway.normal.parts import Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import ProviderFault
from sluice_gateway.providers.anthropic.faults import fault_of_event
from sluice_gateway.providers.faults import parsed
from sluice_gateway.sse import BadEvent

ORIGIN = "anthropic"  # whose seals thoughts carry

FINISHES: Mapping[str, Finish] = {
    "end_turn": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "tool_use": Finish.TOOL_CALLS,
    "pause_turn": Finish.PAUSE,
    "refusal": Finish.REFUSAL,
    "model_context_window_exceeded": Finish.CONTEXT,
}

# Anthropic's tiers in OpenAI's words; batch can't be asked for here.
_TIERS: Mapping[object, str] = {"standard": "default", "priority": "priority"}


class _Block(msgspec.Struct, gc=False):
    input: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]


_decode_inputs = msgspec.json.Decoder(_Message).decode


def read_answer(body: bytes) -> ChatAnswer:
    """A whole answer. Raises BadEvent and ProviderFault."""
    document = document_of(body)
    if document.get("type") == "error" or isinstance(document.get("error"), dict):
        raise ProviderFault(fault_of_event(document))
    blocks = document.get("content")
    if not isinstance(blocks, list):
        raise BadEvent("the provider's answer has no content")
    inputs = _inputs(body) if b'"tool_use"' in body else ()
    found = (_part(block, inputs[at] if at < len(inputs) else None) for at, block in enumerate(blocks))
    answer = text_of(document.get("id")) or None
    parts = tuple(_identified((part for part in found if part is not None), answer))
    calls = any(isinstance(part, ToolCall) for part in parts)
    if refusal := explanation_of(document.get("stop_details")):
        parts += (Refusal(text=refusal),)
    choice = Choice(
        parts=parts,
        finish=finish_of(document.get("stop_reason"), calls=calls),
        stop_sequence=text_of(document.get("stop_sequence")) or None,
    )
    usage = document.get("usage")
    return ChatAnswer(
        choices=(choice,),
        id=answer,
        model=text_of(document.get("model")) or None,
        usage=usage_of(usage),
        service_tier=tier_of(usage),
    )


def document_of(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises BadEvent."""
    document = parsed(body)
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    return document


def finish_of(reason: object, *, calls: bool) -> Finish:
    """Why an answer ends. An unknown reason is a plain stop; so is tool_use without a call, which waits for no result.
    A stop with one is none.
    """
    finish = FINISHES.get(reason, Finish.STOP) if isinstance(reason, str) else Finish.STOP
    if finish in (Finish.STOP, Finish.TOOL_CALLS):
        return Finish.TOOL_CALLS if calls else Finish.STOP
    return finish


def explanation_of(details: object) -> str | None:
    """What ``stop_details`` says of a refusal."""
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return explanation if isinstance(explanation, str) and explanation else None


def usage_of(usage: object) -> Usage | None:
    """Tokens. ``input_tokens`` are those that no cache was concerned with: the prompt is all three together."""
    if not isinstance(usage, dict):
        return None
    if not any(isinstance(usage.get(name), int | float) for name in ("input_tokens", "output_tokens")):
        return None
    creation, details = usage.get("cache_creation"), usage.get("output_tokens_details")
    hour = tokens(creation.get("ephemeral_1h_input_tokens")) if isinstance(creation, dict) else 0
    minutes = tokens(creation.get("ephemeral_5m_input_tokens")) if isinstance(creation, dict) else 0
    written = max(tokens(usage.get("cache_creation_input_tokens")), hour + minutes)
    read = tokens(usage.get("cache_read_input_tokens"))
    return Usage(
        prompt=tokens(usage.get("input_tokens")) + read + written,
        completion=tokens(usage.get("output_tokens")),
        cached=read,
        reasoning=tokens(details.get("thinking_tokens")) if isinstance(details, dict) else 0,
        cache_write=written,
        cache_write_1h=hour,
    )


def tier_of(usage: object) -> str | None:
    """The service tier that has served, in OpenAI's words."""
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    return _TIERS.get(tier) if isinstance(tier, str) else None


def text_of(value: object) -> str:
    """``value`` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def arguments_of(given: object) -> str:
    """A tool's input as JSON text."""
    return msgspec.json.encode(given).decode() if isinstance(given, dict) and given else "{}"


def _inputs(body: bytes) -> tuple[str, ...]:
    """The inputs of all blocks as the model wrote them, digit by digit; none when a block is of another form."""
    try:
        return tuple(str(block.input, "utf-8") for block in _decode_inputs(body).content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()


def call_id(given: str, answer: str | None, number: int) -> str:
    """A call's id; one made of the answer's where a server that copies the API gives none."""
    return given or "_".join(filter(None, ("call", "".join(filter(str.isalnum, answer or ""))[-24:], str(number))))


def _identified(parts: Iterable[Part], answer: str | None) -> Iterator[Part]:
    calls = 0
    for part in parts:
        if isinstance(part, ToolCall):
            yield part if part.id else msgspec.structs.replace(part, id=call_id("", answer, calls))
            calls += 1
        else:
            yield part


def _call(block: dict[str, Any], given: str | None) -> ToolCall | None:
    """A call; None for what names no tool."""
    name, whole = text_of(block.get("name")), arguments_of(block.get("input"))
    if not name:
        return None
    arguments = whole if given is None or whole == "{}" else given
    return ToolCall(id=text_of(block.get("id")), name=name, arguments=arguments)


def _part(block: object, given: str | None) -> Part | None:
    """One block. ``given`` is its input as it stands there, if that is known."""
    if not isinstance(block, dict):
        return None
    kind = block.get("type")
    if kind == "text":
        return Text(text=text_of(block.get("text")))
    if kind == "tool_use":
        return _call(block, given)
    if kind == "thinking":
        signature = text_of(block.get("signature")) or None
        return Thought(text=text_of(block.get("thinking")), signature=signature, origin=ORIGIN)
    if kind == "redacted_thinking":
        return Thought(encrypted=text_of(block.get("data")), origin=ORIGIN)
    return None
