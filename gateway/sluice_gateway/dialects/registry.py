"""Which module speaks for callers of which endpoint."""

from collections.abc import Mapping

from sluice_gateway.calls import Shape
from sluice_gateway.dialects.chat import ChatDialect
from sluice_gateway.dialects.completions import CompletionsDialect
from sluice_gateway.dialects.dialect import Dialect, EmbeddingDialect, ErrorWriter
from sluice_gateway.dialects.embeddings import EmbeddingsDialect
from sluice_gateway.dialects.openai_errors import OpenAIErrors

CHAT: Mapping[Shape, Dialect] = {
    Shape.CHAT: ChatDialect(),
    Shape.COMPLETIONS: CompletionsDialect(),
}
EMBEDDINGS: Mapping[Shape, EmbeddingDialect] = {Shape.EMBEDDINGS: EmbeddingsDialect()}

_OPENAI = OpenAIErrors()
_ERRORS: Mapping[Shape, ErrorWriter] = {**CHAT, **EMBEDDINGS}


def errors_of(shape: Shape) -> ErrorWriter:
    """How errors are told to callers of a shape: as OpenAI does, where the shape says nothing of its own."""
    return _ERRORS.get(shape, _OPENAI)
