"""OpenAI's Responses, relayed as they are and only read for what the gateway must know (OpenAI API reference,
"Responses" and its streaming events).
"""

from typing import Any

import msgspec

from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Event, Fault, FaultKind, ProviderFault
from sluice_gateway.providers.faults import kind_of, mended, parsed, words
from sluice_gateway.providers.loose import loosely
from sluice_gateway.sse import BadEvent

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ENDS = frozenset({"response.completed", "response.incomplete"})

# Codes of an error of the model's or the server's; all others tell what is wrong with the request.
_STATUSES = {"server_error": 500, "vector_store_timeout": 504, "rate_limit_exceeded": 429}


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


_NONE = _Details()


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Response(msgspec.Struct, gc=False):
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    response: _Response | None = None
    error: msgspec.Raw | None = None


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class ResponsesObserver:
    """Reads whole responses and streams of them."""

    def response(self, body: bytes) -> Usage | None:
        """A whole response; one that has failed is a fault."""
        try:
            read = _decode_response(body)
        except (msgspec.ValidationError, *_NOT_JSON):
            read = loosely(_Response, _object(body))
        _raise_fault(read.error)
        return _counted(read.usage)

    def event(self, data: bytes) -> Event | None:
        """One event's data."""
        try:
            read = _decode_event(data)
        except (msgspec.ValidationError, *_NOT_JSON):
            if data == b"[DONE]":  # servers that copy the API send it here too
                return Event(done=True)
            read = loosely(_Event, _object(data))
        if read.error is not None or read.type == "error":
            _raise_fault(read.error)
            raise ProviderFault(_fault(_object(data)))
        if read.response is None:
            return None
        _raise_fault(read.response.error)
        if read.type == "response.failed":
            raise ProviderFault(_fault({}))
        usage = _counted(read.response.usage)
        if read.type in _ENDS:
            return Event(finished=(0,), done=True, usage=usage)
        return None if usage is None else Event(usage=usage)


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = parsed(data)
    except BadEvent:
        document = parsed(mended(data))
    if not isinstance(document, dict):
        raise BadEvent("the provider sent JSON that is not an object")
    return document


def _raise_fault(error: msgspec.Raw | None) -> None:
    if error is not None and (said := parsed(error)) is not None:
        raise ProviderFault(_fault(said if isinstance(said, dict) else {"message": said}))


def _fault(error: dict[str, Any]) -> Fault:
    """``{"code", "message", "param"}``, as events and failed responses have it."""
    code = words(error.get("code"))
    message = words(error.get("message")) or "the provider reported an error"
    status = _STATUSES.get(code, 400) if code else 500
    kind = FaultKind.TIMEOUT if status == 504 else kind_of(status, code, message)
    return Fault(
        kind=kind,
        status=status,
        message=message,
        code=code,
        type=words(error.get("type")) if error.get("type") != "error" else None,
        param=words(error.get("param")),
    )


def _counted(usage: _Usage | None) -> Usage | None:
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return None
    read, written = usage.input_tokens_details or _NONE, usage.output_tokens_details or _NONE
    return Usage(
        prompt=tokens(usage.input_tokens),
        completion=tokens(usage.output_tokens),
        cached=tokens(read.cached_tokens),
        reasoning=tokens(written.reasoning_tokens),
        cache_write=tokens(read.cache_write_tokens),
    )
