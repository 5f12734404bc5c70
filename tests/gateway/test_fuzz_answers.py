"""Any answer of any provider: it is read, or it is the provider's fault; and what callers get fits the API's own
description.
"""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.output import deltas_of
from sluice_gateway.errors import ProviderError
from sluice_gateway.normal.answers import (
    ChatAnswer,
    Counted,
    Delta,
    Finish,
    Finished,
    PartDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Audio, Document, Image, Refusal, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage
from sluice_gateway.passages import TranslatedPassage
from sluice_gateway.providers.adapter import FaultKind, ProviderFault
from sluice_gateway.server.app import ENDPOINTS
from sluice_gateway.server.openapi.document import OPERATIONS, document
from sluice_gateway.sse import BadEvent, data_of
from tests.support.examples import examples
from tests.support.hostile import GOLDEN, JUNK, encoded, spoiled
from tests.support.translations import wire_of

SCHEMAS = document(OPERATIONS)["components"]["schemas"]
WIRES = ("openai", "anthropic", "google", "cohere")
SHAPES = tuple(registry.CHAT)
ASKING: dict[Shape, dict[str, Any]] = {
    Shape.CHAT: {"messages": [{"role": "user", "content": "a"}]},
    Shape.COMPLETIONS: {"prompt": "a"},
    Shape.RESPONSES: {"input": "a"},
    Shape.MESSAGES: {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5},
}


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": {"schemas": SCHEMAS}})


def answer_of(shape: Shape) -> dict[str, Any]:
    path = next(path for path, known in ENDPOINTS.items() if known is shape)
    return OPERATIONS[path].answers["application/json"]


def event_of(shape: Shape) -> dict[str, Any]:
    path = next(path for path, known in ENDPOINTS.items() if known is shape)
    return OPERATIONS[path].event or {}


ANSWERS = {shape: validator(answer_of(shape)) for shape in SHAPES}
EVENTS = {shape: validator(event_of(shape)) for shape in SHAPES}


def recorded(wire: str, pattern: str) -> list[Path]:
    folders = [wire, *(("azure", "deepseek", "groq", "ollama", "vllm", "llamacpp") if wire == "openai" else ())]
    return sorted(file for folder in folders for file in (GOLDEN / "providers" / folder).glob(pattern))


def parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def events(file: Path) -> list[Any]:
    found = (parsed(data) for data in data_of(file.read_bytes()))
    return [event for event in found if event is not None]


WHOLE = {
    wire: [one for file in recorded(wire, "response-*.in.json") if (one := parsed(file.read_text()))] for wire in WIRES
}
STREAMS = {wire: [one for file in recorded(wire, "stream-*.in.sse") if (one := events(file))] for wire in WIRES}
ERRORS = {
    wire: [one for file in recorded(wire, "error-*.in.json") if (one := parsed(json.loads(file.read_text())["body"]))]
    for wire in WIRES
}


def asked(shape: Shape) -> Asked:
    wanted = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    return Asked(document=wanted | ASKING[shape], model="m", id="req_1", created=1)


def check_answer(wire: str, shape: Shape, data: bytes) -> None:
    try:
        answer = wire_of(wire).adapter.parse_response(data)
    except (BadEvent, ProviderFault):
        return
    ANSWERS[shape].validate(json.loads(registry.CHAT[shape].answer(answer, asked(shape))))


ANY_WHOLE = st.sampled_from(WIRES).flatmap(lambda wire: st.tuples(st.just(wire), spoiled(WHOLE[wire])))
ANY_STREAM = st.sampled_from(WIRES).flatmap(lambda wire: st.tuples(st.just(wire), spoiled(STREAMS[wire])))


@settings(max_examples=examples(600), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_WHOLE, st.sampled_from(SHAPES))
def test_any_answer_is_read_or_is_the_providers_fault(case: tuple[str, Any], shape: Shape) -> None:
    check_answer(case[0], shape, encoded(case[1]))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(WIRES), JUNK, st.binary(max_size=30))
def test_what_is_no_answer_at_all_is_the_providers_fault(wire: str, value: Any, noise: bytes) -> None:
    for data in (encoded(value), noise, b"", b"null", b"<html>", b'{"choices":[', b"[" * 10_000):
        check_answer(wire, Shape.CHAT, data)


def streamed(wire: str, shape: Shape, stream: Any) -> bytes:
    """The caller's frames."""
    dialect = registry.CHAT[shape]
    passage = TranslatedPassage(wire_of(wire).adapter.parse_event, dialect.stream(asked(shape)), dialect, choices=1)
    out, frames = b"", b""
    try:
        for event in stream if isinstance(stream, list) else [stream]:
            frames = b"data: " + encoded(event) + b"\n\n"
            out += passage.take(frames)
    except (BadEvent, ProviderFault) as error:
        return out + passage.salvage(frames) + passage.fail(ProviderError(str(error)))
    return out + (passage.end() if passage.finished or passage.done else passage.fail(ProviderError("cut")))


def check_events(shape: Shape, frames: bytes) -> None:
    for data in data_of(frames):
        if data != b"[DONE]" and "error" not in (event := json.loads(data)):
            EVENTS[shape].validate(event)


@settings(max_examples=examples(600), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_STREAM, st.sampled_from(SHAPES))
def test_any_stream_becomes_events_that_end(case: tuple[str, Any], shape: Shape) -> None:
    frames = streamed(case[0], shape, case[1])
    assert frames.endswith(b"\n\n")
    check_events(shape, frames)


BODIES = st.one_of(JUNK.map(encoded), st.binary(max_size=50), st.sampled_from([b"", b"<html>", b'{"error":', b"[[[["]))
WAITS = st.sampled_from([None, "", "5", "-1", "nan", "inf", "1e400", "Wed, 21 Oct 2026 07:28:00 GMT", "soon", "\0"])


@settings(max_examples=examples(400), deadline=None)
@given(
    st.sampled_from(WIRES).flatmap(
        lambda wire: st.tuples(st.just(wire), st.one_of(BODIES, spoiled(ERRORS[wire]).map(encoded)))
    ),
    st.sampled_from([301, 400, 401, 402, 403, 404, 408, 413, 422, 429, 498, 500, 503, 529, 599]),
    WAITS,
)
def test_any_error_is_a_fault_of_some_kind(case: tuple[str, bytes], status: int, wait: str | None) -> None:
    wire, body = case
    fault = wire_of(wire).adapter.parse_error(status, {"retry-after": wait}.get, body)
    assert isinstance(fault.kind, FaultKind)
    assert fault.message
    assert (fault.retry_after is None) or (math.isfinite(fault.retry_after) and 0 <= fault.retry_after <= 86_400)
    assert all(word is None or isinstance(word, str) for word in (fault.code, fault.type, fault.param))


class Told(NamedTuple):
    """What an answer says, whole or added up: words by their kind, calls, why it ends, what was counted."""

    words: dict[str, str]
    calls: list[tuple[str, str, str]]
    others: int
    finish: Finish | None
    usage: Usage | None


def told(answer: ChatAnswer) -> Told:
    choice = answer.choices[0]
    words: dict[str, str] = {}
    for part in choice.parts:
        if isinstance(part, Text | Thought | Refusal) and part.text:
            words[type(part).__name__] = words.get(type(part).__name__, "") + part.text
    calls = [(part.id, part.name, part.arguments) for part in choice.parts if isinstance(part, ToolCall)]
    others = sum(isinstance(part, Audio | Image | Document) for part in choice.parts)
    return Told(words, calls, others, choice.finish, answer.usage)


def added_up(deltas: Iterable[Delta]) -> Told:
    """Of the first choice."""
    words: dict[str, str] = {}
    calls: list[tuple[str, str, str]] = []
    others, finish, usage = 0, None, None
    for delta in deltas:
        if isinstance(delta, Counted):
            usage = delta.usage if usage is None else usage.merged(delta.usage)
        elif getattr(delta, "choice", 0):
            continue
        elif isinstance(delta, TextDelta | ThoughtDelta | RefusalDelta) and delta.text:
            kind = type(delta).__name__.removesuffix("Delta")
            words[kind] = words.get(kind, "") + delta.text
        elif isinstance(delta, ToolCallDelta):
            known = calls.pop(delta.index) if delta.index < len(calls) else (delta.id, delta.name, "")
            calls.insert(delta.index, (known[0], known[1], known[2] + delta.arguments))
        elif isinstance(delta, PartDelta):
            others += 1
        elif isinstance(delta, Finished):
            finish = delta.finish
    return Told(words, [(one, name, given or "{}") for one, name, given in calls], others, finish, usage)


def first(answer: ChatAnswer) -> ChatAnswer | None:
    """The answer with its first choice alone, where it has one."""
    choices = [choice for choice in answer.choices if choice.index == 0]
    return msgspec.structs.replace(answer, choices=tuple(choices)) if len(choices) == 1 else None


def read(wire: str, data: bytes) -> ChatAnswer | None:
    try:
        return first(wire_of(wire).adapter.parse_response(data))
    except (BadEvent, ProviderFault):
        return None


def events_read(wire: str, frames: Iterable[bytes]) -> list[Delta]:
    memory: dict[str, Any] = {}
    return [delta for data in frames for delta in wire_of(wire).adapter.parse_event(data, memory)]


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_WHOLE)
def test_callers_read_the_same_streamed_or_not(case: tuple[str, Any]) -> None:
    """Written as chat completions both ways, and read by who knows nothing of how it was written."""
    answer = read(case[0], encoded(case[1]))
    if answer is None:
        return
    dialect = registry.CHAT[Shape.CHAT]
    writer = dialect.stream(asked(Shape.CHAT))
    frames = writer.write([Started(answer.id, answer.model), *deltas_of(answer.choices[0])]) + writer.end(answer.usage)
    whole = read("openai", dialect.answer(answer, asked(Shape.CHAT)))
    assert whole is not None
    assert added_up(events_read("openai", data_of(frames))) == told(whole)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoiled(WHOLE["google"]))
def test_gemini_says_the_same_in_one_chunk_or_as_a_whole(document: Any) -> None:
    """Its chunks have the form of whole answers."""
    answer = read("google", encoded(document))
    if answer is not None:
        chunk = added_up(events_read("google", [encoded(document)]))
        # A chunk that gives no reason is not the last; a whole answer has stopped.
        assert chunk._replace(finish=chunk.finish or told(answer).finish) == told(answer)


PAIRS = [
    (wire, file, file.with_name(file.name.replace("response-", "stream-").replace(".json", ".sse")))
    for wire in WIRES
    for file in recorded(wire, "response-*.in.json")
]
RECORDED_TWICE = [pair for pair in PAIRS if pair[2].is_file() and "wrong-types" not in pair[1].name]


@pytest.mark.parametrize(("wire", "file", "stream"), RECORDED_TWICE, ids=lambda value: getattr(value, "stem", value))
def test_a_rule_that_is_recorded_both_ways_ends_alike(wire: str, file: Path, stream: Path) -> None:
    """In the same fault, or for the same reason, with calls or without."""
    whole = outcome(lambda: told(wire_of(wire).adapter.parse_response(file.read_bytes())))
    streamed = outcome(lambda: added_up(events_read(wire, data_of(stream.read_bytes()))))
    assert streamed == whole


def outcome(reading: Callable[[], Told]) -> tuple[object, ...]:
    try:
        said = reading()
    except ProviderFault as error:
        return "fault", error.fault.kind
    except BadEvent:
        return ("no answer",)
    return said.finish, bool(said.calls)


def test_every_wire_shape_has_rules_that_are_recorded_both_ways() -> None:
    assert {wire for wire, _, _ in RECORDED_TWICE} == set(WIRES)
