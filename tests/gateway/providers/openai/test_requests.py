"""What goldens can't show of requests in OpenAI's shape: others' wishes, text that is cut, the SDK's own types."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import TypeAdapter

from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.parts import Audio, Document, Image, Part, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, EmbeddingRequest, Message, Reasoning, Role
from sluice_gateway.providers.adapter import Facts, Quirks
from sluice_gateway.providers.openai.embeddings import OpenAIEmbeddings
from sluice_gateway.providers.openai.requests import write_request
from sluice_gateway.providers.vendors import VENDORS

GOLDENS = Path(__file__).resolve().parents[3] / "golden/providers/openai"
HI = Message(role="user", parts=(Text(text="Hi"),))


def facts(vendor: str = "openai", **said: Any) -> Facts:
    return Facts(model="m", vendor=vendor, **{"quirks": VENDORS[vendor].quirks} | said)


def written(request: ChatRequest, about: Facts | None = None) -> Any:
    return json.loads(write_request(request, about or facts()))


def saying(*parts: Part, role: Role = "user", about: Facts | None = None) -> Any:
    return written(ChatRequest(messages=(Message(role=role, parts=parts),)), about)["messages"]


@pytest.mark.parametrize("file", sorted(GOLDENS.glob("request-*.out.json")), ids=lambda file: str(file.name))
def test_every_request_is_one_by_the_official_types(file: Path) -> None:
    body = json.loads(file.read_text(encoding="utf-8")).get("body")
    if body is None:  # a refusal
        return
    assert body.keys() <= CompletionCreateParamsBase.__annotations__.keys() | {"stream"}
    message: TypeAdapter[Any] = TypeAdapter(ChatCompletionMessageParam)
    tool: TypeAdapter[Any] = TypeAdapter(ChatCompletionToolUnionParam)
    for adapter, items in ((message, body["messages"]), (tool, body.get("tools", ()))):
        for item in items:
            adapter.dump_python(adapter.validate_python(item), mode="json")  # lists are checked when they are read


@pytest.mark.parametrize(
    ("wanted", "capabilities", "members"),
    [
        (Reasoning(effort="xhigh"), frozenset(), {"reasoning_effort": "xhigh"}),
        (Reasoning(effort="none"), frozenset(), {"reasoning_effort": "none"}),
        (Reasoning(effort="high", budget=100), frozenset(), {"reasoning_effort": "high"}),
        (Reasoning(budget=1024), frozenset(), {"reasoning_effort": "low"}),
        (Reasoning(budget=1025), frozenset(), {"reasoning_effort": "medium"}),
        (Reasoning(budget=8192), frozenset(), {"reasoning_effort": "medium"}),
        (Reasoning(budget=8193), frozenset(), {"reasoning_effort": "high"}),
        (Reasoning(budget=-1), frozenset(), {}),
        (Reasoning(budget=0), frozenset(), {}),
        (Reasoning(budget=0), frozenset({"reasoning"}), {"reasoning_effort": "none"}),
        (Reasoning(summary="auto"), frozenset(), {}),
    ],
)
def test_budgets_stand_for_efforts(wanted: Reasoning, capabilities: frozenset[str], members: dict[str, str]) -> None:
    body = written(ChatRequest(messages=(HI,), reasoning=wanted), facts(capabilities=capabilities))
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == members


def test_half_a_character_goes_on_as_it_came() -> None:
    body = write_request(ChatRequest(messages=(Message(role="user", parts=(Text(text="a\ud83d"),)),)), facts())
    assert b'"a\\ud83d"' in body


def test_results_beside_words_stand_before_them() -> None:
    result = ToolResult(call_id="call_1", content=(Text(text="Sun"),))
    assert saying(Text(text="Thanks."), result) == [
        {"role": "tool", "tool_call_id": "call_1", "content": "Sun"},
        {"role": "user", "content": "Thanks."},
    ]
    assert saying(result) == [{"role": "tool", "tool_call_id": "call_1", "content": "Sun"}]


def test_the_words_of_an_answer_are_one_again() -> None:
    [message] = saying(Text(text="It is "), Thought(text="Hm."), Text(text="sunny."), role="assistant")
    assert message == {"role": "assistant", "content": "It is sunny."}


def test_reasoning_goes_back_where_it_is_wanted() -> None:
    call = ToolCall(id="call_1", name="weather", signature="c2VhbA==", origin="google")
    parts = (Thought(text="I ", signature="c2VhbA==", origin="anthropic"), Thought(text="look."), call)
    [message] = saying(*parts, role="assistant", about=facts("deepseek"))
    assert message["reasoning_content"] == "I look."
    assert b"c2VhbA" not in json.dumps(message).encode()


@pytest.mark.parametrize(
    ("part", "role", "said"),
    [
        (Document(source=Source(url="https://example.com/a.pdf")), "user", "documents as data"),
        (Image(source=Source(file_id="file-1")), "user", "images by URL"),
        (Thought(text="Hm."), "user", "parts of kind thought there"),
        (Image(source=Source(url="https://example.com/a.png")), "assistant", "parts of kind image in answers"),
        (Audio(data="UklGRg==", format="wav"), "assistant", "parts of kind audio in answers"),
    ],
)
def test_parts_without_a_place_are_refused_by_name(part: Part, role: Role, said: str) -> None:
    with pytest.raises(UnsupportedParameter, match=said):
        saying(part, role=role)


def test_a_document_without_a_name_gets_one() -> None:
    [message] = saying(Document(source=Source(data="JVBERi0=", media_type="application/pdf")))
    assert message["content"][0]["file"] == {
        "filename": "document",
        "file_data": "data:application/pdf;base64,JVBERi0=",
    }


def test_what_a_policy_declares_is_left_out_or_renamed() -> None:
    quirks = Quirks(
        unsupported=frozenset({"seed", "user"}),
        renamed={"max_tokens": "max_completion_tokens"},
        usage_in_stream=False,
    )
    request = ChatRequest(messages=(HI,), max_tokens=8, seed=7, user="u-1", stream=True)
    body = written(request, facts("openai-compatible", quirks=quirks, policy="drop"))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 8,
        "stream": True,
    }
    with pytest.raises(UnsupportedParameter, match="has no seed"):
        written(request, facts("openai-compatible", quirks=quirks))


EMBEDDINGS = OpenAIEmbeddings()


def test_embeddings_are_asked_for_in_one_request() -> None:
    request = EmbeddingRequest(
        inputs=("a", (1, 2)), dimensions=8, encoding="base64", user="u-1", extra={"input_type": "query"}
    )
    assert json.loads(EMBEDDINGS.build_request(request, facts())) == {
        "model": "m",
        "input": ["a", [1, 2]],
        "dimensions": 8,
        "encoding_format": "base64",
        "user": "u-1",
        "input_type": "query",
    }
    assert json.loads(EMBEDDINGS.build_request(EmbeddingRequest(inputs=("a",)), facts())) == {
        "model": "m",
        "input": ["a"],
    }
