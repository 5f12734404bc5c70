"""Writing requests to Gemini (Gemini API reference, "GenerateContentRequest" and "GenerationConfig"; Vertex AI
reference, "Generate content").

All system messages become the one systemInstruction; a conversation of nothing else is said as the user's. Turns that
follow each other with one role become one, and empty ones, which Gemini refuses, are left out. ``user``, ``metadata``,
the names of speakers and of schemas and the further members of tools have no place there, and change nothing in an
answer.
"""

from typing import Any

import msgspec

from sluice_gateway.errors import CallerError, ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.parts import Text, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Message, Tool
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.google.parts import Reader, answered, result, said
from sluice_gateway.providers.google.schemas import fitted
from sluice_gateway.providers.google.thinking import thinking_config
from sluice_gateway.providers.parameters import Parameters, fit

TOP_LEVEL = frozenset({"safetySettings", "safety_settings", "cachedContent", "cached_content", "labels"})
"""Members of Gemini's own request that callers may add."""

IN_CONFIG = frozenset(
    {
        "thinkingConfig",
        "thinking_config",
        "mediaResolution",
        "media_resolution",
        "speechConfig",
        "speech_config",
        "imageConfig",
        "image_config",
    }
)
"""Members of its generationConfig that they may."""

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
Calls = dict[str, tuple[int, str]]  # of a conversation so far, by their ids: their numbers, and what they have called

_MODES = {Choosing.AUTO: "AUTO", Choosing.NONE: "NONE", Choosing.REQUIRED: "ANY", Choosing.NAMED: "ANY"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}


def build_request(request: ChatRequest, facts: Facts, schemes: tuple[str, ...]) -> bytes:
    """The body. ``schemes``: of the URIs from which Gemini reads files. Raises CallerError."""
    if facts.max_output_tokens is not None:
        length = Parameters(ranges={"max_tokens": (1, facts.max_output_tokens)}, extra=TOP_LEVEL | IN_CONFIG)
        request = fit(request, length, facts.policy, facts.model)
    reader = Reader(facts.model, schemes)
    system = _system(request)
    body: dict[str, Any] = {"contents": _contents(request, reader)}
    if not body["contents"]:
        body["contents"], system = [{"role": "user", "parts": [{"text": system}]}], ""
    if system:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    if config := _tool_config(request):
        body["toolConfig"] = {"functionCallingConfig": config}
    if config := _generation_config(request, facts):
        body["generationConfig"] = config
    if tier := _tier(request, facts):
        body["serviceTier"] = tier
    body |= {name: value for name, value in request.extra.items() if name in TOP_LEVEL}
    return msgspec.json.encode(body)


def _within(message: Message, request: ChatRequest, member: str) -> str:
    """What the caller calls a member of a message, or all messages where it is not told."""
    return f"{message.place}.{member}" if message.place else request.named("messages")


def _system(request: ChatRequest) -> str:
    found = []
    for message in request.messages:
        if message.role == "system":
            for part in message.parts:
                if not isinstance(part, Text):
                    place = _within(message, request, "content")
                    raise UnsupportedParameter(f"Gemini takes only text from the system, in {place}", param=place)
                found.append(part.text)
    return "\n\n".join(found)


def _contents(request: ChatRequest, reader: Reader) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = []
    calls: Calls = {}
    for message in request.messages:
        if message.role == "system":
            continue
        if message.role == "assistant":
            role, parts = "model", _answered(message, calls, reader, request)
        else:
            role, parts = "user", _asked(message, calls, reader, request)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _answered(message: Message, calls: Calls, reader: Reader, request: ChatRequest) -> list[dict[str, Any]]:
    """A turn of the model."""
    for part in message.parts:
        if isinstance(part, ToolCall):
            calls[part.id] = len(calls), part.name
    content, tool_calls = (_within(message, request, member) for member in ("content", "tool_calls"))
    return answered(message.parts, reader, content, tool_calls)


def _asked(message: Message, calls: Calls, reader: Reader, request: ChatRequest) -> list[dict[str, Any]]:
    """A turn of the user, or of tools."""
    place = _within(message, request, "content")
    if message.role == "tool":
        results = _results(message, calls, request)
        return [made for part in results for made in result(part, calls[part.call_id][1], reader, place)]
    made = (
        said(part, reader, f"{place}[{index}]" if message.place else place) for index, part in enumerate(message.parts)
    )
    return [part for part in made if part]


def _results(message: Message, calls: Calls, request: ChatRequest) -> list[ToolResult]:
    """In the order of their calls, by which Gemini tells calls of one function apart."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    for part in results:
        if part.call_id not in calls:
            place = message.place or request.named("messages")
            raise CallerError(f"{place} answers {part.call_id[:64]!r}, which nobody has called", param=place)
    return sorted(results, key=lambda part: calls[part.call_id])


def _declaration(tool: Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name}
    if tool.description:
        made["description"] = tool.description
    if tool.parameters and _has_parameters(tool.parameters):
        made["parametersJsonSchema"] = fitted(tool.parameters)
    return made


def _has_parameters(schema: dict[str, Any]) -> bool:
    """Whether there is anything to pass: an object without properties is refused, its absence says the same."""
    return schema.get("type") != "object" or any(schema.get(name) for name in schema.keys() - _SAYS_NOTHING)


_SAYS_NOTHING = {"type", "required", "title", "description", "$schema"}


def _tool_config(request: ChatRequest) -> dict[str, Any]:
    choice = request.tool_choice
    mode = choice.mode if choice else Choosing.AUTO
    if mode is Choosing.AUTO:
        # Holds the arguments to their schemas, as strict does, and leaves the model free to call nothing.
        return {"mode": "VALIDATED"} if any(tool.strict for tool in request.tools) else {}
    if not request.tools:
        if mode is Choosing.NONE:
            return {}
        name = request.named("tool_choice")
        raise CallerError(f"{name} asks for a tool, and there are none", param=name)
    config: dict[str, Any] = {"mode": _MODES[mode]}
    if choice is not None and choice.name is not None:
        config["allowedFunctionNames"] = [choice.name]
    return config


def _generation_config(request: ChatRequest, facts: Facts) -> dict[str, Any]:
    config = {name: value for field, name in _SAMPLING.items() if (value := getattr(request, field)) is not None}
    if request.stop:
        config["stopSequences"] = request.stop
    if request.logprobs:
        config["responseLogprobs"] = True
    if request.top_logprobs:
        config["logprobs"] = request.top_logprobs
    if request.modalities and request.modalities != ("text",):
        config["responseModalities"] = [modality.upper() for modality in request.modalities]
    if request.format is not None:
        config["responseMimeType"] = "application/json"
        if request.format.schema:
            config["responseJsonSchema"] = fitted(request.format.schema)
    if thinking := thinking_config(request, facts):
        config["thinkingConfig"] = thinking
    return config | {name: value for name, value in request.extra.items() if name in IN_CONFIG}


def _tier(request: ChatRequest, facts: Facts) -> str | None:
    tier = request.service_tier
    if tier is None or tier == "auto" or tier in _TIERS or facts.policy != "strict":
        return _TIERS.get(tier or "")
    name = request.named("service_tier")
    raise ParameterOutOfRange(f"{name} must be one of auto, {', '.join(_TIERS)} for {facts.vendor}", param=name)
