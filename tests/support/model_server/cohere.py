"""POST /v2/chat, /v2/embed and GET /v1/models (Cohere API reference: "Chat", "Embed", "List Models"; guide:
"Streaming").
"""

import base64
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.support.model_server import brain, media
from tests.support.model_server.cohere_requests import (
    AssistantMessage,
    ChatRequest,
    DocumentPart,
    EmbedRequest,
    ImagePart,
    Message,
    SystemMessage,
    ToolMessage,
)
from tests.support.model_server.conversation import Answer, Call, Conversation, Finish, Media, Tool, Turn, tokens
from tests.support.model_server.exchange import KEY, Ask, Events, Refused, Reply, event, pieces, read
from tests.support.model_server.openai_texts import vector

CHAT_MODELS, EMBEDDER = ("command-a-03-2025", "command-a-reasoning-08-2025"), "embed-v4.0"
_FINISH = {
    Finish.DONE: "COMPLETE",
    Finish.STOPPED: "STOP_SEQUENCE",
    Finish.CUT: "MAX_TOKENS",
    Finish.CALLS: "TOOL_CALL",
    Finish.REFUSED: "COMPLETE",  # there is no reason for it
}
_FIELD = re.compile(r"unknown field `(\w+)`")
_SIZE = 256


def refused(message: str, *, status: int = 400) -> Refused:
    """An error object."""
    return Refused(Reply({"id": "request-of-the-model-server", "message": message}, status=status))


def unreadable(problem: str) -> Refused:
    """A body that does not follow the reference."""
    if found := _FIELD.search(problem):
        return refused(f"unknown field: parameter '{found[1]}' is not a valid field", status=422)
    return refused(f"invalid request: {problem}")


def _check_key(ask: Ask) -> None:
    if ask.headers.get("authorization") != f"Bearer {KEY}":
        raise refused("invalid api token", status=401)


def chat(ask: Ask) -> Reply | Events:
    """Answer a request."""
    _check_key(ask)
    request = read(ask.body, ChatRequest, unreadable)
    if request.model not in CHAT_MODELS:
        raise refused(f"model '{request.model}' not found, make sure the correct model ID was used", status=404)
    _check(request)
    message = _message(request, brain.answer(conversation_of(request)), ask.number)
    if request.stream:
        return Events(_stream(message, logprobs=bool(request.logprobs)))
    if request.logprobs:
        words = (block["text"] for block in message["message"].get("content", ()) if block["type"] == "text")
        message["logprobs"] = [_logprob(token) for text in words for token in tokens(text)]
    return Reply(message)


def _logprob(token: str) -> dict[str, Any]:
    return {"text": token, "token_ids": [1], "logprobs": [-0.5]}


def _check(request: ChatRequest) -> None:
    if not request.messages:
        raise refused("invalid request: messages must not be empty")
    if request.tool_choice is not None and not request.tools:
        raise refused("invalid request: tool_choice can only be specified when tools are specified")
    if request.thinking and request.model != CHAT_MODELS[1]:
        raise refused("invalid request: thinking is not supported by this model")
    if request.tools and request.response_format and request.response_format.type == "json_object":
        raise refused("invalid request: response_format is not supported with tools")
    _check_results(request.messages)


def _check_results(messages: list[Message]) -> None:
    waiting: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise refused(f"invalid request: no tool call with id {message.tool_call_id}")
            waiting.discard(message.tool_call_id)
        elif waiting:
            raise refused(f"invalid request: tool calls without results: {', '.join(sorted(waiting))}")
        elif isinstance(message, AssistantMessage):
            waiting = {call.id for call in message.tool_calls or ()}
    if waiting:
        raise refused(f"invalid request: tool calls without results: {', '.join(sorted(waiting))}")


def _message(request: ChatRequest, said: Answer, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    content: list[dict[str, str]] = []
    if said.thought and not said.calls:
        content.append({"type": "thinking", "thinking": said.thought})
    if said.text:
        content.append({"type": "text", "text": said.text})
    if content:
        message["content"] = content
    if said.calls:
        message["tool_plan"] = said.thought or "I will use the tools."
        message["tool_calls"] = [_called(call, number, place) for place, call in enumerate(said.calls)]
    counts = {"input_tokens": said.prompt_tokens, "output_tokens": said.output_tokens}
    return {
        "id": f"00000000-0000-4000-8000-{number:012x}",
        "message": message,
        "finish_reason": _FINISH[said.finish],
        "usage": {"billed_units": counts, "tokens": counts, "cached_tokens": said.cached_tokens},
    }


def _called(call: Call, number: int, place: int) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    identity = f"{call.name}_{number:06x}{place:02x}"
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _stream(whole: dict[str, Any], *, logprobs: bool) -> Iterator[bytes]:
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    events = [
        {"id": whole["id"], "type": "message-start", "delta": {"message": empty}},
        *_content_events(whole["message"].get("content", []), logprobs=logprobs),
        *_tool_events(whole["message"]),
        {"type": "message-end", "delta": {"finish_reason": whole["finish_reason"], "usage": whole["usage"]}},
    ]
    for one in events:
        yield event(one, str(one["type"]))
    yield b"data: [DONE]\n\n"


def _content_events(content: list[dict[str, str]], *, logprobs: bool) -> Iterator[dict[str, Any]]:
    for index, block in enumerate(content):
        kind = block["type"]
        begun = {"content": {"type": kind, kind: ""}}
        yield {"type": "content-start", "index": index, "delta": {"message": begun}}
        for token in tokens(block[kind]):
            rest = {"logprobs": _logprob(token)} if logprobs and kind == "text" else {}
            yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: token}}}, **rest}
        yield {"type": "content-end", "index": index}


def _tool_events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for token in tokens(message.get("tool_plan", "")):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": token}}}
    for index, call in enumerate(message.get("tool_calls", ())):
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begun}}}
        for piece in pieces(call["function"]["arguments"]):
            more = {"tool_calls": {"function": {"arguments": piece}}}
            yield {"type": "tool-call-delta", "index": index, "delta": {"message": more}}
        yield {"type": "tool-call-end", "index": index}


def conversation_of(request: ChatRequest) -> Conversation:
    """What is asked."""
    form = request.response_format
    thinking = request.thinking.type == "enabled" if request.thinking else request.model == CHAT_MODELS[1]
    return Conversation(
        turns=tuple(_turn(message) for message in request.messages),
        tools=tuple(
            Tool(one.function.name, one.function.description or "", one.function.parameters or {})
            for one in request.tools or ()
        ),
        choice={"REQUIRED": "required", "NONE": "none"}.get(request.tool_choice or "", "auto"),
        max_tokens=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
        json=bool(form and form.type == "json_object" and not form.json_schema),
        schema=form.json_schema if form else None,
        thinks=thinking,
    )


def _turn(message: Message) -> Turn:
    if isinstance(message, ToolMessage):
        return Turn("tool", results=(_words(message.content),))
    if isinstance(message, AssistantMessage):
        try:
            calls = [
                Call(call.function.name, msgspec.json.decode(call.function.arguments, type=dict[str, Any]))
                for call in message.tool_calls or ()
            ]
        except msgspec.DecodeError:
            raise refused("invalid request: arguments of tool calls must be a JSON object") from None
        return Turn("assistant", _words(message.content), calls=tuple(calls))
    role = "system" if isinstance(message, SystemMessage) else "user"
    return Turn("system" if role == "system" else "user", _words(message.content), media=_media(message.content))


def _words(content: Any) -> str:
    if not isinstance(content, list):
        return content or ""
    return "\n".join(_text(part) for part in content)


def _text(part: Any) -> str:
    if isinstance(part, DocumentPart):
        data = part.document.data
        return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return str(getattr(part, "text", ""))


def _media(content: Any) -> tuple[Media, ...]:
    return tuple(_seen(part) for part in content if isinstance(part, ImagePart))


def _seen(part: ImagePart) -> Media:
    try:
        return media.at(part.image_url.url, "image")
    except media.NotMedia as problem:
        raise refused(f"invalid request: {problem}") from None


def embed(ask: Ask) -> Reply:
    """POST /v2/embed."""
    _check_key(ask)
    request = read(ask.body, EmbedRequest, unreadable)
    if request.model != EMBEDDER:
        raise refused(f"model '{request.model}' not found, make sure the correct model ID was used", status=404)
    vectors = [vector(text, request.output_dimension or _SIZE) for text in request.texts]
    kinds = {kind: _encoded(vectors) if kind == "base64" else vectors for kind in request.embedding_types or ["float"]}
    count = sum(len(tokens(text)) for text in request.texts)
    return Reply(
        {
            "id": f"00000000-0000-4000-8000-{ask.number:012x}",
            "embeddings": kinds,
            "texts": request.texts,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": count}},
            "response_type": "embeddings_by_type",
        }
    )


def _encoded(vectors: list[list[float]]) -> list[str]:
    return [base64.b64encode(struct.pack(f"<{len(found)}f", *found)).decode() for found in vectors]


def models(ask: Ask) -> Reply:
    """GET /v1/models."""
    _check_key(ask)
    chats = [{"name": name, "endpoints": ["chat"], "context_length": 256_000} for name in CHAT_MODELS]
    return Reply({"models": [*chats, {"name": EMBEDDER, "endpoints": ["embed"], "context_length": 128_000}]})
