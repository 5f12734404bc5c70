"""POST /v1/completions and /v1/embeddings (OpenAI API reference: "Completions", "Embeddings")."""

import base64
import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.model_server import brain, openai_errors
from tests.support.model_server.conversation import Answer, Conversation, Finish, Turn, tokens
from tests.support.model_server.exchange import CREATED, Ask, Events, Reply, event, read
from tests.support.model_server.openai_chat import DONE
from tests.support.model_server.openai_requests import CompletionRequest, EmbeddingRequest

_FINISH = {Finish.CUT: "length", Finish.REFUSED: "content_filter"}
_MOST_TOKENS = 16  # the reference's default of max_tokens
_LONGEST = 1536  # text-embedding-3-small's own
_SIZE = 64  # numbers of a vector, where the caller does not say


def completions(ask: Ask) -> Reply | Events:
    """Answer a request."""
    openai_errors.check_key(ask)
    request = read(ask.body, CompletionRequest, openai_errors.unreadable)
    openai_errors.check_model(request.model, openai_errors.COMPLETION_MODELS)
    return completed(request, ask.number)


def completed(request: CompletionRequest, number: int) -> Reply | Events:
    """Answer a request that can be read."""
    prompts = _prompts(request.prompt)
    most = _MOST_TOKENS if request.max_tokens is None else request.max_tokens
    stops = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    said = [
        brain.answer(Conversation((Turn("user", prompt),), max_tokens=most, stop=stops))
        for prompt in prompts
        for _ in range(request.n or 1)
    ]
    texts = [one.text for one in said]
    if request.echo:
        texts = [f"{prompts[number // (request.n or 1)]}{text}" for number, text in enumerate(texts)]
    head = {"id": f"cmpl-{number:08x}", "object": "text_completion", "created": CREATED, "model": request.model}
    counted = _usage(said, request.n or 1)
    if request.stream:
        return Events(_stream(request, head, texts, said, counted))
    choices = [_choice(number, text, _FINISH.get(said[number].finish, "stop")) for number, text in enumerate(texts)]
    return Reply({**head, "choices": choices, "usage": counted})


def _stream(
    request: CompletionRequest, head: dict[str, Any], texts: list[str], said: list[Answer], counted: dict[str, int]
) -> Iterator[bytes]:
    for number, text in enumerate(texts):
        for token in tokens(text):
            yield event({**head, "choices": [_choice(number, token, None)]})
        yield event({**head, "choices": [_choice(number, "", _FINISH.get(said[number].finish, "stop"))]})
    if request.stream_options and request.stream_options.include_usage:
        yield event({**head, "choices": [], "usage": counted})
    yield DONE


def _choice(number: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": number, "logprobs": None, "finish_reason": finish}


def _usage(said: list[Answer], n: int) -> dict[str, int]:
    prompt, completion = sum(one.prompt_tokens for one in said[::n]), sum(one.output_tokens for one in said)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _prompts(prompt: str | Sequence[Any] | None) -> list[str]:
    """Tokens of the model's own are named by their numbers."""
    if prompt is None:
        return [""]
    if isinstance(prompt, str):
        return [prompt]
    if all(isinstance(one, int) for one in prompt):
        return [" ".join(map(str, prompt))]
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in prompt]


def embeddings(ask: Ask) -> Reply:
    """Answer a request."""
    openai_errors.check_key(ask)
    return embedded(read(ask.body, EmbeddingRequest, openai_errors.unreadable))


def embedded(request: EmbeddingRequest) -> Reply:
    """Answer a request that can be read."""
    openai_errors.check_model(request.model, openai_errors.EMBEDDING_MODELS)
    texts = _prompts(request.input)
    if "" in texts:
        raise openai_errors.refused("Invalid 'input': input cannot be an empty string.", param="input")
    if (request.dimensions or 1) > _LONGEST:
        message = f"Invalid value for 'dimensions' = {request.dimensions}. Must be less than or equal to {_LONGEST}."
        raise openai_errors.refused(message, param="dimensions")
    data = []
    for number, text in enumerate(texts):
        numbers: Any = vector(text, request.dimensions or _SIZE)
        if request.encoding_format == "base64":
            numbers = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        data.append({"object": "embedding", "index": number, "embedding": numbers})
    count = sum(len(tokens(text)) for text in texts)
    return Reply(
        {
            "object": "list",
            "data": data,
            "model": request.model,
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }
    )


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1: texts that share words are near each other. 32-bit floats can say its numbers."""
    numbers = [0.0] * size
    for token in tokens(text.lower()):
        digest = hashlib.sha256(token.strip().encode()).digest()
        for place in range(0, len(digest), 4):
            numbers[int.from_bytes(digest[place : place + 2], "big") % size] += digest[place + 2] / 128 - 1
    length = math.hypot(*numbers) or 1.0
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(number / length for number in numbers))))
