"""How many tokens a request or an answer may take, for providers that don't count them.

bytes of words, as UTF-8 / 4, and what stands around them:

- 3 a message, and 3 for the start of the answer (OpenAI's cookbook, "How to count tokens with tiktoken");
- 8 a tool, beside its name, description and schema, and as many for a call or a result;
- 1,600 a picture: about the most that Anthropic's page "Vision" gives for one that is not scaled down; 85 for one of
  low detail (OpenAI's page "Images and vision");
- 1,500 a page of a document: the least that Anthropic's page "PDF support" gives. Pages are not counted but guessed:
  one for each 64 KiB of the file, or part of them, and one where only its address is known;
- 32 a second of sound (Google's page "Understand and count tokens"), at the 16,000 bytes a second of usual MP3.

Tokenizers are left out: their packages fetch data at run time, and no provider uses them all.
"""

from collections.abc import Iterable
from math import ceil

import msgspec

from sluice_gateway.normal.parts import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Source,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from sluice_gateway.normal.requests import ChatRequest, Tool

BYTES_A_TOKEN = 4  # of English and of code, by OpenAI's help page "What are tokens and how to count them?"
A_MESSAGE = 3
AN_ANSWER = 3
A_TOOL = 8
A_PICTURE = 1600
A_SMALL_PICTURE = 85
A_PAGE = 1500
PAGE_BYTES = 64 * 1024
BYTES_A_SOUND_TOKEN = 16_000 / 32


def estimate_tokens(request: ChatRequest, ratio: float = 1.0) -> int:
    """Tokens of the prompt. ``ratio``: what the model has reported of earlier prompts, over what was estimated."""
    tokens = AN_ANSWER + sum(A_MESSAGE + _parts(message.parts) for message in request.messages)
    tokens += sum(map(_tool, request.tools))
    if request.format is not None and request.format.schema:
        tokens += _words(msgspec.json.encode(request.format.schema))
    return ceil(tokens * ratio)


def estimate_answer(parts: Iterable[Part], ratio: float = 1.0) -> int:
    """Tokens of an answer: of what can be seen of it."""
    return ceil(_parts(parts) * ratio)


def _words(*texts: str | bytes) -> float:
    return sum(len(text.encode(errors="replace") if isinstance(text, str) else text) for text in texts) / BYTES_A_TOKEN


def _tool(tool: Tool) -> float:
    schema = msgspec.json.encode(tool.parameters) if tool.parameters else b""
    return A_TOOL + _words(tool.name, tool.description or "", schema)


def _parts(parts: Iterable[Part]) -> float:
    return sum(map(_part, parts))


def _part(part: Part) -> float:
    if isinstance(part, Text | Thought | Refusal):
        return _words(part.text)
    if isinstance(part, ToolCall):
        return A_TOOL + _words(part.name, part.arguments)
    if isinstance(part, ToolResult):
        return A_TOOL + _parts(part.content)
    if isinstance(part, Image):
        return A_SMALL_PICTURE if part.detail == "low" else A_PICTURE
    if isinstance(part, Document):
        return A_PAGE * _pages(part.source)
    return _size(part.data) / BYTES_A_SOUND_TOKEN if isinstance(part, Audio) else 0


def _pages(source: Source) -> int:
    return max(1, ceil(_size(source.data or "") / PAGE_BYTES))


def _size(data: str) -> float:
    """Bytes of what is in base64."""
    return len(data) * 3 / 4
