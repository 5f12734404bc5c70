"""What a caller's shape must say of itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import ChatAnswer, Delta, EmbeddingAnswer
from sluice_gateway.normal.requests import ChatRequest, EmbeddingRequest
from sluice_gateway.normal.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an answer depends on beyond itself.

    ``document`` is the caller's request; ``model`` the provider's name of the model that answers, for providers that
    do not say; ``id`` fits where a provider gives none; ``created`` are seconds since 1970.
    """

    document: dict[str, Any]
    model: str
    id: str
    created: int


class ErrorWriter(Protocol):
    """How a shape tells that something went wrong."""

    def error(self, error: GatewayError) -> bytes:
        """The body of an error."""
        ...

    def error_event(self, error: GatewayError) -> bytes:
        """One server-sent event, in whole frames, that ends a stream which has begun."""
        ...


class StreamWriter(Protocol):
    """Writes one stream. Adds up to the whole answer that ``Dialect.answer`` writes."""

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Whole frames for ``deltas``; b"" when the shape has nothing to say yet."""
        ...

    def end(self, usage: Usage | None) -> bytes:
        """The last frames of a stream whose choices have all finished. ``usage`` is all that was counted."""
        ...


@runtime_checkable
class TellsFailure(Protocol):
    """A stream writer whose shape tells of an error by what was sent before, such as the answer so far."""

    def fail(self, error: GatewayError) -> bytes:
        """The last frames of a stream that broke off, in the place of ``ErrorWriter.error_event``."""
        ...


class Dialect(ErrorWriter, Protocol):
    """One shape of callers for chat."""

    end_mark: bytes
    """What a relayed stream ends with, where its provider has forgotten it; b"" where the shape needs none."""

    def read(self, document: dict[str, Any]) -> ChatRequest:
        """The request in the normal form. Raises CallerError, which names the field, for what the shape does not
        allow, and UnsupportedParameter for what the normal form can't say.
        """
        ...

    def answer(self, answer: ChatAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        ...

    def stream(self, asked: Asked) -> StreamWriter:
        """Begin a stream."""
        ...


class EmbeddingDialect(ErrorWriter, Protocol):
    """One shape of callers for embeddings."""

    def read(self, document: dict[str, Any]) -> EmbeddingRequest:
        """The request in the normal form. Raises CallerError."""
        ...

    def answer(self, answer: EmbeddingAnswer, asked: Asked) -> bytes:
        """The body of a whole answer. Raises BadEvent when it does not fit the request."""
        ...
