"""What is made of refusals in OpenAI's shape, and of what is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.openai.faults import openai_fault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "innererror", "content_filter_result", "filtered"])
            | st.sampled_from(["estimated_time", "error_type", "param", "detail", "violence"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


def fault(status: int, body: Any = b"", **headers: str) -> Fault:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return openai_fault(status, given_headers.get, body if isinstance(body, bytes) else json.dumps(body).encode())


@given(st.integers(300, 599), JSON | st.binary(max_size=20), st.text(max_size=5))
def test_whatever_it_says_it_is_a_fault(status: int, body: Any, header: str) -> None:
    told = fault(status, body, retry_after=header, retry_after_ms=header)
    assert told.status == status
    assert told.message
    assert told.retry_after is None or 0 <= told.retry_after <= 86_400


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "model_not_found", FaultKind.MODEL_NOT_OFFERED),
        (400, "model_not_supported", FaultKind.MODEL_NOT_OFFERED),
        (400, "model_decommissioned", FaultKind.MODEL_NOT_OFFERED),
        (400, "OperationNotSupported", FaultKind.MODEL_NOT_OFFERED),
        (404, "DeploymentNotFound", FaultKind.MODEL_NOT_OFFERED),
        (413, "rate_limit_exceeded", FaultKind.RATE_LIMITED),
        (413, None, FaultKind.CALLER),
        (498, "capacity_exceeded", FaultKind.RATE_LIMITED),
        (498, None, FaultKind.RATE_LIMITED),
        (424, None, FaultKind.FAILED),
        (400, "tool_use_failed", FaultKind.FAILED),
        (400, "json_validate_failed", FaultKind.FAILED),
        (400, "content_filter", FaultKind.CALLER),
        (422, "invalid_request_error", FaultKind.CALLER),
        (401, "model_not_found", FaultKind.KEY_REFUSED),
        (500, "model_not_found", FaultKind.FAILED),
    ],
)
def test_codes_say_more_than_some_statuses(status: int, code: str | None, kind: FaultKind) -> None:
    told = fault(status, {"error": {"message": "no", "code": code}})
    assert (told.kind, told.code) == (kind, code)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after": "20", "retry_after_ms": "1500"}, {}, 1.5),
        ({"retry_after": "20", "retry_after_ms": "soon"}, {}, 20.0),
        ({"retry_after_ms": "-1"}, {}, 0.0),
        ({}, {"error": "loading", "estimated_time": 20.5}, 20.5),
        ({}, {"error": "loading", "estimated_time": -1}, 0.0),
        ({}, {"error": "loading", "estimated_time": 1e300}, 86_400.0),
        ({}, {"error": "loading", "estimated_time": "soon"}, None),
        ({"retry_after": "3"}, {"error": "loading", "estimated_time": 20.5}, 3.0),
        ({}, [{"estimated_time": 3}], None),
        ({}, {}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    assert fault(503, body, **headers).retry_after == seconds


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 4096 tokens.", "code": 400},
        {"message": "too long", "type": "exceed_context_size_error", "code": 400},
        {"message": "the request exceeds the available context size"},
    ],
)
def test_a_prompt_that_is_too_long_has_one_code(error: dict[str, Any]) -> None:
    assert fault(400, {"error": error}).code == "context_length_exceeded"
    assert fault(500, {"error": error}).code != "context_length_exceeded"


@pytest.mark.parametrize(
    ("inner", "code", "message"),
    [
        ({"content_filter_result": {"hate": {"filtered": True}}}, "content_filter", "no (filtered: hate)"),
        (
            {"content_filter_result": {"violence": {"filtered": True}, "hate": {"filtered": True}, "sexual": {}}},
            "content_filter",
            "no (filtered: hate, violence)",
        ),
        ({"content_filter_result": {"hate": {"filtered": False}}}, None, "no"),
        ({"content_filter_result": {"hate": "yes"}}, None, "no"),
        ({"content_filter_result": []}, None, "no"),
        ("odd", None, "no"),
    ],
)
def test_a_filter_tells_what_it_has_found(inner: Any, code: str | None, message: str) -> None:
    told = fault(400, {"error": {"message": "no", "code": None, "innererror": inner}})
    assert (told.code, told.message) == (code, message)


@pytest.mark.parametrize(("code", "told"), [(503, None), ("503", None), ("1234", "1234"), (7, "7")])
def test_a_status_is_no_code(code: object, told: str | None) -> None:
    assert fault(503, {"error": {"message": "no", "code": code}}).code == told
