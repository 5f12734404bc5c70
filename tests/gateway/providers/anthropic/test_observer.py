"""What the gateway learns of Anthropic's answers that it relays as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from sluice_gateway.calls import Shape
from sluice_gateway.dialects import registry
from sluice_gateway.normal.usage import Usage
from sluice_gateway.passages import RelayedPassage, TranslatedPassage
from sluice_gateway.providers.adapter import Event, FaultKind, ProviderFault
from sluice_gateway.providers.anthropic.observer import CountObserver, MessagesObserver
from sluice_gateway.providers.anthropic.wire import ANTHROPIC
from sluice_gateway.sse import BadEvent
from tests.support.translations import Translation

FOLDER = Path(__file__).resolve().parents[3] / "golden" / "providers" / "anthropic"
OBSERVER = MessagesObserver()


def frames(file: Path) -> bytes:
    """A recorded stream."""
    return file.read_bytes()


def relayed() -> RelayedPassage:
    errors = registry.errors_of(Shape.MESSAGES)
    return RelayedPassage(OBSERVER.event, errors, b"", choices=1, hide_usage=False)


def translated() -> TranslatedPassage:
    dialect = registry.CHAT[Shape.CHAT]
    writer = dialect.stream(Translation("anthropic")._asked({}))
    return TranslatedPassage(ANTHROPIC.adapter.parse_event, writer, dialect, choices=1)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("stream-*.in.sse")), ids=lambda file: file.name[7:-7])
def test_a_relayed_stream_tells_what_a_translated_one_does(file: Path) -> None:
    """Usage, ending and refusals are the same, and no byte of it changes."""
    seen: list[Any] = []
    for passage in (relayed(), translated()):
        fault = ""
        try:
            out = passage.take(frames(file))
        except (ProviderFault, BadEvent) as error:
            fault, out = str(error), b""
        seen.append((passage.usage, passage.finished, passage.done, fault))
        if passage.__class__ is RelayedPassage and not fault:
            assert out == frames(file)
    assert seen[0] == seen[1]


def test_usage_of_start_and_end_is_merged() -> None:
    passage = relayed()
    passage.take(frames(FOLDER / "stream-usage-is-merged.in.sse"))
    assert passage.usage == Usage(prompt=140, completion=42, cached=100, reasoning=7, cache_write=30, cache_write_1h=10)
    assert passage.complete
    assert passage.done


def test_a_caller_who_leaves_after_the_start_is_charged_for_the_prompt() -> None:
    passage = relayed()
    passage.take(frames(FOLDER / "stream-cut-before-its-end.in.sse"))
    assert passage.usage == Usage(prompt=25, completion=1)
    assert not passage.finished


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"type": "ping"}, None),
        ({"type": "event_of_tomorrow"}, None),
        ({"type": 5}, None),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}, None),
        ({"type": "message_start", "message": None}, None),
        ({"type": "message_start", "message": {"usage": {"input_tokens": 3}}}, Event(usage=Usage(prompt=3))),
        ({"type": "message_delta", "delta": None}, Event()),
        ({"type": "message_delta", "delta": {"stop_reason": None}, "usage": None}, Event()),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, Event(finished=(0,))),
        ({"type": "message_stop"}, Event(done=True)),
    ],
)
def test_each_event_says_no_more_than_it_must(event: dict[str, Any], wanted: Event | None) -> None:
    assert OBSERVER.event(json.dumps(event).encode()) == wanted


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"[" * 100_000])
def test_what_is_no_json_object_is_bad(data: bytes) -> None:
    for read in (OBSERVER.event, OBSERVER.response, CountObserver().response):
        with pytest.raises(BadEvent):
            read(data)


def test_half_a_character_breaks_nothing() -> None:
    data = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ud83d"}}'
    assert OBSERVER.event(data) is None


def test_an_error_under_a_successful_status_is_a_fault() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    for read in (OBSERVER.event, OBSERVER.response, CountObserver().response):
        with pytest.raises(ProviderFault) as raised:
            read(body)
        assert (raised.value.fault.status, raised.value.fault.kind) == (529, FaultKind.FAILED)
        assert raised.value.fault.message == "Overloaded (request req_1)"


def test_a_whole_answer_tells_its_usage_or_none() -> None:
    assert OBSERVER.response(b'{"type":"message","usage":{"input_tokens":3,"output_tokens":4}}') == Usage(3, 4)
    assert OBSERVER.response(b'{"type":"message"}') is None


def test_counting_tokens_costs_none() -> None:
    assert CountObserver().response(b'{"input_tokens":2095}') == Usage()
    assert CountObserver().event(b"{}") is None
