"""Anthropic's refusals: whatever the body is, a kind that says whether another target may serve."""

import json
from typing import Any, get_args

import pytest
from anthropic.types.shared.error_type import ErrorType
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_gateway.providers.adapter import FaultKind
from sluice_gateway.providers.anthropic.faults import fault_of_answer, fault_of_event

NO_HEADERS: dict[str, str] = {}
MOVES_ON = set(FaultKind) - {FaultKind.CALLER}


def said(kind: str, message: str = "sorry", **more: Any) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "kind", "wanted"),
    [
        (400, "invalid_request_error", FaultKind.CALLER),
        (401, "authentication_error", FaultKind.KEY_REFUSED),
        (402, "billing_error", FaultKind.NO_CREDIT),
        (403, "permission_error", FaultKind.KEY_REFUSED),
        (404, "not_found_error", FaultKind.MODEL_NOT_OFFERED),
        (408, "timeout_error", FaultKind.TIMEOUT),
        (409, "conflict_error", FaultKind.CALLER),
        (413, "request_too_large", FaultKind.CALLER),
        (422, "invalid_request_error", FaultKind.CALLER),
        (429, "rate_limit_error", FaultKind.RATE_LIMITED),
        (499, "api_error", FaultKind.FAILED),
        (500, "api_error", FaultKind.FAILED),
        (503, "api_error", FaultKind.FAILED),
        (504, "timeout_error", FaultKind.TIMEOUT),
        (529, "overloaded_error", FaultKind.FAILED),
        (529, "error_of_tomorrow", FaultKind.FAILED),
    ],
)
def test_each_status_is_of_a_kind(status: int, kind: str, wanted: FaultKind) -> None:
    fault = fault_of_answer(status, NO_HEADERS.get, said(kind))
    assert (fault.kind, fault.status, fault.type, fault.message) == (wanted, status, kind, "sorry")


@pytest.mark.parametrize("kind", [name for name in get_args(ErrorType) if name.startswith(("inv", "bill", "rate"))])
@pytest.mark.parametrize(
    "message",
    [
        "Your credit balance is too low to access the Anthropic API.",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
        "You have reached your specified workspace API usage limits.",
    ],
)
def test_an_account_that_has_run_dry_is_a_reason_to_move_on(kind: str, message: str) -> None:
    assert fault_of_answer(400, NO_HEADERS.get, said(kind, message)).kind is FaultKind.NO_CREDIT


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_a_spend_limit_is_told_from_a_rate_limit(code: str) -> None:
    body = said("rate_limit_error", details={"error_code": code})
    assert fault_of_answer(429, NO_HEADERS.get, body).kind is FaultKind.NO_CREDIT
    body = said("rate_limit_error", details={"error_code": "ramp_limit_exceeded"})
    fault = fault_of_answer(429, {"retry-after": "3"}.get, body)
    assert (fault.kind, fault.retry_after, fault.code) == (FaultKind.RATE_LIMITED, 3.0, "ramp_limit_exceeded")


def test_the_request_id_of_the_body_wins_over_that_of_the_header() -> None:
    body = {"type": "error", "error": {"type": "api_error", "message": "sorry"}, "request_id": "req_body"}
    header = {"request-id": "req_head"}.get
    assert fault_of_answer(500, header, json.dumps(body).encode()).message == "sorry (request req_body)"
    assert fault_of_answer(500, header, said("api_error")).message == "sorry (request req_head)"
    assert fault_of_answer(500, NO_HEADERS.get, said("api_error")).message == "sorry"


def test_retry_after_may_be_a_date() -> None:
    headers = {"retry-after": "Sat, 21 Nov 2026 18:00:30 GMT", "date": "Sat, 21 Nov 2026 18:00:00 GMT"}
    assert fault_of_answer(529, headers.get, said("overloaded_error")).retry_after == 30.0


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"null", b"[]", b'"x"', b"[" * 100_000, b'{"error": "x"}'])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 502, 529])
def test_a_body_of_no_shape_keeps_its_status(status: int, body: bytes) -> None:
    fault = fault_of_answer(status, NO_HEADERS.get, body)
    assert fault.status == status
    assert fault.message
    assert (fault.kind in MOVES_ON) == (status != 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=5,
)
ERROR = st.fixed_dictionaries({}, optional={"type": JSON, "message": JSON, "details": JSON, "code": JSON})


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional={"error": ERROR | JSON, "request_id": JSON, "type": JSON}))
def test_any_error_object_becomes_a_fault(document: dict[str, Any]) -> None:
    fault = fault_of_answer(418, NO_HEADERS.get, json.dumps(document).encode())
    assert (fault.status, bool(fault.message)) == (418, True)
    assert fault_of_event(document).message
