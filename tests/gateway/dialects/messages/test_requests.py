"""Reading Messages: what of a request the normal form keeps, and what survives a turn through a client."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.messages.dialect import MessagesDialect
from sluice_gateway.dialects.messages.seals import CALL, ENCRYPTED, THOUGHT, Seal, opened, sealed, without_others
from sluice_gateway.errors import CallerError, GatewayError, UnsupportedParameter
from sluice_gateway.normal.answers import ChatAnswer, Choice
from sluice_gateway.normal.parts import Document, Image, Part, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Choosing, Message, Reasoning, ToolChoice

DIALECT = MessagesDialect()
HELLO = {"role": "user", "content": "Hello"}


def read(*messages: Any, **members: Any) -> ChatRequest:
    return DIALECT.read({"model": "m", "max_tokens": 9, "messages": list(messages) or [HELLO], **members})


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(call_id: str, **members: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **members}


def use(call_id: str, **members: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "weather", "input": {}, **members}


def parts_of(*blocks: Any) -> tuple[Part, ...]:
    [message] = read(user(*blocks)).messages
    return message.parts


@pytest.mark.parametrize("content", ["", []])
def test_a_user_may_say_nothing(content: Any) -> None:
    [said] = read({"role": "user", "content": content}).messages
    assert said.parts == (Text(text=""),)


def test_hints_stay_with_their_parts() -> None:
    hint = {"cache_control": {"type": "ephemeral"}}
    assert parts_of({"type": "text", "text": "a", **hint}) == (Text(text="a", extra=hint),)
    [tool] = read(tools=[{"name": "t", "input_schema": {}, **hint}]).tools
    assert tool.extra == hint


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"type": "base64", "media_type": "image/PNG", "data": "iVBO"}, Source(data="iVBO", media_type="image/png")),
        ({"type": "url", "url": "https://example.com/a.png"}, Source(url="https://example.com/a.png")),
        ({"type": "file", "file_id": "file_1"}, Source(file_id="file_1")),
    ],
)
def test_pictures_and_documents_have_the_same_sources(source: dict[str, Any], wanted: Source) -> None:
    assert parts_of({"type": "image", "source": source}) == (Image(source=wanted),)
    assert parts_of({"type": "document", "source": source, "title": "a", "context": "b"}) == (
        Text(text="b"),
        Document(source=wanted, name="a"),
    )


def test_results_of_tools_hold_blocks_and_failures() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    read_back = read(
        HELLO,
        assistant(use("t1"), use("t2")),
        user(result("t1", content=[{"type": "text", "text": "a"}, image], is_error=True), result("t2")),
    )
    assert read_back.messages[-1] == Message(
        role="tool",
        parts=(
            ToolResult(
                call_id="t1",
                content=(Text(text="a"), Image(source=Source(url="https://example.com/a.png"))),
                is_error=True,
            ),
            ToolResult(call_id="t2", content=()),
        ),
        place="messages[2]",
    )


def test_results_stand_behind_their_calls_in_every_turn() -> None:
    found = read(
        HELLO,
        assistant(use("t1")),
        user({"type": "text", "text": "One."}),
        user(result("t1", content="a")),
        assistant(use("t2")),
        user(result("t2", content="b"), {"type": "text", "text": "Two."}),
    )
    assert [message.role for message in found.messages] == [
        "user",
        "assistant",
        "tool",
        "user",
        "assistant",
        "tool",
        "user",
    ]


def test_messages_say_where_the_caller_has_them() -> None:
    words = {"type": "document", "title": "t", "source": {"type": "content", "content": "a"}}
    found = read(
        HELLO,
        user({"type": "text", "text": "a"}),
        user(words),
        assistant(use("t1"), use("t2")),
        user(result("t1"), {"type": "text", "text": "b"}),
        user(result("t2")),
        assistant(use("t3")),
        user(result("t3")),
        system="Be brief.",
    )
    assert [(message.role, message.place) for message in found.messages] == [
        ("system", ""),
        ("user", "messages[0]"),
        ("user", "messages[1]"),
        ("user", ""),
        ("assistant", "messages[3]"),
        ("tool", ""),
        ("user", ""),
        ("assistant", "messages[6]"),
        ("tool", "messages[7]"),
    ]


def test_many_turns_of_results_take_linear_time() -> None:
    turns = [user(result(f"t{number}", content="a")) for number in range(20_000)]
    found = read(HELLO, assistant(*(use(f"t{number}") for number in range(20_000))), *turns)
    assert len(found.messages) == 3
    assert len(found.messages[2].parts) == 20_000


@pytest.mark.parametrize(
    ("members", "reasoning", "name"),
    [
        ({}, None, "output_config.effort"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning(budget=2000), "thinking"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning(budget=-1), "thinking"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, Reasoning(budget=0), "thinking"),
        ({"output_config": {"effort": "max"}}, Reasoning(effort="max"), "output_config.effort"),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            Reasoning(effort="low", budget=-1),
            "thinking",
        ),
    ],
)
def test_thinking_is_a_budget_an_effort_or_both(
    members: dict[str, Any], reasoning: Reasoning | None, name: str
) -> None:
    found = read(**members)
    assert (found.reasoning, found.named("reasoning")) == (reasoning, name)


def test_fields_are_named_as_the_caller_does() -> None:
    found = read()
    assert [found.named(name) for name in ("stop", "user", "format", "parallel_tool_calls", "max_tokens")] == [
        "stop_sequences",
        "metadata.user_id",
        "output_config.format",
        "tool_choice.disable_parallel_tool_use",
        "max_tokens",
    ]


def test_members_that_the_normal_form_has_no_name_for_keep_their_paths() -> None:
    found = read(
        speed="fast",
        container=None,
        metadata={"user_id": "u", "team": "a"},
        tool_choice={"type": "auto", "x": 1},
        thinking={"type": "adaptive", "y": 2},
        cache_control={"type": "ephemeral"},
    )
    assert found.extra == {"speed": "fast", "metadata.team": "a", "tool_choice.x": 1, "thinking.y": 2}
    assert (found.user, found.tool_choice) == ("u", ToolChoice(mode=Choosing.AUTO))


@pytest.mark.parametrize(
    ("management", "changes"),
    [
        (None, False),
        ({}, False),
        ({"edits": []}, False),
        ({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}, False),
        ({"edits": [{"type": "clear_thinking_20251015", "keep": {"type": "all"}}]}, False),
        ({"edits": [{"type": "clear_thinking_20251015"}]}, True),
        ({"edits": [{"type": "clear_tool_uses_20250919"}]}, True),
        ({"edits": [], "more": 1}, True),
        ({"edits": "all"}, True),
        ({"edits": 5}, True),
        ("all", True),
    ],
)
def test_editing_the_context_is_told_of_unless_it_changes_nothing(management: Any, changes: bool) -> None:
    assert read(context_management=management).extra == ({"context_management": management} if changes else {})


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"system": 5}, "system"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"messages": {}}, "messages"),
    ({"messages": ["Hello"]}, "messages[0]"),
    ({"messages": [user(result("t", content=[use("u")]))]}, "messages[0].content[0].content[0].type"),
    ({"messages": [user({"type": "document", "source": {"type": "x"}})]}, "messages[0].content[0].source.type"),
    ({"messages": [assistant({"type": "thinking", "thinking": 1})]}, "messages[0].content[0].thinking"),
    ({"messages": [assistant({"type": "redacted_thinking"})]}, "messages[0].content[0].data"),
    ({"messages": [assistant(use("t", input="{}"))]}, "messages[0].content[0].input"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": None}, "max_tokens"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"stop_sequences": ["a", 1]}, "stop_sequences[1]"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"metadata": {"user_id": 7}}, "metadata.user_id"),
    ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
]


@pytest.mark.parametrize(("members", "place"), REFUSALS)
def test_refusals_name_their_place(members: dict[str, Any], place: str) -> None:
    with pytest.raises(CallerError) as refused:
        read(**members)
    assert refused.value.param == place


def test_threads_are_refused_with_the_code_on_which_anthropics_sdk_goes_on_without() -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        read(thread={"type": "create"})
    details = json.loads(DIALECT.error(refused.value))["error"]["details"]
    assert details == {"error_code": "thread_unsupported_request"}
    assert read(thread=None) == read()


@pytest.mark.parametrize("kind", ["web_search_20260318", "bash_20250124", "mcp_toolset"])
def test_tools_of_anthropics_own_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedParameter, match=kind) as refused:
        read(tools=[{"name": "a", "input_schema": {}}, {"type": kind, "name": "b"}])
    assert refused.value.param == "tools[1].type"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata", "stop_sequences", "stream"]
)
members_of_blocks = (
    "text",
    "source",
    "title",
    "thinking",
    "signature",
    "id",
    "name",
    "input",
    "tool_use_id",
    "content",
)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "document", "thinking", "tool_use", "tool_result", "x"])},
    optional=dict.fromkeys(members_of_blocks, json_values),
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(blocks, max_size=3) | json_values}
)


@settings(max_examples=100)
@given(st.dictionaries(names, json_values, max_size=3), st.lists(turns, min_size=1, max_size=3))
def test_hostile_requests_are_read_or_refused_with_a_place(members: dict[str, Any], messages: list[Any]) -> None:
    refused: GatewayError | None = None
    try:
        read(**{"messages": messages, **members})
    except GatewayError as error:
        refused = error
    assert refused is None or (refused.status == 400 and refused.param)


def turned(*parts: Part) -> tuple[Part, ...]:
    """An answer, sent back by a client as it came."""
    asked = Asked(document={}, model="m", id="req_1", created=1)
    answer = json.loads(DIALECT.answer(ChatAnswer(choices=(Choice(parts=parts),)), asked))
    return read(HELLO, {"role": answer["role"], "content": answer["content"]}).messages[-1].parts


@pytest.mark.parametrize(
    "part",
    [
        Text(text="Hello"),
        Thought(text="Hm.", signature="EqQB.x", origin="anthropic"),
        Thought(text="Hm.", signature="CiQB.y.z", origin="google"),
        Thought(text="", signature="CiQB", origin="google"),
        Thought(text="Hm.", origin="deepseek"),
        Thought(text="Hm."),
        Thought(encrypted="EmwK", origin="anthropic"),
        Thought(encrypted="gAAA", origin="openai"),
        Thought(text="In short.", encrypted="gAAA", origin="openai"),
        ToolCall(id="t", name="n", arguments='{"a":[1.5,"é"]}'),
        ToolCall(id="t", name="n", arguments="{}", signature="CiQB", origin="google"),
    ],
    ids=str,
)
def test_every_part_survives_a_turn(part: Part) -> None:
    assert turned(part) == (part,)


def test_a_signature_belongs_to_the_next_call_alone() -> None:
    calls = (
        ToolCall(id="t1", name="n", signature="CiQB", origin="google"),
        ToolCall(id="t2", name="n"),
        Text(text="Well."),
        ToolCall(id="t3", name="n", signature="CiQC", origin="google"),
    )
    assert turned(*calls) == calls


@pytest.mark.parametrize("kind", [THOUGHT, ENCRYPTED, CALL])
def test_seals_open_as_they_were_closed(kind: str) -> None:
    assert opened(sealed(kind, "google", "a.b")) == Seal(kind, "google", "a.b")


def test_texts_that_only_look_like_seals_are_anthropics_own() -> None:
    for text in ("sluice", "sluice.thought.x", "sluice.other.google.a", "EqQB.a.b.c"):
        assert opened(text) == Seal(THOUGHT, "anthropic", text)
    assert opened("") == Seal(THOUGHT, "", "")
    assert sealed(THOUGHT, "anthropic", None) == ""


def test_thoughts_of_others_are_left_out_for_anthropic() -> None:
    def body_of(*turns: Any) -> bytes:
        return json.dumps({"model": "m", "messages": list(turns), "odd": 1}).replace("1}", "1.50}").encode()

    text = {"type": "text", "text": 'the "sluice.thought.x.y" of others'}
    own = [{"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}, {"type": "redacted_thinking", "data": "EmwK"}]
    others = [
        {"type": "thinking", "thinking": "Hm.", "signature": sealed(THOUGHT, "", None)},
        {"type": "redacted_thinking", "data": sealed(ENCRYPTED, "openai", "gAAA")},
        {"type": "thinking", "thinking": "", "signature": sealed(CALL, "google", "CiQB")},
    ]
    mixed = body_of(HELLO, assistant(*own, *others, text, use("t")), assistant(*others), HELLO, "odd")
    left = without_others(mixed, json.loads(mixed))
    assert json.loads(left) == json.loads(body_of(HELLO, assistant(*own, text, use("t")), HELLO, "odd"))
    assert left.endswith(b'"odd": 1.50}')
    untouched = body_of(HELLO, assistant(*own, text))
    assert without_others(untouched, json.loads(untouched)) == untouched


@pytest.mark.parametrize("messages", ["sluice.", [{"content": [{"type": [], "signature": "sluice."}]}], [None]])
def test_odd_messages_are_left_to_anthropic(messages: Any) -> None:
    body = json.dumps({"messages": messages, "x": "sluice."}).encode()
    assert without_others(body, json.loads(body)) == body
