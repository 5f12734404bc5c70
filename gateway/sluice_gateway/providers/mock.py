"""The built-in mock provider: an upstream inside the process that speaks OpenAI's shape.

Same seed, model and messages give the same words, so that demos, load tests and failure drills can be repeated.
Latency, speed, errors and cuts come from ``ProviderPolicy.spec.mock``; a word counts as a token.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from sluice_config.resources.provider_policy import Mock
from sluice_gateway.calls import decode
from sluice_gateway.upstream import (
    Answer,
    AnswerTooLarge,
    ConnectionLost,
    Endpoint,
    FirstByteTimeout,
    IdleTimeout,
    Sink,
    Timeouts,
    UpstreamError,
    relay_by_chunks,
)

Sleep = Callable[[float], Awaitable[None]]

# What it says: water finds its way, as requests do.
_WORDS = [
    "water",
    "gate",
    "stream",
    "basin",
    "weir",
    "lock",
    "spring",
    "river",
    "delta",
    "current",
    "eddy",
    "channel",
    "level",
    "flow",
    "rises",
    "falls",
    "turns",
    "opens",
    "closes",
    "gathers",
    "passes",
    "slowly",
    "clearly",
    "around",
    "between",
    "beyond",
    "over",
    "under",
    "through",
    "the",
    "a",
    "and",
    "then",
    "while",
    "every",
    "calm",
    "steady",
    "bright",
    "deep",
]
_SHORTEST, _LONGEST = 12, 40  # words in an answer

_CREATED = 1767225600  # 2026-01-01T00:00:00Z: a clock would make answers differ

_JSON = ("content-type", "application/json")
_EVENTS = ("content-type", "text/event-stream")


class MockUpstream:
    """Answers requests by itself. Implements ``upstream.Upstream``."""

    def __init__(self, spec: Mock, *, sleep: Sleep = asyncio.sleep) -> None:
        self._spec = spec
        self._sleep = sleep
        self._sent = 0

    async def send(
        self, endpoint: Endpoint, body: bytes, timeouts: Timeouts, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Wait for the set latency, then answer, or fail as often as the spec says. Raises FirstByteTimeout."""
        spec = self._spec
        self._sent += 1
        request = decode(body)
        words = _answer_words(spec.seed, request)
        streamed = request.get("stream") is True
        wait = spec.latency_milliseconds / 1000
        if spec.tokens_per_second and not streamed:
            wait += len(words) / spec.tokens_per_second
        await _wait(self._sleep, wait, min(timeouts.first_byte, timeouts.total), FirstByteTimeout)
        if _share(spec.seed, "error", self._sent) * 100 < spec.error_percent:
            return MockAnswer(spec.error_status, [_JSON], [_error(spec.error_status)])
        if not streamed:
            return MockAnswer(200, [_JSON], [_completion(request, words)])
        pause = 1 / spec.tokens_per_second if spec.tokens_per_second else 0.0
        return MockAnswer(
            200,
            [_EVENTS],
            list(_frames(request, words)),
            cut_after=spec.cut_after_frames,
            pause=pause,
            idle=timeouts.idle,
            sleep=self._sleep,
        )

    async def close(self) -> None:
        """Nothing is held open."""


class MockAnswer:
    """An answer made of ready pieces. Implements ``upstream.Answer``.

    ``pause`` seconds pass before each piece but the first; after ``cut_after`` pieces the connection counts as lost.
    """

    def __init__(
        self,
        status: int,
        headers: list[tuple[str, str]],
        pieces: list[bytes],
        *,
        cut_after: int | None = None,
        pause: float = 0.0,
        idle: float = 60.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self._next = 0
        self._cut_after = cut_after
        self._pause = pause
        self._idle = idle
        self._sleep = sleep

    def header(self, name: str) -> str | None:
        """The value of a header, by its lower-case name."""
        return dict(self.headers).get(name)

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises AnswerTooLarge and what ``chunk`` raises."""
        body = bytearray()
        while piece := await self.chunk():
            body += piece
            if len(body) > limit:
                raise AnswerTooLarge
        return bytes(body)

    async def chunk(self) -> bytes:
        """The next piece, b"" at the end. Raises IdleTimeout, ConnectionLost."""
        if self._next == self._cut_after:
            raise ConnectionLost(answered=True)
        if self._next == len(self._pieces):
            return b""
        if self._next and self._pause:
            await _wait(self._sleep, self._pause, self._idle, IdleTimeout)
        self._next += 1
        return self._pieces[self._next - 1]

    async def relay(self, sink: Sink) -> None:
        """Hand the rest over."""
        await relay_by_chunks(self, sink)

    def close(self) -> None:
        """Nothing is held open."""


async def _wait(sleep: Sleep, seconds: float, limit: float, late: type[UpstreamError]) -> None:
    """Sleep as the spec says, but no longer than a caller would wait for a real provider."""
    if seconds > 0:
        await sleep(min(seconds, limit))
    if seconds > limit:
        raise late


def _share(*parts: object) -> float:
    """A number in [0, 1) that depends on ``parts`` alone."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") / 2**64


def _answer_words(seed: int, request: dict[str, Any]) -> list[str]:
    subject = [request.get("model"), request.get("messages")]
    try:
        asked = msgspec.json.encode(subject).decode()
    except UnicodeEncodeError:  # half of a character is in it
        asked = json.dumps(subject)
    length = _SHORTEST + int(_share(seed, asked) * (_LONGEST - _SHORTEST + 1))
    return [_WORDS[int(_share(seed, asked, place) * len(_WORDS))] for place in range(length)]


def _usage(request: dict[str, Any], words: list[str]) -> dict[str, int]:
    messages = request.get("messages")
    listed = messages if isinstance(messages, list) else []
    prompt = sum(len(str(message.get("content", "")).split()) for message in listed if isinstance(message, dict))
    return {"prompt_tokens": prompt, "completion_tokens": len(words), "total_tokens": prompt + len(words)}


def _head(kind: str, request: dict[str, Any], words: list[str]) -> dict[str, Any]:
    name = hashlib.blake2b(" ".join(words).encode(), digest_size=8).hexdigest()
    return {"id": f"chatcmpl-{name}", "object": kind, "created": _CREATED, "model": request.get("model")}


def _completion(request: dict[str, Any], words: list[str]) -> bytes:
    message = {"role": "assistant", "content": _text(words), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return msgspec.json.encode(
        {**_head("chat.completion", request, words), "choices": [choice], "usage": _usage(request, words)}
    )


def _frames(request: dict[str, Any], words: list[str]) -> Iterator[bytes]:
    head = _head("chat.completion.chunk", request, words)
    pieces = [words[0].capitalize(), *(f" {word}" for word in words[1:]), "."]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
    for place, delta in enumerate(deltas):
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": "stop" if place == len(deltas) - 1 else None,
        }
        yield _frame({**head, "choices": [choice]})
    options = request.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        yield _frame({**head, "choices": [], "usage": _usage(request, words)})
    yield b"data: [DONE]\n\n"


def _frame(document: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def _text(words: list[str]) -> str:
    return " ".join(words).capitalize() + "."


def _error(status: int) -> bytes:
    error = {
        "message": f"the mock provider was told to fail with status {status}",
        "type": "mock_error",
        "param": None,
        "code": None,
    }
    return msgspec.json.encode({"error": error})
