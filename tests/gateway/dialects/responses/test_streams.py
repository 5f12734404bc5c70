"""Streams for callers of /v1/responses: what comes adds up to the whole answer, however it ends."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.responses.dialect import ResponsesDialect
from sluice_gateway.dialects.responses.streams import ResponsesStreamWriter
from sluice_gateway.errors import ContextLengthExceeded, GatewayError, ProviderError, RateLimitExceeded
from sluice_gateway.normal.answers import (
    ChatAnswer,
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
from sluice_gateway.normal.parts import Image, Part, Refusal, Source, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage
from tests.support.responses_events import events_of, fold

DIALECT = ResponsesDialect()
ASKED = Asked(document={"model": "chat"}, model="the-model", id="req_1", created=1767225600)
USAGE = Usage(prompt=9, completion=5, cached=4, reasoning=2)
PICTURE = Image(source=Source(data="iVBORw0KGgo=", media_type="image/png"))


def begun() -> ResponsesStreamWriter:
    return ResponsesStreamWriter(ASKED)


def streamed(*deltas: Delta, usage: Usage | None = USAGE) -> bytes:
    writer = DIALECT.stream(ASKED)
    return b"".join(writer.write((delta,)) for delta in deltas) + writer.end(usage)


def kinds(frames: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(frames)]


_words = st.text(min_size=1, max_size=6)
_said = (
    st.builds(lambda text: (Text(text=text),), _words)
    | st.builds(lambda text: (Refusal(text=text),), _words)
    | st.builds(lambda text: (Thought(text=text),), _words)
    | st.builds(lambda text: (Thought(text=text, signature="c2ln", origin="anthropic"),), _words | st.just(""))
    | st.just((Thought(encrypted="ZW5j", origin="anthropic"),))
    | st.builds(lambda text: (ToolCall(id="", name="f", arguments=text),), st.sampled_from(["{}", '{"a":1}']))
    | st.just((ToolCall(id="", name="f", signature="c2ln", origin="google"),))
    | st.just((PICTURE,))
)


def numbered(parts: list[Part]) -> tuple[Part, ...]:
    """Calls with ids of their own."""
    return tuple(
        ToolCall(id=f"call_{n}", name=p.name, arguments=p.arguments, signature=p.signature, origin=p.origin)
        if isinstance(p, ToolCall)
        else p
        for n, p in enumerate(parts)
    )


def deltas(parts: tuple[Part, ...], size: int) -> list[Delta]:
    """``parts`` in pieces; the arguments of all calls come at the end, in turns."""
    found: list[Delta] = []
    arguments: list[list[Delta]] = []
    for part in parts:
        match part:
            case Text():
                found += [TextDelta(piece) for piece in pieces(part.text, size)]
            case Refusal():
                found += [RefusalDelta(piece) for piece in pieces(part.text, size)]
            case Thought():
                found += [ThoughtDelta(piece) for piece in pieces(part.text, size)]
                found.append(ThoughtDelta(signature=part.signature, encrypted=part.encrypted, origin=part.origin))
            case ToolCall():
                index = len(arguments)
                found.append(ToolCallDelta(index, "", part.id, part.name, signature=part.signature, origin=part.origin))
                arguments.append([ToolCallDelta(index, piece) for piece in pieces(part.arguments, size)])
            case _:
                found.append(PartDelta(part))
    while any(arguments):
        for rest in arguments:
            found += rest[:1]
            del rest[:1]
    return found


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(
    st.lists(_said, max_size=6).map(lambda found: [part for parts in found for part in parts]),
    st.sampled_from(Finish),
    st.integers(1, 4),
)
def test_the_last_answer_of_a_stream_is_the_whole_answer(said: list[Part], finish: Finish, size: int) -> None:
    parts = numbered(said)
    frames = streamed(
        Started("chatcmpl-1", "m-1", 7), *deltas(parts, size), Finished(finish), Counted(USAGE, "default"), Ended()
    )
    choice = Choice(parts=parts, finish=finish)
    answer = ChatAnswer(choices=(choice,), id="chatcmpl-1", model="m-1", created=7, usage=USAGE, service_tier="default")
    assert fold(frames) == json.loads(DIALECT.answer(answer, ASKED))


@given(st.lists(_said, max_size=6).map(lambda found: [part for parts in found for part in parts]), st.integers(0, 12))
def test_a_stream_that_breaks_off_fails_with_what_there_is(said: list[Part], heard: int) -> None:
    writer = begun()
    frames = b"".join(writer.write((delta,)) for delta in deltas(numbered(said), 2)[:heard])
    response = fold(frames + writer.fail(ProviderError("the stream broke off")))
    assert response["error"] == {"code": "server_error", "message": "the stream broke off"}
    assert (response["incomplete_details"], response["usage"]) == (None, None)


def test_what_comes_is_told_at_once_and_in_order() -> None:
    frames = streamed(Started(), TextDelta("Hel"), TextDelta("lo"), Finished(Finish.STOP))
    assert kinds(frames) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_an_answer_begins_with_its_first_event_of_any_kind_but_usage() -> None:
    writer = DIALECT.stream(ASKED)
    assert writer.write((Counted(USAGE), Ended())) == b""
    assert kinds(writer.write((TextDelta("Hi"),)))[:2] == ["created", "in_progress"]


def test_empty_deltas_open_nothing() -> None:
    frames = streamed(Started(), TextDelta(""), RefusalDelta(""), ThoughtDelta(""), Finished(Finish.STOP))
    assert kinds(frames) == ["created", "in_progress", "completed"]


def test_other_choices_have_no_place() -> None:
    assert (
        fold(streamed(TextDelta("a"), TextDelta("b", choice=1), Finished(Finish.STOP, 1), Finished(Finish.STOP)))[
            "output"
        ][0]["content"][0]["text"]
        == "a"
    )


def test_what_follows_the_end_is_not_told() -> None:
    assert len(fold(streamed(TextDelta("a"), Finished(Finish.STOP), ThoughtDelta("b")))["output"]) == 1


def test_a_stream_without_a_reason_to_end_is_complete_when_its_provider_says_so() -> None:
    assert fold(streamed(TextDelta("a"), Ended(), usage=None))["status"] == "completed"
    assert fold(streamed(usage=None))["output"] == []


def test_calls_without_arguments_have_an_empty_object() -> None:
    frames = streamed(ToolCallDelta(0, "", "call_1", "now"), Finished(Finish.TOOL_CALLS))
    [item] = fold(frames)["output"]
    assert (item["arguments"], item["status"]) == ("{}", "completed")
    assert "function_call_arguments.delta" in kinds(frames)  # clients that add up pieces find it too


def test_a_seal_that_comes_after_its_call_is_not_lost() -> None:
    late = ToolCallDelta(0, "{}", signature="c2ln", origin="google")
    output = fold(streamed(ToolCallDelta(0, "", "call_1", "now"), late, Finished(Finish.TOOL_CALLS)))["output"]
    assert [item["type"] for item in output] == ["function_call", "reasoning"]
    assert output[1]["encrypted_content"] == "sluice.google.call.call_1 c2ln"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (Finish.STOP, "completed", None),
        (Finish.STOP_SEQUENCE, "completed", None),
        (Finish.TOOL_CALLS, "completed", None),
        (Finish.PAUSE, "completed", None),
        (Finish.LENGTH, "incomplete", "max_output_tokens"),
        (Finish.CONTEXT, "incomplete", "max_output_tokens"),
        (Finish.CONTENT_FILTER, "incomplete", "content_filter"),
        (Finish.REFUSAL, "incomplete", "content_filter"),
    ],
)
def test_how_answers_end(finish: Finish, status: str, reason: str | None) -> None:
    response = fold(streamed(ThoughtDelta("hm"), TextDelta("Once"), Finished(finish)))
    assert response["status"] == status
    assert (response["incomplete_details"] or {}).get("reason") == reason
    assert [item["status"] for item in response["output"]] == ["completed", status]


def test_a_refusal_in_words_is_a_whole_answer() -> None:
    response = fold(streamed(RefusalDelta("No."), Finished(Finish.REFUSAL)))
    assert (response["status"], response["incomplete_details"]) == ("completed", None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProviderError("e"), "server_error"),
        (RateLimitExceeded("e"), "rate_limit_exceeded"),
        (ContextLengthExceeded("e"), "invalid_prompt"),
    ],
)
def test_errors_have_codes_of_the_reference(error: GatewayError, code: str) -> None:
    response = fold(begun().fail(error))
    assert response["error"] == {"code": code, "message": "e"}
    assert response["status"] == "failed"


def test_an_error_of_a_stream_that_nobody_followed_is_an_event_by_itself() -> None:
    [event] = events_of(DIALECT.error_event(ProviderError("it broke off", param="input")))
    assert event == {
        "type": "error",
        "code": "provider_error",
        "message": "it broke off",
        "param": "input",
        "sequence_number": 0,
        "error": {"type": "server_error", "code": "provider_error", "message": "it broke off", "param": "input"},
    }


def test_a_picture_that_is_elsewhere_is_told_as_its_address() -> None:
    picture = PartDelta(Image(source=Source(url="https://example.com/a.png")))
    [item] = fold(streamed(picture, Finished(Finish.STOP)))["output"]
    assert item["content"][0]["text"] == "https://example.com/a.png"


@pytest.mark.parametrize(
    "logprobs", [{"content": None}, {"content": [None, {"token": 3}]}, {}, [], {"refusal": [{"token": "a"}]}]
)
def test_logprobs_that_cannot_be_read_are_none(logprobs: Any) -> None:
    [item] = fold(streamed(TextDelta("a", logprobs=logprobs), Finished(Finish.STOP)))["output"]
    assert item["content"][0]["logprobs"] == []


def test_a_long_stream_is_kept_as_little_more_than_its_words() -> None:
    writer = begun()
    writer.write((Started(), TextDelta("Once")))
    tracemalloc.start()
    try:
        for _ in range(20_000):
            writer.write((TextDelta(" upon"),))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * 20_000 * len(" upon")
