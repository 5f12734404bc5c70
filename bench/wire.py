"""What goes over the wire: one small chat request, its answer as JSON, and its answer as a stream."""

import json
from typing import Any

KEY = "bench-key-of-the-caller"
MODEL = "chat"
CONTENT_FRAMES = 50
FRAMES_AROUND_CONTENT = 3  # the finish reason, the usage, [DONE]
FRAMES = CONTENT_FRAMES + FRAMES_AROUND_CONTENT
FRAME_SECONDS = 0.002

_HEAD: dict[str, Any] = {
    "id": "chatcmpl-1",
    "created": 1700000000,
    "model": "gpt-4o-mini",
    "system_fingerprint": "fp_44709d6fcb",
}
_USAGE = {"prompt_tokens": 24, "completion_tokens": CONTENT_FRAMES, "total_tokens": 24 + CONTENT_FRAMES}


def request_body(*, stream: bool, model: str = MODEL) -> bytes:
    """A chat request of about 300 bytes."""
    messages = [
        {"role": "system", "content": "You are a helpful assistant that answers briefly and names its sources."},
        {"role": "user", "content": "What is the difference between a process and a thread on Linux?"},
    ]
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "temperature": 0.2,
        "max_tokens": 256,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


def request(port: int, body: bytes) -> bytes:
    """The request as bytes on a keep-alive connection, as a client with a key sends it."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {KEY}\r\n"
        f"accept: */*\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer() -> bytes:
    """The answer that is not a stream, about 650 bytes with its head."""
    message = {"role": "assistant", "content": "A process owns memory; threads of a process share it. " * 4}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}).encode()
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def stream_head() -> bytes:
    """The head of an answer that streams."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def stream_frames(content_frames: int = CONTENT_FRAMES) -> list[bytes]:
    """The frames of a stream, each as one chunk of the chunked coding; the last one ends the body too."""
    deltas = [{"content": f" word{number}"} for number in range(content_frames)]
    documents: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    documents.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    head = {**_HEAD, "object": "chat.completion.chunk"}
    frames = [json.dumps({**head, **document, "usage": None}) for document in documents]
    frames.append(json.dumps({**head, "choices": [], "usage": _USAGE}))
    chunks = [f"data: {frame}\n\n".encode() for frame in (*frames, "[DONE]")]
    coded = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return [*coded[:-1], coded[-1] + b"0\r\n\r\n"]
