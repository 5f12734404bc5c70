"""Building requests to Cohere (Cohere API reference, "Chat"; guides: "Reasoning", "Structured Outputs").

``user``, ``metadata``, and the name and description of a schema are left out: the API has no place for them, and they
change nothing in an answer. Members of Cohere's own, such as ``documents``, are passed on as callers give them.

Cohere can be made to call some tool, not a certain one: where one is named, it is the only one that is offered. Tools
are held to their schemas all together or not at all: all are where one is strict.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.requests import ChatRequest, Choosing, Tool
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.cohere.messages import turns_of
from sluice_gateway.providers.openai.parts import only_hints
from sluice_gateway.providers.parameters import Parameters

PARAMETERS = Parameters(
    unsupported=frozenset({"logit_bias", "modalities", "n", "top_logprobs", "verbosity"}),
    cuts_calls=True,
    ranges={
        "temperature": (0, 1),  # "Errors", 400; the reference names no upper bound
        "top_p": (0.01, 0.99),
        "top_k": (0, 500),
        "presence_penalty": (0, 1),
        "frequency_penalty": (0, 1),
        "seed": (0, 2**64 - 1),
    },
    most_stops=5,
    extra=frozenset({"citation_options", "documents", "priority", "safety_mode", "strict_tools", "thinking"}),
)

# Tokens to think with. Cohere knows but on and off; the figures are ours, and those that other providers get.
# High efforts are without bounds, as Cohere advises.
_BUDGETS: Mapping[str, int | None] = {
    "minimal": 1024,
    "low": 4096,
    "medium": 10_000,
    "high": None,
    "xhigh": None,
    "max": None,
}
_CHOICES: Mapping[Choosing, str] = {
    Choosing.NONE: "NONE",
    Choosing.REQUIRED: "REQUIRED",
    Choosing.NAMED: "REQUIRED",
}
_FORCED = (Choosing.REQUIRED, Choosing.NAMED)
_NO_TIER = (None, "auto", "default")  # there is but one


def build(request: ChatRequest, facts: Facts) -> bytes:
    """The body. Raises CallerError for what Cohere can't be asked."""
    if request.service_tier not in _NO_TIER:
        name = request.named("service_tier")
        _refuse(facts, name, f"{facts.vendor} has no {name}")
    tools = _tools(request)
    members = {
        "tools": [_tool(tool, facts) for tool in tools] or None,
        "strict_tools": any(tool.strict for tool in tools) or None,
        "tool_choice": _CHOICES.get(request.tool_choice.mode) if tools and request.tool_choice else None,
        "response_format": _format(request, facts),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "p": request.top_p,
        "k": request.top_k,
        "seed": request.seed,
        "presence_penalty": request.presence_penalty or None,  # beside the other it is refused, even as 0
        "frequency_penalty": request.frequency_penalty or None,
        "stop_sequences": request.stop or None,
        "logprobs": request.logprobs or None,
        "thinking": _thinking(request, facts),
        **request.extra,
    }
    body: dict[str, Any] = {
        "model": facts.model,
        "stream": request.stream,
        "messages": turns_of(request, facts),
    }
    return msgspec.json.encode(body | {name: value for name, value in members.items() if value is not None})


def _tools(request: ChatRequest) -> tuple[Tool, ...]:
    """Those to offer."""
    choice = request.tool_choice
    if choice is None or choice.mode not in _FORCED:
        return request.tools
    place = request.named("tool_choice")
    if not request.tools:
        raise CallerError(f"{place} asks for a tool, and there are none", param=place)
    if choice.mode is Choosing.REQUIRED:
        return request.tools
    found = tuple(tool for tool in request.tools if tool.name == choice.name)
    if not found:
        raise CallerError(f"{place} names a tool that is not there", param=place)
    return found


def _tool(tool: Tool, facts: Facts) -> dict[str, Any]:
    only_hints(tool.extra, facts)
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _format(request: ChatRequest, facts: Facts) -> dict[str, Any] | None:
    wanted = request.format
    if wanted is None:
        return None
    beside = request.named("tools") if request.tools else "documents" if request.extra.get("documents") else None
    if beside is not None:
        name = request.named("format")
        _refuse(facts, name, f"{facts.vendor} takes no {name} beside {beside}")
        return None
    return {"type": "json_object", "json_schema": wanted.schema} if wanted.schema else {"type": "json_object"}


def _thinking(request: ChatRequest, facts: Facts) -> dict[str, Any] | None:
    """Models that reason do so unless they are told not to; others know nothing of it."""
    wish = request.reasoning
    if wish is None:
        return None
    off = wish.effort == "none" or wish.budget == 0
    name = request.named("reasoning")
    if facts.capabilities and "reasoning" not in facts.capabilities:
        if not off:
            _refuse(facts, name, f"{facts.model} has no {name}")
        return None
    if off:
        return {"type": "disabled"}
    if wish.effort is not None and wish.effort not in _BUDGETS:
        _refuse(facts, name, f"{facts.vendor} knows no {name} {wish.effort[:64]!r}")
        return None
    budget = wish.budget if wish.budget is not None else _BUDGETS.get(wish.effort or "")
    return {"type": "enabled", "token_budget": budget} if budget and budget > 0 else {"type": "enabled"}


def _refuse(facts: Facts, name: str, message: str) -> None:
    """Under the other policies, what can't be had is left out."""
    if facts.policy == "strict":
        raise UnsupportedParameter(message, param=name)
