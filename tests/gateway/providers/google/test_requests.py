"""What Gemini is asked: what no golden of the chat shape shows, and that its official SDK knows every member of it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.calls import Shape
from sluice_gateway.dialects.registry import CHAT
from sluice_gateway.errors import CallerError, ParameterOutOfRange, UnsupportedParameter
from sluice_gateway.normal.parts import Audio, Document, Image, Part, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Message, Reasoning, Tool
from sluice_gateway.providers.adapter import Facts, Policy
from sluice_gateway.providers.google.parts import UNSIGNED
from sluice_gateway.providers.google.schemas import fitted
from sluice_gateway.providers.google.wire import GOOGLE, VERTEX
from sluice_gateway.providers.parameters import fit

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "providers"
BODIES = sorted(GOLDEN.glob("google/request-*.out.json")) + sorted(GOLDEN.glob("vertex/request-*.out.json"))
TEXT = Text(text="Hello")


def asked(request: ChatRequest, model: str = "gemini-3.8-flash", policy: Policy = "strict") -> Any:
    """The body for the Gemini API."""
    return json.loads(GOOGLE.adapter.build_request(request, Facts(model=model, vendor="google", policy=policy)))


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts or (TEXT,))


def model(*parts: Part) -> Message:
    return Message(role="assistant", parts=parts)


def turn(*parts: Part, name: str = "gemini-3.8-flash") -> Any:
    """The parts of a model's turn as they go back to it."""
    return asked(ChatRequest(messages=(user(), model(*parts))), name)["contents"][1]["parts"]


def thinking(wanted: Reasoning, name: str, policy: Policy = "strict") -> Any:
    body = asked(ChatRequest(messages=(user(),), reasoning=wanted), name, policy)
    return body.get("generationConfig", {}).get("thinkingConfig")


def sealed(text: str = "", signature: str = "c2ln") -> Thought:
    return Thought(text=text, signature=signature, origin="google")


def test_a_signature_without_words_goes_to_the_first_call() -> None:
    first, second = ToolCall(id="1", name="f"), ToolCall(id="2", name="f")
    assert [part.get("thoughtSignature") for part in turn(sealed(), first, second)] == ["c2ln", None]


def test_a_signature_behind_words_stays_with_them_and_the_call_keeps_its_own() -> None:
    called = ToolCall(id="1", name="f", signature="b3du", origin="google")
    words, call = turn(sealed("Hm."), Text(text="Let me"), Text(text=" look."), called)[1:]
    assert (words["text"], words["thoughtSignature"], call["thoughtSignature"]) == (" look.", "c2ln", "b3du")


def test_signatures_that_belong_to_nothing_else_are_thoughts() -> None:
    assert turn(sealed("One."), sealed("Two.", "dHdv")) == [
        {"text": "One.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Two.", "thought": True, "thoughtSignature": "dHdv"},
    ]


def test_a_foreign_signature_is_as_none() -> None:
    foreign = ToolCall(id="1", name="f", signature="x", origin="anthropic")
    assert turn(Thought(text="a", signature="y", origin="anthropic"), foreign)[0]["thoughtSignature"] == UNSIGNED
    assert "thoughtSignature" not in turn(foreign, name="gemini-2.5-flash")[0]
    assert "thoughtSignature" not in turn(foreign, name="models/gemini-2.0-flash-001")[0]
    assert "thoughtSignature" not in turn(foreign, name="gemma-4-31b-it")[0]
    assert turn(foreign, name="gemini-flash-latest")[0]["thoughtSignature"] == UNSIGNED


def test_a_failed_tool_says_so() -> None:
    call = ToolCall(id="1", name="f")
    failed = ToolResult(call_id="1", content=(Text(text="no "), Text(text="luck")), is_error=True)
    messages = (user(), model(call), Message(role="tool", parts=(failed,)))
    answer = asked(ChatRequest(messages=messages))["contents"][2]["parts"][0]["functionResponse"]
    assert answer == {"id": "1", "name": "f", "response": {"error": "no luck"}}


@pytest.mark.parametrize(("place", "param"), [("items[3]", "items[3].content[1]"), ("", "input")])
def test_a_refusal_names_the_callers_own_place(place: str, param: str) -> None:
    picture = Message(role="user", parts=(TEXT, Image(source=Source(url="ftp://example.com/a.png"))), place=place)
    with pytest.raises(UnsupportedParameter) as caught:
        asked(ChatRequest(messages=(user(), picture), names={"messages": "input"}))
    assert caught.value.param == param


def test_only_words_may_be_a_system_message() -> None:
    picture = Image(source=Source(data="AA==", media_type="image/png"))
    system = Message(role="system", parts=(TEXT, picture), place="messages[1]")
    with pytest.raises(UnsupportedParameter) as caught:
        asked(ChatRequest(messages=(user(), system)))
    assert caught.value.param == "messages[1].content"


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        (Source(url="https://example.com/a/b.pdf"), None, "application/pdf"),
        (Source(url="https://example.com/a.b/c"), "c.TXT", "text/plain"),
        (Source(url="https://example.com/c", media_type="image/png"), None, "image/png"),
        (Source(url="https://example.com/c?d=e.png"), None, None),
        (Source(url="https://example.com"), None, None),
        (Source(file_id="files/a"), "a.pdf", "application/pdf"),
        (Source(file_id="file-abc"), "a.pdf", None),
    ],
)
def test_the_type_of_a_file_is_that_of_its_name(source: Source, name: str | None, expected: str | None) -> None:
    request = ChatRequest(messages=(user(Document(source=source, name=name)),))
    if expected is None:
        with pytest.raises(UnsupportedParameter):
            asked(request)
    else:
        assert asked(request)["contents"][0]["parts"][0]["fileData"]["mimeType"] == expected


def test_a_part_without_a_form_is_refused_by_its_place() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        asked(ChatRequest(messages=(user(TEXT, ToolResult(call_id="1", content=())),)))
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("wanted", "name", "expected"),
    [
        (Reasoning(effort="minimal"), "gemini-2.5-pro", 1024),
        (Reasoning(effort="low"), "gemini-2.5-flash-lite", 1024),
        (Reasoning(effort="high"), "gemini-2.5-pro-preview", 24576),
        (Reasoning(effort="none"), "gemini-2.5-flash-lite", 0),
        (Reasoning(budget=-1), "gemini-2.5-pro", -1),
        (Reasoning(budget=777), "gemini-2.9-nano", 777),
        (Reasoning(budget=0), "gemini-3.8-flash", None),
        (Reasoning(budget=-1), "gemini-3.8-flash", {}),
        (Reasoning(budget=1000), "gemini-3.8-flash", "LOW"),
        (Reasoning(budget=1025), "gemini-4-neon", "MEDIUM"),
        (Reasoning(budget=50_000), "gemini-3.1-pro-preview", "HIGH"),
        (Reasoning(effort="minimal"), "gemini-3-flash-preview", "MINIMAL"),
        (Reasoning(effort="minimal"), "gemini-3.1-flash-lite", "MINIMAL"),
        (Reasoning(effort="minimal"), "gemini-3.7-flash", "LOW"),
        (Reasoning(effort="medium"), "gemini-flash-latest", "MEDIUM"),
        (Reasoning(effort="xhigh"), "gemini-3.8-flash", None),
        (Reasoning(effort="xhigh"), "gemini-2.5-pro", None),
        (Reasoning(effort="none"), "gemini-2.5-pro", None),
        (Reasoning(budget=5), "gemini-2.5-flash-lite", None),
        (Reasoning(effort="soon"), "gemini-4-argon", None),
    ],
)
def test_how_long_a_model_may_think(wanted: Reasoning, name: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(ParameterOutOfRange, match=name) as caught:
            thinking(wanted, name)
        assert caught.value.param == "reasoning"
        assert thinking(wanted, name, "drop") is None
        return
    config = thinking(wanted, name)
    assert config.pop("includeThoughts", False) is (expected != 0)
    assert config == (expected or {}) or list(config.values()) == [expected]


@pytest.mark.parametrize(
    ("wanted", "name", "nearest"),
    [
        (Reasoning(effort="none"), "gemini-3.5-flash", {"thinkingLevel": "MINIMAL"}),
        (Reasoning(effort="xhigh"), "gemini-3.5-flash", {"thinkingLevel": "HIGH"}),
        (Reasoning(effort="xhigh"), "gemini-2.5-flash", {"thinkingBudget": 24576}),
        (Reasoning(effort="none"), "gemini-2.5-pro", {"thinkingBudget": 128}),
        (Reasoning(budget=90_000), "gemini-2.5-pro", {"thinkingBudget": 32768}),
    ],
)
def test_a_clamped_wish_becomes_the_nearest(wanted: Reasoning, name: str, nearest: dict[str, Any]) -> None:
    assert thinking(wanted, name, "clamp") == {**nearest, "includeThoughts": True}


def test_a_summary_alone_shows_thoughts() -> None:
    assert thinking(Reasoning(summary="auto"), "gemini-3.8-flash") == {"includeThoughts": True}


@pytest.mark.parametrize("policy", ["clamp", "drop"])
def test_a_wish_for_one_call_is_the_gateways_to_keep(policy: Policy) -> None:
    request = ChatRequest(messages=(user(),), tools=(Tool(name="f"),), parallel_tool_calls=False, service_tier="scale")
    assert asked(request, policy=policy) == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, True),
        ({"items": False}, {"items": False}),
        ({"items": [{"const": 1}]}, {"items": [{"enum": [1]}]}),
        ({"nullable": False, "type": "string"}, {"type": "string"}),
        ({"nullable": True, "anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"nullable": True, "$ref": "#/definitions/A"}, {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}),
        ({"nullable": True, "enum": ["a"]}, {"enum": ["a"]}),
        ({"nullable": "odd"}, {"nullable": "odd"}),
        ({"const": "a", "enum": ["a", "b"]}, {"enum": ["a", "b"]}),
        ({"allOf": [{"type": "object"}, {"title": "x"}]}, {"allOf": [{"type": "object"}, {"title": "x"}]}),
        ({"allOf": [{"title": "y"}], "title": "x"}, {"allOf": [{"title": "y"}], "title": "x"}),
        ({"$ref": "#/$defs/A", "$comment": "c"}, {"$ref": "#/$defs/A", "$comment": "c"}),
        ({"definitions": {"A": {}}, "$defs": {"B": {}}}, {"$defs": {"A": {}, "B": {}}}),
        ({"properties": {"const": {"type": "string"}}}, {"properties": {"const": {"type": "string"}}}),
        (
            {"additionalProperties": {"const": 1}, "required": None},
            {"additionalProperties": {"enum": [1]}, "required": None},
        ),
    ],
)
def test_schemas_in_words_that_gemini_understands(schema: Any, expected: Any) -> None:
    before = json.dumps(schema)
    assert fitted(schema) == expected
    assert json.dumps(schema) == before, "the caller's own schema has changed"


def test_a_tool_that_takes_anything_keeps_its_schema() -> None:
    tool = Tool(name="f", parameters={"type": "object", "additionalProperties": True})
    [made] = asked(ChatRequest(messages=(user(),), tools=(tool,)))["tools"][0]["functionDeclarations"]
    assert made["parametersJsonSchema"] == tool.parameters


def test_vertex_reads_its_own_storage() -> None:
    picture = Image(source=Source(url="gs://bucket/a.webp"))
    body = VERTEX.adapter.build_request(ChatRequest(messages=(user(picture),)), Facts(model="gemini-2.5-flash"))
    assert json.loads(body)["contents"][0]["parts"][0]["fileData"]["fileUri"] == "gs://bucket/a.webp"


def test_sound_keeps_its_format() -> None:
    parts = asked(ChatRequest(messages=(user(Audio(data="AA==", format="mp3")),)))["contents"][0]["parts"]
    assert parts == [{"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}}]


@pytest.mark.parametrize("file", BODIES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_official_sdk_knows_every_member(file: Path) -> None:
    body = json.loads(file.read_text(encoding="utf-8")).get("body", {})
    for content in [*body.get("contents", ()), body.get("systemInstruction", {})]:
        types.Content.model_validate_json(json.dumps(content))
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    config = body.get("generationConfig", {})
    types.GenerateContentConfig.model_validate(config)
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier", "requests"}
    types.GenerateContentConfig.model_validate({name: value for name, value in body.items() if name not in known})


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
PART = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=8)}),
    st.fixed_dictionaries(
        {"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": st.text(max_size=9)})}
    ),
    SOME_JSON,
)
CALL = st.fixed_dictionaries(
    {
        "id": st.sampled_from("ab"),
        "function": st.fixed_dictionaries(
            {"name": st.text(max_size=5), "arguments": st.sampled_from(["", "{}", "[", "1"])}
        ),
    }
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
    optional={
        "content": st.none() | st.text(max_size=8) | st.lists(PART, max_size=3),
        "tool_calls": st.lists(CALL, max_size=2),
        "tool_call_id": st.sampled_from("ab"),
    },
)
REQUEST = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, max_size=4)},
    optional={
        "tools": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.just("function"),
                    "function": st.fixed_dictionaries({"name": st.text(max_size=5), "parameters": SOME_JSON}),
                }
            ),
            max_size=2,
        ),
        "response_format": st.fixed_dictionaries(
            {"type": st.just("json_schema"), "json_schema": st.fixed_dictionaries({"schema": SOME_JSON})}
        ),
        "reasoning_effort": st.text(max_size=6),
        "safetySettings": SOME_JSON,
    },
)


@given(document=REQUEST)
def test_no_request_does_more_than_to_be_refused(document: dict[str, Any]) -> None:
    facts = Facts(model="gemini-3.8-flash", vendor="google")
    try:
        request = fit(CHAT[Shape.CHAT].read(document), GOOGLE.parameters, facts.policy, facts.vendor)
        body = json.loads(GOOGLE.adapter.build_request(request, facts))
    except CallerError:
        return
    roles = [content["role"] for content in body["contents"]]
    assert roles
    assert all(one != other for one, other in pairwise(roles))
    assert all(content["parts"] for content in body["contents"])
