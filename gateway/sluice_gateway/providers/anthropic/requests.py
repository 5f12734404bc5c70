"""Building requests to Anthropic's Messages API (Claude API reference, "Create a Message", version 2023-06-01).

``user`` becomes metadata.user_id; other metadata and a schema's name are left out. Members of Anthropic's own, such as
``thinking`` or ``cache_control``, are passed on as callers of another shape give them.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.requests import ChatRequest, Choosing, Tool
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.anthropic.messages import conversation_of
from sluice_gateway.providers.anthropic.models import Generation, generation_of
from sluice_gateway.providers.anthropic.schemas import closed, opens
from sluice_gateway.providers.anthropic.thinking import Thinking, off_for_forced_tools, thinking_of
from sluice_gateway.providers.parameters import Parameters, fit

DEFAULT_MAX_TOKENS = 32_000  # no model on offer has a shorter longest answer ("Models overview")

PARAMETERS = Parameters(
    unsupported=frozenset(
        {
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "modalities",
            "n",
            "presence_penalty",
            "seed",
            "top_logprobs",
            "verbosity",
        }
    ),
    ranges={"temperature": (0, 1), "top_p": (0, 1)},
    extra=frozenset(
        {
            "cache_control",
            "container",
            "context_management",
            "diagnostics",
            "inference_geo",
            "mcp_servers",
            "output_config",
            "speed",
            "thinking",
        }
    ),
)

_LEAST_TOP_P = 0.95  # of a model that thinks ("Thinking", on sampling parameters)
_STANDARD_TIERS = ("default", "standard_only")  # OpenAI's word and Anthropic's
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_OWN_OF_TOOLS = frozenset(
    {"allowed_callers", "cache_control", "defer_loading", "eager_input_streaming", "input_examples"}
)
_CHOICES: Mapping[Choosing, str] = {
    Choosing.AUTO: "auto",
    Choosing.NONE: "none",
    Choosing.REQUIRED: "any",
    Choosing.NAMED: "tool",
}
_HINTS = frozenset({"cache_control", "metadata"})  # they change nothing in an answer
_COMPOSED = ("oneOf", "anyOf", "allOf")
_FORCED = (Choosing.REQUIRED, Choosing.NAMED)
_HALF = re.compile("[\ud800-\udfff]")

_encode = msgspec.json.encode


def build(request: ChatRequest, facts: Facts) -> bytes:
    """The body. Raises CallerError for what the model can't be asked."""
    body = _body(request, facts)
    try:
        return _encode(body)
    except UnicodeEncodeError:  # a text of the caller's was cut between two halves of a character
        return _encode(_mended(body))


def _body(request: ChatRequest, facts: Facts) -> dict[str, Any]:
    generation = generation_of(facts.model)
    max_tokens = _max_tokens(request, facts)
    system, turns = conversation_of(request, facts, system_turns=generation.system_turns)
    may_think = not _goes_on_without_thoughts(turns)
    wanted = thinking_of(request, facts, generation, max_tokens=max_tokens, may_think=may_think)
    mode = _mode(request, facts, generation)
    thinking = _beside_tools(mode, wanted, request, facts, generation)
    members = {
        "system": system,
        "messages": turns,
        "tools": [_tool(tool, at, request, facts) for at, tool in enumerate(request.tools)] or None,
        "tool_choice": _tool_choice(mode, request),
        "stop_sequences": _stop_sequences(request, facts) or None,
        "stream": request.stream or None,
        **_sampling(request, facts, generation, thinking),
        "thinking": thinking.config,
        "metadata": _metadata(request),
        "service_tier": _service_tier(request, facts),
        **request.extra,
        "output_config": _output_config(request, facts, thinking) or None,
    }
    body: dict[str, Any] = {"model": facts.model, "max_tokens": max_tokens}
    body |= {name: value for name, value in members.items() if value is not None}
    return _within_quirks(body, facts) if facts.quirks.unsupported or facts.quirks.renamed else body


def _within_quirks(body: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """For servers that speak the shape, but not all of it."""
    for name in facts.quirks.unsupported & body.keys():
        if facts.policy == "strict" and name not in _HINTS:
            raise UnsupportedParameter(f"{facts.vendor} has no {name}", param=name)
        del body[name]
    return {facts.quirks.renamed.get(name, name): value for name, value in body.items()}


def _max_tokens(request: ChatRequest, facts: Facts) -> int:
    """The API wants it always."""
    most = facts.max_output_tokens
    if most is not None:
        ranges = Parameters(ranges={"max_tokens": (1, most)}, extra=PARAMETERS.extra)
        request = fit(request, ranges, facts.policy, facts.model)
    return request.max_tokens if request.max_tokens is not None else most or DEFAULT_MAX_TOKENS


def _goes_on_without_thoughts(turns: list[dict[str, Any]]) -> bool:
    """Whether results of tools are to be answered, and the turn that called them came back without its thoughts: a
    model with a budget refuses to think on then ("Extended thinking", on tool use).
    """
    if len(turns) == 1:
        return False
    before, last = turns[-2]["content"], turns[-1]["content"]
    if isinstance(last, str) or last[0]["type"] != "tool_result":
        return False
    return isinstance(before, str) or before[0]["type"] not in ("thinking", "redacted_thinking")


def _mode(request: ChatRequest, facts: Facts, generation: Generation) -> Choosing | None:
    """How tools are to be chosen; None when there is nothing to say."""
    mode = request.tool_choice.mode if request.tool_choice else None
    if not request.tools:
        if mode in _FORCED:
            place = request.named("tool_choice")
            raise CallerError(f"{place} asks for a tool, and there are none", param=place)
        return None
    if mode in _FORCED and not generation.forces_tools:
        _refuse(request, facts, "tool_choice", f"{facts.model} can't be made to call a tool")
        return Choosing.AUTO
    return Choosing.AUTO if mode is None and request.parallel_tool_calls is False else mode


def _beside_tools(
    mode: Choosing | None, thinking: Thinking, request: ChatRequest, facts: Facts, generation: Generation
) -> Thinking:
    """A forced tool and thinking exclude each other ("Thinking", on tool use): the tool is the firmer wish."""
    if mode not in _FORCED or (thinking.config is not None and not thinking.on) or "thinking" in request.extra:
        return thinking
    if thinking.on:
        reasoning = request.named("reasoning")
        _refuse(request, facts, "tool_choice", f"{facts.model} can't be made to call a tool beside {reasoning}")
    return Thinking(off_for_forced_tools(generation))


def _tool_choice(mode: Choosing | None, request: ChatRequest) -> dict[str, Any] | None:
    if mode is None:
        return None
    choice: dict[str, Any] = {"type": _CHOICES[mode]}
    if mode is Choosing.NAMED and request.tool_choice is not None:
        choice["name"] = request.tool_choice.name
    if mode is not Choosing.NONE and request.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return choice


def _tool(tool: Tool, at: int, request: ChatRequest, facts: Facts) -> dict[str, Any]:
    place = f"{request.named('tools')}[{at}]"
    if not _TOOL_NAME.fullmatch(tool.name):
        message = f"{place}: {facts.vendor} takes names of 1 to 128 letters, digits, underscores and hyphens"
        raise CallerError(message, param=place)
    found: dict[str, Any] = {"name": tool.name}
    if tool.description:
        found["description"] = tool.description
    found["input_schema"] = _input_schema(tool, place, facts)
    if tool.strict:
        found |= {"input_schema": _closed(found["input_schema"], place, facts), "strict": True}
    if facts.policy == "strict":
        for name in sorted(tool.extra.keys() - _OWN_OF_TOOLS):
            raise UnsupportedParameter(f"{facts.vendor} has no {place}.{name}", param=f"{place}.{name}")
    return found | {name: value for name, value in tool.extra.items() if name in _OWN_OF_TOOLS}


def _input_schema(tool: Tool, place: str, facts: Facts) -> dict[str, Any]:
    """An object's, and at its top no choice among schemas, which the API refuses."""
    schema = tool.parameters or {"properties": {}}
    for name in _COMPOSED:
        if name in schema and facts.policy == "strict":
            message = f"{place}: {facts.vendor} takes no {name} at the top of a tool's parameters"
            raise UnsupportedParameter(message, param=place)
    return {"type": "object"} | {name: value for name, value in schema.items() if name not in _COMPOSED}


def _closed(schema: dict[str, Any], place: str, facts: Facts) -> dict[str, Any]:
    if facts.policy == "strict" and opens(schema):
        message = f"{place}: {facts.vendor} holds a model to no schema whose additionalProperties are not false"
        raise UnsupportedParameter(message, param=place)
    return closed(schema)


def _sampling(
    request: ChatRequest, facts: Facts, generation: Generation, thinking: Thinking
) -> dict[str, float | None]:
    """What the model takes of temperature, top_p and top_k. Values of 1 change nothing and are not sent to models that
    take no others: some refuse them nonetheless.
    """
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if not generation.samples or thinking.on:
        least = _LEAST_TOP_P if generation.samples else 1
        refused = {"temperature": temperature not in (None, 1), "top_k": top_k is not None}
        refused["top_p"] = top_p is not None and top_p < least
        why = " while it thinks" if generation.samples else ""
        for name in (name for name, is_refused in refused.items() if is_refused):
            _refuse(request, facts, name, f"{facts.model} does not take this {request.named(name)}{why}")
        return {"top_p": top_p} if generation.samples and not refused["top_p"] else {}
    if generation.one_sampler and temperature is not None and top_p is not None:
        if top_p != 1 and temperature != 1:
            _refuse(request, facts, "top_p", f"{facts.model} takes no {request.named('top_p')} beside temperature")
        temperature, top_p = (None, top_p) if temperature == 1 and top_p != 1 else (temperature, None)
    return {"temperature": temperature, "top_p": top_p, "top_k": top_k}


def _stop_sequences(request: ChatRequest, facts: Facts) -> list[str]:
    """The API refuses those that are nothing but white space."""
    said = [word for word in request.stop if word.strip()]
    if len(said) < len(request.stop):
        _refuse(request, facts, "stop", f"{facts.model} does not stop at white space alone")
    return said


def _output_config(request: ChatRequest, facts: Facts, thinking: Thinking) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    wanted = request.format
    if wanted is not None and wanted.schema:
        place = request.named("format")
        schema = wanted.schema if wanted.description is None else {"description": wanted.description, **wanted.schema}
        config["format"] = {"type": "json_schema", "schema": _closed(schema, place, facts)}
    elif wanted is not None:
        _refuse(request, facts, "format", f"{facts.vendor} has no {request.named('format')} for JSON without a schema")
    own = request.extra.get("output_config")
    return config | own if isinstance(own, dict) else config


def _metadata(request: ChatRequest) -> dict[str, str] | None:
    user = request.user or (request.metadata or {}).get("user_id")
    return {"user_id": user} if isinstance(user, str) and user else None


def _service_tier(request: ChatRequest, facts: Facts) -> str | None:
    tier = request.service_tier
    if tier is None or tier == "auto":
        return None
    if tier in _STANDARD_TIERS:
        return "standard_only"
    _refuse(request, facts, "service_tier", f"{facts.vendor} has no {request.named('service_tier')} {tier[:64]!r}")
    return None


def _refuse(request: ChatRequest, facts: Facts, field: str, message: str) -> None:
    """Under the other policies, what can't be had is left out."""
    if facts.policy == "strict":
        raise UnsupportedParameter(message, param=request.named(field))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value
