"""Errors in Anthropic's shape: the type by status, and the field named as Anthropic names it."""

import json
from typing import Any

import pytest
from anthropic.types import ErrorResponse
from pydantic import TypeAdapter

from sluice_gateway import errors
from sluice_gateway.dialects.messages.dialect import MessagesDialect
from sluice_gateway.errors import GatewayError, ProviderRefused

DIALECT = MessagesDialect()
_ERROR: TypeAdapter[ErrorResponse] = TypeAdapter(ErrorResponse)

TYPES = [
    (errors.CallerError("x"), "invalid_request_error"),
    (errors.InvalidAPIKey("x"), "authentication_error"),
    (errors.ModelNotFound("x"), "not_found_error"),
    (errors.MethodNotAllowed("GET", ("POST",)), "invalid_request_error"),
    (errors.RequestTimeout("x"), "invalid_request_error"),
    (errors.UnsupportedMediaType("x"), "invalid_request_error"),
    (errors.RateLimitExceeded("x"), "rate_limit_error"),
    (errors.GatewayError("x"), "api_error"),
    (errors.ProviderError("x"), "api_error"),
    (errors.ProviderAuthFailed("x"), "api_error"),
    (errors.Overloaded("x"), "overloaded_error"),
    (errors.AllProvidersFailed("x"), "overloaded_error"),
    (errors.NotReady("x"), "overloaded_error"),
    (errors.UpstreamTimedOut("x"), "timeout_error"),
]


def told(error: GatewayError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.error(error))
    return body


@pytest.mark.parametrize(("error", "kind"), TYPES)
def test_the_type_follows_the_status(error: GatewayError, kind: str) -> None:
    body = DIALECT.error(error)
    assert _ERROR.validate_json(body, strict=True).error.type == kind
    assert told(error)["error"]["details"] == {"error_code": error.code}


def test_a_request_that_is_too_large_has_a_type_of_its_own() -> None:
    assert told(errors.RequestTooLarge("x"))["error"]["type"] == "request_too_large"


@pytest.mark.parametrize(("status", "kind"), [(402, "billing_error"), (403, "permission_error"), (422, None)])
def test_a_providers_refusal_keeps_its_status(status: int, kind: str | None) -> None:
    refused = ProviderRefused("No.", status=status, code=None, kind="odd", param=None)
    assert told(refused) == {"type": "error", "error": {"type": kind or "invalid_request_error", "message": "No."}}


@pytest.mark.parametrize(
    ("message", "param", "said"),
    [
        (
            "messages[0].content[12].text is missing",
            "messages[0].content[12].text",
            "messages.0.content.12.text is missing",
        ),
        ("a picture is too large", "messages[3]", "messages.3: a picture is too large"),
        ("max_tokens is missing", "max_tokens", "max_tokens is missing"),
        ("nothing to say", None, "nothing to say"),
    ],
)
def test_the_message_names_the_field(message: str, param: str | None, said: str) -> None:
    assert told(errors.CallerError(message, param=param))["error"]["message"] == said


def test_the_attempts_are_told_beside_the_code() -> None:
    error = errors.AllProvidersFailed("x", details={"attempts": [{"target": "a/b"}]})
    assert told(error)["error"]["details"] == {
        "error_code": "all_providers_failed",
        "attempts": [{"target": "a/b"}],
    }


def test_in_a_stream_it_is_one_event() -> None:
    frame = DIALECT.error_event(errors.ProviderError("it broke"))
    assert frame == b"event: error\ndata: %b\n\n" % DIALECT.error(errors.ProviderError("it broke"))
