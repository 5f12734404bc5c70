"""POST /v1/completions and /v1/embeddings (OpenAI API reference, "Completions" and "Embeddings")."""

from sluice_gateway.server.openapi.chat import SAMPLING
from sluice_gateway.server.openapi.operations import Chapter, Operation, answering
from sluice_gateway.server.openapi.schemas import (
    array,
    asked,
    constant,
    either,
    flag,
    number,
    optional,
    record,
    ref,
    text,
    whole,
)

_PROMPT = either(
    text(),
    array(text()),
    array(whole()),
    array(array(whole())),
    description="Words; several prompts, or tokens, where a provider has this endpoint itself.",
)
_INPUT = either(
    text(),
    array(text(), least=1),
    array(whole(), least=1),
    array(array(whole(), least=1), least=1),
    description="One text or up to 2,048: words, or tokens of the model's own.",
)
_CHOICE = record(
    {
        "index": whole("As the provider numbers it."),
        "text": text(),
        "logprobs": optional(record()),
        "finish_reason": optional(text()),
    },
    ("index", "text"),
)
_VECTOR = record(
    {
        "object": constant("embedding"),
        "index": whole("As the provider numbers it."),
        "embedding": either(array(number()), text("Little-endian 32-bit floats in base64.")),
    },
    ("object", "index", "embedding"),
)

CHAPTER = Chapter(
    operations={
        "/v1/completions": Operation(
            name="createCompletion",
            summary="Continue a text.",
            description="OpenAI's older endpoint. Where a provider only chats, the prompt becomes a user's message.",
            body=ref("CompletionRequest"),
            answers=answering("Completion", "Completion", end="[DONE]"),
            event=ref("Completion"),
            groups=("body", "key", "model"),
            example={"model": "chat", "prompt": "Once upon a time", "max_tokens": 16},
        ),
        "/v1/embeddings": Operation(
            name="createEmbedding",
            summary="Turn texts into vectors.",
            body=ref("EmbeddingRequest"),
            answers=answering("Embeddings"),
            groups=("body", "key", "model"),
            example={"model": "embedder", "input": ["first", "second"]},
        ),
    },
    schemas={
        "CompletionRequest": asked(
            {
                "model": text("A name that a route serves.", example="chat"),
                "prompt": _PROMPT,
                "max_tokens": whole("The longest answer.", least=0),
                **SAMPLING,
            },
            ("model", "prompt"),
        ),
        "Completion": record(
            {
                "id": text(),
                "object": constant("text_completion"),
                "created": number("Seconds since 1970."),
                "model": text("The provider's name of it."),
                "choices": array(_CHOICE),
                "usage": optional(ref("ChatUsage")),
            },
            ("id", "object", "created", "model", "choices"),
        ),
        "EmbeddingRequest": asked(
            {
                "model": text("A name that a route serves.", example="embedder"),
                "input": _INPUT,
                "encoding_format": text(values=("float", "base64")),
                "dimensions": whole("How long the vectors should be, where a model can choose.", least=1),
                "user": text("The caller's own user; a hint."),
            },
            ("model", "input"),
        ),
        "Embeddings": record(
            {
                "object": constant("list"),
                "data": array(_VECTOR),
                "model": text(),
                "usage": optional(record({"prompt_tokens": whole(), "total_tokens": whole(), "estimated": flag()})),
            },
            ("object", "data", "model"),
        ),
    },
)
