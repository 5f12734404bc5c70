"""OpenAI's chat completions, and all who speak them (OpenAI API reference, "Chat" and "Errors").

The caller's shape is the provider's: bodies and frames are relayed as bytes, and only read for what the gateway must
know.
"""

import math
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from sluice_gateway.calls import Call
from sluice_gateway.providers.adapter import Event, Fault, FaultKind, Response, Usage
from sluice_gateway.sse import BadEvent

_LONGEST_WORDS = 64 * 1024  # of a provider's, to look at; how much is passed on is decided behind redaction

# Words by which vendors say that the account has run dry, where the status alone does not (402 always does).
_NO_CREDIT_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
)
_NO_CREDIT_WORDS = ("credit balance", "insufficient balance", "exceeded your current quota", "out of credits")

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MOST_TOKENS = 2**53  # beyond it a counter can't count; no answer comes near
_LONGEST_WAIT = 86_400.0  # seconds; a day, as the longest of a policy's timeouts
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ERROR_STATUS = re.compile(r"[45][0-9]{2}")
_TEXT_ONLY = None
_DONE = Event(done=True)


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_any = msgspec.json.Decoder().decode


class OpenAIAdapter:
    """The adapter of OpenAI's shape."""

    def build_request(self, call: Call, model: str) -> bytes:
        """The caller's body with the provider's name of the model."""
        return call.body_for(model)

    def parse_response(self, body: bytes) -> Response:
        """A whole answer; an error object under status 200 is a fault."""
        read = _read(body)
        if read.error is not None and (fault := _fault_within(read.error)):
            return Response(fault=fault)
        return Response(usage=_usage(read.usage))

    def parse_event(self, data: bytes) -> Event | None:
        """One event's data."""
        if data == b"[DONE]":
            return _DONE
        try:
            read = _decode_body(data)
        except (msgspec.ValidationError, *_NOT_JSON):
            read = _read(data)
        if read.error is not None and (fault := _fault_within(read.error)):
            return Event(fault=fault)
        finished: tuple[int, ...] = ()
        for choice in read.choices or ():
            if choice.finish_reason is not None:
                finished += (choice.index or 0,)
        if not finished and read.usage is None:
            return _TEXT_ONLY
        return Event(finished=finished, usage=_usage(read.usage))

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status: JSON in OpenAI's shape, a vendor's variant of it, HTML, text or nothing."""
        error = _error_object(body)
        message = _words(error.get("message")) or f"the provider answered with status {status}"
        code = _words(error.get("code"))
        return Fault(
            kind=_kind(status, code, message),
            status=status,
            message=message,
            code=code,
            type=_words(error.get("type")),
            param=_words(error.get("param")),
            retry_after=_retry_after(header("retry-after"), header("date")),
        )


def _read(data: bytes) -> _Body:
    try:
        return _decode_body(data)
    except msgspec.ValidationError:
        return _read_loosely(data)
    except _NOT_JSON:
        return _read(_mended(data))


def _mended(data: bytes | msgspec.Raw) -> bytes:
    """With all surrogates replaced: a text that is cut between two deltas may have half a character (RFC 8259, 8.2),
    which the decoder refuses. What is relayed stays as it came. Raises BadEvent when there is nothing to mend.
    """
    mended = _SURROGATE.sub(rb"\\ufffd", data)
    if mended == bytes(data):
        raise BadEvent("the provider sent something that is not JSON")
    return mended


def _parsed(data: bytes | msgspec.Raw) -> Any:
    """The whole of it, also what ``_decode_body`` passes over unread. Raises BadEvent."""
    try:
        return _decode_any(data)
    except _NOT_JSON:
        return _parsed(_mended(data))


def _read_loosely(data: bytes) -> _Body:
    """JSON whose types are not those of the reference: what can be understood still counts."""
    document = _parsed(data)
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    read = _Body()
    for field, kind in (("choices", list[_Choice]), ("usage", _Usage)):
        try:
            setattr(read, field, msgspec.convert(document.get(field), kind | None))
        except msgspec.ValidationError:
            continue
    if document.get("error") is not None:
        read.error = msgspec.Raw(msgspec.json.encode(document["error"]))
    return read


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None or (usage.prompt_tokens is None and usage.completion_tokens is None):
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt=_tokens(usage.prompt_tokens),
        completion=_tokens(usage.completion_tokens),
        cached=_tokens(prompt.cached_tokens) if prompt else 0,
        reasoning=_tokens(completion.reasoning_tokens) if completion else 0,
    )


def _tokens(reported: int | None) -> int:
    return min(max(reported or 0, 0), _MOST_TOKENS)


def _fault_within(raw: msgspec.Raw) -> Fault | None:
    """An error object inside a successful answer; ``"error": null`` is none."""
    error = _parsed(raw)
    if error is None:
        return None
    if not isinstance(error, dict):
        error = {"message": error}
    code, message = _words(error.get("code")), _words(error.get("message")) or "the provider reported an error"
    status = int(code) if code and _ERROR_STATUS.fullmatch(code) else 500
    return Fault(
        kind=_kind(status, code, message), status=status, message=message, code=code, type=_words(error.get("type"))
    )


def _error_object(body: bytes) -> dict[str, Any]:
    """``{"error": {...}}``, ``{"error": "text"}``, ``{"message": ...}`` or ``{"detail": ...}``; {} for all else."""
    try:
        document = _parsed(body)
    except BadEvent:
        return {}
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    if isinstance(error, dict):
        return error if "message" in error else {**error, "message": error.get("detail")}
    return {"message": error}


def _words(value: object) -> str | None:
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


def _kind(status: int, code: str | None, message: str) -> FaultKind:
    lowered = message.lower()
    if status in (400, 403, 429) and (code in _NO_CREDIT_CODES or any(words in lowered for words in _NO_CREDIT_WORDS)):
        return FaultKind.NO_CREDIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return FaultKind.CALLER if 400 <= status < 500 else FaultKind.FAILED


def _retry_after(value: str | None, date: str | None) -> float | None:
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
