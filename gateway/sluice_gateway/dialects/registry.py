"""Which module speaks for callers of which endpoint."""

from collections.abc import Callable, Mapping
from typing import Any

from sluice_gateway.calls import Shape
from sluice_gateway.dialects.chat.dialect import ChatDialect
from sluice_gateway.dialects.completions import CompletionsDialect
from sluice_gateway.dialects.dialect import Dialect, EmbeddingDialect, ErrorWriter
from sluice_gateway.dialects.embeddings import EmbeddingsDialect
from sluice_gateway.dialects.messages.dialect import MessagesDialect, count_tokens
from sluice_gateway.dialects.messages.seals import without_others
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.dialects.responses.dialect import ResponsesDialect
from sluice_gateway.dialects.responses.seals import without_ours

CHAT: Mapping[Shape, Dialect] = {
    Shape.CHAT: ChatDialect(),
    Shape.COMPLETIONS: CompletionsDialect(),
    Shape.MESSAGES: MessagesDialect(),
    Shape.RESPONSES: ResponsesDialect(),
}
EMBEDDINGS: Mapping[Shape, EmbeddingDialect] = {Shape.EMBEDDINGS: EmbeddingsDialect()}

LOCAL: Mapping[Shape, Callable[[dict[str, Any]], bytes]] = {Shape.COUNT_TOKENS: count_tokens}
"""What the gateway answers by itself, from the request's document, where a provider has no such endpoint."""

RELAYED: Mapping[Shape, Callable[[bytes, dict[str, Any]], bytes]] = {
    Shape.MESSAGES: without_others,
    Shape.COUNT_TOKENS: without_others,
    Shape.RESPONSES: without_ours,
}
"""What takes out of a body, given with its document, what answers of ours have put into the conversation and a provider
that speaks the shape itself would refuse.
"""

_OPENAI = OpenAIErrors()
_ERRORS: Mapping[Shape, ErrorWriter] = {**CHAT, **EMBEDDINGS, Shape.COUNT_TOKENS: CHAT[Shape.MESSAGES]}


def errors_of(shape: Shape) -> ErrorWriter:
    """How errors are told to callers of a shape: as OpenAI does, where the shape says nothing of its own."""
    return _ERRORS.get(shape, _OPENAI)
