"""What Gemini answers: every reason to finish, streams that add up to whole answers, and whatever else may come."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.dialects.chat.answers import REASONS
from sluice_gateway.normal.answers import (
    ChatAnswer,
    Choice,
    Counted,
    Delta,
    Finish,
    Finished,
    PartDelta,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from sluice_gateway.normal.parts import Document, Part, Text, Thought, ToolCall
from sluice_gateway.normal.usage import MOST_TOKENS, Usage
from sluice_gateway.providers.adapter import FaultKind, ProviderFault
from sluice_gateway.providers.google.wire import GOOGLE, VERTEX
from sluice_gateway.sse import BadEvent

ADAPTER = GOOGLE.adapter
GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "providers" / "google"
NOT_GEMINIS = {"error-inside", "not-an-object", "wrong-types"}
ANSWERS = [
    file for file in sorted(GOLDEN.glob("response-*.in.json")) if not any(name in file.name for name in NOT_GEMINIS)
]

FINISHES = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "OTHER": "stop",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "stop",
    "NO_IMAGE": "stop",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": None,
    "MALFORMED_RESPONSE": None,
    "UNEXPECTED_TOOL_CALL": None,
    "TOO_MANY_TOOL_CALLS": None,
    "MISSING_THOUGHT_SIGNATURE": None,
}


def whole(*candidates: dict[str, Any], **members: Any) -> ChatAnswer:
    return ADAPTER.parse_response(json.dumps({"candidates": candidates, **members}).encode())


def events(*chunks: Any) -> list[Delta]:
    memory: dict[str, Any] = {}
    return [delta for chunk in chunks for delta in ADAPTER.parse_event(json.dumps(chunk).encode(), memory)]


def ending(reason: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"parts": parts}, "finishReason": reason}


def test_every_reason_that_the_official_sdk_knows_is_mapped() -> None:
    assert {reason.value for reason in types.FinishReason} == FINISHES.keys()


@pytest.mark.parametrize(("reason", "told"), [*FINISHES.items(), ("SOMETHING_NEW", "stop")])
def test_a_reason_to_finish_is_the_same_streamed_or_not(reason: str, told: str | None) -> None:
    candidate = ending(reason, {"text": "Hi"})
    if told is None:
        for read in (lambda: whole(candidate), lambda: events({"candidates": [candidate]})):
            with pytest.raises(ProviderFault, match=reason) as caught:
                read()
            assert caught.value.fault.kind is FaultKind.FAILED
        return
    [choice] = whole(candidate).choices
    assert REASONS[choice.finish] == told
    assert events({"candidates": [candidate]})[-1] == Finished(choice.finish)


@pytest.mark.parametrize(("reason", "finish"), [("STOP", Finish.TOOL_CALLS), ("SAFETY", Finish.CONTENT_FILTER)])
def test_calls_are_the_reason_unless_something_worse_is(reason: str, finish: Finish) -> None:
    call = {"functionCall": {"name": "f"}}
    assert whole(ending(reason, call)).choices[0].finish is finish
    assert events({"candidates": [{"content": {"parts": [call]}}]}, {"candidates": [ending(reason)]})[-1] == Finished(
        finish
    )


@pytest.mark.parametrize("reason", [reason.value for reason in types.BlockedReason])
def test_a_prompt_that_was_blocked_is_an_empty_choice(reason: str) -> None:
    blocked = {"promptFeedback": {"blockReason": reason}}
    assert ADAPTER.parse_response(json.dumps(blocked).encode()).choices == (Choice(finish=Finish.CONTENT_FILTER),)
    assert events(blocked, blocked) == [Started(), Finished(Finish.CONTENT_FILTER)]


@pytest.mark.parametrize("file", ANSWERS, ids=lambda file: file.name)
def test_the_official_sdk_reads_what_the_goldens_answer(file: Path) -> None:
    types.GenerateContentResponse.model_validate_json(
        file.read_text(encoding="utf-8").replace('"serviceTier": "flex"', '"trafficType": "ON_DEMAND"')
    )


def test_choices_side_by_side_keep_their_own_counts() -> None:
    call = {"functionCall": {"name": "f"}}
    one = {"index": 1, "content": {"parts": [call, {"text": "!"}]}}
    deltas = events({"candidates": [{"content": {"parts": [call]}}, one]}, {"candidates": [one], "responseId": "r"})
    assert [(delta.choice, delta.index, delta.id) for delta in deltas if isinstance(delta, ToolCallDelta)] == [
        (0, 0, "call_0_0_0"),
        (1, 0, "call_0_1_0"),
        (1, 1, "call_r_1_1"),
    ]


def test_nothing_but_usage_follows_the_end_of_a_choice() -> None:
    late = {"candidates": [ending("STOP", {"text": "late"})], "usageMetadata": {"promptTokenCount": 1}}
    assert events({"candidates": [ending("STOP")]}, late) == [
        Started(),
        Finished(Finish.STOP),
        Counted(Usage(prompt=1)),
    ]


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (None, None),
        ({}, None),
        ({"totalTokenCount": 5}, None),
        ({"promptTokenCount": 0}, Usage()),
        ({"promptTokenCount": 3, "thoughtsTokenCount": 4}, Usage(3, 4, reasoning=4)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 8, "candidatesTokenCount": None}, Usage(9, 0, 8)),
        ({"promptTokenCount": -3, "candidatesTokenCount": 10**30}, Usage(0, MOST_TOKENS)),
        ({"promptTokenCount": 1, "promptTokensDetails": [None, {"modality": "AUDIO"}, "x"]}, Usage(1)),
        ({"promptTokenCount": 1, "candidatesTokensDetails": {"modality": "AUDIO"}}, Usage(1)),
    ],
)
def test_usage_is_what_gemini_reported(counts: Any, usage: Usage | None) -> None:
    assert whole(ending("STOP"), usageMetadata=counts).usage == usage
    counted = [delta.usage for delta in events({"usageMetadata": counts}) if isinstance(delta, Counted)]
    assert counted == ([] if usage is None else [usage])


def test_usage_grows_with_the_stream() -> None:
    reports = [{"promptTokenCount": 5}, {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2}]
    counted = [
        delta.usage for delta in events(*({"usageMetadata": one} for one in reports)) if isinstance(delta, Counted)
    ]
    assert counted[0].merged(counted[1]) == Usage(5, 9, reasoning=2)


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"chosenCandidates": None}, None),
        ("odd", None),
        ({"chosenCandidates": []}, []),
        ({"chosenCandidates": [{"token": "a"}], "topCandidates": "odd"}, [("a", 0.0, 0)]),
        ({"chosenCandidates": ["odd"], "topCandidates": [{"candidates": [{}, {}]}]}, [("", 0.0, 2)]),
        ({"chosenCandidates": [{"token": 1, "logProbability": "x"}], "topCandidates": [None]}, [("", 0.0, 0)]),
    ],
)
def test_logprobs_take_openais_form(result: Any, content: list[tuple[str, float, int]] | None) -> None:
    [choice] = whole({**ending("STOP"), "logprobsResult": result}).choices
    found = choice.logprobs and [
        (one["token"], one["logprob"], len(one["top_logprobs"])) for one in choice.logprobs["content"]
    ]
    assert found == content


def test_logprobs_without_words_come_all_the_same() -> None:
    result = {"chosenCandidates": [{"token": "a", "logProbability": -1}]}
    [_, delta] = events({"candidates": [{"logprobsResult": result}]})
    assert isinstance(delta, TextDelta)
    assert (delta.text, delta.logprobs["content"][0]["logprob"]) == ("", -1)


def test_media_that_are_no_pictures_are_documents() -> None:
    parts = [{"inlineData": {"data": "AA=="}}, {"fileData": {"fileUri": "gs://a/b.mp4", "mimeType": "video/mp4"}}]
    [data, uri] = whole(ending("STOP", *parts, {"inlineData": {"mimeType": "image/png"}})).choices[0].parts
    assert isinstance(data, Document)
    assert isinstance(uri, Document)
    assert (data.source.media_type, uri.source.url) == ("application/octet-stream", "gs://a/b.mp4")


@pytest.mark.parametrize(
    ("args", "arguments"),
    [
        ('{ "a" : 1.50,\n "b": 12345678901234567890 }', '{"a":1.50,"b":12345678901234567890}'),
        ("null", "{}"),
        ('"odd"', '"odd"'),
        ('{"a": "\\ud83d"}', '{"a":"\ufffd"}'),
    ],
)
def test_arguments_are_as_the_model_wrote_them_without_the_layout(args: str, arguments: str) -> None:
    body = f'{{"candidates": [{{"content": {{"parts": [{{"functionCall": {{"name": "f", "args": {args}}}}}]}}}}]}}'
    [call] = VERTEX.adapter.parse_response(body.encode()).choices[0].parts
    assert isinstance(call, ToolCall)
    assert call.arguments == arguments


@pytest.mark.parametrize(
    "error", ['{"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}', '"boom"', "{}", "5"]
)
@pytest.mark.parametrize("form", ['{"error": %s}', '[{"error": %s}]'])
def test_an_error_under_a_successful_status_is_a_fault(error: str, form: str) -> None:
    body = (form % error).encode()
    for read in (lambda: ADAPTER.parse_response(body), lambda: ADAPTER.parse_event(body, {})):
        with pytest.raises(ProviderFault) as caught:
            read()
        limited = "EXHAUSTED" in error
        assert caught.value.fault.kind is (FaultKind.RATE_LIMITED if limited else FaultKind.FAILED)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"null", b"[DONE]", b"<html>", b'{"candidates": ['])
def test_what_is_no_answer_is_a_bad_event(body: bytes) -> None:
    for read in (lambda: ADAPTER.parse_response(body), lambda: ADAPTER.parse_event(body, {})):
        with pytest.raises(BadEvent):
            read()


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HOSTILE_PART = st.dictionaries(
    st.sampled_from(["text", "thought", "thoughtSignature", "functionCall", "inlineData", "fileData"]), SOME_JSON
)
HOSTILE = st.fixed_dictionaries(
    {},
    optional={
        "candidates": SOME_JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": SOME_JSON,
                    "content": SOME_JSON
                    | st.fixed_dictionaries({"parts": st.lists(HOSTILE_PART | SOME_JSON, max_size=3)}),
                    "finishReason": SOME_JSON | st.sampled_from(list(FINISHES)),
                    "logprobsResult": SOME_JSON | st.dictionaries(st.just("chosenCandidates"), SOME_JSON),
                },
            ),
            max_size=2,
        ),
        "promptFeedback": SOME_JSON,
        "usageMetadata": SOME_JSON
        | st.dictionaries(st.sampled_from(["promptTokenCount", "promptTokensDetails"]), SOME_JSON),
        "responseId": SOME_JSON,
        "error": SOME_JSON,
    },
)


@given(chunks=st.lists(HOSTILE, max_size=3))
def test_whatever_comes_is_read_or_refused(chunks: list[Any]) -> None:
    memory: dict[str, Any] = {}
    for chunk in chunks:
        data = json.dumps(chunk).encode()
        for read in (
            lambda data=data: ADAPTER.parse_event(data, memory),
            lambda data=data: ADAPTER.parse_response(data),
        ):
            try:
                read()
            except (BadEvent, ProviderFault):
                continue


WIRE_PART = st.one_of(
    st.fixed_dictionaries({"text": st.text(min_size=1, max_size=4)}, optional={"thoughtSignature": st.just("c2ln")}),
    st.fixed_dictionaries({"text": st.text(max_size=4), "thought": st.just(True)}),
    st.fixed_dictionaries({"functionCall": st.fixed_dictionaries({"name": st.just("f"), "args": st.just({"a": 1})})}),
    st.fixed_dictionaries({"inlineData": st.just({"mimeType": "image/png", "data": "AA=="})}),
)


@given(parts=st.lists(WIRE_PART, max_size=6), reason=st.sampled_from(["STOP", "MAX_TOKENS"]), size=st.integers(1, 3))
def test_a_stream_adds_up_to_the_whole_answer(parts: list[dict[str, Any]], reason: str, size: int) -> None:
    counts = {"promptTokenCount": 3, "candidatesTokenCount": len(parts)}
    told = {"responseId": "r", "modelVersion": "m"}
    pieces = [parts[start : start + size] for start in range(0, len(parts), size)]
    chunks: list[Any] = [{"candidates": [{"content": {"parts": piece}}], **told} for piece in pieces]
    chunks.append({"candidates": [{"finishReason": reason}], "usageMetadata": counts, **told})
    assert added_up(events(*chunks)) == whole(ending(reason, *parts), usageMetadata=counts, **told)


def added_up(deltas: list[Delta]) -> ChatAnswer:
    """The whole answer that these deltas of one choice make."""
    parts: list[Part] = []
    started, finished, counted = Started(), Finished(Finish.STOP), Counted(Usage())
    for delta in deltas:
        match delta:
            case TextDelta(text=text):
                parts.append(Text(text=text))
            case ThoughtDelta(text=text, signature=signature, origin=origin):
                parts.append(Thought(text=text, signature=signature, origin=origin))
            case ToolCallDelta(id=call_id, name=name, arguments=arguments, signature=signature, origin=origin):
                parts.append(ToolCall(id=call_id, name=name, arguments=arguments, signature=signature, origin=origin))
            case PartDelta(part=part):
                parts.append(part)
            case Started():
                started = delta
            case Finished():
                finished = delta
            case Counted():
                counted = delta
    choice = Choice(parts=tuple(parts), finish=finished.finish)
    return ChatAnswer(choices=(choice,), id=started.id, model=started.model, usage=counted.usage)
