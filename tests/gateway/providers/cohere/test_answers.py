"""What is read from Cohere: a stream says what the whole answer says, and nothing of hers breaks the reader."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice_gateway import sse
from sluice_gateway.normal.answers import (
    ChatAnswer,
    Choice,
    Counted,
    Delta,
    EmbeddingAnswer,
    Ended,
    Finish,
    Finished,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Part, Text, Thought, ToolCall
from sluice_gateway.normal.usage import MOST_TOKENS, Usage
from sluice_gateway.providers.adapter import FaultKind, ProviderFault
from sluice_gateway.providers.cohere.answers import FINISHES, read_answer
from sluice_gateway.providers.cohere.embeddings import CohereEmbeddings
from sluice_gateway.providers.cohere.faults import fault_of_answer
from sluice_gateway.providers.cohere.streams import read_event
from sluice_gateway.sse import BadEvent

FOLDER = Path(__file__).resolve().parents[3] / "golden" / "providers" / "cohere"
ODD: tuple[Any, ...] = (None, True, 7, 0.5, "x", [], ["x"], {}, {"x": 1})
USAGE = {"tokens": {"input_tokens": 20, "output_tokens": 9}, "billed_units": {"input_tokens": 3}, "cached_tokens": 16}
WHOLE = {
    "id": "a",
    "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Well, well."}, {"type": "text", "text": "Let me see."}],
        "tool_plan": "I will ask twice.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}},
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
        ],
    },
    "usage": USAGE,
    "logprobs": [{"text": "Let me", "token_ids": [1, 2], "logprobs": [-0.25, -0.5]}],
}


def said(**message: Any) -> dict[str, Any]:
    return {"delta": {"message": message}}


STREAM: list[dict[str, Any]] = [
    {"type": "message-start", "id": "a", **said(role="assistant", content=[], tool_plan="", tool_calls=[])},
    {"type": "content-start", "index": 0, **said(content={"type": "thinking", "thinking": ""})},
    {"type": "content-delta", "index": 0, **said(content={"thinking": "Well, "})},
    {"type": "content-delta", "index": 0, **said(content={"thinking": "well."})},
    {"type": "content-end", "index": 0},
    {"type": "content-start", "index": 1, **said(content={"type": "text", "text": "Let"})},
    {
        "type": "content-delta",
        "index": 1,
        **said(content={"text": " me see."}),
        "logprobs": {"text": "Let me", "token_ids": [1, 2], "logprobs": [-0.25, -0.5]},
    },
    {"type": "content-end", "index": 1},
    {"type": "tool-plan-delta", **said(tool_plan="I will ")},
    {"type": "tool-plan-delta", **said(tool_plan="ask twice.")},
    {"type": "tool-call-start", "index": 2, **said(tool_calls={"id": "c1", "function": {"name": "now"}})},
    {"type": "tool-call-delta", "index": 2, **said(tool_calls={"function": {"arguments": '{"zone":'}})},
    {"type": "tool-call-delta", "index": 2, **said(tool_calls={"function": {"arguments": ' "UTC"}'}})},
    {"type": "tool-call-end", "index": 2},
    {"type": "tool-call-start", "index": 3, **said(tool_calls={"id": "c2", "function": {"name": "now"}})},
    {"type": "tool-call-end", "index": 3},
    {"type": "message-end", "id": "a", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}},
]


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def read(events: list[Any]) -> list[Delta]:
    memory: dict[str, Any] = {}
    return [delta for event in events for delta in read_event(encoded(event), memory)]


def folded(deltas: list[Delta]) -> ChatAnswer:
    """What deltas add up to."""
    parts: list[Part] = []
    calls: list[ToolCall] = []
    finish, usage, identity, logprobs = Finish.STOP, None, None, None
    for delta in deltas:
        if isinstance(delta, Started):
            identity = delta.id
        elif isinstance(delta, TextDelta):
            parts.append(Text(text=delta.text))
            logprobs = delta.logprobs or logprobs
        elif isinstance(delta, ThoughtDelta):
            parts.append(Thought(text=delta.text, origin=delta.origin))
        elif isinstance(delta, ToolCallDelta) and delta.name:
            calls.append(ToolCall(id=delta.id, name=delta.name, arguments=delta.arguments))
        elif isinstance(delta, ToolCallDelta):
            made = calls[delta.index]
            calls[delta.index] = ToolCall(id=made.id, name=made.name, arguments=made.arguments + delta.arguments)
        elif isinstance(delta, Finished):
            finish = delta.finish
        elif isinstance(delta, Counted):
            usage = delta.usage
    choice = Choice(parts=(*parts, *calls), finish=finish, logprobs=logprobs)
    return ChatAnswer(choices=(choice,), id=identity, usage=usage)


def plain(answer: ChatAnswer) -> tuple[Any, ...]:
    [choice] = answer.choices
    texts = "".join(part.text for part in choice.parts if isinstance(part, Text))
    thoughts = "".join(part.text for part in choice.parts if isinstance(part, Thought))
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    return answer.id, texts, thoughts, calls, choice.finish, choice.logprobs, answer.usage


def test_a_stream_adds_up_to_the_whole_answer() -> None:
    deltas = read(STREAM)
    whole = read_answer(encoded(WHOLE))
    assert plain(folded(deltas)) == plain(whole)
    assert plain(whole)[1:3] == ("Let me see.", "Well, well.I will ask twice.")
    assert [call.arguments for call in plain(whole)[3]] == ['{"zone": "UTC"}', "{}"]
    assert whole.usage == Usage(prompt=20, completion=9, cached=16)
    assert isinstance(deltas[-1], Ended)


def test_probabilities_of_several_tokens_in_one_text_are_theirs_together() -> None:
    [token] = read_answer(encoded(WHOLE)).choices[0].logprobs["content"]
    assert token == {"token": "Let me", "logprob": -0.75, "bytes": list(b"Let me"), "top_logprobs": []}


@pytest.mark.parametrize(("reason", "finish"), FINISHES.items())
def test_each_reason_is_the_same_streamed_or_not(reason: str, finish: Finish) -> None:
    message = WHOLE["message"] if finish is Finish.TOOL_CALLS else {"content": [{"type": "text", "text": "x"}]}
    answer = read_answer(encoded({"finish_reason": reason, "message": message}))
    end = {"type": "message-end", "delta": {"finish_reason": reason}}
    events = STREAM[10:-1] if finish is Finish.TOOL_CALLS else []
    finishes = [delta.finish for delta in read([*events, end]) if isinstance(delta, Finished)]
    assert [answer.choices[0].finish] == finishes == [finish]


@pytest.mark.parametrize(
    ("delta", "kind", "status", "message"),
    [
        ({"finish_reason": "ERROR"}, FaultKind.FAILED, 502, "the generation ended with ERROR"),
        ({"finish_reason": "ERROR", "error": "out of memory"}, FaultKind.FAILED, 502, "out of memory"),
        ({"finish_reason": "TIMEOUT"}, FaultKind.TIMEOUT, 504, "the generation ended with TIMEOUT"),
        ({"error": "no reason"}, FaultKind.FAILED, 502, "no reason"),
    ],
)
def test_a_generation_that_fails_is_no_answer(delta: Any, kind: FaultKind, status: int, message: str) -> None:
    with pytest.raises(ProviderFault) as failed:
        read([*STREAM[:-1], {"type": "message-end", "delta": delta}])
    fault = failed.value.fault
    assert (fault.kind, fault.status, fault.message) == (kind, status, message)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({}, None),
        ({"tokens": {}}, None),
        ({"tokens": {"input_tokens": 2.0}}, Usage(prompt=2)),
        ({"tokens": {"output_tokens": 3}, "billed_units": {"input_tokens": 9}}, Usage(completion=3)),
        ({"billed_units": {"input_tokens": 1, "output_tokens": 2}}, Usage(prompt=1, completion=2)),
        ({"tokens": {"input_tokens": 5}, "cached_tokens": 9}, Usage(prompt=5, cached=5)),
        ({"tokens": {"input_tokens": -1, "output_tokens": 1e300}}, Usage(completion=MOST_TOKENS)),
    ],
)
def test_what_is_counted(usage: Any, counted: Usage | None) -> None:
    assert read_answer(encoded({"message": {"content": []}, "usage": usage})).usage == counted


def spoilt(document: Any) -> Iterator[Any]:
    """The document with each of its values, one by one, of another type; and without it."""
    for path in list(_paths(document)):
        for odd in ODD:
            other = copy.deepcopy(document)
            _put(other, path, odd)
            yield other


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _put(document: Any, path: tuple[Any, ...], odd: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = odd


def survives(reading: Callable[[Any], object], given: Any) -> bool:
    """Whether it reads, or refuses in one of the two ways that there are."""
    try:
        reading(given)
    except (BadEvent, ProviderFault):
        return False
    return True


def test_no_type_breaks_the_reader_of_answers() -> None:
    read_well = [survives(read_answer, encoded(document)) for document in spoilt(WHOLE)]
    assert sum(read_well) > len(read_well) * 0.8


def test_no_type_breaks_the_reader_of_streams() -> None:
    for place, event in enumerate(STREAM):
        for other in spoilt(event):
            survives(read, [*STREAM[:place], other, *STREAM[place + 1 :]])


@pytest.mark.parametrize("file", sorted(FOLDER.glob("stream-*.in.sse")), ids=lambda file: file.name)
def test_events_in_any_order_break_nothing(file: Path) -> None:
    events = list(sse.data_of(file.read_bytes() + b"\n\n"))
    memory: dict[str, Any] = {}
    for event in [*reversed(events), *events]:
        survives(lambda data: read_event(data, memory), event)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"7", b'"x"', b"\xff", b"{", b"[" * 10_000])
def test_what_is_no_object_is_no_event_and_no_answer(data: bytes) -> None:
    for reading in (read_answer, lambda data: read_event(data, {}), CohereEmbeddings().parse_response):
        with pytest.raises(BadEvent):
            reading(data)


def vectors(document: Any) -> EmbeddingAnswer:
    return CohereEmbeddings().parse_response(encoded(document))


def test_vectors_of_either_type() -> None:
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}}
    numbers = vectors({"embeddings": {"float": [[0.5, 1], [0.25, -1]]}, "texts": ["a", "b"], "meta": meta})
    assert (numbers.vectors, numbers.usage) == (((0.5, 1.0), (0.25, -1.0)), Usage(prompt=4))
    assert vectors({"embeddings": {"base64": ["AAAAPw=="]}}).vectors == ("AAAAPw==",)


@pytest.mark.parametrize(
    "document", [{}, {"embeddings": None}, {"embeddings": {"int8": [[1]]}}, {"embeddings": {"float": [["a"]]}}]
)
def test_no_vectors_are_no_answer(document: Any) -> None:
    with pytest.raises(BadEvent):
        vectors(document)


@pytest.mark.parametrize("document", [{"id": "1", "message": "oh no"}, {"error": {"message": "oh no"}}])
def test_an_error_among_vectors_is_one(document: Any) -> None:
    with pytest.raises(ProviderFault, match="oh no"):
        vectors(document)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"message": 5}', b'{"id": {}}', b'{"id": "a", "message": ""}'])
def test_any_body_tells_by_its_status(body: bytes) -> None:
    fault = fault_of_answer(429, {"retry-after": "3"}.get, body)
    assert (fault.kind, fault.retry_after) == (FaultKind.RATE_LIMITED, 3)
