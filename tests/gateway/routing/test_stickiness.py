"""Which conversation a call belongs to, and where it stays."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.calls import Call, Shape
from sluice_gateway.routing.stickiness import conversation_of, draw
from tests.support.plans import call_of

CHAT, MESSAGES, RESPONSES = Shape.CHAT, Shape.MESSAGES, Shape.RESPONSES
SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "Hello!"}
MORE = [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And now?"}]
OTHER = {"role": "user", "content": "Good day!"}


def of(document: dict[str, Any], shape: Shape = CHAT, consumer: str = "team-a") -> bytes:
    return conversation_of(call_of(document, shape), consumer)


@pytest.mark.parametrize(
    ("shape", "first", "later"),
    [
        (CHAT, {"messages": [SYSTEM, HELLO]}, {"messages": [SYSTEM, HELLO, *MORE], "temperature": 1}),
        (CHAT, {"messages": [HELLO]}, {"messages": [HELLO, *MORE], "model": "other"}),
        (CHAT, {"messages": [SYSTEM, HELLO], "user": "u"}, {"messages": [SYSTEM, HELLO, *MORE], "user": "u"}),
        (
            CHAT,
            {"messages": [HELLO], "prompt_cache_key": "k"},
            {"messages": [OTHER], "prompt_cache_key": "k", "user": "u"},
        ),
        (MESSAGES, {"messages": [HELLO], "system": "Be brief."}, {"messages": [HELLO, *MORE], "system": "Be brief."}),
        (
            MESSAGES,
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "x"}}]}
                ]
            },
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, *MORE]},
        ),
        (RESPONSES, {"input": "Hello!", "instructions": "x"}, {"input": [HELLO, *MORE], "instructions": "x"}),
        (RESPONSES, {"input": "Hello!", "conversation": "c"}, {"input": "And now?", "conversation": {"id": "c"}}),
    ],
)
def test_turns_of_one_conversation(shape: Shape, first: dict[str, Any], later: dict[str, Any]) -> None:
    assert of(first, shape) == of(later, shape)
    assert len(of(first, shape)) == 16


@pytest.mark.parametrize(
    ("shape", "one", "other"),
    [
        (CHAT, {"messages": [SYSTEM, HELLO]}, {"messages": [HELLO]}),
        (CHAT, {"messages": [SYSTEM, HELLO]}, {"messages": [SYSTEM, OTHER]}),
        (CHAT, {"messages": [{"role": "developer", "content": "x"}, HELLO]}, {"messages": [HELLO]}),
        (CHAT, {"messages": [HELLO], "user": "u"}, {"messages": [HELLO], "user": "v"}),
        (CHAT, {"messages": [HELLO], "safety_identifier": "u"}, {"messages": [HELLO]}),
        (CHAT, {"messages": [HELLO], "prompt_cache_key": "k"}, {"messages": [HELLO], "prompt_cache_key": "l"}),
        (CHAT, {"messages": [HELLO], "prompt_cache_key": ""}, {"messages": [OTHER], "prompt_cache_key": ""}),
        (MESSAGES, {"messages": [HELLO], "system": "a"}, {"messages": [HELLO], "system": "b"}),
        (MESSAGES, {"messages": [HELLO], "metadata": {"user_id": "a"}}, {"messages": [HELLO]}),
        (MESSAGES, {"messages": [HELLO], "system": [{"type": "text", "text": "a"}]}, {"messages": [HELLO]}),
        (RESPONSES, {"input": "Hello!"}, {"input": "Good day!"}),
        (RESPONSES, {"input": "Hello!", "instructions": "x"}, {"input": "Hello!"}),
        (RESPONSES, {"input": "Hello!", "user": "x"}, {"input": "Hello!"}),
        (RESPONSES, {"input": "x", "conversation": "c"}, {"input": "x", "conversation": "d"}),
        (RESPONSES, {"input": [SYSTEM, HELLO]}, {"input": [HELLO]}),
        (CHAT, {"messages": [None, HELLO]}, {"messages": [None, OTHER]}),
        (
            CHAT,
            {"messages": [{"role": "user", "content": {"a": "x"}}]},
            {"messages": [{"role": "user", "content": {"a": "y"}}]},
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": ["a", "b"]}]},
            {"messages": [{"role": "user", "content": ["ab"]}]},
        ),
    ],
)
def test_different_conversations(shape: Shape, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(one, shape) != of(other, shape)


def test_the_consumer_always_counts() -> None:
    assert of({"messages": [HELLO]}) != of({"messages": [HELLO]}, consumer="team-b")
    assert of({"prompt_cache_key": "k"}) != of({"prompt_cache_key": "k"}, consumer="team-b")


@pytest.mark.parametrize("shape", [Shape.EMBEDDINGS, Shape.COMPLETIONS])
def test_what_is_no_conversation(shape: Shape) -> None:
    assert of({"input": "x", "prompt": "x"}, shape) == b""


def test_tokens_are_counted_where_the_conversation_is() -> None:
    assert of({"messages": [HELLO]}, Shape.COUNT_TOKENS) == of({"messages": [HELLO]}, MESSAGES)


def test_long_texts_are_told_apart_by_their_begin_and_their_length() -> None:
    def text(end: str) -> bytes:
        return of({"messages": [{"role": "user", "content": "a" * 4095 + end}]})

    assert text("bx") == text("by")
    assert text("bx") != text("bxx")
    assert text("b") != text("c")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"messages": 5},
        {"messages": [None, 5]},
        {"messages": [{"role": 5}]},
        {"messages": [{"role": "user", "content": 5}]},
    ],
)
def test_what_is_not_as_it_should_be_is_a_conversation_of_its_consumer(document: dict[str, Any]) -> None:
    assert of(document) == of({"messages": []})
    assert of(document) != of(document, consumer="team-b")
    assert of({"metadata": "x", "system": 5}, MESSAGES) == of({}, MESSAGES)


def test_half_a_character_is_as_good_as_another() -> None:
    call = Call(b"{}", {"messages": [{"role": "user", "content": "\ud800"}]}, "chat", False)
    assert len(conversation_of(call, "\udfff")) == 16


@given(st.binary(min_size=1, max_size=16), st.text(max_size=9), st.integers(1, 1000))
def test_a_draw_is_always_the_same_and_more_weight_never_loses(conversation: bytes, label: str, weight: int) -> None:
    assert draw(conversation, label, weight) == draw(conversation, label, weight) <= 0
    assert draw(conversation, label, weight + 1) >= draw(conversation, label, weight)
    assert draw(conversation, label, 0) == -math.inf


def test_draws_are_won_in_proportion_to_the_weights() -> None:
    weights = {"a": 5, "b": 3, "c": 2}
    won = Counter(max(weights, key=lambda label: draw(b"%d" % key, label, weights[label])) for key in range(2000))
    assert all(abs(won[label] / 2000 - weight / 10) < 0.05 for label, weight in weights.items())
