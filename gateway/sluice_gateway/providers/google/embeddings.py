"""Embeddings of Gemini (Gemini API reference, "batchEmbedContents"; for Vertex AI as its official SDK calls the method
of that name). ``user`` has no place there.
"""

from typing import Any

import msgspec

from sluice_gateway.errors import UnsupportedParameter
from sluice_gateway.normal.answers import EmbeddingAnswer
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.normal.usage import Usage, tokens
from sluice_gateway.providers.adapter import Facts, ProviderFault
from sluice_gateway.providers.faults import mended
from sluice_gateway.providers.google.faults import fault_in
from sluice_gateway.sse import BadEvent

_EXTRA = {"task_type": "taskType", "taskType": "taskType", "title": "title"}


class _Statistics(msgspec.Struct, rename="camel", gc=False):
    token_count: Any = None


class _Vector(msgspec.Struct, gc=False):
    values: tuple[float, ...]
    statistics: _Statistics | None = None


class _Counts(msgspec.Struct, rename="camel", gc=False):
    prompt_token_count: Any = None


class _Reply(msgspec.Struct, rename="camel", gc=False):
    embeddings: list[_Vector] = []
    usage_metadata: _Counts | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


class GoogleEmbeddings:
    """Texts in one batch. ``in_config``: whether what is wished of a vector stands in an embedContentConfig."""

    def __init__(self, *, in_config: bool) -> None:
        self._in_config = in_config

    def build_request(self, request: EmbeddingRequest, facts: Facts) -> bytes:
        """The body. Raises UnsupportedParameter for tokens, and for members that are not known."""
        wishes = self._wishes(request, facts)
        requests = []
        for index, text in enumerate(request.inputs):
            if not isinstance(text, str):
                raise UnsupportedParameter(f"{facts.vendor} embeds no tokens, only text", param=f"input[{index}]")
            requests.append({"content": {"parts": [{"text": text}]}, **wishes})
        return msgspec.json.encode({"requests": requests})

    def _wishes(self, request: EmbeddingRequest, facts: Facts) -> dict[str, Any]:
        wishes: dict[str, Any] = {}
        for name, value in request.extra.items():
            if name in _EXTRA:
                wishes[_EXTRA[name]] = value
            elif facts.policy == "strict":
                raise UnsupportedParameter(f"{facts.vendor} has no {name}", param=name)
        if request.dimensions is not None:
            wishes["outputDimensionality"] = request.dimensions
        if self._in_config:
            return {"embedContentConfig": wishes} if wishes else {}
        return {"model": f"models/{facts.model}", **wishes}

    def parse_response(self, body: bytes) -> EmbeddingAnswer:
        """The vectors in their order. Raises BadEvent and ProviderFault."""
        reply = _read(body)
        if reply.error is not None:
            raise ProviderFault(fault_in(reply.error))
        return EmbeddingAnswer(vectors=tuple(vector.values for vector in reply.embeddings), usage=_usage(reply))


def _read(body: bytes) -> _Reply:
    try:
        return _decode(body)
    except msgspec.ValidationError:
        raise BadEvent("the provider sent something that is no list of embeddings") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read(mended(body))


def _usage(reply: _Reply) -> Usage | None:
    """As counted for all, or for each; None when Google has not counted."""
    counts = reply.usage_metadata
    if counts is not None and counts.prompt_token_count is not None:
        return Usage(prompt=tokens(counts.prompt_token_count))
    each = [tokens(vector.statistics.token_count) for vector in reply.embeddings if vector.statistics]
    return Usage(prompt=sum(each)) if each else None
