"""What OpenAI's Responses say beyond their text: endings, usage and refusals."""

import json
from typing import Any

import pytest

from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import Event, FaultKind, ProviderFault
from sluice_gateway.providers.openai.responses_observer import ResponsesObserver
from sluice_gateway.sse import BadEvent

OBSERVER = ResponsesObserver()
USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 8},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 123,
}
COUNTED = Usage(prompt=36, completion=87, cached=12, reasoning=64, cache_write=8)


def response(status: str = "completed", **members: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "error": None, "output": [], **members}


def data(kind: str, **members: Any) -> bytes:
    return json.dumps({"type": kind, "sequence_number": 3, **members}).encode()


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (response(usage=USAGE), COUNTED),
        (response("incomplete", usage=USAGE, incomplete_details={"reason": "max_output_tokens"}), COUNTED),
        (response("queued", usage=None), None),
        (response(usage={"input_tokens": 0, "output_tokens": 0}), None),
        (response(usage={"input_tokens": "3", "output_tokens": 4, "output_tokens_details": "odd"}), Usage(3, 4)),
        (response(usage="odd"), None),
        ({}, None),
    ],
)
def test_a_whole_response_tells_its_usage(body: dict[str, Any], usage: Usage | None) -> None:
    assert OBSERVER.response(json.dumps(body).encode()) == usage


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (data("response.created", response=response("in_progress", usage=None)), None),
        (data("response.in_progress", response=response("in_progress")), None),
        (data("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="Hi"), None),
        (data("response.output_text.delta", delta="\ud83d"), None),
        (data("response.completed", response=response(usage=USAGE)), Event(finished=(0,), done=True, usage=COUNTED)),
        (
            data("response.incomplete", response=response("incomplete", usage=USAGE)),
            Event(finished=(0,), done=True, usage=COUNTED),
        ),
        (data("response.completed", response=response(usage=None)), Event(finished=(0,), done=True)),
        (data("response.something.new", response=response("in_progress", usage=USAGE)), Event(usage=COUNTED)),
        (data("response.something.new", response="odd"), None),
        (b"[DONE]", Event(done=True)),
        (b"{}", None),
    ],
)
def test_events_tell_how_the_response_ends(event: bytes, wanted: Event | None) -> None:
    assert OBSERVER.event(event) == wanted


REFUSALS = [
    ({"code": "server_error", "message": "boom"}, FaultKind.FAILED, 500),
    ({"code": "rate_limit_exceeded", "message": "slow down"}, FaultKind.RATE_LIMITED, 429),
    ({"code": "vector_store_timeout", "message": "late"}, FaultKind.TIMEOUT, 504),
    ({"code": "invalid_prompt", "message": "no", "param": "input"}, FaultKind.CALLER, 400),
    ({"code": "image_too_large", "message": "no"}, FaultKind.CALLER, 400),
    ({"message": "boom"}, FaultKind.FAILED, 500),
    ({}, FaultKind.FAILED, 500),
]


@pytest.mark.parametrize(("error", "kind", "status"), REFUSALS)
def test_a_failed_response_is_a_fault_wherever_it_stands(error: dict[str, Any], kind: FaultKind, status: int) -> None:
    failed = response("failed", error=error)
    for told in (data("response.failed", response=failed), data("error", **error), data("error", error=error)):
        with pytest.raises(ProviderFault) as streamed:
            OBSERVER.event(told)
        assert (streamed.value.fault.kind, streamed.value.fault.status) == (kind, status)
        assert streamed.value.fault.param == error.get("param")
    with pytest.raises(ProviderFault) as whole:
        OBSERVER.response(json.dumps(failed).encode())
    assert whole.value.fault.kind is kind


def test_a_failure_that_says_nothing_is_one() -> None:
    with pytest.raises(ProviderFault, match="reported an error"):
        OBSERVER.event(data("response.failed", response=response("failed")))


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b"5", b'{"type": "\xff"', b'{"response": 5, oops'])
def test_what_is_no_response_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        OBSERVER.event(body)
    with pytest.raises(BadEvent):
        OBSERVER.response(body)
