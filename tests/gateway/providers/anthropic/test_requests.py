"""What Anthropic is sent: what its own SDK would send too, whatever callers give."""

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParams
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sluice_gateway.errors import CallerError
from sluice_gateway.normal.parts import Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Message, Reasoning, Tool, ToolChoice
from sluice_gateway.providers.adapter import Facts, Policy, Quirks
from sluice_gateway.providers.anthropic.requests import build
from sluice_gateway.providers.anthropic.wire import ANTHROPIC
from tests.support.translations import Translation

GOLDENS = sorted(
    (Path(__file__).resolve().parents[3] / "golden" / "providers" / "anthropic").glob("request-*.out.json")
)
SAMPLING = {"temperature", "top_p", "top_k"}  # which version 2026-10-21, whose types these are, has taken out
PARAMETERS: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)
USER = Message(role="user", parts=(Text(text="Hello"),))


def built(request: ChatRequest, model: str = "claude-haiku-4-5", policy: Policy = "strict") -> dict[str, Any]:
    """The body of a request."""
    body: dict[str, Any] = json.loads(build(request, Facts(model=model, vendor="anthropic", policy=policy)))
    return body


@pytest.mark.parametrize("file", GOLDENS, ids=lambda file: file.name.removesuffix(".out.json"))
def test_requests_are_what_the_sdk_types_allow(file: Path) -> None:
    body = json.loads(file.read_text(encoding="utf-8")).get("body")
    if body is not None:
        PARAMETERS.validate_python({name: body[name] for name in body.keys() - SAMPLING})


def test_arguments_of_calls_keep_their_digits() -> None:
    call = ToolCall(id="a", name="f", arguments='{"n": 1.10, "m": 12345678901234567890123}')
    body = build(
        ChatRequest(messages=(USER, Message(role="assistant", parts=(call,)))), Facts(model="claude-haiku-4-5")
    )
    assert b'"input":{"n": 1.10, "m": 12345678901234567890123}' in body


@pytest.mark.parametrize("arguments", ["[]", "5", '"x"', "{", '{"a": "\ud800"}', "[" * 100_000, "\x00"])
def test_arguments_that_are_no_object_are_the_callers_mistake(arguments: str) -> None:
    messages = (USER, Message(role="assistant", parts=(ToolCall(id="a", name="f", arguments=arguments),)))
    with pytest.raises(CallerError, match="JSON object") as raised:
        built(ChatRequest(messages=messages, names={"messages": "input"}))
    assert (raised.value.status, raised.value.param) == (400, "input")


def test_several_tool_results_merge_in_their_order_and_say_which_failed() -> None:
    calls = tuple(ToolCall(id=name, name=name) for name in "ab")
    results = (ToolResult(call_id="b", content=(Text(text="2"),)), ToolResult(call_id="a", content=(), is_error=True))
    messages = (USER, Message(role="assistant", parts=calls), Message(role="tool", parts=results))
    assert built(ChatRequest(messages=messages))["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {"type": "tool_result", "tool_use_id": "a", "is_error": True},
    ]


def test_a_mark_for_the_cache_on_a_message_is_that_of_its_last_block() -> None:
    mark = {"type": "ephemeral"}
    message = Message(role="user", parts=(Text(text="One"), Text(text="Two")), extra={"cache_control": mark})
    blocks = built(ChatRequest(messages=(message,)))["messages"][0]["content"]
    assert [block.get("cache_control") for block in blocks] == [None, mark]


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        ("claude-haiku-4-5", Reasoning(budget=2048), {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-haiku-4-5", Reasoning(budget=-1), {"type": "enabled", "budget_tokens": 10_000}, None),
        ("claude-haiku-4-5", Reasoning(summary="auto"), {"type": "enabled", "budget_tokens": 10_000}, None),
        ("claude-haiku-4-5", Reasoning(effort="max"), {"type": "enabled", "budget_tokens": 31_999}, None),
        ("claude-haiku-4-5", Reasoning(budget=0), None, None),
        ("claude-sonnet-4-6", Reasoning(budget=2048), {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-sonnet-4-6", Reasoning(effort="high"), {"type": "adaptive"}, "high"),
        ("claude-opus-5", Reasoning(budget=2048), {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-opus-5", Reasoning(budget=20_000), {"type": "adaptive", "display": "summarized"}, "xhigh"),
        ("claude-opus-5", Reasoning(budget=-1), {"type": "adaptive", "display": "summarized"}, None),
        ("claude-opus-5", Reasoning(budget=0), {"type": "disabled"}, None),
    ],
)
def test_reasoning_is_said_as_the_model_understands_it(
    model: str, reasoning: Reasoning, thinking: dict[str, Any] | None, effort: str | None
) -> None:
    body = built(ChatRequest(messages=(USER,), reasoning=reasoning), model)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("budget", "policy", "thinking"),
    [
        (500, "clamp", {"type": "enabled", "budget_tokens": 1024}),
        (9000, "clamp", {"type": "enabled", "budget_tokens": 4999}),
        (500, "drop", None),
    ],
)
def test_a_budget_out_of_range_is_brought_into_it_or_left_out(budget: int, policy: Policy, thinking: Any) -> None:
    request = ChatRequest(messages=(USER,), reasoning=Reasoning(budget=budget), max_tokens=5000)
    assert built(request, policy=policy).get("thinking") == thinking
    with pytest.raises(CallerError, match="must be from 1024 tokens to less than the 5000"):
        built(request)


@pytest.mark.parametrize("policy", ["clamp", "drop"])
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5-5", "claude-sonnet-4-6", "model-of-another"])
def test_what_strict_refuses_the_other_policies_leave_out(model: str, policy: Policy) -> None:
    request = ChatRequest(
        messages=(USER,),
        tools=(Tool(name="f", strict=True, parameters={"type": "object", "additionalProperties": {}}),),
        tool_choice=ToolChoice(mode=Choosing.NAMED, name="f"),
        temperature=0.3,
        top_p=0.2,
        top_k=4,
        stop=(" ",),
        reasoning=Reasoning(effort="ultra"),
        service_tier="flex",
    )
    with pytest.raises(CallerError):
        built(request, model)
    body = built(request, model, policy)
    PARAMETERS.validate_python({name: body[name] for name in body.keys() - SAMPLING})
    assert "service_tier" not in body
    assert "stop_sequences" not in body


def test_only_seals_of_anthropic_go_back() -> None:
    thoughts = (
        Thought(text="a", signature="s", origin="google"),
        Thought(text="b", origin="anthropic"),
        Thought(encrypted="d", origin="responses"),
        Thought(text="", signature="s", origin="anthropic"),
    )
    messages = (USER, Message(role="assistant", parts=(*thoughts, Text(text="Hi."))))
    assert built(ChatRequest(messages=messages))["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "text", "text": "Hi."},
    ]


def test_a_file_that_the_provider_keeps_is_named() -> None:
    document = {"type": "file", "file": {"file_id": "file_1"}}
    case = {"model": "claude-haiku-4-5", "body": {"model": "x", "messages": [{"role": "user", "content": [document]}]}}
    sent = Translation("anthropic")._request(json.dumps(case).encode())["body"]
    assert sent["messages"][0]["content"] == [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    assert Source(file_id="file_1").url is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["type", "format", "minItems", "properties", "anyOf", "items", "$defs", "additionalProperties", "minimum"]
SCHEMAS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6)


@settings(max_examples=100, deadline=None)
@given(
    schema=SCHEMAS,
    extra=st.dictionaries(st.sampled_from(sorted(ANTHROPIC.parameters.extra)), JSON),
    text=st.text(max_size=20),
    name=st.text(max_size=140),
    call_id=st.text(max_size=20),
    model=st.sampled_from(["claude-haiku-4-5", "claude-opus-5-5", "x", "claude-"]),
    policy=st.sampled_from(["strict", "clamp", "drop"]),
)
def test_any_request_is_sent_or_refused(
    *,
    schema: dict[str, Any],
    extra: dict[str, Any],
    text: str,
    name: str,
    call_id: str,
    model: str,
    policy: Policy,
) -> None:
    """Never anything that is not JSON, and never an error that is not the caller's."""
    request = ChatRequest(
        messages=(
            Message(role="user", parts=(Text(text=text),), name=name, extra={"cache_control": schema}),
            Message(role="assistant", parts=(ToolCall(id=call_id, name=name, arguments=text),)),
            Message(role="tool", parts=(ToolResult(call_id=call_id, content=(Text(text=text),)),)),
        ),
        tools=(Tool(name=name[:5] or "f", parameters=schema, strict=True),),
        reasoning=Reasoning(effort=text[:5] or None, budget=len(text)),
        stop=(text,),
        extra={name: value for name, value in extra.items() if value is not None},
    )
    body = b""
    with contextlib.suppress(CallerError):
        body = build(request, Facts(model=model, policy=policy))
    assert not body or msgspec.json.decode(body)["model"] == model


def kept(frames: str) -> dict[str, Any]:
    """The message that a client of chat completions makes of a stream."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "reasoning_details": []}
    for line in frames.splitlines():
        for choice in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
            message["content"] += choice["delta"].get("content") or ""
            message["reasoning_details"] += choice["delta"].get("reasoning_details") or []
    return message


@pytest.mark.parametrize("rule", ["thinking", "thinking-omitted", "thinking-redacted"])
def test_thoughts_and_their_seals_survive_a_turn(rule: str) -> None:
    """A client of another shape sends them back as they came, streamed or not."""
    translation = Translation("anthropic")
    folder = GOLDENS[0].parent
    whole = json.loads((folder / f"response-{rule}.in.json").read_text(encoding="utf-8"))
    answered = translation._response((folder / f"response-{rule}.in.json").read_bytes())
    streamed = translation.stream((folder / f"stream-{rule}.in.sse").read_bytes()).decode()
    for message in (answered["choices"][0]["message"], kept(streamed)):
        turns = [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}]
        case = {"model": "claude-opus-5", "body": {"model": "x", "messages": turns}}
        sent = translation._request(json.dumps(case).encode())["body"]["messages"][1]
        assert sent == {"role": "assistant", "content": whole["content"]}


def test_a_server_that_speaks_not_all_of_the_shape_is_spared_the_rest() -> None:
    quirks = Quirks(unsupported=frozenset({"top_k", "metadata"}), renamed={"max_tokens": "max_output"})
    request = ChatRequest(messages=(USER,), top_k=4, user="u", max_tokens=9)
    with pytest.raises(CallerError, match="other has no top_k"):
        build(request, Facts(model="m", vendor="other", quirks=quirks))
    sent = json.loads(build(request, Facts(model="m", vendor="other", policy="drop", quirks=quirks)))
    assert sent == {"model": "m", "max_output": 9, "messages": [{"role": "user", "content": "Hello"}]}
