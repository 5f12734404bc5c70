"""What is read from Anthropic: a stream says what the whole answer says, and nothing of hers breaks the reader."""

import functools
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, StopReason
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway import sse
from sluice_gateway.normal.answers import (
    ChatAnswer,
    Choice,
    Counted,
    Delta,
    Ended,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Part, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import FaultKind, ProviderFault
from sluice_gateway.providers.anthropic.answers import FINISHES, read_answer
from sluice_gateway.providers.anthropic.streams import read_event
from sluice_gateway.sse import BadEvent
from tests.support.examples import examples

FOLDER = Path(__file__).resolve().parents[3] / "golden" / "providers" / "anthropic"
ODD = {
    "tools-that-share-an-index",
    "unknown-events-are-skipped",
    "half-a-character",
    "usage-missing",
    "usage-in-the-end-alone",
}
# Streams that the SDK itself can read: whole ones, in the order of the reference.
ORDERLY = [
    file
    for file in sorted(FOLDER.glob("stream-*.in.sse"))
    if b'"type": "message_stop"' in file.read_bytes() and file.name[7:-7] not in ODD
]
LIES = ("wrong", "error", "not-", "no-", "null", "missing", "tomorrow", "server", "under-end-turn")
HONEST = [file for file in sorted(FOLDER.glob("response-*.in.json")) if not any(word in file.name for word in LIES)]


class Folded:
    """What deltas add up to."""

    def __init__(self, deltas: list[Delta]) -> None:
        self.parts: list[Part] = []
        self.calls: dict[int, int] = {}
        self.thought = ""
        for delta in deltas:
            self.add(delta)
        started = next(delta for delta in deltas if isinstance(delta, Started))
        finished = next(delta for delta in deltas if isinstance(delta, Finished))
        counted = [delta for delta in deltas if isinstance(delta, Counted)]
        choice = Choice(parts=tuple(self.parts), finish=finished.finish, stop_sequence=finished.stop_sequence)
        self.answer = ChatAnswer(
            choices=(choice,),
            id=started.id,
            model=started.model,
            usage=functools.reduce(Usage.merged, (delta.usage for delta in counted)) if counted else None,
            service_tier=next((delta.service_tier for delta in counted if delta.service_tier), None),
        )

    def add(self, delta: Delta) -> None:
        if isinstance(delta, TextDelta):
            last = self.parts[-1] if self.parts else None
            before = self.parts.pop() if isinstance(last, Text) else None
            self.parts.append(Text(text=(before.text if isinstance(before, Text) else "") + delta.text))
        elif isinstance(delta, RefusalDelta):
            self.parts.append(Refusal(text=delta.text))
        elif isinstance(delta, ThoughtDelta):
            self.thought += delta.text
            if delta.signature or delta.encrypted:
                text, self.thought = self.thought, ""
                self.parts.append(
                    Thought(text=text, signature=delta.signature, encrypted=delta.encrypted, origin=delta.origin)
                )
        elif isinstance(delta, ToolCallDelta):
            self.add_call(delta)

    def add_call(self, delta: ToolCallDelta) -> None:
        if delta.index not in self.calls:
            self.calls[delta.index] = len(self.parts)
            self.parts.append(ToolCall(id=delta.id, name=delta.name, arguments=""))
        call = self.parts[self.calls[delta.index]]
        assert isinstance(call, ToolCall)
        whole = ToolCall(id=call.id, name=call.name, arguments=call.arguments + delta.arguments)
        self.parts[self.calls[delta.index]] = whole


def plain(answer: ChatAnswer) -> ChatAnswer:
    """Without differences in how JSON is spaced."""
    parts = tuple(
        ToolCall(id=part.id, name=part.name, arguments=json.dumps(json.loads(part.arguments)))
        if isinstance(part, ToolCall)
        else part
        for part in answer.choices[0].parts
    )
    choice = answer.choices[0]
    kept = Choice(parts=parts, finish=choice.finish, stop_sequence=choice.stop_sequence)
    return ChatAnswer(
        choices=(kept,), id=answer.id, model=answer.model, usage=answer.usage, service_tier=answer.service_tier
    )


@pytest.mark.parametrize("file", ORDERLY, ids=lambda file: file.name.removesuffix(".in.sse"))
def test_a_stream_adds_up_to_the_whole_answer(file: Path) -> None:
    """The SDK builds the whole answer from the same events."""
    memory: dict[str, Any] = {}
    deltas: list[Delta] = []
    message: Any = None
    buffers: dict[int, bytes] = {}
    for data in sse.data_of(file.read_bytes()):
        deltas += read_event(data, memory)
        event = json.loads(data)
        if event["type"] != "ping":
            message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    assert deltas[-1] == Ended()
    whole = read_answer(message.to_json().encode())
    assert plain(Folded(deltas).answer) == plain(whole)


def test_most_goldens_are_of_the_reference() -> None:
    assert len(ORDERLY) > 10
    assert len(HONEST) > 10


@pytest.mark.parametrize("reason", get_args(StopReason))
def test_every_stop_reason_of_the_sdk_has_a_finish(reason: str) -> None:
    assert reason in FINISHES


@pytest.mark.parametrize("file", HONEST, ids=lambda file: file.name.removesuffix(".in.json"))
def test_answers_of_goldens_are_answers_of_the_reference(file: Path) -> None:
    assert Message.model_validate_json(file.read_bytes())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "error"]
DELTAS = ["text_delta", "input_json_delta", "thinking_delta", "signature_delta", "tool_use", "thinking", "text"]
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from(DELTAS) | JSON},
    optional=dict.fromkeys(
        ("text", "thinking", "signature", "partial_json", "id", "name", "input", "stop_reason", "usage"), JSON
    ),
)
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | JSON},
    optional={
        "index": JSON,
        "delta": BLOCK | JSON,
        "content_block": BLOCK | JSON,
        "message": BLOCK | JSON,
        "usage": JSON,
        "error": JSON,
    },
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(EVENT, max_size=6))
def test_any_events_are_read_or_are_a_fault(events: list[dict[str, Any]]) -> None:
    memory: dict[str, Any] = {}
    for event in events:
        try:
            deltas = read_event(json.dumps(event).encode(), memory)
        except (ProviderFault, BadEvent):
            continue
        assert all(isinstance(delta.arguments, str) for delta in deltas if isinstance(delta, ToolCallDelta))


@settings(max_examples=examples(100), deadline=None)
@given(
    st.fixed_dictionaries(
        {"content": st.lists(BLOCK | JSON, max_size=3)},
        optional=dict.fromkeys(("id", "model", "usage", "stop_reason", "stop_details", "type", "error"), JSON),
    )
)
def test_any_answer_is_read_or_is_a_fault(document: dict[str, Any]) -> None:
    try:
        answer = read_answer(json.dumps(document).encode())
    except (ProviderFault, BadEvent):
        return
    assert len(answer.choices) == 1


@pytest.mark.parametrize("data", [b"", b"[DONE]", b"{", b"\xff", b"[" * 100_000, b'"x"', b"5"])
def test_what_is_no_json_object_is_no_event(data: bytes) -> None:
    with pytest.raises(BadEvent):
        read_event(data, {})
    with pytest.raises(BadEvent):
        read_answer(data)


@pytest.mark.parametrize(
    ("kind", "status", "wanted"),
    [
        ("overloaded_error", 529, FaultKind.FAILED),
        ("rate_limit_error", 429, FaultKind.RATE_LIMITED),
        ("api_error", 500, FaultKind.FAILED),
        ("timeout_error", 504, FaultKind.TIMEOUT),
        ("billing_error", 402, FaultKind.NO_CREDIT),
        ("authentication_error", 401, FaultKind.KEY_REFUSED),
        ("invalid_request_error", 400, FaultKind.CALLER),
        ("error_of_tomorrow", 500, FaultKind.FAILED),
        (None, 500, FaultKind.FAILED),
    ],
)
def test_an_error_inside_a_stream_is_the_fault_that_its_status_would_be(
    kind: str | None, status: int, wanted: FaultKind
) -> None:
    event = {"type": "error", "error": {"type": kind, "message": "sorry"}}
    with pytest.raises(ProviderFault) as raised:
        read_event(json.dumps(event).encode(), {})
    assert (raised.value.fault.status, raised.value.fault.kind) == (status, wanted)


def test_a_long_stream_leaves_nothing_behind() -> None:
    """Memory does not grow with the length of a stream."""
    memory: dict[str, Any] = {}
    text = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}'
    thought = b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}'
    for _ in range(100):
        assert read_event(text, memory) == (TextDelta("x"),)
        assert read_event(thought, memory) == (ThoughtDelta("x", origin="anthropic"),)
    assert len(memory) == 1
    assert not memory["reader"]._calls
