"""Cohere's errors (Cohere docs, "Errors"): ``{"id": ..., "message": ...}``, without codes, so that words must tell.

The id of the request, which Cohere's support asks for, is added to the message.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.faults import fault_of, fault_within, parsed, words
from sluice_gateway.sse import BadEvent

_DENIED = 498  # what was sent, or answered, holds a word of the deny list ("InvalidTokenError")
_MONTHLY = "api calls / month"  # of trial keys, as a 429: no wait that a request can bear lifts that
_TOO_LONG = "too many tokens"
_TOO_LONG_ANSWER = "max tokens must be"  # the same status and start, for a max_tokens that the model can't reach
_ELSEWHERE = ("is not supported by the", " api")  # a model of another endpoint


def fault_of_answer(status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
    """The fault in an answer of a status beyond 2xx."""
    fault = fault_of(status, header, body)
    request_id = words(_document(body).get("id"))
    said = fault.message.lower()
    return dataclasses.replace(
        fault,
        kind=_kind(fault, said),
        code=_code(fault, said),
        message=f"{fault.message} (request {request_id})" if request_id else fault.message,
    )


def fault_said(message: object) -> Fault:
    """The fault in a message that stands where an answer should."""
    fault = fault_within({"message": message} if isinstance(message, str) else message or {})
    return fault or Fault(kind=FaultKind.FAILED, status=500, message="the provider reported an error")


def _kind(fault: Fault, said: str) -> FaultKind:
    if fault.kind is FaultKind.RATE_LIMITED and _MONTHLY in said:
        return FaultKind.NO_CREDIT
    if fault.kind is FaultKind.CALLER and all(sign in said for sign in _ELSEWHERE):
        return FaultKind.MODEL_NOT_OFFERED
    return fault.kind


def _code(fault: Fault, said: str) -> str | None:
    """OpenAI's word for it, where it can be told."""
    if fault.status == _DENIED:
        return "content_filter"
    if fault.kind is FaultKind.CALLER and _TOO_LONG in said and _TOO_LONG_ANSWER not in said:
        return "context_length_exceeded"
    return fault.code


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = parsed(body)
    except BadEvent:
        return {}
    return document if isinstance(document, dict) else {}
