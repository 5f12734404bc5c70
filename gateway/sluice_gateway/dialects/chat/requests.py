"""Reading chat completions requests (OpenAI API reference, "Create chat completion").

``stream_options``, ``store: false`` and a ``service_tier`` of auto change nothing in an answer and are not passed on;
``user``, ``safety_identifier`` and ``metadata`` are left out where a provider has no place for them.
"""

import re
from typing import Any

from sluice_gateway.dialects.reading import Members
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Source,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from sluice_gateway.normal.requests import (
    ChatRequest,
    Choosing,
    Format,
    Message,
    Reasoning,
    Role,
    Tool,
    ToolChoice,
)

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[\w.+-]+=[^;,]*)*);base64,", re.IGNORECASE)
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_NAMES = {"format": "response_format", "reasoning": "reasoning_effort"}


def read_request(document: dict[str, Any]) -> ChatRequest:
    """The request in the normal form. Raises CallerError."""
    body = Members(document)
    body.take("model")
    body.take("stream_options")
    body.take("store") if document.get("store") is False else None
    completion_tokens = body.integer("max_completion_tokens", least=1)
    tokens = body.integer("max_tokens", least=1)
    names = dict(_NAMES)
    if completion_tokens is not None:
        names["max_tokens"] = "max_completion_tokens"
    identifier = body.text("safety_identifier")
    return ChatRequest(
        messages=_merged(_message(message) for message in _messages(body)),
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        parallel_tool_calls=body.boolean("parallel_tool_calls"),
        max_tokens=tokens if completion_tokens is None else completion_tokens,
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        top_k=body.integer("top_k"),
        stop=read_stop(body),
        n=body.integer("n", least=1),
        seed=body.integer("seed"),
        presence_penalty=body.number("presence_penalty"),
        frequency_penalty=body.number("frequency_penalty"),
        logit_bias=body.mapping("logit_bias"),
        logprobs=body.boolean("logprobs"),
        top_logprobs=body.integer("top_logprobs", least=0),
        format=_format(body),
        reasoning=_reasoning(body),
        modalities=tuple(map(str, body.array("modalities") or ())),
        user=body.text("user") or identifier,
        metadata=body.mapping("metadata"),
        service_tier=body.text("service_tier"),
        verbosity=body.text("verbosity"),
        stream=body.boolean("stream") or False,
        extra=body.rest(),
        names=names,
    )


def read_stop(body: Members) -> tuple[str, ...]:
    """``stop``: a string, or a list of them."""
    stop = body.take("stop")
    found = [stop] if type(stop) is str else stop
    if found is None:
        return ()
    if type(found) is not list or not all(type(word) is str for word in found):
        raise CallerError("stop must be a string or a list of strings", param="stop")
    return tuple(found)


def _messages(body: Members) -> list[Members]:
    found = list(body.each("messages"))
    if not found:
        raise CallerError("messages must be a list with at least one message", param="messages")
    return found


def _merged(messages: Any) -> tuple[Message, ...]:
    """Results of tools that follow each other become one message."""
    found: list[Message] = []
    for message in messages:
        if message.role == "tool" and found and found[-1].role == "tool":
            found[-1] = Message(role="tool", parts=found[-1].parts + message.parts)
        else:
            found.append(message)
    return tuple(found)


def _message(message: Members) -> Message:
    said = message.needed_text("role")
    role = _ROLES.get(said)
    if role is None:
        place = message.place("role")
        raise CallerError(f"{place} must be one of {', '.join(_ROLES)}", param=place)
    if role == "tool":
        return Message(role=role, parts=(_tool_result(message, said),), place=message.path)
    content = _content(message, "content")
    if role == "assistant":
        content = (*_thoughts(message), *content, *_said(message), *_tool_calls(message))
    elif not content and role == "user":
        content = (Text(text=""),)
    return Message(role=role, parts=content, name=message.text("name"), extra=message.rest(), place=message.path)


def _tool_result(message: Members, role: str) -> ToolResult:
    name = message.text("name")
    call_id = name if role == "function" else message.needed_text("tool_call_id")
    if call_id is None:
        raise CallerError(f"{message.place('name')} is missing", param=message.place("name"))
    return ToolResult(call_id=call_id, content=_content(message, "content"), extra=message.rest())


def _content(message: Members, name: str) -> tuple[Part, ...]:
    """A string, or a list of parts."""
    content = message.take(name)
    if content is None:
        return ()
    if type(content) is str:
        return (Text(text=content),) if content else ()
    place = message.place(name)
    if type(content) is not list:
        raise CallerError(f"{place} must be a string or a list of parts", param=place)
    return tuple(_part(Members(part, f"{place}[{index}]")) for index, part in enumerate(content))


def _part(part: Members) -> Part:
    kind = part.needed_text("type")
    if kind == "text":
        return Text(text=part.needed_text("text"), extra=part.rest())
    if kind == "refusal":
        return Refusal(text=part.needed_text("refusal"), extra=part.rest())
    inner = part.members(kind) if kind in ("image_url", "input_audio", "file") else None
    if inner is None:
        place = part.place("type")
        raise UnsupportedParameter(f"{place}: parts of type {kind[:64]!r} cannot be translated", param=place)
    if kind == "image_url":
        detail = inner.text("detail")
        return Image(source=source_of(inner.needed_text("url"), inner.place("url")), detail=detail, extra=part.rest())
    if kind == "input_audio":
        return Audio(data=inner.needed_text("data"), format=inner.needed_text("format"), extra=part.rest())
    return Document(source=_file(inner), name=inner.text("filename"), extra=part.rest())


def source_of(url: str, place: str) -> Source:
    """Where an image is: a data URI (RFC 2397) in base64, or a URL."""
    if data := _DATA_URI.match(url):
        return Source(data=url[data.end() :], media_type=data.group(1).lower())
    if url[:5].lower() == "data:":
        raise CallerError(f"{place} must be a data URI with a media type, in base64", param=place)
    if not url:
        raise CallerError(f"{place} is empty", param=place)
    return Source(url=url)


def _file(file: Members) -> Source:
    if data := file.text("file_data"):
        if not data[:5].lower().startswith("data:"):
            return Source(data=data, media_type="application/pdf")  # OpenAI takes bare base64 of PDFs
        return source_of(data, file.place("file_data"))
    return Source(file_id=file.needed_text("file_id"))


def _thoughts(message: Members) -> tuple[Thought, ...]:
    """What the model has thought, as answers of ours have shown it: with its seals, or the bare text."""
    words = message.text("reasoning_content")
    found = []
    for detail in message.each("reasoning_details"):
        origin = detail.text("format") or ""
        if encrypted := detail.text("data"):
            found.append(Thought(encrypted=encrypted, origin=origin))
        else:
            found.append(Thought(text=detail.text("text") or "", signature=detail.text("signature"), origin=origin))
    if found or not words:
        return tuple(found)
    return (Thought(text=words),)


def _said(message: Members) -> tuple[Part, ...]:
    """What stands beside the content: a refusal, or the sound of an earlier answer."""
    found: list[Part] = []
    if refusal := message.text("refusal"):
        found.append(Refusal(text=refusal))
    if audio := message.members("audio"):
        found.append(Audio(id=audio.needed_text("id")))
    message.take("annotations")
    return tuple(found)


def _tool_calls(message: Members) -> tuple[ToolCall, ...]:
    found = [_tool_call(call) for call in message.each("tool_calls")]
    if legacy := message.members("function_call"):
        name = legacy.needed_text("name")
        found.append(ToolCall(id=name, name=name, arguments=legacy.text("arguments") or "{}"))
    return tuple(found)


def _tool_call(call: Members) -> ToolCall:
    call.take("index")
    if (kind := call.text("type") or "function") != "function":
        place = call.place("type")
        raise UnsupportedParameter(f"{place}: calls of type {kind[:64]!r} cannot be translated", param=place)
    function = call.members("function")
    if function is None:
        raise CallerError(f"{call.place('function')} is missing", param=call.place("function"))
    origin, signature = _signature(call.mapping("extra_content") or {})
    return ToolCall(
        id=call.needed_text("id"),
        name=function.needed_text("name"),
        arguments=function.text("arguments") or "{}",
        signature=signature,
        origin=origin,
        extra=call.rest(),
    )


def _signature(content: dict[str, Any]) -> tuple[str, str | None]:
    """The seal of the thought behind a call, as Google's own compatible API carries it."""
    for origin, members in content.items():
        if type(members) is dict and type(signature := members.get("thought_signature")) is str:
            return origin, signature
    return "", None


def _tools(body: Members) -> tuple[Tool, ...]:
    found = [_tool(tool) for tool in body.each("tools")]
    found += [_function(function) for function in body.each("functions")]  # the form before tools
    return tuple(found)


def _tool(tool: Members) -> Tool:
    kind = tool.needed_text("type")
    function = tool.members("function") if kind == "function" else None
    if function is None:
        place = tool.place("type")
        raise UnsupportedParameter(f"{place}: tools of type {kind[:64]!r} cannot be translated", param=place)
    return _function(function, tool.rest())


def _function(function: Members, extra: dict[str, Any] | None = None) -> Tool:
    return Tool(
        name=function.needed_text("name"),
        description=function.text("description"),
        parameters=function.mapping("parameters"),
        strict=function.boolean("strict"),
        extra={**(extra or {}), **function.rest()},
    )


def _tool_choice(body: Members) -> ToolChoice | None:
    choice = body.take("tool_choice")
    legacy = body.take("function_call")
    choice = legacy if choice is None else choice
    if choice is None:
        return None
    if choice in ("auto", "none", "required"):
        return ToolChoice(mode=Choosing(choice))
    if type(choice) is dict:
        named = choice.get("function", choice)
        if type(named) is dict and type(name := named.get("name")) is str:
            return ToolChoice(mode=Choosing.NAMED, name=name)
        if choice.get("type") not in (None, "function"):
            kind = str(choice.get("type"))[:64]
            raise UnsupportedParameter(f"tool_choice of type {kind!r} cannot be translated", param="tool_choice")
    raise CallerError("tool_choice must be auto, none, required, or name a function", param="tool_choice")


def _format(body: Members) -> Format | None:
    wanted = body.members("response_format")
    if wanted is None:
        return None
    kind = wanted.needed_text("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format()
    schema = wanted.members("json_schema") if kind == "json_schema" else None
    if schema is None:
        place = wanted.place("type")
        raise CallerError(f"{place} must be text, json_object or json_schema", param=place)
    return Format(
        schema=schema.mapping("schema") or {},
        name=schema.text("name"),
        description=schema.text("description"),
        strict=schema.boolean("strict"),
    )


def _reasoning(body: Members) -> Reasoning | None:
    effort = body.text("reasoning_effort")
    return Reasoning(effort=effort) if effort else None
