"""Writing chat completions requests (OpenAI API reference, "Create chat completion").

What has no place there and changes nothing in the answer is left out: ``cache_control`` of parts and tools, a name of a
tool's result, how much of its reasoning a model is to show (``Reasoning.summary``), and ``metadata`` unless the answer
is stored, which alone makes it valid. A tool's failure is told in words, and pictures that a tool has answered with
follow its result in a message of the user's: results hold text only.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from sluice_gateway.errors import ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.parts import Part, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Format, Message, Reasoning, Tool, ToolChoice
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.openai.parts import (
    assistant_message,
    content_of,
    only_hints,
    result_message,
    shown_results,
    without_results,
)
from sluice_gateway.providers.parameters import asks_for_nothing, fit

# The effort that stands for a budget of tokens: Gemini API, "OpenAI compatibility", which maps them the other way.
_LOW_BUDGET, _MEDIUM_BUDGET = 1024, 8192

# What ChatRequest calls a member of the body, where that differs.
_FIELDS = {
    "max_completion_tokens": "max_tokens",
    "response_format": "format",
    "reasoning_effort": "reasoning",
}
_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "service_tier",
    "verbosity",
)


def write_request(request: ChatRequest, facts: Facts) -> bytes:
    """The body. Raises UnsupportedParameter and ParameterOutOfRange, which name the caller's field."""
    quirks = facts.quirks
    if quirks.parameters is not None:
        request = fit(request, quirks.parameters, facts.policy, facts.vendor)
    body: dict[str, Any] = {"model": facts.model, "messages": list(_messages(request, facts))}
    body |= _members(request, facts)
    _leave_out_unsupported(body, request, facts)
    for name, value in request.extra.items():
        body.setdefault(name, value)
    for old, new in quirks.renamed.items():
        if old in body and new not in body:
            body[new] = body.pop(old)
    return encoded(body)


def encoded(body: Any) -> bytes:
    """As JSON. A caller's text may hold half of a character (RFC 8259, 8.2): escaped, as it came."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body).encode()


def _members(request: ChatRequest, facts: Facts) -> dict[str, Any]:
    """All but the messages."""
    body: dict[str, Any] = {}
    if request.max_tokens is not None:
        body[facts.quirks.max_tokens] = request.max_tokens
    for name in _AS_THEY_ARE:
        if (value := getattr(request, name)) is not None:
            body[name] = value
    for name in ("stop", "modalities"):
        if value := getattr(request, name):
            body[name] = list(value)
    if request.tools:
        body |= _tools(request, facts)
    if request.format is not None:
        body["response_format"] = _format(request.format, request, facts)
    if request.reasoning is not None:
        body |= _reasoning(request.reasoning, facts)
    if request.metadata and request.extra.get("store") is True:
        body["metadata"] = request.metadata
    return body | _streaming(facts) if request.stream else body


def _streaming(facts: Facts) -> dict[str, Any]:
    return {"stream": True} | ({"stream_options": {"include_usage": True}} if facts.quirks.usage_in_stream else {})


def _leave_out_unsupported(body: dict[str, Any], request: ChatRequest, facts: Facts) -> None:
    for name in facts.quirks.unsupported & body.keys():
        value = body.pop(name)
        if facts.policy == "strict" and not asks_for_nothing(name, value):
            told = request.named(_FIELDS.get(name, name))
            raise UnsupportedParameter(f"{facts.vendor} has no {told}", param=told)


def _messages(request: ChatRequest, facts: Facts) -> Iterator[dict[str, Any]]:
    for message in request.messages:
        only_hints(message.extra, facts)
        if message.role == "assistant":
            yield assistant_message(message, facts)
        elif message.role == "tool":
            yield from _results(message.parts, facts)
        else:
            yield from _said(message, facts)


def _results(parts: tuple[Part, ...], facts: Facts) -> Iterator[dict[str, Any]]:
    """Each result by itself, then what they show."""
    results = [part for part in parts if isinstance(part, ToolResult)]
    for result in results:
        yield result_message(result, facts)
    if shown := shown_results(results, facts):
        yield {"role": "user", "content": shown}


def _said(message: Message, facts: Facts) -> Iterator[dict[str, Any]]:
    """A message of the system's or the user's."""
    parts = without_results(message.parts)
    if len(parts) < len(message.parts):
        yield from _results(message.parts, facts)
    if parts or len(parts) == len(message.parts):
        body: dict[str, Any] = {"role": message.role, "content": content_of(parts, facts)}
        yield body if message.name is None else body | {"name": message.name}


def _tools(request: ChatRequest, facts: Facts) -> dict[str, Any]:
    """The tools, and how freely they may be chosen."""
    choice = request.tool_choice
    if choice is not None and choice.mode is Choosing.NONE and "tool_choice" in facts.quirks.unsupported:
        return {}  # whom nobody offers a tool, can't choose one
    tools = [_tool(tool, place, facts) for place, tool in enumerate(request.tools)]
    if choice is not None and choice.mode is Choosing.NAMED and not facts.quirks.named_choice:
        tools = [tool for tool in tools if tool["function"]["name"] == choice.name]  # with no other to choose
        choice = ToolChoice(mode=Choosing.REQUIRED)
    body: dict[str, Any] = {"tools": tools}
    if choice is not None:
        body["tool_choice"] = _choice(choice)
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _tool(tool: Tool, place: int, facts: Facts) -> dict[str, Any]:
    only_hints(tool.extra, facts)
    longest = facts.quirks.longest_name
    if longest is not None and len(tool.name) > longest:
        message = f"tools[{place}]: the name has {len(tool.name)} characters; {facts.vendor} takes at most {longest}"
        raise ParameterOutOfRange(message, param=f"tools[{place}]")
    function: dict[str, Any] = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        if (value := getattr(tool, name)) is not None:
            function[name] = value
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode is Choosing.NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode.value


def _format(wanted: Format, request: ChatRequest, facts: Facts) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    if not facts.quirks.json_schema:
        if facts.policy == "strict":
            name = request.named("format")
            raise UnsupportedParameter(f"{facts.vendor} has no JSON schemas in {name}", param=name)
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _reasoning(wanted: Reasoning, facts: Facts) -> dict[str, Any]:
    """How long to think. Without an effort, a budget stands for one.

    A budget of none is what models do that can't reason, which refuse the very member: it is said only to those that
    are known to.
    """
    if wanted.effort == "none":
        return dict(facts.quirks.no_thinking)
    if wanted.effort is not None:
        return {"reasoning_effort": wanted.effort}
    if wanted.budget is None or wanted.budget < 0:
        return {}
    if wanted.budget == 0:
        return dict(facts.quirks.no_thinking) if "reasoning" in facts.capabilities else {}
    if wanted.budget <= _LOW_BUDGET:
        return {"reasoning_effort": "low"}
    return {"reasoning_effort": "medium" if wanted.budget <= _MEDIUM_BUDGET else "high"}
