"""What OpenAI's shape says beyond its text: endings, usage, and refusals in all their forms."""

import pytest

from sluice_gateway.normal.usage import MOST_TOKENS, Usage
from sluice_gateway.providers.adapter import Event, FaultKind, ProviderFault
from sluice_gateway.providers.faults import fault_of
from sluice_gateway.providers.openai.observer import OpenAIObserver
from sluice_gateway.sse import BadEvent

OBSERVER = OpenAIObserver()
NO_HEADERS: dict[str, str] = {}
BROKEN = [  # in places that a first reading passes over, or behind a type that is not the reference's
    b'{"choices": 5, oops',
    b'{"choices": 5, "x": "\xff"}',
    b'{"error": {"message": "\xff"}}',
    b'{"error": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
]


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"choices": []}', None),
        (b'{"usage": null}', None),
        (b'{"usage": {}}', None),
        (b'{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}', Usage(3, 4)),
        (b'{"usage": {"prompt_tokens": 3}}', Usage(3, 0)),
        (
            b"""{"usage": {"prompt_tokens": 9, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 7},
                 "completion_tokens_details": {"reasoning_tokens": 6}}}""",
            Usage(9, 8, 7, 6),
        ),
        (b'{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": null}}', Usage(1, 2)),
        (b'{"choices": "odd", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}', Usage(1, 2)),
        (b'{"choices": [], "usage": "odd"}', None),
        (b'{"error": null, "usage": {"prompt_tokens": 1}}', Usage(1, 0)),
        (b'{"usage": {"prompt_tokens": -5, "completion_tokens": 1}}', Usage(0, 1)),
        (b'{"usage": {"prompt_tokens": ' + b"9" * 400 + b"}}", Usage(MOST_TOKENS, 0)),
    ],
)
def test_usage_is_what_the_provider_reported_and_never_made_up(body: bytes, usage: Usage | None) -> None:
    assert OBSERVER.response(body) == usage


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b"5", b'{"a": "\xff"', b"data: {}", *BROKEN])
def test_a_successful_status_over_something_else_is_no_answer(body: bytes) -> None:
    with pytest.raises(BadEvent, match="JSON"):
        OBSERVER.response(body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (b'{"message": "boom"}', FaultKind.FAILED),
        (b'"boom"', FaultKind.FAILED),
        (b'{"message": "slow down", "code": 429}', FaultKind.RATE_LIMITED),
        (b'{"message": "you are wrong", "code": "400"}', FaultKind.CALLER),
        (b'{"message": "x", "code": 7}', FaultKind.FAILED),
        ('{"message": "x", "code": "\u00b2\u00b2\u00b2"}'.encode(), FaultKind.FAILED),
    ],
)
def test_an_error_under_a_successful_status_is_a_fault(error: bytes, kind: FaultKind) -> None:
    with pytest.raises(ProviderFault) as whole:
        OBSERVER.response(b'{"error": ' + error + b"}")
    assert whole.value.fault.kind is kind
    with pytest.raises(ProviderFault) as streamed:
        OBSERVER.event(b'{"error": ' + error + b"}")
    assert streamed.value.fault == whole.value.fault


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b'{"choices": [{"delta": {"content": "x"}, "finish_reason": null}]}', None),
        (b'{"choices": [{"delta": {"content": "x"}}], "usage": null}', None),
        (b'{"choices": [{"delta": {}, "finish_reason": "stop"}]}', Event(finished=(0,))),
        (b'{"choices": [{"delta": {"content": "x"}, "finish_reason": "length"}]}', Event(finished=(0,))),
        (
            b'{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}',
            Event(usage=Usage(1, 2), bare=True),
        ),
        (
            b'{"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}',
            Event(finished=(0,), usage=Usage(1, 2)),
        ),
        (b'{"choices": [{"delta": {"content": "\\ud83d"}}]}', None),
        (b'{"choices": [{"delta": {"content": "\\uDE00"}, "finish_reason": "stop"}]}', Event(finished=(0,))),
        (b"[DONE]", Event(done=True)),
        (b'{"object": "unknown.to.us"}', None),
    ],
)
def test_events_tell_how_the_answer_ends(data: bytes, event: Event | None) -> None:
    assert OBSERVER.event(data) == event


@pytest.mark.parametrize("data", [b'{"choices": [', b"text", b"[1]", b"", b'{"\\ud83d": ', *BROKEN])
def test_a_broken_event_is_refused(data: bytes) -> None:
    with pytest.raises(BadEvent):
        OBSERVER.event(data)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error": {"message": "bad tools", "code": "x"}}', FaultKind.CALLER),
        (413, b"", FaultKind.CALLER),
        (422, b'{"detail": "no"}', FaultKind.CALLER),
        (400, b'{"error": {"message": "Your credit balance is too low"}}', FaultKind.NO_CREDIT),
        (403, b'{"error": {"message": "no", "code": "billing_not_active"}}', FaultKind.NO_CREDIT),
        (429, b'{"error": {"message": "no", "code": "insufficient_quota"}}', FaultKind.NO_CREDIT),
        (402, b"", FaultKind.NO_CREDIT),
        (401, b"", FaultKind.KEY_REFUSED),
        (403, b"<html>", FaultKind.KEY_REFUSED),
        (404, b"", FaultKind.MODEL_NOT_OFFERED),
        (408, b"", FaultKind.TIMEOUT),
        (429, b"", FaultKind.RATE_LIMITED),
        (499, b"", FaultKind.FAILED),
        (500, b"", FaultKind.FAILED),
        (503, b"null", FaultKind.FAILED),
        (529, b"[]", FaultKind.FAILED),
        (302, b"", FaultKind.FAILED),
    ],
)
def test_each_status_has_its_kind(status: int, body: bytes, kind: FaultKind) -> None:
    fault = fault_of(status, NO_HEADERS.get, body)
    assert (fault.kind, fault.status) == (kind, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "too\\n  long"}}', "too long"),
        (b'{"error": "plain"}', "plain"),
        (b'{"error": "half \\ud83d"}', "half \ufffd"),
        (b'{"message": "flat"}', "flat"),
        (b'{"detail": "fast"}', "fast"),
        (b'[{"error": {"message": "listed"}}]', "listed"),
        (b'{"error": {"message": ["odd"]}}', "the provider answered with status 400"),
        (b"<html>secret stack trace</html>", "the provider answered with status 400"),
        (b"\xff\xfe", "the provider answered with status 400"),
    ],
)
def test_the_providers_words_are_found_and_pages_are_not_words(body: bytes, message: str) -> None:
    assert fault_of(400, NO_HEADERS.get, body).message == message


def test_the_providers_words_come_with_what_they_are_about() -> None:
    body = b'{"error": {"message": "x", "param": "p", "type": "t", "code": 12}}'
    fault = fault_of(400, NO_HEADERS.get, body)
    assert (fault.param, fault.type, fault.code) == ("p", "t", "12")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e308"}, 86_400.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 +9999999999999999", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert fault_of(429, headers.get, b"").retry_after == seconds
