"""Reading Google's errors (Google Cloud API design guide, "Errors"; Gemini API guide, "Troubleshooting").

They come as ``{"error": {code, message, status, details}}``, also as a list of one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.providers.faults import fault_of, fault_within, parsed, words
from sluice_gateway.sse import BadEvent

_TOO_LONG = re.compile(r"token.{0,60}(?:exceeds|more than) the max", re.IGNORECASE)
_NOT_THERE = re.compile(r"access the File|CachedContent not found", re.IGNORECASE)  # the caller's, in spite of a 403
_OWN_KEY = re.compile(r"API key (?:not valid|expired)", re.IGNORECASE)
_DRY = re.compile(r"credits are depleted|out of credits", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")  # google.protobuf.Duration in JSON
_LONGEST_WAIT = 86_400.0  # seconds


def read_error(status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
    """The fault in an answer of a status beyond 2xx."""
    try:
        document = parsed(body)
    except BadEvent:
        document = None
    if isinstance(document, list) and document:
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    return _refined(fault_of(status, header, body), error)


def fault_in(error: Any) -> Fault:
    """The fault in an error inside a successful answer or a stream."""
    return _refined(fault_within(error) or Fault(kind=FaultKind.FAILED, status=500, message=""), error)


def _refined(fault: Fault, error: Any) -> Fault:
    """With what Google says beyond status and message."""
    if not isinstance(error, dict):
        return fault
    name = words(error.get("status"))
    kind = _kind(fault, name)
    too_long = kind is FaultKind.CALLER and _TOO_LONG.search(fault.message)
    wait = fault.retry_after if fault.retry_after is not None else _delay(error)
    code = "context_length_exceeded" if too_long else name or fault.code
    return replace(fault, kind=kind, code=code, type=None, retry_after=wait)


def _kind(fault: Fault, name: str | None) -> FaultKind:
    if fault.status == 429:  # Google calls every limit a quota, also those that are free again in a minute
        return FaultKind.NO_CREDIT if _DRY.search(fault.message) else FaultKind.RATE_LIMITED
    if fault.status == 400 and (name == "FAILED_PRECONDITION" or _OWN_KEY.search(fault.message)):
        return FaultKind.KEY_REFUSED  # the gateway's key, or the place or the billing of its project
    if fault.status == 403 and _NOT_THERE.search(fault.message):
        return FaultKind.CALLER
    return FaultKind.TIMEOUT if fault.status == 504 else fault.kind


def _delay(error: dict[str, Any]) -> float | None:
    """Seconds from RetryInfo, which Google sends in the place of a header."""
    for detail in _details(error):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (found := _DELAY.fullmatch(delay)):
            return min(float(found[1]), _LONGEST_WAIT)
    return None


def _details(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    details = error.get("details")
    return (detail for detail in (details if isinstance(details, list) else ()) if isinstance(detail, dict))
