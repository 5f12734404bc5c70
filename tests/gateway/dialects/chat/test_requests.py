"""Reading chat completions: every refusal names the place, and nothing that is said is lost."""

from typing import Any

import pytest

from sluice_gateway.dialects.chat.dialect import ChatDialect
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.parts import Audio, Document, Image, Refusal, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Format, Message, Tool, ToolChoice

HELLO = [{"role": "user", "content": "Hello"}]


def read(**members: Any) -> ChatRequest:
    return ChatDialect().read({"model": "m", "messages": HELLO, **members})


def said(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return read(messages=list(messages)).messages


def test_the_smallest_request() -> None:
    message = Message(role="user", parts=(Text(text="Hello"),), place="messages[0]")
    assert read() == ChatRequest(messages=(message,), names=read().names)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stop": [1]}, "stop"),
        ({"stop": {}}, "stop"),
        ({"tools": [{"type": "function"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.type"),
        ({"logit_bias": []}, "logit_bias"),
        ({"user": 5}, "user"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(CallerError) as refusal:
        read(**members)
    assert refusal.value.status == 400
    assert refusal.value.param == param


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}]},
            "messages[0].tool_calls[0].type",
        ),
    ],
)
def test_what_has_no_form_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        read(**members)
    assert refusal.value.param == param


def test_content_is_words_parts_or_nothing() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    words, listed, empty = said(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts, "name": "ada"},
        {"role": "user", "content": None},
    )
    assert words == Message(role="system", parts=(Text(text="Be brief."),), place="messages[0]")
    assert listed.name == "ada"
    assert listed.parts == (
        Text(text="a", extra={"cache_control": {"type": "ephemeral"}}),
        Image(source=Source(url="https://example.com/a.png"), detail="low"),
        Image(source=Source(data="AAAA", media_type="image/png")),
        Audio(data="BBBB", format="wav"),
        Document(source=Source(data="CCCC", media_type="application/pdf"), name="a.pdf"),
        Document(source=Source(file_id="file-1")),
    )
    assert empty.parts == (Text(text=""),)


def test_a_turn_of_the_model_keeps_thoughts_words_and_calls_in_their_order() -> None:
    (turn,) = said(
        {
            "role": "assistant",
            "content": "Looking.",
            "refusal": None,
            "reasoning_content": "hm",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic"},
                {"type": "reasoning.encrypted", "data": "E", "format": "anthropic"},
            ],
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "look", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "G"}},
                }
            ],
        }
    )
    assert turn.parts == (
        Thought(text="hm", signature="S", origin="anthropic"),
        Thought(encrypted="E", origin="anthropic"),
        Text(text="Looking."),
        ToolCall(id="1", name="look", arguments="{}", signature="G", origin="google"),
    )


def test_bare_thoughts_and_refusals_are_kept() -> None:
    (turn,) = said({"role": "assistant", "content": [], "reasoning_content": "hm", "refusal": "No."})
    assert turn.parts == (Thought(text="hm"), Refusal(text="No."))


def test_results_of_tools_that_follow_each_other_are_one_turn_in_their_order() -> None:
    turns = said(
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "and?"},
        {"role": "tool", "tool_call_id": "3", "content": None},
    )
    assert [turn.role for turn in turns] == ["assistant", "tool", "user", "tool"]
    assert turns[1].parts == (
        ToolResult(call_id="1", content=(Text(text="one"),)),
        ToolResult(call_id="2", content=(Text(text="two"),)),
    )
    assert turns[3].parts == (ToolResult(call_id="3", content=()),)


def test_tools_in_both_of_their_forms() -> None:
    request = read(
        tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}],
        functions=[{"name": "g", "description": "old"}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    assert request.tools == (
        Tool(name="f", strict=True, parameters={"type": "object"}),
        Tool(name="g", description="old"),
    )
    assert request.tool_choice == ToolChoice(mode=Choosing.NAMED, name="f")
    assert read(function_call="none").tool_choice == ToolChoice(mode=Choosing.NONE)


def test_formats() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    assert read(response_format={"type": "text"}).format is None
    assert read(response_format={"type": "json_object"}).format == Format()
    assert read(response_format=schema).format == Format(name="n", schema={"type": "object"}, strict=True)


def test_what_the_normal_form_has_no_name_for_is_kept_and_fields_keep_the_callers_names() -> None:
    request = read(max_completion_tokens=5, store=False, safe_prompt=True, stream_options={}, nothing=None)
    assert request.extra == {"safe_prompt": True}
    assert (request.max_tokens, request.named("max_tokens")) == (5, "max_completion_tokens")
    assert read(max_tokens=5).named("max_tokens") == "max_tokens"
    assert read(store=True).extra == {"store": True}
