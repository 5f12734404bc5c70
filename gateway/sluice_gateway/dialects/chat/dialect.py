"""Callers of /v1/chat/completions, in front of providers that speak otherwise."""

from typing import Any

from sluice_gateway.dialects.chat.answers import write_answer
from sluice_gateway.dialects.chat.requests import read_request
from sluice_gateway.dialects.chat.streams import ChatStreamWriter
from sluice_gateway.dialects.dialect import Asked, StreamWriter
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.normal.answers import ChatAnswer
from sluice_gateway.normal.requests import ChatRequest


class ChatDialect(OpenAIErrors):
    """OpenAI's chat completions."""

    def read(self, document: dict[str, Any]) -> ChatRequest:
        """The request in the normal form."""
        return read_request(document)

    def answer(self, answer: ChatAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        return write_answer(answer, asked)

    def stream(self, asked: Asked) -> StreamWriter:
        """Begin a stream."""
        return ChatStreamWriter(asked)
