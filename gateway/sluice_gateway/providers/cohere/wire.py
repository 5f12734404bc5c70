"""Cohere's second API (Cohere API reference: "Chat", "Chat with Streaming", "Embed")."""

from collections.abc import Callable, Sequence
from typing import Any

from sluice_gateway.normal.answers import ChatAnswer, Delta
from sluice_gateway.normal.requests import ChatRequest
from sluice_gateway.providers.adapter import Facts, Fault, Wire
from sluice_gateway.providers.cohere.answers import read_answer
from sluice_gateway.providers.cohere.embeddings import CohereEmbeddings
from sluice_gateway.providers.cohere.faults import fault_of_answer
from sluice_gateway.providers.cohere.requests import PARAMETERS, build
from sluice_gateway.providers.cohere.streams import read_event


class CohereAdapter:
    """Chat, for callers of any shape."""

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


COHERE = Wire(
    name="cohere",
    adapter=CohereAdapter(),
    chat="/v2/chat",
    embeddings=CohereEmbeddings(),
    embeddings_path="/v2/embed",
    parameters=PARAMETERS,
)
