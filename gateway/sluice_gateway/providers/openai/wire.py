"""OpenAI's API, and all who speak it (OpenAI API reference: "Chat", "Embeddings", "Responses").

Callers who speak it themselves are relayed; the adapter is for all others.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sluice_gateway.calls import Shape
from sluice_gateway.normal.answers import ChatAnswer, Delta
from sluice_gateway.normal.requests import ChatRequest
from sluice_gateway.providers.adapter import Facts, Fault, Native, Wire
from sluice_gateway.providers.openai.answers import read_answer
from sluice_gateway.providers.openai.embeddings import OpenAIEmbeddings
from sluice_gateway.providers.openai.faults import openai_fault
from sluice_gateway.providers.openai.observer import OpenAIObserver
from sluice_gateway.providers.openai.parameters import ANYBODY
from sluice_gateway.providers.openai.requests import write_request
from sluice_gateway.providers.openai.responses_observer import ResponsesObserver
from sluice_gateway.providers.openai.streams import read_event


class OpenAIAdapter:
    """Chat completions, for callers of other shapes."""

    def build_request(self, request: ChatRequest, facts: Facts) -> bytes:
        """The body."""
        return write_request(request, facts)

    def parse_response(self, body: bytes) -> ChatAnswer:
        """A whole answer."""
        return read_answer(body)

    def parse_event(self, data: bytes, memory: dict[str, Any]) -> Sequence[Delta]:
        """One chunk."""
        return read_event(data, memory)

    def parse_error(self, status: int, header: Callable[[str], str | None], body: bytes) -> Fault:
        """An answer of another status."""
        return openai_fault(status, header, body)


OBSERVER = OpenAIObserver()

OPENAI = Wire(
    name="openai",
    adapter=OpenAIAdapter(),
    chat="/chat/completions",
    embeddings=OpenAIEmbeddings(),
    embeddings_path="/embeddings",
    native={
        Shape.CHAT: Native(path="/chat/completions", observer=OBSERVER),
        Shape.COMPLETIONS: Native(path="/completions", observer=OBSERVER),
        Shape.EMBEDDINGS: Native(path="/embeddings", observer=OBSERVER),
        Shape.RESPONSES: Native(path="/responses", observer=ResponsesObserver()),
    },
    parameters=ANYBODY,
)
