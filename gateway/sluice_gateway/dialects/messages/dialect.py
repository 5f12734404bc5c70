"""Callers of /v1/messages and /v1/messages/count_tokens, in front of providers that speak otherwise."""

from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked, StreamWriter
from sluice_gateway.dialects.messages.answers import write_answer
from sluice_gateway.dialects.messages.errors import MessagesErrors
from sluice_gateway.dialects.messages.requests import read_request
from sluice_gateway.dialects.messages.streams import MessagesStreamWriter
from sluice_gateway.normal.answers import ChatAnswer
from sluice_gateway.normal.estimate import estimate_tokens
from sluice_gateway.normal.requests import ChatRequest


class MessagesDialect(MessagesErrors):
    """Anthropic's Messages."""

    def read(self, document: dict[str, Any]) -> ChatRequest:
        """The request in the normal form."""
        return read_request(document)

    def answer(self, answer: ChatAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        return write_answer(answer, asked)

    def stream(self, asked: Asked) -> StreamWriter:
        """Begin a stream."""
        return MessagesStreamWriter(asked)


def count_tokens(document: dict[str, Any]) -> bytes:
    """The answer to a request to count, where no provider counts. Raises CallerError."""
    return msgspec.json.encode({"input_tokens": estimate_tokens(read_request(document, counts=True))})
