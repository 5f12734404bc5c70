"""What goldens can't show of answers in OpenAI's shape: streamed ones equal whole ones, and nothing hostile breaks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.normal.answers import (
    Choice,
    Counted,
    Delta,
    Ended,
    Finish,
    Finished,
    PartDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Audio, Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import FaultKind, ProviderFault
from sluice_gateway.providers.openai.answers import read_answer
from sluice_gateway.providers.openai.embeddings import OpenAIEmbeddings
from sluice_gateway.providers.openai.observer import OpenAIObserver
from sluice_gateway.providers.openai.streams import read_event
from sluice_gateway.sse import BadEvent

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text("abc_", min_size=1, max_size=5)
CALLS = st.lists(st.tuples(NAMES, st.sampled_from(["", "{}", '{"city": "Rome"}', "[1, 2]"])), max_size=3)
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "function_call", "new-one"])
MESSAGES = st.fixed_dictionaries({"content": WORDS, "refusal": WORDS, "reasoning_content": WORDS, "calls": CALLS})


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def whole(said: dict[str, Any], reason: str) -> bytes:
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(said["calls"])
    ]
    message = {name: said[name] or None for name in ("content", "refusal", "reasoning_content")}
    choice = {"index": 0, "message": message | {"tool_calls": calls or None}, "finish_reason": reason}
    return encoded({"id": "chatcmpl-1", "choices": [choice]})


def deltas_of(said: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """The same in pieces of ``size`` characters."""
    found: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "content", "refusal"):
        found += [{name: piece} for piece in pieces(said[name], size)]
    for number, (name, arguments) in enumerate(said["calls"]):
        begun = {"index": number, "id": f"call_{number}", "function": {"name": name, "arguments": ""}}
        found.append({"tool_calls": [begun]})
        found += [
            {"tool_calls": [{"index": number, "function": {"arguments": piece}}]} for piece in pieces(arguments, size)
        ]
    return found


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def read(chunks: list[dict[str, Any]]) -> list[Delta]:
    memory: dict[str, Any] = {}
    return [delta for chunk in chunks for delta in read_event(encoded(chunk), memory)]


def added_up(deltas: list[Delta]) -> Choice:
    """One choice's deltas as the whole that they add up to."""
    texts = {TextDelta: "", RefusalDelta: "", ThoughtDelta: ""}
    calls: list[ToolCall] = []
    finish = None
    for delta in deltas:
        if isinstance(delta, TextDelta | RefusalDelta | ThoughtDelta):
            texts[type(delta)] += delta.text
        elif isinstance(delta, ToolCallDelta) and delta.id:
            assert delta.index == len(calls)
            calls.append(ToolCall(id=delta.id, name=delta.name, arguments=delta.arguments))
        elif isinstance(delta, ToolCallDelta):
            known = calls[delta.index]
            calls[delta.index] = ToolCall(id=known.id, name=known.name, arguments=known.arguments + delta.arguments)
        elif isinstance(delta, Finished):
            finish = delta
    assert finish is not None
    parts: list[Part] = []
    for kind, text in ((Thought, texts[ThoughtDelta]), (Text, texts[TextDelta]), (Refusal, texts[RefusalDelta])):
        parts += [kind(text=text)] if text else []
    return Choice(parts=(*parts, *calls), finish=finish.finish, stop_sequence=finish.stop_sequence)


@given(MESSAGES, REASONS, st.integers(1, 5))
def test_a_stream_adds_up_to_the_whole_answer(said: dict[str, Any], reason: str, size: int) -> None:
    chunks = [
        {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas_of(said, size)
    ]
    chunks.append({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    assert added_up(read(chunks)) == read_answer(whole(said, reason)).choices[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id"]
            )
            | st.sampled_from(["usage", "prompt_tokens", "x_groq", "error", "finish_reason", "audio", "type", "text"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_nothing_that_a_server_sends_is_a_defect(documents: list[Any]) -> None:
    memory: dict[str, Any] = {}
    observer = OpenAIObserver()
    for document in documents:
        for attempt in (
            lambda data: read_event(data, memory),
            read_answer,
            observer.event,
            observer.response,
            OpenAIEmbeddings().parse_response,
        ):
            try:
                attempt(encoded(document))
            except (BadEvent, ProviderFault):
                continue


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}, Usage(9, 4)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 3}, Usage(9, 0, cached=6)),
        ({"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 6}, Usage(9, 4, cached=6)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}, "prompt_cache_hit_tokens": 6},
            Usage(9, 0, cached=5),
        ),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 5}}, Usage(9, 0, cache_write=5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 33,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(9, 24, reasoning=20),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 24,
                "total_tokens": 33,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(9, 24, reasoning=20),
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({}, None),
    ],
)
def test_usage_is_the_same_relayed_and_translated_streamed_and_whole(
    usage: dict[str, Any], counted: Usage | None
) -> None:
    observer = OpenAIObserver()
    choice = {"index": 0, "message": {"content": "Hi"}, "delta": {"content": "Hi"}, "finish_reason": "stop"}
    places: list[dict[str, Any]] = [
        {"choices": [choice], "usage": usage},
        {"choices": [choice], "x_groq": {"id": "req_1", "usage": usage}},
        {"choices": [choice | {"usage": usage}]},
    ]
    for place in places:
        data = encoded(place)
        event = observer.event(data)
        assert observer.response(data) == counted
        assert read_answer(data).usage == counted
        assert event is not None
        assert event.usage == counted
        assert [delta.usage for delta in read([place]) if isinstance(delta, Counted)] == ([counted] if counted else [])


def test_an_answer_starts_and_ends_once() -> None:
    chunk = {"id": "chatcmpl-1", "model": "m", "created": 5, "choices": [{"delta": {"content": "Hi"}}]}
    memory: dict[str, Any] = {}
    assert list(read_event(encoded(chunk), memory)) == [Started("chatcmpl-1", "m", 5), TextDelta("Hi")]
    assert list(read_event(encoded(chunk), memory)) == [TextDelta("Hi")]
    assert list(read_event(b"[DONE]", memory)) == [Finished(Finish.STOP), Ended()]
    assert list(read_event(b"[DONE]", {})) == [Ended()]


def test_a_sound_comes_whole_and_is_counted() -> None:
    pieces_of_it = [{"id": "audio_1", "transcript": "Hel"}, {"data": "UklG"}, {"data": "Rg==", "transcript": "lo"}]
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": {"audio": piece}}]} for piece in pieces_of_it]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    sound = Audio(id="audio_1", data="UklGRg==", transcript="Hello")
    assert [delta.part for delta in read(chunks) if isinstance(delta, PartDelta)] == [sound]
    said = {"audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "Hello", "expires_at": 5}}
    assert read_answer(encoded({"choices": [{"message": said}]})).choices[0].parts == (sound,)


def test_citations_stay_with_their_words() -> None:
    cited = [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}]
    answer = read_answer(encoded({"choices": [{"message": {"content": "Hi", "annotations": cited}}]}))
    assert answer.choices[0].parts == (Text(text="Hi", extra={"annotations": cited}),)


def test_a_stop_sequence_is_told_where_the_server_tells_it() -> None:
    chunk = {"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": "END"}]}
    assert Finished(Finish.STOP_SEQUENCE, 0, "END") in read([chunk])


@pytest.mark.parametrize("reason", ["error", "abort", "insufficient_system_resource"])
def test_an_end_of_the_servers_making_is_a_fault_relayed_too(reason: str) -> None:
    body = encoded({"choices": [{"delta": {}, "message": {}, "finish_reason": reason}]})
    observer = OpenAIObserver()
    for attempt in (observer.event, observer.response, read_answer):
        with pytest.raises(ProviderFault) as broken:
            attempt(body)
        assert broken.value.fault.kind is FaultKind.FAILED


def test_an_error_beside_groqs_id_is_a_fault_relayed_too() -> None:
    body = encoded({"choices": [{"delta": {}}], "x_groq": {"id": "req_1", "error": "stopped"}})
    for attempt in (OpenAIObserver().event, lambda data: read_event(data, {})):
        with pytest.raises(ProviderFault, match="stopped"):
            attempt(body)


@pytest.mark.parametrize(
    ("body", "vectors"),
    [
        (
            {"data": [{"index": 0, "embedding": [1.0, 2]}, {"index": 1, "embedding": "AACAPw=="}]},
            ((1.0, 2.0), "AACAPw=="),
        ),
        ({"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]}, ((1.0,), (2.0,))),
        ({"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]}, ((1.0,), (2.0,))),
        ({"data": []}, ()),
    ],
)
def test_vectors_come_in_the_order_of_what_was_asked(body: dict[str, Any], vectors: Any) -> None:
    answer = OpenAIEmbeddings().parse_response(encoded(body | {"model": "m", "usage": {"prompt_tokens": 3}}))
    assert (answer.vectors, answer.model, answer.usage) == (vectors, "m", Usage(3))


@pytest.mark.parametrize(
    "body",
    [{}, {"data": 5}, {"data": [{"index": 0}]}, [], {"data": [{"index": 0, "embedding": [1]}] * 2}, {"data": ["x"]}],
)
def test_what_is_no_embedding_is_refused(body: Any) -> None:
    with pytest.raises(BadEvent):
        OpenAIEmbeddings().parse_response(encoded(body))


def test_an_error_in_the_place_of_embeddings_is_a_fault() -> None:
    with pytest.raises(ProviderFault, match="boom"):
        OpenAIEmbeddings().parse_response(encoded({"error": {"message": "boom"}}))
