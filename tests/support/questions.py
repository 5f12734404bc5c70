"""What tests ask through the SDKs."""

import base64
import json
import zlib
from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletionChunk
from openai.types.completion_usage import CompletionUsage

Tool = dict[str, Any]

PARIS_AND_ROME = "What is the weather in Paris and in Rome?"
WEATHER: Tool = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ADD: Tool = {
    "name": "add",
    "description": "Sum two integers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
PING: Tool = {"name": "ping", "description": "Ping the server.", "parameters": {"type": "object", "properties": {}}}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


_PIXEL = _chunk(b"IHDR", bytes.fromhex("00000001000000010800000000")) + _chunk(b"IDAT", zlib.compress(b"\0\0"))
_PICTURE = b"\x89PNG\r\n\x1a\n" + _PIXEL + _chunk(b"IEND", b"")
_DOCUMENT = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PNG, PNG_SIZE = base64.b64encode(_PICTURE).decode(), len(_PICTURE)
PDF, PDF_SIZE = base64.b64encode(_DOCUMENT).decode(), len(_DOCUMENT)


def asked(text: str) -> list[Any]:
    """One message of a user."""
    return [{"role": "user", "content": text}]


def function(tool: Tool) -> dict[str, Any]:
    """A tool as chat completions take it."""
    return {"type": "function", "function": tool}


def data_uri(media_type: str, data: str) -> str:
    """Bytes as a URL (RFC 2397)."""
    return f"data:{media_type};base64,{data}"


def streamed(chunks: Iterable[ChatCompletionChunk]) -> tuple[dict[str, Any], str | None, CompletionUsage | None]:
    """What chunks add up to: words and calls, why they end, and the usage; checks their order on the way."""
    words, finish, usage = "", None, None
    calls: list[dict[str, str]] = []
    roles = []
    for chunk in chunks:
        if not chunk.choices:
            assert usage is None
            usage = chunk.usage
            continue
        choice = chunk.choices[0]
        assert finish is None, "something comes behind the end"
        roles.append(choice.delta.role)
        words += choice.delta.content or ""
        for piece in choice.delta.tool_calls or ():
            assert piece.function
            if piece.index == len(calls):
                assert piece.id
                calls.append({"arguments": "", "name": piece.function.name or ""})
            assert piece.index == len(calls) - 1
            calls[-1]["arguments"] += piece.function.arguments or ""
        finish = choice.finish_reason
    assert (roles[0], set(roles[1:])) == ("assistant", {None})
    called = [(call["name"], json.loads(call["arguments"])) for call in calls]
    return {"content": words, "tool_calls": called}, finish, usage
