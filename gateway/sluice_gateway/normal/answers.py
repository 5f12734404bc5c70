"""What a model answers: whole, or in deltas that add up to the same."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from sluice_gateway.normal.parts import Part, ToolCall
from sluice_gateway.normal.usage import Usage


class Finish(StrEnum):
    """Why an answer ends."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"  # a long turn of a provider's own tools; to be continued by sending it back
    CONTEXT = "context"  # the model's context window is full


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of those asked for. ``logprobs`` is in OpenAI's shape. ``stop_sequence``: which one has ended it."""

    index: int = 0
    parts: tuple[Part, ...] = ()
    finish: Finish = Finish.STOP
    stop_sequence: str | None = None
    logprobs: Any = None


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. ``id`` and ``model`` are the provider's; ``created`` seconds since 1970."""

    choices: tuple[Choice, ...]
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None


class Started(msgspec.Struct, frozen=True, gc=False):
    """An answer begins."""

    id: str | None = None
    model: str | None = None
    created: int | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More words. ``logprobs`` is in OpenAI's shape."""

    text: str
    choice: int = 0
    logprobs: Any = None


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """More words of a refusal."""

    text: str
    choice: int = 0


class ThoughtDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a thought: any of the fields of ``parts.Thought``.

    A signature or encrypted reasoning comes whole, ends the thought, and the next delta begins another.
    """

    text: str = ""
    choice: int = 0
    signature: str | None = None
    encrypted: str | None = None
    origin: str = ""


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """The start of a tool call (``id`` and ``name`` are set), or more of its arguments.

    ``index`` counts the calls of its choice from 0, without gaps, in the order of their starts.
    """

    index: int
    arguments: str = ""
    id: str = ""
    name: str = ""
    choice: int = 0
    signature: str | None = None
    origin: str = ""


class PartDelta(msgspec.Struct, frozen=True, gc=False):
    """A part that comes whole, such as an image."""

    part: Part
    choice: int = 0


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A choice ends. Only usage may follow."""

    finish: Finish
    choice: int = 0
    stop_sequence: str | None = None


class Counted(msgspec.Struct, frozen=True, gc=False):
    """Usage, as far as it is known now; a later one adds to it (``Usage.merged``)."""

    usage: Usage
    service_tier: str | None = None


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The wire shape's own end mark: nothing more will come."""


Delta = Started | TextDelta | RefusalDelta | ThoughtDelta | ToolCallDelta | PartDelta | Finished | Counted | Ended


def with_first_call(answer: ChatAnswer) -> ChatAnswer:
    """The same answer, each choice with the first of its tool calls alone."""
    return msgspec.structs.replace(answer, choices=tuple(map(_with_first_call, answer.choices)))


def _with_first_call(choice: Choice) -> Choice:
    first = next((part for part in choice.parts if isinstance(part, ToolCall)), None)
    parts = tuple(part for part in choice.parts if part is first or not isinstance(part, ToolCall))
    return msgspec.structs.replace(choice, parts=parts)


def of_first_call(deltas: Sequence[Delta]) -> list[Delta]:
    """The same deltas, without those of further tool calls."""
    return [delta for delta in deltas if not (isinstance(delta, ToolCallDelta) and delta.index)]


class EmbeddingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A vector for each input, in their order: numbers, or base64 of little-endian 32-bit floats as it came."""

    vectors: tuple[tuple[float, ...] | str, ...]
    model: str | None = None
    usage: Usage | None = None
