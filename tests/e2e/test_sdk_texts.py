"""OpenAI's SDK, completions, embeddings and models, in front of every provider that has them."""

import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.live import OFFERS, Site
from tests.support.pairs import PAIRS


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=site.openai, api_key="anything", max_retries=0, timeout=20, _strict_response_validation=True
    ) as found:
        yield found


def completer(wire: str) -> str:
    """The model for completions: where the provider has none, the gateway asks its chat model."""
    return f"{wire}-completer" if "completer" in OFFERS[wire].models else wire


every_completer = pytest.mark.parametrize("wire", PAIRS["completions"])
every_embedder = pytest.mark.parametrize("wire", PAIRS["embeddings"])


@every_completer
def test_a_completion(client: openai.OpenAI, wire: str) -> None:
    whole = client.completions.create(model=completer(wire), prompt="Count to 9", max_tokens=99, stop=["5"])
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("1 2 3 4 ", "stop")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 4)
    cut = client.completions.create(model=completer(wire), prompt="Count to 9", max_tokens=3)
    assert (cut.choices[0].text, cut.choices[0].finish_reason) == ("1 2 3", "length")


@every_completer
def test_a_streamed_completion_adds_up(client: openai.OpenAI, wire: str) -> None:
    question: Any = {"model": completer(wire), "prompt": "Count to 30", "max_tokens": 20}
    whole = client.completions.create(**question)
    # Not strict: by the SDK's type, each chunk would have to say why the answer ends.
    chunks = list(client.copy().completions.create(**question, stream=True, stream_options={"include_usage": True}))
    told = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.text for choice in told) == whole.choices[0].text
    assert [choice.finish_reason for choice in told if choice.finish_reason] == ["length"]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]


@every_embedder
def test_vectors_as_numbers_and_as_base64(client: openai.OpenAI, wire: str) -> None:
    question: Any = {"model": f"{wire}-embedder", "input": ["the cat sat", "the cat sat down", "42"]}
    numbers = client.embeddings.create(**question, encoding_format="float")
    decoded = client.copy().embeddings.create(**question)  # base64 by default: it is decoded by the SDK, not strictly
    assert [one.index for one in numbers.data] == [0, 1, 2]
    first, near, far = (one.embedding for one in numbers.data)
    assert math.dist(first, near) < math.dist(first, far)
    for one, other in zip(numbers.data, decoded.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert len(first) == len(near)


@every_embedder
def test_the_length_of_vectors(client: openai.OpenAI, wire: str) -> None:
    answer = client.embeddings.create(
        model=f"{wire}-embedder", input="the cat sat", dimensions=256, encoding_format="float"
    )
    assert len(answer.data[0].embedding) == 256


@pytest.mark.parametrize("wire", ["anthropic"])
def test_a_provider_without_vectors_says_so(client: openai.OpenAI, wire: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"anthropic/.* lacks embeddings"):
        client.embeddings.create(model=wire, input="x", encoding_format="float")


def test_models_are_listed(client: openai.OpenAI) -> None:
    listed = {model.id for model in client.models.list()}
    assert set(OFFERS) <= listed
    assert client.models.retrieve("anthropic").id == "anthropic"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


async def test_the_async_client(site: Site) -> None:
    async with openai.AsyncOpenAI(base_url=site.openai, api_key="anything", max_retries=0) as client:
        vectors = await client.embeddings.create(model="google-embedder", input=["a", "b"])
        whole = await client.completions.create(model="anthropic", prompt="Say yes", max_tokens=9)
    assert [len(one.embedding) for one in vectors.data] == [128, 128]
    assert whole.choices[0].text == "yes"
