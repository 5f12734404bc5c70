"""POST /v1/messages, /v1/messages/count_tokens and GET /v1/models (Claude API reference)."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.model_server import anthropic_errors, brain, media, seals
from tests.support.model_server.anthropic_checks import (
    SEALED_BY,
    blocks,
    check_conversation,
    check_parameters,
)
from tests.support.model_server.anthropic_errors import MODELS, MOST_TOKENS, NEWER, refused
from tests.support.model_server.anthropic_requests import (
    Adaptive,
    AnyChoice,
    Base64Source,
    CountRequest,
    Disabled,
    DocumentBlock,
    Enabled,
    FileSource,
    ImageBlock,
    Message,
    MessagesRequest,
    NoneChoice,
    TextBlock,
    TextSource,
    ToolChoice,
    ToolResultBlock,
    ToolUseBlock,
)
from tests.support.model_server.conversation import Answer, Call, Conversation, Finish, Media, Tool, Turn, tokens
from tests.support.model_server.exchange import Ask, Events, Reply, event, pieces, read

_STOP_REASON = {
    Finish.DONE: "end_turn",
    Finish.STOPPED: "stop_sequence",
    Finish.CUT: "max_tokens",
    Finish.CALLS: "tool_use",
    Finish.REFUSED: "refusal",
}


def messages(ask: Ask) -> Reply | Events:
    """Answer a request."""
    anthropic_errors.check(ask)
    request = read(ask.body, MessagesRequest, anthropic_errors.unreadable)
    version = ask.headers["anthropic-version"]
    anthropic_errors.check_model(request.model)
    check_conversation(request, version)
    check_parameters(request, version)
    said = brain.answer(conversation_of(request))
    message = _message(request, said, ask.number)
    headers = {"request-id": f"req_{ask.number:08x}"}
    if not request.stream:
        return Reply(message, headers=headers)
    return Events((event(data, data["type"]) for data in _stream(message)), headers)


def count_tokens(ask: Ask) -> Reply:
    """Count a request's tokens."""
    anthropic_errors.check(ask)
    request = read(ask.body, CountRequest, anthropic_errors.unreadable)
    anthropic_errors.check_model(request.model)
    check_conversation(request, ask.headers["anthropic-version"])
    return Reply({"input_tokens": brain.prompt_tokens(conversation_of(request))})


def models(ask: Ask) -> Reply:
    """List the models."""
    anthropic_errors.check(ask)
    data = [_described(name) for name in MODELS]
    return Reply({"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def _described(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-02-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": MOST_TOKENS[name],
    }


def _message(request: MessagesRequest, said: Answer, number: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thought:
        display = getattr(request.thinking, "display", None)
        shown = display == "summarized" or (display is None and request.model != NEWER)
        thought = said.thought if shown else ""
        signature = seals.sign(SEALED_BY, thought)
        content.append({"type": "thinking", "thinking": thought, "signature": signature})
    if said.text:
        content.append({"type": "text", "text": said.text})
    for place, call in enumerate(said.calls):
        name = f"toolu_{number:06x}{place:02x}"
        content.append({"type": "tool_use", "id": name, "name": call.name, "input": call.arguments})
    refusal = {"type": "refusal", "category": None, "explanation": None}
    return {
        "id": f"msg_{number:08x}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": _STOP_REASON[said.finish],
        "stop_sequence": said.stop_sequence,
        "stop_details": refusal if said.finish is Finish.REFUSED else None,
        "usage": {
            **_prompt_usage(request, said),
            "output_tokens": max(said.output_tokens, 1),  # an empty answer counts too
            "output_tokens_details": {"thinking_tokens": said.thought_tokens},
            "service_tier": "standard",
        },
    }


def _prompt_usage(request: MessagesRequest, said: Answer) -> dict[str, Any]:
    """Up to the last block that is marked, the prompt is kept; what was kept before is read."""
    marks = [mark for block in _blocks(request) if (mark := getattr(block, "cache_control", None))]
    mark = request.cache_control or (marks[-1] if marks else None)
    in_system = mark is not None and mark in [block.cache_control for block in _system(request)]
    marked = brain.prompt_tokens(_only_system(request)) if in_system else said.prompt_tokens
    kept = marked if mark and marked >= brain.LEAST_CACHED else 0
    read = min(said.cached_tokens, kept)
    long = kept - read if mark and mark.ttl == "1h" else 0
    return {
        "input_tokens": said.prompt_tokens - kept,
        "cache_creation_input_tokens": kept - read,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": kept - read - long, "ephemeral_1h_input_tokens": long},
    }


def _system(request: MessagesRequest) -> list[TextBlock]:
    return request.system if isinstance(request.system, list) else []


def _blocks(request: MessagesRequest) -> Iterator[Any]:
    yield from _system(request)
    for message in request.messages:
        yield from blocks(message)


def _only_system(request: MessagesRequest) -> Conversation:
    tools = conversation_of(request).tools
    return Conversation((Turn("system", _words(request.system)),), tools=tools)


def _stream(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    usage = message["usage"]
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    begun = message | dict.fromkeys(ended) | {"content": [], "usage": usage | {"output_tokens": 1}}
    begun["usage"].pop("output_tokens_details")
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        empty, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    total = {name: usage[name] for name in usage if name not in ("cache_creation", "service_tier")}
    yield {"type": "message_delta", "delta": ended, "usage": total}
    yield {"type": "message_stop"}


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and what comes."""
    if block["type"] == "text":
        return block | {"text": ""}, [{"type": "text_delta", "text": token} for token in tokens(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": token} for token in tokens(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return block | {"thinking": "", "signature": ""}, deltas
    text = json.dumps(block["input"], ensure_ascii=False)
    first = [{"type": "input_json_delta", "partial_json": ""}]
    if text == "{}":
        return block, first  # nothing but the empty piece comes for a tool without arguments
    rest = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(text)]
    return block | {"input": {}}, first + rest


def conversation_of(request: CountRequest) -> Conversation:
    """What is asked."""
    choice = request.tool_choice
    mode = "required" if isinstance(choice, AnyChoice) else "none" if isinstance(choice, NoneChoice) else "auto"
    thinking = request.thinking
    thinks = isinstance(thinking, Enabled | Adaptive) or (thinking is None and request.model == NEWER)
    system = [Turn("system", _words(request.system))] if request.system else []
    output = request.output_config
    return Conversation(
        turns=(*system, *(turn for message in request.messages for turn in _turns(message))),
        tools=tuple(Tool(tool.name, tool.description or "", tool.input_schema) for tool in request.tools or ()),
        choice=f"={choice.name}" if isinstance(choice, ToolChoice) else mode,
        parallel=not getattr(choice, "disable_parallel_tool_use", False),
        max_tokens=getattr(request, "max_tokens", None),
        stop=tuple(getattr(request, "stop_sequences", None) or ()),
        schema=output.format.schema if output and output.format else None,
        thinks=thinks and not isinstance(thinking, Disabled),
    )


def _turns(message: Message) -> Iterator[Turn]:
    content = blocks(message)
    if results := [block for block in content if isinstance(block, ToolResultBlock)]:
        seen = [part for block in results if isinstance(block.content, list) for part in block.content]
        yield Turn("tool", results=tuple(_words(block.content) for block in results), media=_media(seen))
    rest = [block for block in content if not isinstance(block, ToolResultBlock)]
    if rest:
        calls = tuple(Call(block.name, block.input) for block in rest if isinstance(block, ToolUseBlock))
        yield Turn(message.role, _words(rest), media=_media(rest), calls=calls)


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.text for block in content if isinstance(block, TextBlock))


def _media(content: Any) -> tuple[Media, ...]:
    return tuple(_seen(block) for block in content if isinstance(block, ImageBlock | DocumentBlock))


def _seen(block: ImageBlock | DocumentBlock) -> Media:
    source, kind = block.source, "image" if isinstance(block, ImageBlock) else "document"
    if isinstance(source, TextSource):
        return Media("text/plain", len(source.data.encode()))
    if isinstance(source, FileSource):
        raise refused(f"File not found: {source.file_id}", status=404)
    allowed = ("image/jpeg", "image/png", "image/gif", "image/webp") if kind == "image" else ("application/pdf",)
    if isinstance(source, Base64Source) and source.media_type not in allowed:
        raise refused(f"messages: {kind}.source.base64.media_type: Input should be one of {', '.join(allowed)}")
    try:
        if isinstance(source, Base64Source):
            return media.decoded(source.data, source.media_type)
        return media.at(source.url, kind)
    except media.NotMedia as problem:
        raise refused(f"messages: Could not process {kind}: {problem}") from None
