"""Requests of callers of /v1/responses in the normal form; their goldens show the rest against the OpenAI wire."""

import json
from typing import Any

import pytest

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.dialect import ResponsesDialect
from sluice_gateway.errors import CallerError, UnsupportedParameter
from sluice_gateway.normal.answers import ChatAnswer, Choice, Finish
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
from sluice_gateway.normal.requests import ChatRequest, Choosing, Format, Message, Reasoning, Tool, ToolChoice

DIALECT = ResponsesDialect()
HOSTED_TOOLS = [
    "web_search",
    "web_search_preview",
    "file_search",
    "mcp",
    "computer_use_preview",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "shell",
    "apply_patch",
    "custom",
    "namespace",
]


def read(**members: Any) -> ChatRequest:
    return DIALECT.read({"model": "chat", "input": "Hello"} | members)


def turns(*items: Any) -> list[tuple[str, tuple[Part, ...]]]:
    return [(message.role, message.parts) for message in read(input=list(items)).messages]


def refusal(**members: Any) -> CallerError:
    with pytest.raises(CallerError) as caught:
        read(**members)
    return caught.value


def test_every_setting_has_its_field() -> None:
    schema = {"type": "object"}
    request = read(
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f", "parameters": schema, "strict": True, "defer_loading": True}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        max_output_tokens=5,
        temperature=1,
        top_p=0.5,
        top_logprobs=3,
        include=["message.output_text.logprobs"],
        text={"format": {"type": "json_schema", "name": "s", "schema": schema}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto", "context": "auto", "mode": "standard"},
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        stream=True,
        max_tool_calls=1,
        truncation="disabled",
        store=True,
        prompt_cache_key="k",
    )
    assert request == ChatRequest(
        messages=(
            Message(role="system", parts=(Text(text="Be brief."),)),
            Message(role="user", parts=(Text(text="Hello"),)),
        ),
        tools=(Tool(name="f", parameters=schema, strict=True, extra={"defer_loading": True}),),
        tool_choice=ToolChoice(mode=Choosing.NAMED, name="f"),
        parallel_tool_calls=False,
        max_tokens=5,
        temperature=1,
        top_p=0.5,
        logprobs=True,
        top_logprobs=3,
        format=Format(schema=schema, name="s"),
        reasoning=Reasoning(effort="high", summary="auto"),
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        verbosity="low",
        stream=True,
        extra={"prompt_cache_key": "k"},
        names=request.names,
    )


def test_fields_are_named_as_the_caller_knows_them() -> None:
    request = read()
    named = [request.named(field) for field in ("messages", "max_tokens", "format", "verbosity", "seed")]
    assert named == ["input", "max_output_tokens", "text.format", "text.verbosity", "seed"]


def test_parts_of_all_kinds() -> None:
    [(_, parts)] = turns(
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "detail": "high", "image_url": "https://example.com/a.png"},
                {"type": "input_image", "detail": "auto", "file_id": "file_1"},
                {"type": "input_file", "filename": "a.pdf", "file_url": "https://example.com/a.pdf"},
                {"type": "input_file", "file_data": "data:text/plain;base64,YQ=="},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ],
        }
    )
    assert parts == (
        Text(text="a", extra={"prompt_cache_breakpoint": {"mode": "explicit"}}),
        Image(source=Source(url="https://example.com/a.png"), detail="high"),
        Image(source=Source(file_id="file_1"), detail="auto"),
        Document(source=Source(url="https://example.com/a.pdf"), name="a.pdf"),
        Document(source=Source(data="YQ==", media_type="text/plain")),
        Audio(data="UklGRg==", format="wav"),
    )


def test_a_refusal_and_a_picture_of_before() -> None:
    spoken, drawn = turns(
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Then draw"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AA", "output_format": "webp"},
    )[::2]
    assert spoken == ("assistant", (Refusal(text="No."),))
    assert drawn == ("assistant", (Image(source=Source(data="AA", media_type="image/webp")),))


ROUND = (
    Thought(text="hm", signature="EqRk.Lm=", origin="anthropic"),
    Thought(encrypted="Zm9v", origin="anthropic"),
    Thought(text="aloud"),
    Text(text="Let me look."),
    ToolCall(id="call 1.a", name="f", arguments='{"a":1}', signature="Cl.UB", origin="google"),
    ToolCall(id="call_2", name="g", signature="Dm", origin="a.b"),
    ToolCall(id="call_3", name="h"),
)


def test_thoughts_and_their_seals_survive_a_turn() -> None:
    asked = Asked(document={}, model="m", id="req_1", created=7)
    answer = ChatAnswer(choices=(Choice(parts=ROUND, finish=Finish.TOOL_CALLS),))
    output = json.loads(DIALECT.answer(answer, asked))["output"]
    results = [
        {"type": "function_call_output", "call_id": call, "output": "ok"} for call in ("call 1.a", "call_2", "call_3")
    ]
    [_, said, heard] = turns({"role": "user", "content": "Go"}, *output, *results)
    assert said == ("assistant", ROUND)
    assert [part.call_id for part in heard[1] if isinstance(part, ToolResult)] == ["call 1.a", "call_2", "call_3"]


def test_a_seal_finds_its_call_wherever_it_stands_in_its_turn() -> None:
    seal = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sluice.google.call.c1 sig"}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
    signed = ToolCall(id="c1", name="f", signature="sig", origin="google")
    assert turns(call, seal)[0][1] == (signed,)
    first, _, second = turns(call, seal, result, call)
    assert (first[1], second[1]) == ((signed,), (ToolCall(id="c1", name="f"),))


def test_reasoning_that_another_has_sealed_belongs_to_no_adapter() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA.signature.x"}
    assert turns(item)[0][1] == (Thought(encrypted="gAAAA.signature.x", origin="responses"),)


def test_reasoning_in_full_goes_before_its_summary() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "in "}, {"type": "reasoning_text", "text": "full"}],
    }
    assert turns(item)[0][1] == (Thought(text="in full"),)


@pytest.mark.parametrize("kind", HOSTED_TOOLS)
def test_unknown_tool_types_are_refused_by_name(kind: str) -> None:
    error = refusal(tools=[{"type": "function", "name": "f"}, {"type": kind}])
    assert isinstance(error, UnsupportedParameter)
    assert error.param == "tools[1].type"
    assert repr(kind) in error.message


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
    ],
)
def test_state_is_refused_in_words_that_say_why(members: dict[str, Any], param: str) -> None:
    error = refusal(**members)
    assert (error.status, error.code, error.param) == (400, "unsupported_parameter", param)
    assert "the gateway keeps no" in error.message


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": {"role": "user"}}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"type": 3}]}, "input[0].type"),
        ({"input": [{}]}, "input[0].role"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"text": "a"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].input_audio"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": [{"type": "summary_text"}]}]}, "input[0].summary[0].text"),
        ({"input": [{"type": "reasoning", "encrypted_content": 1}]}, "input[0].encrypted_content"),
        ({"input": [{"type": "mcp_call", "id": "m"}]}, "input[0].type"),
        ({"instructions": ["a"]}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
        ({"include": "a"}, "include"),
        ({"include": [[]]}, "include[0]"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"text": "plain"}, "text"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"metadata": "a"}, "metadata"),
        ({"stream": "yes"}, "stream"),
        ({"background": "no"}, "background"),
    ],
)
def test_mistakes_are_told_by_their_place(members: dict[str, Any], param: str) -> None:
    error = refusal(**members)
    assert (error.status, error.param) == (400, param)


def test_what_the_normal_form_has_no_name_for_is_left_to_the_policy() -> None:
    request = read(
        truncation="auto",
        verse=True,
        text={"language": "en", "format": {"type": "json_object", "indent": 2}},
        reasoning={"effort": "low", "context": "all_turns", "mode": "pro", "generate_summary": "auto"},
    )
    assert request.reasoning == Reasoning(effort="low", summary="auto")
    assert request.extra == {
        "truncation": "auto",
        "verse": True,
        "text.language": "en",
        "text.format.indent": 2,
        "reasoning.context": "all_turns",
        "reasoning.mode": "pro",
    }


def test_nulls_are_like_absent() -> None:
    members = ("instructions", "tools", "tool_choice", "text", "reasoning", "include", "metadata", "background", "user")
    assert read(**dict.fromkeys(members)) == read()


def test_what_openai_says_of_functions_when_there_is_nothing_to_say_is_nothing_beyond() -> None:
    plain = {"async": False, "defer_loading": False, "allowed_callers": ["direct"], "output_schema": None}
    [tool] = read(tools=[{"type": "function", "name": "f", **plain}]).tools
    assert tool == Tool(name="f")
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "", "status": "completed"}
    assert turns(call | {"caller": {"type": "direct"}, "async": False})[0][1] == (ToolCall(id="c", name="f"),)
    by_program = {"type": "program", "caller_id": "p"}
    assert turns(call | {"caller": by_program})[0][1] == (ToolCall(id="c", name="f", extra={"caller": by_program}),)
