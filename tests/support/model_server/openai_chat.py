"""POST /v1/chat/completions (OpenAI API reference: "Chat")."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.support.model_server import brain, media, openai_errors
from tests.support.model_server.conversation import Answer, Call, Conversation, Finish, Media, Tool, Turn, tokens
from tests.support.model_server.exchange import CREATED, Ask, Events, Reply, event, pieces, read
from tests.support.model_server.openai_errors import REASONING_MODELS, refused
from tests.support.model_server.openai_requests import (
    AssistantMessage,
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    NamedChoice,
    ObjectFormat,
    RefusalPart,
    SchemaFormat,
    TextPart,
    ToolMessage,
)

DONE = b"data: [DONE]\n\n"
REFUSAL = "I can't help with that."
_FINISH = {
    Finish.DONE: "stop",
    Finish.STOPPED: "stop",
    Finish.CUT: "length",
    Finish.CALLS: "tool_calls",
    Finish.REFUSED: "content_filter",
}


def chat(ask: Ask) -> Reply | Events:
    """Answer a request."""
    openai_errors.check_key(ask)
    return answered(read(ask.body, ChatRequest, openai_errors.unreadable), ask.number)


def answered(request: ChatRequest, number: int, *, shown_in: str = "reasoning_content") -> Reply | Events:
    """Answer a request that can be read; ``shown_in`` is the member that shows reasoning."""
    openai_errors.check_model(request.model, openai_errors.CHAT_MODELS)
    _check(request)
    said = brain.answer(conversation_of(request))
    if said.thought and request.model != "reasoner":
        said = replace(said, thought="")  # counted, never shown
    worded_in = "content"
    if said.finish is Finish.REFUSED and isinstance(request.response_format, SchemaFormat):
        said, worded_in = replace(said, finish=Finish.DONE, text=REFUSAL), "refusal"
    return _reply(request, said, number, (shown_in, worded_in))


def _reply(request: ChatRequest, said: Answer, number: int, members: tuple[str, str]) -> Reply | Events:
    if request.stream:
        return Events(_stream(request, said, number, members))
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    message[members[1]] = None if said.calls else said.text
    if said.thought:
        message[members[0]] = said.thought
    if said.calls:
        message["tool_calls"] = [_called(call, number, place) for place, call in enumerate(said.calls)]
    choice = {"message": message, "logprobs": _logprobs(request, said.text), "finish_reason": _FINISH[said.finish]}
    choices = [{"index": index, **choice} for index in range(request.n or 1)]
    head = _head(request, number, "chat.completion")
    return Reply(head | {"choices": choices, "usage": usage(said, request.n or 1)})


def _stream(request: ChatRequest, said: Answer, number: int, members: tuple[str, str]) -> Iterator[bytes]:
    head = _head(request, number, "chat.completion.chunk")
    counted = bool(request.stream_options and request.stream_options.include_usage)
    rest = {"usage": None} if counted else {}
    for index in range(request.n or 1):
        for delta, finish in _deltas(said, number, members):
            choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            if delta.get("content"):
                choice["logprobs"] = _logprobs(request, delta["content"])
            yield event(head | {"choices": [choice]} | rest)
    if counted:
        yield event(head | {"choices": [], "usage": usage(said, request.n or 1)})
    yield DONE


def _deltas(said: Answer, number: int, members: tuple[str, str]) -> Iterator[tuple[dict[str, Any], str | None]]:
    if said.calls:
        yield {"role": "assistant", "content": None}, None
    else:
        yield {"role": "assistant", "content": "", "refusal": None}, None
    for token in tokens(said.thought):
        yield {members[0]: token}, None
    for token in tokens(said.text):
        yield {members[1]: token}, None
    for place, call in enumerate(said.calls):
        called = _called(call, number, place)
        arguments = called["function"]["arguments"]
        called["function"]["arguments"] = ""
        yield {"tool_calls": [{"index": place, **called}]}, None
        for piece in pieces(arguments):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}, None
    yield {}, _FINISH[said.finish]


def _head(request: ChatRequest, number: int, kind: str) -> dict[str, Any]:
    identity = {"id": f"chatcmpl-{number:08x}", "object": kind, "created": CREATED, "model": request.model}
    return identity | {"service_tier": "default", "system_fingerprint": "fp_rules"}


def _called(call: Call, number: int, place: int) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    called = {"name": call.name, "arguments": arguments}
    return {"id": f"call_{number:06x}{place:02x}", "type": "function", "function": called}


def _logprobs(request: ChatRequest, text: str) -> dict[str, Any] | None:
    if not request.logprobs:
        return None
    content = []
    for token in tokens(text):
        one = {"token": token, "logprob": -0.5, "bytes": list(token.encode())}
        content.append({**one, "top_logprobs": [one] * min(request.top_logprobs or 0, 1)})
    return {"content": content, "refusal": None}


def usage(said: Answer, choices: int = 1) -> dict[str, Any]:
    """OpenAI's count."""
    completion = said.output_tokens * choices
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": said.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": said.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": said.thought_tokens * choices,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _check(request: ChatRequest) -> None:
    """What the reference forbids beyond types. Raises Refused."""
    if request.stream_options is not None and not request.stream:
        raise refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if not request.tools:
        for name in ("tool_choice", "parallel_tool_calls"):
            if getattr(request, name) is not None:
                raise refused(f"{name} is only allowed when 'tools' are specified.", param=name)
    if request.top_logprobs is not None and not request.logprobs:
        raise refused("'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs")
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    _check_model_limits(request)
    _check_tools(request)
    _check_order(request.messages)
    if isinstance(request.response_format, SchemaFormat) and request.response_format.json_schema.strict:
        openai_errors.check_strict(request.response_format.json_schema.schema, "response_format")
    if isinstance(request.response_format, ObjectFormat) and "json" not in str(request.messages).lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        raise refused(message, param="messages")


def _check_model_limits(request: ChatRequest) -> None:
    if request.model not in REASONING_MODELS and request.reasoning_effort is not None:
        message = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
        raise refused(message, param="reasoning_effort", code="unsupported_parameter")
    if request.model == "gpt-5":
        for name in ("max_tokens", "logprobs", "temperature", "top_p", "presence_penalty", "frequency_penalty"):
            value = getattr(request, name)
            if value is not None and value != (1 if name in ("temperature", "top_p") else 0):
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                raise refused(message, param=name, code="unsupported_parameter")
    if request.model != "reasoner" and any(
        getattr(one, "reasoning_content", None) or getattr(one, "reasoning", None) for one in request.messages
    ):
        raise refused("Unrecognized request argument supplied: reasoning_content", param="messages")


def _check_tools(request: ChatRequest) -> None:
    names = [tool.function.name for tool in request.tools or ()]
    for number, tool in enumerate(request.tools or ()):
        if tool.function.strict:
            openai_errors.check_strict(tool.function.parameters, f"tools[{number}].function.parameters")
    if isinstance(request.tool_choice, NamedChoice) and request.tool_choice.function.name not in names:
        message = f"Tool choice '{request.tool_choice.function.name}' not found in 'tools' parameter."
        raise refused(message, param="tool_choice")


def _check_order(messages: list[Message]) -> None:
    """Each call has its result, right behind it, and each result its call."""
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                problem = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                raise refused(problem, param=f"messages.[{number}].role")
            waiting.remove(message.tool_call_id)
            continue
        _check_answered(waiting, number)
        if isinstance(message, AssistantMessage):
            if message.content is None and not message.tool_calls and message.refusal is None:
                raise refused("Invalid value for 'content': expected a string, got null.", param=f"messages.[{number}]")
            waiting = {call.id for call in message.tool_calls or ()}
    _check_answered(waiting, len(messages))


def _check_answered(waiting: set[str], number: int) -> None:
    if waiting:
        problem = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(waiting))}"
        )
        raise refused(problem, param=f"messages.[{number}].role")


def conversation_of(request: ChatRequest) -> Conversation:
    """What is asked."""
    choice = request.tool_choice or "auto"
    schema = request.response_format.json_schema.schema if isinstance(request.response_format, SchemaFormat) else None
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    effort = request.reasoning_effort or ("none" if request.model == "gpt-4o-mini" else "medium")
    return Conversation(
        turns=tuple(_turn(message) for message in request.messages),
        tools=tuple(
            Tool(tool.function.name, tool.function.description or "", tool.function.parameters or {})
            for tool in request.tools or ()
        ),
        choice=f"={choice.function.name}" if isinstance(choice, NamedChoice) else choice,
        parallel=request.parallel_tool_calls is not False,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        stop=tuple(stops),
        json=isinstance(request.response_format, ObjectFormat),
        schema=schema,
        thinks=effort != "none",
    )


def _turn(message: Message) -> Turn:
    if isinstance(message, ToolMessage):
        return Turn("tool", results=(_text(message.content),))
    if isinstance(message, AssistantMessage):
        calls = tuple(
            Call(call.function.name, arguments_of(call.function.arguments)) for call in message.tool_calls or ()
        )
        return Turn("assistant", _text(message.content), calls=calls)
    role = message.__struct_config__.tag
    content = message.content
    seen = () if isinstance(content, str) else tuple(_seen(part) for part in content if not isinstance(part, TextPart))
    return Turn("user" if role == "user" else "system", _text(content), media=seen)


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return content or ""
    words = (part.refusal if isinstance(part, RefusalPart) else getattr(part, "text", "") for part in content)
    return "\n".join(filter(None, words))


def arguments_of(text: str, param: str = "messages") -> dict[str, Any]:
    """A call's arguments, as an object. Raises Refused."""
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise refused("Invalid function call arguments: not a JSON object.", param=param)
    return arguments


def _seen(part: ImagePart | AudioPart | FilePart) -> Media:
    try:
        if isinstance(part, ImagePart):
            return media.at(part.image_url.url, "image")
        if isinstance(part, AudioPart):
            return media.decoded(part.input_audio.data, f"audio/{part.input_audio.format}")
        if part.file.file_data is None:
            raise refused("Missing required parameter: 'file_data'.", param="messages")
        return media.at(part.file.file_data, "file")
    except media.NotMedia as problem:
        raise refused(f"Invalid image or file: {problem}", param="messages", code="invalid_image_url") from None
