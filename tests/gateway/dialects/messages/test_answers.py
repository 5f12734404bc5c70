"""Messages whole and streamed, as Anthropic's own client reads them: a stream adds up to the whole answer."""

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.messages.dialect import MessagesDialect
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
from sluice_gateway.normal.parts import Audio, Image, Part, Refusal, Source, Text, Thought, ToolCall
from sluice_gateway.normal.usage import Usage
from tests.support.messages_stream import accumulated, checked, events_of

DIALECT = MessagesDialect()
USAGE = Usage(100, 40, cached=60, reasoning=8, cache_write=30, cache_write_1h=10)
CITY = '{"city": "Par\\"is", "near": ["}", {"a": 1.5}]}'


def asked(**document: Any) -> Asked:
    return Asked(document=document, model="gpt", id="req_1", created=1)


def whole(*parts: Part, finish: Finish = Finish.STOP, usage: Usage | None = USAGE, **document: Any) -> dict[str, Any]:
    choice = Choice(parts=parts, finish=finish)
    return checked(DIALECT.answer(ChatAnswer(choices=(choice,), id="c1", usage=usage), asked(**document)))


def streamed(*deltas: Delta, usage: Usage | None = USAGE, **document: Any) -> bytes:
    writer = DIALECT.stream(asked(**document))
    return b"".join(writer.write((delta,)) for delta in deltas) + writer.end(usage)


def deltas_of(parts: tuple[Part, ...], size: int = 3) -> list[Delta]:
    """The stream that a provider would send for ``parts``."""
    found: list[Delta] = [Started("c1")]
    calls = 0
    for part in parts:
        if isinstance(part, Text):
            found += [TextDelta(piece) for piece in pieces(part.text, size)]
        elif isinstance(part, Refusal):
            found += [RefusalDelta(piece) for piece in pieces(part.text, size)]
        elif isinstance(part, Thought):
            found += [ThoughtDelta(piece, origin=part.origin) for piece in pieces(part.text, size)]
            if part.signature or part.encrypted is not None:
                found.append(ThoughtDelta(signature=part.signature, encrypted=part.encrypted, origin=part.origin))
        elif isinstance(part, ToolCall):
            found.append(ToolCallDelta(calls, id=part.id, name=part.name, signature=part.signature, origin=part.origin))
            found += [ToolCallDelta(calls, piece) for piece in pieces(part.arguments, size)]
            calls += 1
        else:
            found.append(PartDelta(part))
    return found


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


SAMPLES: dict[str, tuple[Part, ...]] = {
    "text": (Text(text="Hello!"),),
    "nothing": (),
    "an empty text": (Text(text=""),),
    "a thought, a text and a call": (
        Thought(text="Hm.", signature="EqQB", origin="anthropic"),
        Text(text="I look."),
        ToolCall(id="t1", name="weather", arguments=CITY),
    ),
    "two calls with blanks behind": (
        ToolCall(id="t1", name="a", arguments="{}"),
        ToolCall(id="t2", name="b", arguments=' {"x": "\\\\"} \n'),
    ),
    "a refusal": (Refusal(text="I can not."),),
    "a thought without a seal": (Thought(text="Hm.", origin=""), Text(text="Yes")),
    "a thought whose origin is known": (Thought(text="Hm.", origin="openai"), Text(text="Yes")),
    "a thought that is sealed and has no words": (Thought(signature="CiQB", origin="google"), Text(text="Yes")),
    "two thoughts": (
        Thought(text="One.", signature="s1", origin="google"),
        Thought(text="Two.", signature="s2", origin="google"),
    ),
    "encrypted reasoning": (Thought(encrypted="gAAA", origin="openai"), Text(text="Yes")),
    "encrypted reasoning with a summary": (Thought(text="Sum.", encrypted="gAAA", origin="openai"), Text(text="Yes")),
    "encrypted reasoning that is Anthropic's": (Thought(encrypted="EmwK", origin="anthropic"),),
    "both seals": (Thought(text="Hm.", signature="s", encrypted="e", origin="google"), Text(text="Yes")),
    "a call with its own signature": (
        ToolCall(id="t1", name="a", arguments="{}", signature="CiQB", origin="google"),
        ToolCall(id="t2", name="b", arguments="{}"),
    ),
    "a picture": (Text(text="Here:"), Image(source=Source(data="iVBO", media_type="image/png")), Text(text="Nice?")),
    "sound": (Audio(id="a1", data="UklG", format="wav", transcript="Hello"),),
}


@pytest.mark.parametrize("parts", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("shown", ["summarized", "omitted"])
def test_a_stream_adds_up_to_the_whole_answer(parts: tuple[Part, ...], shown: str) -> None:
    thinking = {"type": "adaptive", "display": shown}
    frames = streamed(*deltas_of(parts), Finished(Finish.STOP), thinking=thinking)
    assert accumulated(frames) | {"usage": None} == whole(*parts, thinking=thinking) | {"usage": None}


words = st.text(min_size=1, max_size=8)
origins = st.sampled_from(["anthropic", "google", "openai"])
inputs = st.dictionaries(words, st.recursive(st.none() | st.booleans() | words, st.lists, max_leaves=3), max_size=3)
calls = st.builds(
    ToolCall,
    id=st.text("abc_019", min_size=1, max_size=9),
    name=st.text("abc_019", min_size=1, max_size=9),
    arguments=inputs.map(lambda value: json.dumps(value, ensure_ascii=False)),
    signature=st.none() | words,
    origin=st.just("google"),
)
kinds: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=words),
    st.builds(Thought, text=words, signature=words, origin=origins),
    st.builds(Thought, encrypted=words, origin=origins),
    calls,
)


def apart(parts: list[Part]) -> bool:
    """No two texts side by side: a stream can't tell where one ends."""
    return not any(isinstance(one, Text) and isinstance(other, Text) for one, other in pairwise(parts))


@settings(max_examples=40)
@given(st.lists(kinds, max_size=6).filter(apart), st.integers(1, 5))
def test_any_stream_adds_up_to_the_whole_answer(parts: list[Part], size: int) -> None:
    frames = streamed(*deltas_of(tuple(parts), size), Finished(Finish.STOP))
    assert accumulated(frames)["content"] == whole(*parts)["content"]


@settings(max_examples=40)
@given(st.lists(calls, min_size=2, max_size=5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_calls_that_come_side_by_side_stand_one_after_the_other(
    parts: list[ToolCall], size: int, shuffled: random.Random
) -> None:
    """Each keeps its own order; the order of the calls is that of their starts."""
    deltas = [delta for delta in deltas_of(tuple(parts), size) if isinstance(delta, ToolCallDelta)]
    starts = [delta for delta in deltas if delta.id]
    turns = [delta.index for delta in deltas if not delta.id]
    shuffled.shuffle(turns)
    waiting = {start.index: iter([d for d in deltas if d.index == start.index and not d.id]) for start in starts}
    mixed: list[Delta] = [*starts, *(next(waiting[turn]) for turn in turns)]
    frames = streamed(*mixed, Finished(Finish.TOOL_CALLS))
    assert accumulated(frames)["content"] == whole(*parts)["content"]


def test_words_between_pieces_of_a_call_wait_for_its_end() -> None:
    frames = streamed(
        ToolCallDelta(0, '{"a":', id="t1", name="x"),
        TextDelta("I lo"),
        TextDelta("ok."),
        ToolCallDelta(0, "1}"),
        ThoughtDelta("Hm."),
        ToolCallDelta(0, " \n"),
        Finished(Finish.TOOL_CALLS),
    )
    assert [block["type"] for block in accumulated(frames)["content"]] == ["tool_use", "text", "thinking"]
    assert accumulated(frames)["content"][1]["text"] == "I look."


def test_a_call_that_never_becomes_a_whole_keeps_nothing_back_at_the_end() -> None:
    frames = streamed(ToolCallDelta(0, '{"a":', id="t1", name="x"), TextDelta("Oh."), Finished(Finish.LENGTH))
    message = accumulated(frames)
    assert [block["type"] for block in message["content"]] == ["tool_use", "text"]
    assert message["stop_reason"] == "max_tokens"


def test_a_stream_that_ends_without_a_reason_is_well_formed() -> None:
    message = accumulated(streamed(TextDelta("Hello"), ToolCallDelta(0, '{"a"', id="t1", name="x"), TextDelta("!")))
    assert (message["stop_reason"], len(message["content"])) == ("end_turn", 3)
    assert accumulated(streamed(usage=None))["content"] == []


def test_other_answers_and_end_marks_say_nothing() -> None:
    writer = DIALECT.stream(asked())
    assert writer.write((Counted(USAGE), Ended())) == b""
    assert writer.write((TextDelta("Hello"),)).count(b"event: ") == 3
    assert writer.write((TextDelta("Hi", choice=1), Finished(Finish.STOP, choice=1), Counted(USAGE), Ended())) == b""


REASONS = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.CONTENT_FILTER: "refusal",
    Finish.REFUSAL: "refusal",
    Finish.PAUSE: "pause_turn",
    Finish.CONTEXT: "model_context_window_exceeded",
}


@pytest.mark.parametrize("finish", Finish)
def test_every_finish_has_its_reason(finish: Finish) -> None:
    assert whole(Text(text="a"), finish=finish)["stop_reason"] == REASONS[finish]
    assert accumulated(streamed(TextDelta("a"), Finished(finish)))["stop_reason"] == REASONS[finish]


def test_the_stop_sequence_is_told() -> None:
    choice = Choice(finish=Finish.STOP_SEQUENCE, stop_sequence="END")
    told = checked(DIALECT.answer(ChatAnswer(choices=(choice,)), asked()))
    assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", "END")
    message = accumulated(streamed(TextDelta("a"), Finished(Finish.STOP_SEQUENCE, stop_sequence="END")))
    assert message["stop_sequence"] == "END"


def test_usage_leaves_the_cache_out_of_the_input() -> None:
    counted = {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 8},
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    }
    assert whole(Text(text="a"))["usage"] == counted
    [*_, delta, _] = events_of(streamed(TextDelta("a"), Finished(Finish.STOP)))
    assert delta["usage"] == counted


@pytest.mark.parametrize("parts", [SAMPLES["a thought, a text and a call"], SAMPLES["a refusal"]])
def test_usage_that_no_provider_reports_is_estimated_and_says_so(parts: tuple[Part, ...]) -> None:
    document: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a" * 400}]}
    told = whole(*parts, usage=None, **document)["usage"]
    assert (told["input_tokens"], told["estimated"]) == (106, True)
    [*_, delta, _] = events_of(streamed(*deltas_of(parts), Finished(Finish.STOP), usage=None, **document))
    assert delta["usage"] == told


def test_a_cache_beyond_the_prompt_counts_nothing_twice() -> None:
    assert whole(usage=Usage(prompt=5, completion=1, cached=9))["usage"]["input_tokens"] == 0


def test_a_stream_begins_with_what_was_counted_by_then() -> None:
    writer = DIALECT.stream(asked())
    frames = writer.write((Started("msg_1", "claude"), Counted(Usage(7, 1), "priority")))
    [start] = events_of(frames)
    assert (start["message"]["id"], start["message"]["model"]) == ("msg_1", "claude")
    assert start["message"]["usage"]["input_tokens"] == 7
    assert start["message"]["usage"]["service_tier"] == "priority"


def test_ids_are_those_of_messages() -> None:
    def named(given: str | None) -> object:
        return checked(DIALECT.answer(ChatAnswer(choices=(), id=given), asked()))["id"]

    assert [named("msg_7"), named("chatcmpl-7"), named(None)] == ["msg_7", "msg_chatcmpl-7", "msg_1"]


def test_tiers_that_anthropic_has_no_word_for_are_not_told() -> None:
    answers = [ChatAnswer(choices=(Choice(),), service_tier=tier) for tier in ("default", "flex")]
    told = [checked(DIALECT.answer(answer, asked()))["usage"] for answer in answers]
    assert [usage.get("service_tier") for usage in told] == ["standard", None]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        ("null", {}),
        (" {} ", {}),
        ('{"a": 1.50}', {"a": 1.5}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ("[" * 5000, {"INVALID_JSON": "[" * 5000}),
        ('{"a": "\\ud83d"}', {"INVALID_JSON": '{"a": "\\ud83d"}'}),
    ],
)
def test_the_input_of_a_tool_is_always_an_object(arguments: str, given: dict[str, Any]) -> None:
    [block] = whole(ToolCall(id="t", name="n", arguments=arguments))["content"]
    assert block["input"] == given
