"""What Gemini's models forbid beyond types (Gemini API guides: "Function calling", "Thinking", "Thought signatures",
"Structured outputs").
"""

from typing import Any

import msgspec

from tests.support.model_server import seals
from tests.support.model_server.google_errors import NEWER, refused
from tests.support.model_server.google_requests import (
    Content,
    FunctionCall,
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateRequest,
    GenerationConfig,
    Part,
)

SEALED_BY = "google"
# What the guide on thought signatures allows for calls that come from elsewhere.
_FOREIGN = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")
_DATA = ("text", "inline_data", "file_data", "function_call", "function_response")


def sealed_words(call: FunctionCall | None) -> str:
    """What a signature is over."""
    if call is None:
        return "text"  # which comes in pieces, and its signature behind them
    return msgspec.json.encode([call.name, call.args], order="sorted").decode()


def check(request: GenerateRequest, model: str) -> None:
    """Raises Refused."""
    if not request.contents:
        raise refused("* GenerateContentRequest.contents: contents is not specified")
    for number, content in enumerate(request.contents):
        _check_content(content, f"* GenerateContentRequest.contents[{number}]")
    if request.contents[-1].role == "model":
        raise refused("Please ensure that single turn requests end with a user role.")
    _check_calls(request.contents)
    _check_signatures(request.contents, model)
    _check_tools(request)
    _check_config(request.generation_config or GenerationConfig(), request, model)


def _check_content(content: Content, where: str) -> None:
    if content.role is None:
        raise refused("Please use a valid role: user, model.")
    if not content.parts:
        raise refused(f"{where}.parts: contents.parts must not be empty.")
    for place, part in enumerate(content.parts):
        given = [name for name in _DATA if getattr(part, name) is not None]
        if len(given) != 1:
            raise refused(f"{where}.parts[{place}].data: required oneof field 'data' must have one initialized field")
        if part.text == "" and part.thought_signature is None and len(content.parts) == 1:
            raise refused(f"{where}.parts[{place}]: the text must not be empty.")


def _check_calls(contents: list[Content]) -> None:
    for before, after in zip(contents, [*contents[1:], None], strict=True):
        called = [part.function_call for part in before.parts if part.function_call]
        if not called:
            continue
        responses = [part.function_response for part in after.parts if part.function_response] if after else []
        if len(responses) != len(called):
            raise refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if sorted(call.name for call in called) != sorted(response.name for response in responses):
            raise refused("Function response name should match the function call name.")
    _check_no_strays(contents)


def _check_no_strays(contents: list[Content]) -> None:
    for before, after in zip([None, *contents[:-1]], contents, strict=True):
        answers = any(part.function_response for part in after.parts)
        if answers and not (before and any(part.function_call for part in before.parts)):
            raise refused("Please ensure that function response turn comes immediately after a function call turn.")


def _check_signatures(contents: list[Content], model: str) -> None:
    """In the current turn, the first call of each step has its signature; wherever one is, it must be right."""
    latest = max((number for number, one in enumerate(contents) if _is_said(one)), default=0)
    for number, content in enumerate(contents):
        first = True
        for place, part in enumerate(content.parts):
            if part.thought_signature is not None:
                _check_signature(part)
            if part.function_call and first:
                first = False
                if model == NEWER and number > latest and part.thought_signature is None:
                    raise refused(
                        "Function call is missing a thought_signature in functionCall parts. This is required for "
                        f"tools to work correctly. Additional data, function call `default_api:"
                        f"{part.function_call.name}` , position {place + 1}."
                    )


def _is_said(content: Content) -> bool:
    return content.role == "user" and not any(part.function_response for part in content.parts)


def _check_signature(part: Part) -> None:
    given = part.thought_signature or ""
    if given in _FOREIGN:
        return
    try:
        seals.check(given.replace("-", "+").replace("_", "/"), SEALED_BY, sealed_words(part.function_call))
    except seals.Broken:
        raise refused("Thought signature is not valid.") from None


def _check_tools(request: GenerateRequest) -> None:
    names = [one.name for tool in request.tools for one in tool.function_declarations]
    if len(names) != len(set(names)):
        raise refused("Duplicate function declaration found.")
    for tool in request.tools:
        for one in tool.function_declarations:
            _check_declaration(one)
    if request.tool_config and request.tool_config.function_calling_config:
        _check_calling(request.tool_config.function_calling_config, names)


def _check_declaration(one: FunctionDeclaration) -> None:
    if one.parameters is None:
        return
    if one.parameters_json_schema is not None:
        raise refused("parameters and parameters_json_schema are mutually exclusive.")
    if str(one.parameters.type).upper() != "OBJECT":
        raise refused(f"{one.name}.parameters.type: schema type must be OBJECT.")
    if not one.parameters.properties:
        raise refused(f"{one.name}.parameters.properties: should be non-empty for OBJECT type")


def _check_calling(config: FunctionCallingConfig, names: list[str]) -> None:
    if config.allowed_function_names is not None:
        if config.mode not in ("ANY", "VALIDATED"):
            raise refused("Allowed function names should only be set when function calling mode is ANY.")
        if not set(config.allowed_function_names) <= set(names):
            raise refused("allowed_function_names must be among the function declarations.")
    if config.mode == "ANY" and not names:
        raise refused("Function calling config is set without function_declarations.")


def _check_config(config: GenerationConfig, request: GenerateRequest, model: str) -> None:
    if config.response_schema is not None and config.response_json_schema is not None:
        raise refused("response_schema and response_json_schema are mutually exclusive.")
    formed: Any = config.response_schema or config.response_json_schema
    if formed is not None and config.response_mime_type != "application/json":
        raise refused("response_schema requires response_mime_type to be application/json.")
    if config.response_mime_type == "application/json" and request.tools and model != NEWER:
        raise refused("Function calling with a response mime type: 'application/json' is unsupported")
    if config.logprobs is not None and not config.response_logprobs:
        raise refused("logprobs can only be set when response_logprobs is true.")
    thinking = config.thinking_config
    if thinking is None:
        return
    if thinking.thinking_level is not None and thinking.thinking_budget is not None:
        raise refused("You can only set only one of thinking budget and thinking level.")
    if thinking.thinking_level is not None and model != NEWER:
        raise refused("Thinking level is not supported for this model.")
    if thinking.thinking_budget == 0 and model == NEWER:
        raise refused("Budget 0 is invalid. This model only works in thinking mode.")
