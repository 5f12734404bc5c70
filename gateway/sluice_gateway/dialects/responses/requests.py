"""Reading Responses requests (OpenAI API reference, "Create a model response").

The gateway keeps no state: ``store`` changes nothing (answers say ``"store": false``), and what refers to stored state
is refused. ``stream_options`` and ``max_tool_calls``, which counts calls of hosted tools alone, change nothing in an
answer, nor does ``include`` beyond logprobs: encrypted reasoning is always in it. ``user``, ``safety_identifier``,
``metadata`` and where to cache the prompt are left out where a provider has no place for them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sluice_gateway.dialects.reading import Members
from sluice_gateway.dialects.responses.input import PLAIN, read_input
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.requests import ChatRequest, Choosing, Format, Reasoning, Tool, ToolChoice

LOGPROBS = "message.output_text.logprobs"
_INCLUDABLE = frozenset(
    {
        LOGPROBS,
        "reasoning.encrypted_content",
        # of hosted tools, which are refused, and of what the caller has sent itself: never in an answer
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
_STATE = ("previous_response_id", "conversation", "prompt")
_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "format": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "include",
}
_PLAIN_REASONING = {"context": "auto", "mode": "standard"}  # what OpenAI does when it is not asked


def read_request(document: dict[str, Any]) -> ChatRequest:
    """The request in the normal form. Raises CallerError."""
    body = Members(document)
    _refuse_state(body)
    for name in ("model", "store", "stream_options", "max_tool_calls"):
        body.take(name)
    if document.get("truncation") == "disabled":
        body.take("truncation")
    shows_logprobs = LOGPROBS in _include(body)
    top_logprobs = body.integer("top_logprobs", least=0)
    identifier = body.text("safety_identifier")
    form, verbosity, beyond_text = _text(body.members("text"))
    reasoning, beyond_reasoning = _reasoning(body.members("reasoning"))
    return ChatRequest(
        messages=read_input(body, body.text("instructions")),
        tools=tuple(map(_tool, body.each("tools"))),
        tool_choice=_tool_choice(body),
        parallel_tool_calls=body.boolean("parallel_tool_calls"),
        max_tokens=body.integer("max_output_tokens", least=1),
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        logprobs=True if shows_logprobs or top_logprobs else None,
        top_logprobs=top_logprobs or None,
        format=form,
        reasoning=reasoning,
        user=body.text("user") or identifier,
        metadata=body.mapping("metadata"),
        service_tier=body.text("service_tier"),
        verbosity=verbosity,
        stream=body.boolean("stream") or False,
        extra=body.rest() | beyond_text | beyond_reasoning,
        names=_NAMES if shows_logprobs else _NAMES | {"logprobs": "top_logprobs"},
    )


def _refuse_state(body: Members) -> None:
    for name in _STATE:
        if body.take(name) is not None:
            raise UnsupportedParameter(
                f"{name}: the gateway keeps no state; send the whole conversation in input", param=name
            )
    if body.boolean("background"):
        raise UnsupportedParameter(
            "background: the gateway keeps no state, so nobody could fetch the answer", param="background"
        )


def _include(body: Members) -> list[Any]:
    wanted = body.array("include") or []
    for index, name in enumerate(wanted):
        if type(name) is not str or name not in _INCLUDABLE:
            raise UnsupportedParameter(f"include[{index}]: {str(name)[:64]!r} is not known", param=f"include[{index}]")
    return wanted


def _beyond(members: Members, plain: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """What is left of a member, by its whole path: no provider has it, which is for the policy to judge."""
    return {members.place(name): value for name, value in members.rest(plain).items()}


def _text(text: Members | None) -> tuple[Format | None, str | None, dict[str, Any]]:
    if text is None:
        return None, None, {}
    wanted, verbosity = text.members("format"), text.text("verbosity")
    if wanted is None:
        return None, verbosity, _beyond(text)
    return _format(wanted), verbosity, _beyond(text) | _beyond(wanted)


def _format(wanted: Members) -> Format | None:
    kind = wanted.needed_text("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema":
        place = wanted.place("type")
        raise CallerError(f"{place} must be text, json_object or json_schema", param=place)
    schema = wanted.mapping("schema")
    if schema is None:
        raise CallerError(f"{wanted.place('schema')} is missing", param=wanted.place("schema"))
    return Format(
        schema=schema,
        name=wanted.needed_text("name"),
        description=wanted.text("description"),
        strict=wanted.boolean("strict"),
    )


def _reasoning(wanted: Members | None) -> tuple[Reasoning | None, dict[str, Any]]:
    if wanted is None:
        return None, {}
    older = wanted.text("generate_summary")  # the name of ``summary`` before
    effort, summary = wanted.text("effort"), wanted.text("summary") or older
    beyond = _beyond(wanted, _PLAIN_REASONING)
    return Reasoning(effort=effort, summary=summary) if effort or summary else None, beyond


def _tool(tool: Members) -> Tool:
    kind = tool.needed_text("type")
    if kind != "function":
        place = tool.place("type")
        raise UnsupportedParameter(f"{place}: tools of type {kind[:64]!r} cannot be translated", param=place)
    return Tool(
        name=tool.needed_text("name"),
        description=tool.text("description"),
        parameters=tool.mapping("parameters"),
        strict=tool.boolean("strict"),
        extra=tool.rest(PLAIN),
    )


def _tool_choice(body: Members) -> ToolChoice | None:
    choice = body.take("tool_choice")
    if choice is None:
        return None
    if type(choice) is str and choice in ("auto", "none", "required"):
        return ToolChoice(mode=Choosing(choice))
    if type(choice) is not dict:
        raise CallerError("tool_choice must be auto, none, required, or name a function", param="tool_choice")
    named = Members(choice, "tool_choice")
    kind = named.needed_text("type")
    if kind != "function":
        raise UnsupportedParameter(f"tool_choice of type {kind[:64]!r} cannot be translated", param="tool_choice.type")
    return ToolChoice(mode=Choosing.NAMED, name=named.needed_text("name"))
