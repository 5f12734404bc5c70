"""Anthropic's Messages API, and all who speak it (Claude API reference: "Messages", "Count tokens", "Versions").

Callers who speak it themselves are relayed; the adapter is for all others. The version is 2023-06-01, the last that
takes sampling parameters of those models that know them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sluice_gateway.calls import Shape
from sluice_gateway.normal.answers import ChatAnswer, Delta
from sluice_gateway.normal.requests import ChatRequest
from sluice_gateway.providers.adapter import Facts, Fault, Native, Wire
from sluice_gateway.providers.anthropic.answers import read_answer
from sluice_gateway.providers.anthropic.faults import fault_of_answer
from sluice_gateway.providers.anthropic.observer import CountObserver, MessagesObserver
from sluice_gateway.providers.anthropic.requests import PARAMETERS, build
from sluice_gateway.providers.anthropic.streams import read_event


class AnthropicAdapter:
    """Messages, for callers of other shapes."""

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body."""
        return build(request, facts)

    def parse_response(self, body: bytes) -> ChatAnswer:
        """A whole answer."""
        return read_answer(body)

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """One event."""
        return read_event(data, memory)

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status."""
        return fault_of_answer(status, header, body)


_BETA = frozenset({"anthropic-beta"})  # the features that a request's body makes use of

ANTHROPIC = Wire(
    name="anthropic",
    adapter=AnthropicAdapter(),
    chat="/v1/messages",
    native={
        Shape.MESSAGES: Native(path="/v1/messages", observer=MessagesObserver(), passes=_BETA),
        Shape.COUNT_TOKENS: Native(path="/v1/messages/count_tokens", observer=CountObserver(), passes=_BETA),
    },
    key_header="x-api-key",
    key_prefix="",
    headers=(("anthropic-version", "2023-06-01"),),
    parameters=PARAMETERS,
)
