"""Any answer that is relayed, and any vectors: they are read, or are the fault of the provider."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.normal.usage import Usage
from sluice_gateway.passages import RelayedPassage
from sluice_gateway.providers.adapter import Event, ProviderFault
from sluice_gateway.sse import BadEvent, data_of
from tests.support.examples import examples
from tests.support.hostile import GOLDEN, JUNK, encoded, spoiled
from tests.support.translations import wire_of

RELAYS = (
    ("openai", Shape.CHAT),
    ("openai", Shape.COMPLETIONS),
    ("openai", Shape.EMBEDDINGS),
    ("openai", Shape.RESPONSES),
    ("anthropic", Shape.MESSAGES),
    ("anthropic", Shape.COUNT_TOKENS),
)
"""Each pair of a wire shape and a shape of callers that it speaks itself."""


def recorded(relay: tuple[str, Shape]) -> tuple[Path, str]:
    """Where answers of its shape are: a provider's, or what callers of Responses are told."""
    wire, shape = relay
    return (
        (GOLDEN / "dialects" / "responses", "out") if shape is Shape.RESPONSES else (GOLDEN / "providers" / wire, "in")
    )


def answers(relay: tuple[str, Shape]) -> list[Any]:
    folder, side = recorded(relay)
    return [json.loads(file.read_text()) for file in sorted(folder.glob(f"response-*.{side}.json")) if _is_json(file)]


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text()), dict)
    except ValueError:
        return False


def streams(relay: tuple[str, Shape]) -> list[list[Any]]:
    folder, side = recorded(relay)
    found = []
    for file in sorted(folder.glob(f"stream-*.{side}.sse")):
        data = [one for one in data_of(file.read_bytes()) if one.startswith(b"{")]
        try:
            found.append([json.loads(one) for one in data])
        except ValueError:
            continue
    return [events for events in found if events]


ANSWERS = {relay: answers(relay) for relay in RELAYS}
STREAMS = {relay: streams(relay) for relay in RELAYS}
STREAMED = [relay for relay in RELAYS if relay[1] not in (Shape.EMBEDDINGS, Shape.COUNT_TOKENS)]


def test_there_is_something_to_spoil() -> None:
    assert all(len(ANSWERS[relay]) > 10 for relay in RELAYS)
    assert all(len(STREAMS[relay]) > 10 for relay in RELAYS)


@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(RELAYS).flatmap(
        lambda relay: st.tuples(st.just(relay), st.one_of(JUNK, spoiled(ANSWERS[relay])).map(encoded) | st.binary())
    )
)
def test_any_answer_is_observed_or_is_the_providers_fault(case: tuple[tuple[str, Shape], bytes]) -> None:
    (wire, shape), data = case
    try:
        usage = wire_of(wire).native[shape].observer.response(data)
    except (BadEvent, ProviderFault):
        return
    assert_counts(usage)


@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(STREAMED).flatmap(lambda relay: st.tuples(st.just(relay), spoiled(STREAMS[relay]))), st.booleans()
)
def test_any_stream_is_passed_on_to_its_fault(case: tuple[tuple[str, Shape], Any], hide_usage: bool) -> None:
    (wire, shape), events = case
    observe = wire_of(wire).native[shape].observer.event
    passage = RelayedPassage(observe, registry.errors_of(shape), b"", choices=1, hide_usage=hide_usage)
    frames = b"".join(
        b"data: " + encoded(event) + b"\n\n" for event in (events if isinstance(events, list) else [events])
    )
    try:
        passed = passage.take(frames)
    except (BadEvent, ProviderFault):
        assert frames.startswith(passage.salvage(frames))
        return
    assert passed == frames or hide_usage
    assert_counts(passage.usage)


def assert_counts(usage: Usage | None) -> None:
    counts = () if usage is None else (usage.prompt, usage.completion, usage.cached, usage.reasoning, usage.cache_write)
    assert all(type(count) is int and count >= 0 for count in counts)


@given(st.sampled_from(RELAYS), st.binary(max_size=40))
def test_noise_is_no_event(relay: tuple[str, Shape], noise: bytes) -> None:
    wire, shape = relay
    try:
        event = wire_of(wire).native[shape].observer.event(noise)
    except (BadEvent, ProviderFault):
        return
    assert event is None or isinstance(event, Event)


VECTORS: dict[str, list[Any]] = {
    "openai": [
        {
            "data": [{"index": 0, "embedding": [0.5, 1]}, {"index": 1, "embedding": "AAAAPw=="}],
            "usage": {"prompt_tokens": 3},
        }
    ],
    "google": [{"embeddings": [{"values": [0.5]}, {"values": [1.5]}]}],
    "vertex": [{"embeddings": [{"values": [0.5]}, {"values": [1.5]}]}],
    "cohere": [{"embeddings": {"float": [[0.5], [1.5]]}, "meta": {"billed_units": {"input_tokens": 3}}}],
}


@settings(max_examples=examples(500), deadline=None)
@given(
    st.sampled_from(sorted(VECTORS)).flatmap(
        lambda wire: st.tuples(
            st.just(wire), st.one_of(JUNK, spoiled(VECTORS[wire])).map(encoded) | st.binary(max_size=40)
        )
    ),
    st.sampled_from(["float", "base64", None]),
)
@example(("openai", b'{"data":[{"index":0,"embedding":"\xe2\x80\xa8"},{"index":1,"embedding":"AAAAPw=="}]}'), "float")
def test_any_vectors_are_read_or_are_the_providers_fault(case: tuple[str, bytes], encoding: str | None) -> None:
    wire, data = case
    adapter = wire_of(wire).embeddings
    assert adapter is not None
    asked = Asked(document={"input": ["a", "b"], "encoding_format": encoding}, model="m", id="req_1", created=1)
    try:
        answer = adapter.parse_response(data)
        body = json.loads(registry.EMBEDDINGS[Shape.EMBEDDINGS].answer(answer, asked))
    except (BadEvent, ProviderFault):
        return
    kinds = {type(one["embedding"]) for one in body["data"]}
    assert kinds == ({str} if encoding == "base64" else {list})
    assert body["usage"]["prompt_tokens"] >= 0
