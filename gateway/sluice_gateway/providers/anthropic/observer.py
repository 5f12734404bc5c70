"""What the gateway must know of Anthropic's answers that are relayed as they are."""

import msgspec

from sluice_gateway.normal.usage import Usage
from sluice_gateway.providers.adapter import Event, ProviderFault
from sluice_gateway.providers.anthropic.answers import document_of, usage_of
from sluice_gateway.providers.anthropic.faults import fault_of_event

_TEXT_ONLY = None
_DONE = Event(done=True)
_SILENT = frozenset({"content_block_start", "content_block_delta", "content_block_stop", "ping"})


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


_decode_kind = msgspec.json.Decoder(_Kind).decode


class MessagesObserver:
    """Reads answers of /v1/messages. A stream's usage comes in two parts that the stream's reader merges."""

    def response(self, body: bytes) -> Usage | None:
        """A whole answer; an error under status 200 is a fault."""
        document = document_of(body)
        if document.get("type") == "error":
            raise ProviderFault(fault_of_event(document))
        return usage_of(document.get("usage"))

    def event(self, data: bytes) -> Event | None:
        """One event's data. Most carry nothing but text, and are read no further than to their type."""
        try:
            if _decode_kind(data).type in _SILENT:
                return _TEXT_ONLY
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        document = document_of(data)
        kind = document.get("type")
        if kind == "message_stop":
            return _DONE
        if kind == "error":
            raise ProviderFault(fault_of_event(document))
        if kind == "message_start":
            message = document.get("message")
            return _counted(message.get("usage") if isinstance(message, dict) else None)
        if kind != "message_delta":
            return _TEXT_ONLY
        delta = document.get("delta")
        finished = isinstance(delta, dict) and delta.get("stop_reason") is not None
        return Event(finished=(0,) if finished else (), usage=usage_of(document.get("usage")))


def _counted(usage: object) -> Event | None:
    counted = usage_of(usage)
    return None if counted is None else Event(usage=counted)


class CountObserver:
    """Reads answers of /v1/messages/count_tokens, which cost nothing (Claude docs, "Token counting")."""

    def response(self, body: bytes) -> Usage | None:
        """A whole answer; an error under status 200 is a fault."""
        document = document_of(body)
        if document.get("type") == "error":
            raise ProviderFault(fault_of_event(document))
        return Usage()

    def event(self, data: bytes) -> Event | None:
        """Counts do not stream."""
        return _TEXT_ONLY
