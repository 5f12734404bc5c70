"""Callers of /v1/responses, in front of providers that speak otherwise."""

from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked, StreamWriter
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.dialects.responses.answers import write_answer
from sluice_gateway.dialects.responses.requests import read_request
from sluice_gateway.dialects.responses.streams import ResponsesStreamWriter
from sluice_gateway.errors import GatewayError
from sluice_gateway.normal.answers import ChatAnswer
from sluice_gateway.normal.requests import ChatRequest


class ResponsesDialect(OpenAIErrors):
    """OpenAI's Responses, without state: each request brings its whole conversation."""

    end_mark = b""

    def read(self, document: dict[str, Any]) -> ChatRequest:
        """The request in the normal form."""
        return read_request(document)

    def answer(self, answer: ChatAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        return write_answer(answer, asked)

    def stream(self, asked: Asked) -> StreamWriter:
        """Begin a stream."""
        return ResponsesStreamWriter(asked)

    def error_event(self, error: GatewayError) -> bytes:
        """An event ``error``, for streams whose answer nobody here has followed.

        It tells the error twice: as the reference has it, and in the object ``error`` that OpenAI's servers send and at
        which its SDKs raise. Which number it has in the stream is not known: 0.
        """
        told = {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
        event = {**told, "type": "error", "sequence_number": 0, "error": told}
        return b"event: error\ndata: %b\n\n" % msgspec.json.encode(event)
