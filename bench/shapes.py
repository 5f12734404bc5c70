"""The same answer in each provider's wire shape: as JSON, and as a stream of as many content frames."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.wire import CONTENT_FRAMES, answer, stream_frames

_WORDS = "A process owns memory; threads of a process share it. " * 4
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None}


@dataclass(frozen=True)
class Shape:
    """How a provider is reached and what it answers: ``marks`` are pieces of its paths.

    ``frames_around``: how many frames a caller of chat completions gets beside those of content.
    """

    vendor: str
    marks: tuple[bytes, ...]
    base_path: str
    frames_around: int
    plain: bytes
    frames: Sequence[bytes]


def shapes(content_frames: int = CONTENT_FRAMES) -> tuple[Shape, ...]:
    """All shapes; the first is OpenAI's, which is relayed."""
    return (
        Shape("openai-compatible", (b"/v1/chat/",), "/v1", 3, answer(), stream_frames(content_frames)),
        Shape(
            "anthropic", (b"/v1/messages ",), "", 4, _whole(_anthropic()), _events(_anthropic_events(content_frames))
        ),
        Shape("google", (b"enerateContent",), "", 4, _whole(_google()), _events(_google_events(content_frames))),
    )


def _whole(document: dict[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _events(documents: Iterator[dict[str, Any]]) -> list[bytes]:
    """Each as one chunk of the chunked coding; the last one ends the body too."""
    frames = []
    for document in documents:
        name = f"event: {document['type']}\n" if "type" in document else ""
        frame = f"{name}data: {json.dumps(document)}\n\n".encode()
        frames.append(b"%x\r\n%b\r\n" % (len(frame), frame))
    return [*frames[:-1], frames[-1] + b"0\r\n\r\n"]


def _anthropic() -> dict[str, Any]:
    usage = {"input_tokens": 24, "output_tokens": CONTENT_FRAMES, "cache_read_input_tokens": 0}
    return {**_MESSAGE, "content": [{"type": "text", "text": _WORDS}], "stop_reason": "end_turn", "usage": usage}


def _anthropic_events(content_frames: int) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 24, "output_tokens": 1}
    yield {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None, "usage": usage}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for number in range(content_frames):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f" word{number}"}}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": content_frames}}
    yield {"type": "message_stop"}


def _google(text: str = _WORDS, finish: str | None = "STOP", count: int = CONTENT_FRAMES) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 24, "candidatesTokenCount": count, "totalTokenCount": 24 + count}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini", "responseId": "r1"}


def _google_events(content_frames: int) -> Iterator[dict[str, Any]]:
    for number in range(content_frames):
        last = number == content_frames - 1
        yield _google(f" word{number}", "STOP" if last else None, number + 1)
