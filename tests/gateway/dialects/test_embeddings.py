"""Embeddings in front of providers that embed otherwise: both encodings, and inputs in all their forms."""

import base64
import json
import struct
from typing import Any

import pytest

from sluice_gateway.dialects.dialect import Asked
from sluice_gateway.dialects.embeddings import EmbeddingsDialect
from sluice_gateway.errors import CallerError
from sluice_gateway.normal.answers import EmbeddingAnswer
from sluice_gateway.normal.requests import EmbeddingRequest
from sluice_gateway.normal.usage import Usage
from sluice_gateway.sse import BadEvent

DIALECT = EmbeddingsDialect()
BASE64 = base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode()


def read(**members: Any) -> EmbeddingRequest:
    return DIALECT.read({"model": "m", "input": "a", **members})


def written(answer: EmbeddingAnswer, **document: Any) -> dict[str, Any]:
    asked = Asked(document={"input": "a", **document}, model="m", id="req_1", created=5)
    body: dict[str, Any] = json.loads(DIALECT.answer(answer, asked))
    return body


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (["a", [3]], ("a", (3,))),
    ],
)
def test_inputs(given: Any, inputs: Any) -> None:
    assert read(input=given).inputs == inputs


@pytest.mark.parametrize("given", [None, 5, [], {}, [""], ["a", 5], [[]], [["a"]], ["a"] * 2049])
def test_what_is_no_input_is_refused(given: Any) -> None:
    with pytest.raises(CallerError) as refusal:
        read(input=given)
    assert str(refusal.value.param).startswith("input")


def test_settings() -> None:
    request = read(dimensions=8, encoding_format="base64", user="u", input_type="query")
    assert request == EmbeddingRequest(
        inputs=("a",), dimensions=8, encoding="base64", user="u", extra={"input_type": "query"}
    )
    with pytest.raises(CallerError, match="encoding_format"):
        read(encoding_format="hex")


@pytest.mark.parametrize("vector", [(0.5, -1.0), BASE64])
def test_vectors_come_as_they_were_asked_for(vector: Any) -> None:
    answer = EmbeddingAnswer(vectors=(vector,), usage=Usage(3, 0))
    assert written(answer)["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}]
    assert written(answer, encoding_format="base64")["data"][0]["embedding"] == BASE64
    assert written(answer)["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(("given", "tokens"), [("a" * 41, 11), (["a" * 8, "b" * 8], 4), ([1, 2, 3], 3)])
def test_usage_that_no_provider_reports_is_estimated_and_says_so(given: Any, tokens: int) -> None:
    vectors = ((0.5,),) * (2 if isinstance(given[0], str) and isinstance(given, list) else 1)
    usage = written(EmbeddingAnswer(vectors=vectors), input=given)["usage"]
    assert usage == {"prompt_tokens": tokens, "total_tokens": tokens, "estimated": True}


@pytest.mark.parametrize(
    ("answer", "document"),
    [
        (EmbeddingAnswer(vectors=()), {}),
        (EmbeddingAnswer(vectors=((1.0,), (2.0,))), {}),
        (EmbeddingAnswer(vectors=("no base64!",)), {}),
        (EmbeddingAnswer(vectors=((1e300,),)), {"encoding_format": "base64"}),
    ],
)
def test_what_does_not_fit_the_request_is_a_fault(answer: EmbeddingAnswer, document: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        written(answer, **document)
