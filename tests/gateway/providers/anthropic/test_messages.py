"""Any conversation becomes turns that Anthropic's API takes."""

import contextlib
import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway.errors import CallerError
from sluice_gateway.normal.parts import Document, Image, Refusal, Source, Text, Thought, ToolCall, ToolResult
from sluice_gateway.normal.requests import ChatRequest, Message, Role
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.anthropic.requests import build

WORDS = st.sampled_from(["", " ", "\n\t", "Hello", "x " * 3])
TEXT = st.builds(lambda text: Text(text=text), WORDS)
MARKED = st.builds(lambda text: Text(text=text, extra={"cache_control": {"type": "ephemeral"}}), WORDS)
IMAGE = st.just(Image(source=Source(url="https://example.com/a.png")))
PDF = st.just(Document(source=Source(data="JVBERi0=", media_type="application/pdf"), name="a.pdf"))
CALL = st.builds(lambda name: ToolCall(id=name, name=name), st.sampled_from("abc"))
RESULT = st.builds(
    lambda name, content: ToolResult(call_id=name, content=tuple(content)),
    st.sampled_from("abc"),
    st.lists(TEXT | IMAGE, max_size=2),
)
THOUGHT = st.builds(
    lambda text, seal, origin: Thought(text=text, signature=seal, origin=origin),
    WORDS,
    st.sampled_from([None, "seal"]),
    st.sampled_from(["anthropic", "google", ""]),
)


def message(role: Role, parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    made: st.SearchStrategy[Message] = st.builds(
        lambda found: Message(role=role, parts=tuple(found)),
        st.lists(parts, max_size=3),
    )
    return made


MESSAGES = st.lists(
    message("system", TEXT | MARKED)
    | message("user", TEXT | MARKED | IMAGE | PDF)
    | message("assistant", TEXT | THOUGHT | CALL | st.builds(lambda text: Refusal(text=text), WORDS))
    | message("tool", RESULT),
    min_size=1,
    max_size=8,
)


def blocks_of(turn: dict[str, Any]) -> list[dict[str, Any]]:
    content = turn["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@settings(max_examples=200, deadline=None)
@given(MESSAGES, st.sampled_from(["claude-haiku-4-5", "claude-opus-5"]))
def test_any_conversation_becomes_turns_that_take_turns(messages: list[Message], model: str) -> None:
    body: dict[str, Any] = {"messages": []}
    with contextlib.suppress(CallerError):  # there is no turn of the user's or the model's
        body = json.loads(build(ChatRequest(messages=tuple(messages)), Facts(model=model)))
    turns = body["messages"]
    followers = {"user": {"assistant", "system"}, "assistant": {"user"}, "system": {"assistant"}}
    for one, next_one in pairwise(turns):
        assert next_one["role"] in followers[one["role"]]
    assert not turns or turns[0]["role"] != "system"
    assert model == "claude-opus-5" or all(turn["role"] != "system" for turn in turns)
    for turn in turns:
        blocks = blocks_of(turn)
        assert blocks
        kinds = [block["type"] == "tool_result" for block in blocks]
        assert kinds == sorted(kinds, reverse=True)
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        assert all(block["signature"] for block in blocks if block["type"] == "thinking")


@settings(max_examples=100, deadline=None)
@given(MESSAGES, st.sampled_from(["claude-haiku-4-5", "claude-opus-5"]))
def test_nothing_that_says_something_is_lost(messages: list[Message], model: str) -> None:
    hello = Message(role="user", parts=(Text(text="Hello"),))
    body = json.loads(build(ChatRequest(messages=(*messages, hello)), Facts(model=model)))
    blocks = [block for turn in body["messages"] if turn["role"] != "system" for block in blocks_of(turn)]
    parts = [part for sent in (*messages, hello) if sent.role != "system" for part in sent.parts]
    for kind, names in ((Text | Refusal, ("text",)), (Image, ("image",)), (Document, ("document",))):
        wanted = sum(isinstance(part, kind) and bool(getattr(part, "text", "x").strip()) for part in parts)
        assert sum(block["type"] in names for block in blocks) == wanted
    assert [block["id"] for block in blocks if block["type"] == "tool_use"] == [
        part.id for part in parts if isinstance(part, ToolCall)
    ]
    assert sum(block["type"] == "tool_result" for block in blocks) == sum(isinstance(p, ToolResult) for p in parts)
    system = body.get("system", "")
    prompt = [system] if isinstance(system, str) else [block["text"] for block in system]
    later = [block["text"] for turn in body["messages"] if turn["role"] == "system" for block in blocks_of(turn)]
    told = sorted(word for text in prompt + later for word in text.split())
    parts = [part for sent in messages if sent.role == "system" for part in sent.parts]
    assert told == sorted(word for part in parts if isinstance(part, Text) for word in part.text.split())


def test_two_thousand_messages_are_no_burden() -> None:
    """Turns stay in their order, and time grows with their number alone."""
    messages = tuple(
        Message(role="user" if at % 2 == 0 else "assistant", parts=(Text(text=str(at)),)) for at in range(2001)
    )
    body = json.loads(build(ChatRequest(messages=messages), Facts(model="claude-haiku-4-5")))
    assert [turn["content"] for turn in body["messages"]] == [str(at) for at in range(2001)]
