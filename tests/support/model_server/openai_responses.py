"""POST /v1/responses (OpenAI API reference: "Responses", "Streaming events"); nothing is stored."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.support.model_server import brain, media, openai_errors, seals
from tests.support.model_server.conversation import Answer, Call, Conversation, Finish, Media, Tool, Turn
from tests.support.model_server.exchange import CREATED, Ask, Events, Reply
from tests.support.model_server.openai_chat import REFUSAL, arguments_of
from tests.support.model_server.openai_errors import REASONING_MODELS, refused
from tests.support.model_server.responses_events import frames
from tests.support.model_server.responses_requests import (
    FunctionCallItem,
    FunctionChoice,
    FunctionOutputItem,
    InputFile,
    InputImage,
    InputText,
    Item,
    ObjectFormat,
    OutputText,
    ReasoningItem,
    ResponsesRequest,
    SchemaFormat,
)

SEALED_BY = "openai"
_ENCRYPTED = "reasoning.encrypted_content"


def responses(ask: Ask) -> Reply | Events:
    """Answer a request."""
    openai_errors.check_key(ask)
    request = _read(ask.body)
    openai_errors.check_model(request.model, openai_errors.CHAT_MODELS)
    _check(request)
    response = _response(request, brain.answer(conversation_of(request)), ask.number)
    return Events(frames(response)) if request.stream else Reply(response)


def _read(body: bytes) -> ResponsesRequest:
    """The body; a message's type may be left out."""
    try:
        document = msgspec.json.decode(body)
        if isinstance(document, dict) and isinstance(document.get("input"), list):
            for item in document["input"]:
                if isinstance(item, dict) and "role" in item:
                    item.setdefault("type", "message")
        return msgspec.convert(document, ResponsesRequest)
    except msgspec.DecodeError as error:
        raise openai_errors.unreadable(str(error)) from None


def _check(request: ResponsesRequest) -> None:
    if request.previous_response_id is not None:
        message = f"Previous response with id '{request.previous_response_id}' not found."
        raise refused(message, param="previous_response_id", code="previous_response_not_found")
    if request.model not in REASONING_MODELS and request.reasoning is not None:
        message = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        raise refused(message, param="reasoning.effort", code="unsupported_parameter")
    if request.model == "gpt-5" and request.temperature not in (None, 1):
        message = "Unsupported parameter: 'temperature' is not supported with this model."
        raise refused(message, param="temperature", code="unsupported_parameter")
    names = [tool.name for tool in request.tools or ()]
    if isinstance(request.tool_choice, FunctionChoice) and request.tool_choice.name not in names:
        raise refused("Tool choice not found in 'tools' parameter.", param="tool_choice")
    for tool in request.tools or ():
        if tool.strict:
            openai_errors.check_strict(tool.parameters, "tools")
    _check_items([] if isinstance(request.input, str) else request.input)


def _check_items(items: list[Item]) -> None:
    called = {item.call_id for item in items if isinstance(item, FunctionCallItem)}
    returned = {item.call_id for item in items if isinstance(item, FunctionOutputItem)}
    for missing in sorted(called - returned):
        raise refused(f"No tool output found for function call {missing}.", param="input")
    for unknown in sorted(returned - called):
        raise refused(f"No tool call found for function call output with call_id {unknown}.", param="input")
    for item in items:
        if isinstance(item, ReasoningItem) and item.encrypted_content is not None:
            try:
                seals.unseal(SEALED_BY, item.encrypted_content)
            except seals.Broken:
                message = f"The encrypted content for item {item.id} could not be verified."
                raise refused(message, param="input", code="invalid_encrypted_content") from None


def _response(request: ResponsesRequest, said: Answer, number: int) -> dict[str, Any]:
    """The whole answer, which names most of what was asked."""
    return {
        "id": f"resp_{number:08x}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if said.finish is Finish.CUT else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if said.finish is Finish.CUT else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "model": request.model,
        "output": list(_output(request, said, number)),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": msgspec.to_builtins(request.reasoning) or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": _text_config(request),
        "tool_choice": msgspec.to_builtins(request.tool_choice) or "auto",
        "tools": [{"strict": True, **msgspec.to_builtins(tool)} for tool in request.tools or ()],
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "usage": {
            "input_tokens": said.prompt_tokens,
            "input_tokens_details": {"cached_tokens": said.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": said.thought_tokens},
            "total_tokens": said.prompt_tokens + said.output_tokens,
        },
        "user": request.user,
    }


def _text_config(request: ResponsesRequest) -> dict[str, Any]:
    said = msgspec.to_builtins(request.text) if request.text else {}
    return {"format": said.get("format") or {"type": "text"}, "verbosity": said.get("verbosity") or "medium"}


def _output(request: ResponsesRequest, said: Answer, number: int) -> Iterator[dict[str, Any]]:
    if said.thought:
        shown = request.reasoning is not None and request.reasoning.summary is not None
        summary = [{"type": "summary_text", "text": said.thought}] if shown else []
        item: dict[str, Any] = {"id": f"rs_{number:08x}", "type": "reasoning", "summary": summary}
        if _ENCRYPTED in (request.include or ()):
            item["encrypted_content"] = seals.seal(SEALED_BY, said.thought)
        yield item
    status = "incomplete" if said.finish is Finish.CUT else "completed"
    if said.finish is Finish.REFUSED:
        yield _said(number, status, {"type": "refusal", "refusal": REFUSAL})
    elif said.text:
        yield _said(number, status, {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []})
    for place, call in enumerate(said.calls):
        yield {
            "id": f"fc_{number:06x}{place:02x}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{number:06x}{place:02x}",
            "name": call.name,
            "arguments": json.dumps(call.arguments, ensure_ascii=False),
        }


def _said(number: int, status: str, content: dict[str, Any]) -> dict[str, Any]:
    item = {"id": f"msg_{number:08x}", "type": "message", "status": status, "role": "assistant"}
    return {**item, "content": [content]}


def conversation_of(request: ResponsesRequest) -> Conversation:
    """What is asked."""
    choice = request.tool_choice or "auto"
    form = request.text.format if request.text else None
    effort = request.reasoning.effort if request.reasoning else None
    first = [Turn("system", request.instructions)] if request.instructions else []
    items = [Turn("user", request.input)] if isinstance(request.input, str) else list(_turns(request.input))
    return Conversation(
        turns=(*first, *items),
        tools=tuple(Tool(one.name, one.description or "", one.parameters or {}) for one in request.tools or ()),
        choice=f"={choice.name}" if isinstance(choice, FunctionChoice) else choice,
        parallel=request.parallel_tool_calls is not False,
        max_tokens=request.max_output_tokens,
        json=isinstance(form, ObjectFormat),
        schema=form.schema if isinstance(form, SchemaFormat) else None,
        thinks=request.model in REASONING_MODELS and effort != "none",
    )


def _turns(items: list[Item]) -> Iterator[Turn]:
    for item in items:
        if isinstance(item, FunctionCallItem):
            yield Turn("assistant", calls=(Call(item.name, arguments_of(item.arguments or "{}", "input")),))
        elif isinstance(item, FunctionOutputItem):
            yield Turn("tool", results=(_words(item.output),), media=_media(item.output))
        elif not isinstance(item, ReasoningItem):
            role = "system" if item.role == "developer" else item.role
            yield Turn(role, _words(item.content), media=_media(item.content))


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, InputText | OutputText))


def _media(content: Any) -> tuple[Media, ...]:
    return tuple(_seen(part) for part in content if isinstance(part, InputImage | InputFile))


def _seen(part: InputImage | InputFile) -> Media:
    url = part.image_url if isinstance(part, InputImage) else part.file_data or part.file_url
    if url is None:
        raise refused("Invalid file: nothing was given.", param="input")
    try:
        return media.at(url, "image" if isinstance(part, InputImage) else "file")
    except media.NotMedia as problem:
        raise refused(f"Invalid image or file: {problem}", param="input", code="invalid_image_url") from None
