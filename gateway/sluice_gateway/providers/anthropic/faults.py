"""Anthropic's errors, with a status of their own or inside a stream (Claude API docs, "Errors").

The body is ``{"type": "error", "error": {"type", "message", "details"}, "request_id"}``. The request id, which
Anthropic's support asks for, is added to the message.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.faults import fault_of, kind_of, parsed, retry_after, words
from sluice_gateway.sse import BadEvent

# The status that an error inside a stream would have had.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

# The account's limits, which waiting does not lift: by error.details.error_code, and by the words of spend limits that
# an organization has set itself, which come as a 400 without a code.
_SPENT_CODES = frozenset({"contract_spend_limit_reached", "enforced_spend_limit_reached", "organization_on_hold"})
_SPENT_WORDS = ("api usage limits",)

_TOO_LONG_WORDS = ("prompt is too long", "exceed context limit", "exceeds the context window")


def fault_of_answer(status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
    """The fault in an answer of a status beyond 2xx, be it in Anthropic's words or in those of a proxy before it."""
    document = _document(body)
    error = document.get("error")
    if not isinstance(error, dict) or not words(error.get("message")):
        return fault_of(status, header, body)
    wait = retry_after(header("retry-after"), header("date"))
    return _fault(status, error, words(document.get("request_id")) or words(header("request-id")), wait)


def fault_of_event(document: Mapping[str, Any]) -> Fault:
    """The fault in an error event, or in an error under status 200."""
    error = document.get("error")
    if not isinstance(error, dict):
        error = {"message": error}
    status = _STATUSES.get(words(error.get("type")) or "", 500)
    return _fault(status, error, words(document.get("request_id")), None)


def _fault(status: int, error: dict[str, Any], request_id: str | None, wait: float | None) -> Fault:
    message = words(error.get("message")) or "the provider reported an error"
    details = error.get("details")
    kind = words(error.get("type"))
    code = words(details.get("error_code")) if isinstance(details, dict) else None
    return Fault(
        kind=_kind(status, kind, code, message),
        status=status,
        message=f"{message} (request {request_id})" if request_id else message,
        code=_code(status, code, message),
        type=kind,
        retry_after=wait,
    )


def _kind(status: int, kind: str | None, code: str | None, message: str) -> FaultKind:
    lowered = message.lower()
    if kind == "billing_error" or code in _SPENT_CODES or any(said in lowered for said in _SPENT_WORDS):
        return FaultKind.NO_CREDIT
    return FaultKind.TIMEOUT if kind == "timeout_error" else kind_of(status, code, message)


def _code(status: int, code: str | None, message: str) -> str | None:
    """The gateway's own code where it has one for the same, else Anthropic's."""
    lowered = message.lower()
    if status == _STATUSES["invalid_request_error"] and any(said in lowered for said in _TOO_LONG_WORDS):
        return "context_length_exceeded"
    return code or ("request_too_large" if status == _STATUSES["request_too_large"] else None)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = parsed(body)
    except BadEvent:
        return {}
    return document if isinstance(document, dict) else {}
