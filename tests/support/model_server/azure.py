"""Azure OpenAI: OpenAI's endpoints at a deployment's URL (Azure OpenAI REST API reference; "Content filtering")."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.support.model_server import brain, openai_chat, openai_errors, openai_texts
from tests.support.model_server.conversation import Finish
from tests.support.model_server.exchange import KEY, Ask, Events, Refused, Reply, event, read
from tests.support.model_server.openai_requests import ChatRequest, CompletionRequest, EmbeddingRequest

DEPLOYMENTS = {
    "chat-deployment": "gpt-4o-mini",
    "thinker": "gpt-5",
    "embedder": "text-embedding-3-small",
    "completer": "gpt-3.5-turbo-instruct",
}
VERSIONS = ("2024-10-21", "2025-04-01-preview")
_SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_UNSAFE = _SAFE | {"violence": {"filtered": True, "severity": "high"}}


def chat(ask: Ask) -> Reply | Events:
    """POST /openai/deployments/{deployment}/chat/completions."""
    request = read(_body(ask), ChatRequest, openai_errors.unreadable)
    if brain.answer(openai_chat.conversation_of(request)).finish is Finish.REFUSED:
        raise _filtered()
    said = openai_chat.answered(request, ask.number)
    if isinstance(said, Events):
        return Events(_stream(said))
    for choice in said.body["choices"]:
        choice["content_filter_results"] = _SAFE
    return Reply({**said.body, "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]})


def embeddings(ask: Ask) -> Reply:
    """POST /openai/deployments/{deployment}/embeddings."""
    return openai_texts.embedded(read(_body(ask), EmbeddingRequest, openai_errors.unreadable))


def completions(ask: Ask) -> Reply | Events:
    """POST /openai/deployments/{deployment}/completions."""
    request = read(_body(ask), CompletionRequest, openai_errors.unreadable)
    openai_errors.check_model(request.model, openai_errors.COMPLETION_MODELS)
    return openai_texts.completed(request, ask.number)


def _body(ask: Ask) -> bytes:
    """The body, with the deployment's model in it: a model of the caller's is not looked at."""
    if ask.headers.get("api-key") != KEY:
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        raise Refused(Reply({"error": {"code": "401", "message": message}}, status=401))
    if ask.query.get("api-version") not in VERSIONS:
        raise Refused(Reply({"error": {"code": "404", "message": "Resource not found"}}, status=404))
    model = DEPLOYMENTS.get(ask.place["deployment"])
    if model is None:
        message = "The API deployment for this resource does not exist."
        raise Refused(Reply({"error": {"code": "DeploymentNotFound", "message": message}}, status=404))
    try:
        document = msgspec.json.decode(ask.body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise openai_errors.unreadable(str(error)) from None
    return msgspec.json.encode(document | {"model": model})


def _filtered() -> Refused:
    message = "The response was filtered due to the prompt triggering the content management policy."
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _UNSAFE}
    error = {"message": message, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return Refused(Reply({"error": {**error, "innererror": inner}}, status=400))


def _stream(said: Events) -> Iterator[bytes]:
    """The prompt's own results come first, in a chunk without choices or a model."""
    first: dict[str, Any] = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    yield event({**first, "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]})
    for frame in said.frames:
        if frame == openai_chat.DONE:
            yield frame
            continue
        chunk = msgspec.json.decode(frame.removeprefix(b"data: "))
        for choice in chunk["choices"]:
            choice["content_filter_results"] = _SAFE if choice["delta"].get("content") else {}
        yield event(chunk)
