"""Callers of /v1/embeddings (OpenAI API reference, "Embeddings"), in front of providers that embed otherwise."""

import base64
import struct
from collections.abc import Iterable
from math import ceil
from typing import Any

import msgspec

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.dialects.reading import Members
from sluice_gateway.errors import CallerError
from sluice_gateway.normal.answers import EmbeddingAnswer
from sluice_gateway.normal.estimate import BYTES_A_TOKEN
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.normal.usage import Usage
from sluice_gateway.sse import BadEvent

Vector = tuple[float, ...] | str
Input = str | tuple[int, ...]
_MOST_INPUTS = 2048  # OpenAI's own bound


class EmbeddingsDialect(OpenAIErrors):
    """OpenAI's embeddings."""

    def read(self, document: dict[str, Any]) -> EmbeddingRequest:
        """The request in the normal form."""
        body = Members(document)
        body.take("model")
        encoding = body.text("encoding_format")
        if encoding not in (None, "float", "base64"):
            raise CallerError("encoding_format must be float or base64", param="encoding_format")
        return EmbeddingRequest(
            inputs=_inputs(body),
            dimensions=body.integer("dimensions", least=1),
            encoding=encoding,
            user=body.text("user"),
            extra=body.rest(),
        )

    def answer(self, answer: EmbeddingAnswer, asked: Asked) -> bytes:
        """The body of a whole answer."""
        inputs = _inputs(Members(asked.document))
        if len(answer.vectors) != len(inputs):
            raise BadEvent("the provider sent another number of vectors than it was asked for")
        write = _in_base64 if asked.document.get("encoding_format") == "base64" else _in_numbers
        body: dict[str, Any] = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": write(vector)}
                for index, vector in enumerate(answer.vectors)
            ],
            "model": answer.model or asked.model,
            "usage": _usage(answer.usage or _estimated(inputs)),
        }
        return msgspec.json.encode(body)


def _estimated(inputs: Iterable[Input]) -> Usage:
    """Google does not count what it embeds, and OpenAI's clients want a number."""
    sizes = (len(one.encode(errors="replace")) / BYTES_A_TOKEN if isinstance(one, str) else len(one) for one in inputs)
    return Usage(ceil(sum(sizes)), estimated=True)


def _usage(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI counts it; ``estimated`` marks what no provider has reported."""
    counted = {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt}
    return counted | {"estimated": True} if usage.estimated else counted


def _inputs(body: Members) -> tuple[Input, ...]:
    """A string, a list of strings, tokens, or a list of lists of tokens."""
    given = body.take("input")
    if type(given) is str:
        given = [given]
    if type(given) is not list or not 1 <= len(given) <= _MOST_INPUTS:
        message = f"input must be a string, or a list of 1 to {_MOST_INPUTS} strings or lists of tokens"
        raise CallerError(message, param="input")
    if _are_tokens(given):
        return (tuple(given),)
    found: list[Input] = []
    for index, item in enumerate(given):
        if type(item) is str and item:
            found.append(item)
        elif type(item) is list and item and _are_tokens(item):
            found.append(tuple(item))
        else:
            message = f"input[{index}] must be a string that is not empty, or a list of tokens"
            raise CallerError(message, param=f"input[{index}]")
    return tuple(found)


def _are_tokens(items: list[Any]) -> bool:
    return all(type(item) is int for item in items)


def _in_numbers(vector: Vector) -> Vector | list[float]:
    if not isinstance(vector, str):
        return vector
    try:
        data = base64.b64decode(vector, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (ValueError, struct.error):  # of letters that are none of base64's, ValueError alone
        raise BadEvent("the provider sent a vector that is not base64 of numbers") from None


def _in_base64(vector: Vector) -> str:
    if isinstance(vector, str):
        return vector
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError):
        raise BadEvent("the provider sent a vector with numbers that are out of range") from None
