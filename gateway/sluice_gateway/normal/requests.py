"""What a caller asks of a model."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec

from sluice_gateway.normal.parts import Image, Part, Source, ToolResult

Role = Literal["system", "user", "assistant", "tool"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn.

    ``system`` stands for OpenAI's ``developer`` too and may come anywhere. ``tool`` holds ToolResult parts only;
    results that callers send one by one are merged into one message while nothing stands between them. ``place`` is the
    JSON path at which the caller has it; "" when that is more than one, or not told.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    extra: dict[str, Any] = {}
    place: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may ask for. ``parameters`` is a JSON schema; None takes nothing."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    extra: dict[str, Any] = {}


class Choosing(StrEnum):
    """How freely a model may choose tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` is set for NAMED alone."""

    mode: Choosing
    name: str | None = None


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """JSON as the form of the answer: any object, or one that follows ``schema``. Text is the absence of a Format."""

    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How long a model may think.

    ``effort``: OpenAI's word (none, minimal, low, medium, high, xhigh); ``budget`` in tokens, 0 for none, -1 for as the
    model likes; ``summary``: OpenAI's word for how much of it to show. At least one is set.
    """

    effort: str | None = None
    budget: int | None = None
    summary: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and how it is to go on. None and () mean that the caller left it to the provider.

    ``logit_bias`` is by token id; ``metadata`` the caller's own; ``extra`` are members of the body that the normal form
    has no name for, as they came; ``names`` tells what the caller calls a field of this form, where that differs.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    format: Format | None = None
    reasoning: Reasoning | None = None
    modalities: tuple[str, ...] = ()
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    stream: bool = False
    extra: dict[str, Any] = {}
    names: Mapping[str, str] = {}

    def named(self, field: str) -> str:
        """What the caller calls ``field``."""
        return self.names.get(field, field)


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to embed: words, or tokens of the model's own. ``encoding`` is how the caller wants the vectors: float or
    base64 (of little-endian 32-bit floats).
    """

    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    encoding: str | None = None
    user: str | None = None
    extra: dict[str, Any] = {}


def urls_of(request: ChatRequest) -> list[str]:
    """The URLs by which a request names pictures."""
    images = (part for part in _parts(request) if isinstance(part, Image))
    return [image.source.url for image in images if image.source.url]


def _parts(request: ChatRequest) -> Iterator[Part]:
    for message in request.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.content


def with_images(request: ChatRequest, images: Mapping[str, Source]) -> ChatRequest:
    """The same request with the bytes of those pictures that were named by one of these URLs."""

    def replaced(part: Part) -> Part:
        if isinstance(part, Image) and (fetched := images.get(part.source.url or "")):
            return msgspec.structs.replace(part, source=fetched)
        if isinstance(part, ToolResult):
            return msgspec.structs.replace(part, content=tuple(map(replaced, part.content)))
        return part

    messages = (
        msgspec.structs.replace(message, parts=tuple(map(replaced, message.parts))) for message in request.messages
    )
    return msgspec.structs.replace(request, messages=tuple(messages))
