"""Embeddings as OpenAI's API has them (OpenAI API reference, "Embeddings")."""

from typing import Any

import msgspec

from sluice_gateway.normal.answers import EmbeddingAnswer
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.providers.adapter import Facts
from sluice_gateway.providers.faults import parsed
from sluice_gateway.providers.openai.observer import raise_within
from sluice_gateway.providers.openai.requests import encoded
from sluice_gateway.providers.openai.usage import Reported, counted
from sluice_gateway.sse import BadEvent


class _Embedding(msgspec.Struct, gc=False):
    embedding: list[float] | str
    index: int | None = None


class _Body(msgspec.Struct, gc=False):
    data: list[_Embedding]
    model: str | None = None
    usage: Reported | None = None


_decode = msgspec.json.Decoder(_Body).decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class OpenAIEmbeddings:
    """Embeddings, for callers whose own endpoint the vendor lacks."""

    def build_request(self, request: EmbeddingRequest, facts: Facts) -> bytes:
        """The body."""
        body: dict[str, Any] = {"model": facts.model, "input": list(request.inputs)}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.encoding is not None:
            body["encoding_format"] = request.encoding
        if request.user is not None and "user" not in facts.quirks.unsupported:
            body["user"] = request.user
        return encoded(dict(request.extra) | body)

    def parse_response(self, body: bytes) -> EmbeddingAnswer:
        """The vectors, in the order of what was asked. Raises BadEvent and ProviderFault."""
        try:
            read = _decode(body)
        except (msgspec.ValidationError, *_NOT_JSON):
            document = parsed(body)
            if isinstance(document, dict) and document.get("error") is not None:
                raise_within(document["error"])
            raise BadEvent("the provider sent no embeddings") from None
        places = [place if item.index is None else item.index for place, item in enumerate(read.data)]
        if sorted(places) != list(range(len(places))):
            raise BadEvent("the provider numbered its embeddings otherwise than from 0")
        vectors: list[tuple[float, ...] | str] = [""] * len(places)
        for place, item in zip(places, read.data, strict=True):
            vectors[place] = item.embedding if isinstance(item.embedding, str) else tuple(item.embedding)
        return EmbeddingAnswer(vectors=tuple(vectors), model=read.model, usage=counted(read.usage))
