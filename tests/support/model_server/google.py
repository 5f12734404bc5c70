"""generateContent, streamGenerateContent, batchEmbedContents and the list of models (Gemini API reference), and Vertex
AI's forms of them.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.support.model_server import brain, google_errors, media, seals
from tests.support.model_server.conversation import Answer, Call, Conversation, Finish, Media, Tool, Turn, tokens
from tests.support.model_server.exchange import Ask, Events, Reply, event
from tests.support.model_server.google_checks import SEALED_BY, check, sealed_words
from tests.support.model_server.google_errors import EMBEDDER, MODELS, NEWER, refused
from tests.support.model_server.google_requests import (
    BatchEmbedRequest,
    Content,
    FunctionCall,
    GenerateRequest,
    GenerationConfig,
    Part,
    ThinkingConfig,
    VertexBatchEmbedRequest,
)
from tests.support.model_server.openai_texts import vector

_FINISH = {Finish.CUT: "MAX_TOKENS"}
_SIZE = 128


def gemini(ask: Ask) -> Reply | Events:
    """POST /v1beta/models/{model}:{action}."""
    google_errors.check_key(ask)
    if ask.place["action"] == "batchEmbedContents":
        return _embed(ask)
    return _generate(ask)


def vertex(ask: Ask) -> Reply | Events:
    """POST /{version}/projects/{project}/locations/{location}/publishers/google/models/{model}:{action}."""
    google_errors.check_token(ask)
    if ask.place["action"] == "batchEmbedContents":
        return _embed_at_vertex(ask)
    return _generate(ask)


def models(ask: Ask) -> Reply:
    """GET /v1beta/models."""
    google_errors.check_key(ask)
    return Reply({"models": [_described(name) for name in MODELS]})


def _described(name: str) -> dict[str, Any]:
    methods = ["embedContent"] if name == EMBEDDER else ["generateContent", "countTokens"]
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    titled = {"name": f"models/{name}", "version": "001", "displayName": name.replace("-", " ").title()}
    return {**titled, **limits, "supportedGenerationMethods": methods}


def _generate(ask: Ask) -> Reply | Events:
    model, action = ask.place["model"], ask.place["action"]
    google_errors.check_model(model)
    request = google_errors.read(ask.body, GenerateRequest)
    check(request, model)
    said = brain.answer(conversation_of(request, model))
    config = request.generation_config or GenerationConfig()
    shows = bool(config.thinking_config and config.thinking_config.include_thoughts)
    whole = _response(said, model, ask.number, shows=shows, candidates=config.candidate_count or 1)
    if config.response_logprobs:
        for candidate in whole.get("candidates", ()):
            candidate["logprobsResult"] = _logprobs(said.text, config.logprobs or 0)
    if action == "generateContent":
        return Reply(whole)
    if action != "streamGenerateContent":
        raise refused(f"models/{model} has no method {action}", status=404)
    if ask.query.get("alt") != "sse":
        return Reply(list(_stream(whole)))
    return Events(event(chunk) for chunk in _stream(whole))


def _response(said: Answer, model: str, number: int, *, shows: bool, candidates: int) -> dict[str, Any]:
    usage: dict[str, Any] = {"promptTokenCount": said.prompt_tokens}
    if said.answer_tokens:
        usage["candidatesTokenCount"] = said.answer_tokens * candidates
    usage["totalTokenCount"] = said.prompt_tokens + (said.answer_tokens + said.thought_tokens) * candidates
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": said.prompt_tokens}]
    if said.cached_tokens:
        usage["cachedContentTokenCount"] = said.cached_tokens
    if said.thought_tokens:
        usage["thoughtsTokenCount"] = said.thought_tokens * candidates
    tail = {"usageMetadata": usage, "modelVersion": model, "responseId": f"answer-{number:08x}"}
    if said.finish is Finish.REFUSED:
        return {"promptFeedback": {"blockReason": "SAFETY"}, **tail}
    parts = list(_parts(said, model, number, shows=shows))
    content: dict[str, Any] = {"role": "model"} | ({"parts": parts} if parts else {})
    finish = _FINISH.get(said.finish, "STOP")
    found = [{"content": content, "finishReason": finish, "index": index} for index in range(candidates)]
    return {"candidates": found, **tail}


def _logprobs(text: str, top: int) -> dict[str, Any]:
    chosen = [{"token": token, "tokenId": number, "logProbability": -0.5} for number, token in enumerate(tokens(text))]
    return {"chosenCandidates": chosen, "topCandidates": [{"candidates": [one] * min(top, 1)} for one in chosen]}


def _parts(said: Answer, model: str, number: int, *, shows: bool) -> Iterator[dict[str, Any]]:
    if said.thought and shows:
        yield {"text": said.thought, "thought": True}
    signs = bool(said.thought)
    if said.text:
        yield {"text": said.text} | ({"thoughtSignature": seals.sign(SEALED_BY, sealed_words(None))} if signs else {})
    for place, call in enumerate(said.calls):
        called: dict[str, Any] = {"name": call.name, "args": call.arguments}
        if model == NEWER:
            called["id"] = f"fc{number:06x}{place:02x}"
        part: dict[str, Any] = {"functionCall": called}
        if signs and place == 0:
            words = sealed_words(FunctionCall(name=call.name, args=call.arguments))
            part["thoughtSignature"] = seals.sign(SEALED_BY, words)
        yield part


def _stream(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Chunks that add up to ``whole``; each counts as far as it has come, and the last says why it ends."""
    usage = whole["usageMetadata"]
    early = {
        name: usage[name]
        for name in ("promptTokenCount", "promptTokensDetails", "cachedContentTokenCount")
        if name in usage
    }
    early["totalTokenCount"] = usage["promptTokenCount"]
    for candidate in whole.get("candidates", ()):
        for part in _pieces(candidate["content"].get("parts", ())):
            piece: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": candidate["index"]}
            if "logprobsResult" in candidate and "text" in part and "thought" not in part:
                piece["logprobsResult"] = _logprobs(part["text"], 1)
            yield {**whole, "candidates": [piece], "usageMetadata": early}
    ends = [
        {
            "content": {"role": "model", "parts": [_last(one)]},
            "finishReason": one["finishReason"],
            "index": one["index"],
        }
        for one in whole.get("candidates", ())
    ]
    yield {**whole, **({"candidates": ends} if ends else {})}


def _last(candidate: dict[str, Any]) -> dict[str, Any]:
    """No more words, but the signature of those that came."""
    signed = [part for part in candidate["content"].get("parts", ()) if "text" in part and "thoughtSignature" in part]
    return {"text": ""} | ({"thoughtSignature": signed[0]["thoughtSignature"]} if signed else {})


def _pieces(parts: Any) -> Iterator[dict[str, Any]]:
    """Text in tokens, its signature behind it with no words of its own; calls come whole."""
    for part in parts:
        if "text" not in part:
            yield part
            continue
        for token in tokens(part["text"]):
            yield {"text": token} | ({"thought": True} if part.get("thought") else {})


def conversation_of(request: GenerateRequest, model: str) -> Conversation:
    """What is asked."""
    config = request.generation_config or GenerationConfig()
    thinking = config.thinking_config or ThinkingConfig()
    calling = request.tool_config.function_calling_config if request.tool_config else None
    names = calling.allowed_function_names if calling else None
    first = [Turn("system", _words(request.system_instruction))] if request.system_instruction else []
    declared = [one for tool in request.tools for one in tool.function_declarations if not names or one.name in names]
    schema = _schema(config.response_schema, config.response_json_schema)
    return Conversation(
        turns=(*first, *(turn for content in request.contents for turn in _turns(content))),
        tools=tuple(
            Tool(one.name, one.description or "", _schema(one.parameters, one.parameters_json_schema) or {})
            for one in declared
        ),
        choice={"ANY": "required", "NONE": "none"}.get(calling.mode if calling else "", "auto"),
        max_tokens=config.max_output_tokens,
        stop=tuple(config.stop_sequences or ()),
        json=config.response_mime_type == "application/json" and schema is None,
        schema=schema,
        thinks=model == NEWER or bool(thinking.thinking_budget),
    )


def _schema(subset: Any, whole: dict[str, Any] | None) -> dict[str, Any] | None:
    if subset is None:
        return whole
    return {name: value for name, value in msgspec.to_builtins(subset).items() if value is not None}


def _turns(content: Content) -> Iterator[Turn]:
    responses = [part.function_response for part in content.parts if part.function_response]
    if responses:
        results = tuple(_result(one.response) for one in responses)
        seen = [Media(part.inline_data.mime_type) for one in responses for part in one.parts if part.inline_data]
        yield Turn("tool", results=results, media=tuple(seen))
    rest = [part for part in content.parts if not part.function_response and not part.thought]
    if rest:
        calls = tuple(Call(part.function_call.name, part.function_call.args) for part in rest if part.function_call)
        seen = [_seen(part) for part in rest if part.inline_data or part.file_data]
        role = "assistant" if content.role == "model" else "user"
        yield Turn("assistant" if role == "assistant" else "user", _said(rest), media=tuple(seen), calls=calls)


def _result(response: dict[str, Any]) -> str:
    told = response.get("output", response.get("result", response.get("error")))
    return told if isinstance(told, str) else json.dumps(response if told is None else told, ensure_ascii=False)


def _said(parts: list[Part]) -> str:
    return "\n".join(part.text for part in parts if part.text)


def _words(content: Content) -> str:
    return _said(content.parts)


def _seen(part: Part) -> Media:
    if part.file_data:
        return Media(part.file_data.mime_type or "file")
    assert part.inline_data
    try:
        return media.decoded(part.inline_data.data, part.inline_data.mime_type)
    except media.NotMedia as problem:
        raise refused(f"Unable to process input: {problem}") from None


def _embed(ask: Ask) -> Reply:
    google_errors.check_model(ask.place["model"], embeds=True)
    asked = google_errors.read(ask.body, BatchEmbedRequest).requests
    for one in asked:
        if one.model != f"models/{ask.place['model']}":
            raise refused("* BatchEmbedContentsRequest.model: must match the model of each request")
        if not _words(one.content):
            raise refused("* EmbedContentRequest.content: contents is not specified")
    vectors = [vector(_words(one.content), one.output_dimensionality or _SIZE) for one in asked]
    return Reply({"embeddings": [{"values": numbers} for numbers in vectors]})


def _embed_at_vertex(ask: Ask) -> Reply:
    """As Google's SDK calls it: what is wished of a vector stands in a config of its own, and each is counted."""
    google_errors.check_model(ask.place["model"], embeds=True)
    found = []
    for one in google_errors.read(ask.body, VertexBatchEmbedRequest).requests:
        text, config = _words(one.content), one.embed_content_config
        size = (config and config.output_dimensionality) or _SIZE
        statistics = {"tokenCount": len(tokens(text)), "truncated": False}
        found.append({"values": vector(text, size), "statistics": statistics})
    return Reply({"embeddings": found})
