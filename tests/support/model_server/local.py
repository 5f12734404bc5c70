"""Servers of one's own: what they add to OpenAI's endpoints (Ollama API: "List Local Models", "List Running Models";
Hugging Face: "Text Generation Inference", a model that is still loading).
"""

from typing import Any

import msgspec

from tests.support.model_server import openai_chat, openai_errors, openai_texts
from tests.support.model_server.exchange import Ask, Events, Handler, Refused, Reply, read
from tests.support.model_server.openai_requests import AssistantMessage, ChatRequest, CompletionRequest, ToolCall

_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "8.0B",
    "quantization_level": "Q4_K_M",
}


def chat(ask: Ask) -> Reply | Events:
    """Ollama's chat: it asks for no key, shows reasoning in a member of another name, and looks at no member of earlier
    answers that it does not know.
    """
    document = read(ask.body, dict[str, Any], openai_errors.unreadable)
    for message in _objects(document, "messages"):
        if message.get("role") == "assistant":
            _keep(message, {*AssistantMessage.__struct_fields__, "role"})
            for call in _objects(message, "tool_calls"):
                _keep(call, set(ToolCall.__struct_fields__))
    request = read(msgspec.json.encode(document), ChatRequest, openai_errors.unreadable)
    return openai_chat.answered(request, ask.number, shown_in="reasoning")


def _objects(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Those of a list; whatever else stands there is for the reader to refuse."""
    found = holder.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _keep(members: dict[str, Any], names: set[str]) -> None:
    for name in members.keys() - names:
        del members[name]


def completions(ask: Ask) -> Reply | Events:
    """Ollama's completions: any of its models can."""
    request = read(ask.body, CompletionRequest, openai_errors.unreadable)
    openai_errors.check_model(request.model, openai_errors.CHAT_MODELS)
    return openai_texts.completed(request, ask.number)


def tags(ask: Ask) -> Reply:
    """GET /api/tags: what is on the disk."""
    return Reply({"models": [_described(name) for name in openai_errors.CHAT_MODELS]})


def running(ask: Ask) -> Reply:
    """GET /api/ps: what is in memory."""
    loaded = {"expires_at": "2026-11-21T12:05:00Z", "size_vram": 5_000_000_000, "context_length": 8192}
    return Reply({"models": [_described(openai_errors.CHAT_MODELS[0]) | loaded]})


def _described(name: str) -> dict[str, object]:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-11-01T12:00:00Z",
        "size": 5_000_000_000,
        "digest": "0" * 64,
        "details": _DETAILS,
    }


def loading(requests: int) -> Handler:
    """Chat of a model that refuses so many requests, because it is not in memory yet."""
    left = requests

    def handle(ask: Ask) -> Reply | Events:
        nonlocal left
        if left:
            left -= 1
            body = {"error": "Model gpt-4o-mini is currently loading", "estimated_time": 0.2}
            raise Refused(Reply(body, status=503))
        return openai_chat.chat(ask)

    return handle
