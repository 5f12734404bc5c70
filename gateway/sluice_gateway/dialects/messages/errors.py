"""Errors as Anthropic's API tells them (its pages "Errors", and "Streaming messages" on the event ``error``)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sluice_gateway.errors import GatewayError

END_MARK = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_INDEX = re.compile(r"\[([0-9]+)\]")


class MessagesErrors:
    """``{"type": "error", "error": {"type", "message", "details"}}``.

    The message names the field at fault as Anthropic does, ``messages.0.content``; the gateway's own code is
    ``details.error_code``, where Anthropic's clients look for codes.
    """

    end_mark = END_MARK

    def error(self, error: GatewayError) -> bytes:
        """The body of an error."""
        told: dict[str, Any] = {"type": type_of(error.status), "message": _message(error)}
        details = {"error_code": error.code} if error.code else {}
        if details or error.details:
            told["details"] = {**details, **error.details}
        return msgspec.json.encode({"type": "error", "error": told})

    def error_event(self, error: GatewayError) -> bytes:
        """One event, which Anthropic's clients raise."""
        return b"event: error\ndata: %b\n\n" % self.error(error)


def type_of(status: int) -> str:
    """Anthropic's type of errors of a status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def _message(error: GatewayError) -> str:
    if not error.param:
        return error.message
    place = _INDEX.sub(r".\1", error.param)
    message = error.message.replace(error.param, place)
    return message if place in message else f"{place}: {message}"
