"""Embeddings of Cohere (Cohere API reference, "Embed"). ``user`` has no place there.

The API wants to know what the vectors are for. OpenAI's has no word for it: texts count as documents to be searched,
unless the caller adds an ``input_type`` of Cohere's.
"""

from typing import Any

import msgspec

from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.answers import EmbeddingAnswer
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.providers.adapter import Facts, ProviderFault
from sluice_gateway.providers.cohere.answers import Counts, read_loosely, usage_of
from sluice_gateway.providers.cohere.faults import fault_said
from sluice_gateway.sse import BadEvent

_EXTRA = frozenset({"input_type", "max_tokens", "priority", "truncate"})
_DEFAULT_TYPE = "search_document"


class _Vectors(msgspec.Struct, rename={"floats": "float", "texts": "base64"}, gc=False):
    """By their types, of which one was asked for. In base64, a vector's floating point numbers stand one by one."""

    floats: list[tuple[float, ...]] | None = None
    texts: list[str] | None = None


class _Reply(msgspec.Struct, gc=False):
    embeddings: _Vectors | None = None
    meta: Counts | None = None
    message: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


class CohereEmbeddings:
    """Texts in one batch."""

    def build_request(self, request: EmbeddingRequest, facts: Facts) -> bytes:
        """The body. Raises UnsupportedParameter for tokens, and for members that are not known."""
        for index, text in enumerate(request.inputs):
            if not isinstance(text, str):
                raise UnsupportedParameter(f"{facts.vendor} embeds no tokens, only text", param=f"input[{index}]")
        body: dict[str, Any] = {
            "model": facts.model,
            "texts": request.inputs,
            "input_type": _DEFAULT_TYPE,
            "embedding_types": ["base64" if request.encoding == "base64" else "float"],
        }
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        for name, value in request.extra.items():
            if name in _EXTRA:
                body[name] = value
            elif facts.policy == "strict":
                raise UnsupportedParameter(f"{facts.vendor} has no {name}", param=name)
        return msgspec.json.encode(body)

    def parse_response(self, body: bytes) -> EmbeddingAnswer:
        """The vectors in their order. Raises BadEvent and ProviderFault."""
        try:
            reply = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            reply = read_loosely(_Reply, body)
        if said := reply.message or reply.error:
            raise ProviderFault(fault_said(said))
        found = reply.embeddings or _Vectors()
        vectors = found.texts if found.floats is None else found.floats
        if vectors is None:
            raise BadEvent("the provider sent no embeddings")
        return EmbeddingAnswer(vectors=tuple(vectors), usage=usage_of(reply.meta))
