"""What providers say when they fail: JSON of several shapes, HTML, text or nothing; read the same way for all."""

import math
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from sluice_gateway.providers.adapter import Fault, FaultKind
from sluice_gateway.sse import BadEvent

_LONGEST_WORDS = 64 * 1024  # of a provider's, to look at; how much is passed on is decided behind redaction

# Words by which vendors say that the account has run dry, where the status alone does not (402 always does).
NO_CREDIT_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
)
NO_CREDIT_WORDS = ("credit balance", "insufficient balance", "exceeded your current quota", "out of credits")

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LONGEST_WAIT = 86_400.0  # seconds; a day, as the longest of a policy's timeouts
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ERROR_STATUS = re.compile(r"[45][0-9]{2}")

_decode_any = msgspec.json.Decoder().decode


def fault_of(status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
    """The fault in an answer of a status beyond 2xx."""
    error = _error_object(body)
    message = words(error.get("message")) or f"the provider answered with status {status}"
    code = words(error.get("code"))
    return Fault(
        kind=kind_of(status, code, message),
        status=status,
        message=message,
        code=code,
        type=words(error.get("type")),
        param=words(error.get("param")),
        retry_after=retry_after(header("retry-after"), header("date")),
    )


def mended(data: bytes | msgspec.Raw) -> bytes:
    """With all surrogates replaced: a text that is cut between two deltas may have half a character (RFC 8259, 8.2),
    which the decoder refuses. What is relayed stays as it came. Raises BadEvent when there is nothing to mend.
    """
    whole = _SURROGATE.sub(rb"\\ufffd", data)
    if whole == bytes(data):
        raise BadEvent("the provider sent something that is not JSON")
    return whole


def parsed(data: bytes | msgspec.Raw) -> Any:
    """What a provider has sent, as JSON. Raises BadEvent."""
    try:
        return _decode_any(data)
    except _NOT_JSON:
        return parsed(mended(data))


def fault_within(error: object) -> Fault | None:
    """The fault in an error object inside a successful answer; ``"error": null`` is none."""
    if error is None:
        return None
    if not isinstance(error, dict):
        error = {"message": error}
    code, message = words(error.get("code")), words(error.get("message")) or "the provider reported an error"
    status = int(code) if code and _ERROR_STATUS.fullmatch(code) else 500
    return Fault(
        kind=kind_of(status, code, message), status=status, message=message, code=code, type=words(error.get("type"))
    )


def _error_object(body: bytes) -> dict[str, Any]:
    """``{"error": {...}}``, ``{"error": "text"}``, ``{"message": ...}`` or ``{"detail": ...}``; {} for all else."""
    try:
        document = parsed(body)
    except BadEvent:
        return {}
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    if isinstance(error, dict):
        return error if "message" in error else {**error, "message": _detail(error.get("detail"))}
    return {"message": error}


def _detail(detail: object) -> object:
    """Servers made with FastAPI, such as vLLM's and TGI's, list what is wrong as ``{"loc": [...], "msg": ...}``."""
    if not isinstance(detail, list):
        return detail
    found = []
    for one in detail:
        if isinstance(one, dict) and (said := words(one.get("msg"))):
            place = one.get("loc")
            names = [name for part in place if (name := words(part))] if isinstance(place, list) else []
            found.append(": ".join(filter(None, (".".join(names), said))))
    return "; ".join(found) or None


def words(value: object) -> str | None:
    """A provider's text on one line; None when it is not text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return " ".join(value[:_LONGEST_WORDS].split()) if isinstance(value, str) else None


_BY_STATUS: dict[int, FaultKind] = {
    401: FaultKind.KEY_REFUSED,
    402: FaultKind.NO_CREDIT,
    403: FaultKind.KEY_REFUSED,
    404: FaultKind.MODEL_NOT_OFFERED,
    408: FaultKind.TIMEOUT,
    429: FaultKind.RATE_LIMITED,
    499: FaultKind.FAILED,  # it believes that we left (nginx, Google): nothing that the caller did
}


def kind_of(status: int, code: str | None, message: str) -> FaultKind:
    """What a status means, but for words that say that the account has run dry."""
    lowered = message.lower()
    if status in (400, 403, 429) and (code in NO_CREDIT_CODES or any(words in lowered for words in NO_CREDIT_WORDS)):
        return FaultKind.NO_CREDIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return FaultKind.CALLER if 400 <= status < 500 else FaultKind.FAILED


def retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds from ``Retry-After``: a number, or a date, which counts from the answer's own ``Date`` (RFC 9110,
    10.2.3).

    None when absent or unreadable.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_WAIT) if math.isfinite(seconds) else None
