"""A turn that Gemini has made comes back to it as it was, through every shape of callers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sluice_gateway.calls import Shape
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.registry import CHAT
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.google.wire import GOOGLE
from sluice_gateway.providers.parameters import fit

FACTS = Facts(model="gemini-3.8-flash", vendor="google")
Document = dict[str, Any]

SIGNED_WORDS = [{"text": "Let me look.", "thoughtSignature": "d29yZHM="}]
SIGNED_CALLS = [
    {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1.50}}, "thoughtSignature": "Y2FsbA=="},
    {"functionCall": {"id": "c2", "name": "f", "args": {"a": 2}}},
]
SHOWN_THOUGHT = {"text": "Where is it?", "thought": True}


def chat(answer: Document) -> Document:
    message = answer["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in message.get("tool_calls", ())]
    return {
        "messages": [{"role": "user", "content": "q"}, message, *(results or [{"role": "user", "content": "Why?"}])]
    }


def messages(answer: Document) -> Document:
    content = answer["content"]
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in calls]
    turns = [("user", "q"), ("assistant", content), ("user", results or "Why?")]
    return {"max_tokens": 64, "messages": [{"role": role, "content": said} for role, said in turns]}


def responses(answer: Document) -> Document:
    items = answer["output"]
    calls = [item["call_id"] for item in items if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call, "output": "ok"} for call in calls]
    return {"input": [{"role": "user", "content": "q"}, *items, *(results or [{"role": "user", "content": "Why?"}])]}


@pytest.mark.parametrize(
    ("shape", "continued"), [(Shape.CHAT, chat), (Shape.MESSAGES, messages), (Shape.RESPONSES, responses)]
)
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ([SHOWN_THOUGHT, *SIGNED_WORDS], SIGNED_WORDS),
        ([SHOWN_THOUGHT, *SIGNED_CALLS], SIGNED_CALLS),
        ([SHOWN_THOUGHT, *SIGNED_WORDS, *SIGNED_CALLS], [*SIGNED_WORDS, *SIGNED_CALLS]),
        ([{"text": "Let me"}, *SIGNED_CALLS], [{"text": "Let me"}, *SIGNED_CALLS]),
    ],
)
def test_signatures_survive_a_turn(
    shape: Shape, continued: Callable[[Document], Document], said: list[Document], sent: list[Document]
) -> None:
    dialect = CHAT[shape]
    reply = {"candidates": [{"content": {"parts": said}, "finishReason": "STOP"}], "responseId": "r"}
    question = {"model": "m", "messages": [{"role": "user", "content": "q"}], "input": "q", "max_tokens": 64}
    answer = dialect.answer(
        GOOGLE.adapter.parse_response(json.dumps(reply).encode()),
        Asked(document=question, model="m", id="r", created=1),
    )
    request = dialect.read({"model": "m", **continued(json.loads(answer))})
    body = json.loads(GOOGLE.adapter.build_request(fit(request, GOOGLE.parameters, "strict", "google"), FACTS))
    assert body["contents"][1] == {"role": "model", "parts": sent}
    assert len(body["contents"]) == 3


def test_a_long_conversation_keeps_its_order() -> None:
    turns: list[Document] = [{"role": "user", "content": "q"}]
    for number in range(500):
        calls = [
            {"id": f"{number}-{call}", "type": "function", "function": {"name": f"f{call}", "arguments": "{}"}}
            for call in range(2)
        ]
        turns.append({"role": "assistant", "content": None, "tool_calls": calls})
        turns += [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in reversed(calls)]
    request = CHAT[Shape.CHAT].read({"model": "m", "messages": turns})
    contents = json.loads(GOOGLE.adapter.build_request(request, FACTS))["contents"]
    assert len(contents) == 1001
    for content in contents[2::2]:
        assert [part["functionResponse"]["name"] for part in content["parts"]] == ["f0", "f1"]
