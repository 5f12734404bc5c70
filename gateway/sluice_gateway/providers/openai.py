"""OpenAI's API, and all who speak it (OpenAI API reference: "Chat", "Embeddings", "Responses").

Callers who speak it themselves are relayed; the adapter is for all others.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sluice_gateway.calls import Shape
from sluice_gateway.normal.answers import ChatAnswer, Delta
from sluice_gateway.normal.requests import ChatRequest
from sluice_gateway.providers.adapter import Facts, Fault, Native, Wire
from sluice_gateway.providers.faults import fault_of
from sluice_gateway.providers.openai_observer import OpenAIObserver


class OpenAIAdapter:
    """Chat completions, for callers of other shapes."""

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body."""
        raise NotImplementedError

    def parse_response(self, body: bytes) -> ChatAnswer:
        """A whole answer."""
        raise NotImplementedError

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """One chunk."""
        raise NotImplementedError

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status."""
        return fault_of(status, header, body)


_OBSERVER = OpenAIObserver()

OPENAI = Wire(
    name="openai",
    adapter=OpenAIAdapter(),
    chat="/chat/completions",
    native={
        Shape.CHAT: Native(path="/chat/completions", observer=_OBSERVER),
        Shape.COMPLETIONS: Native(path="/completions", observer=_OBSERVER),
        Shape.EMBEDDINGS: Native(path="/embeddings", observer=_OBSERVER),
    },
)
