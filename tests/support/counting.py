"""A provider that counts exactly what it has served, and how much of it at the same time."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiohttp import web

_FRAMES = 6
_FRAME_SECONDS = 0.01
CUT = "cut"
"""A prompt that gets a stream which is cut after its first frame."""
SLOW = "slow"
"""A prompt that gets a stream which goes on after its first frame when the provider is told so."""


class Counting:
    """What was asked and said so far. ``seconds``: how long a plain answer takes; ``go``: slow streams may go on."""

    def __init__(self, seconds: float, prompt_tokens: int, answers: Sequence[int], dice: random.Random) -> None:
        self.requests = self.tokens = self.now = self.most = 0
        self.go = asyncio.Event()
        self._seconds = seconds
        self._prompt = prompt_tokens
        self._answers = answers
        self._dice = dice

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json()
        self.requests += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await (self._stream(request, body) if body.get("stream") else self._whole(body))
        except ConnectionError:  # whoever asked has left
            return web.Response()
        finally:
            self.now -= 1

    def _usage(self, body: dict[str, Any]) -> dict[str, int]:
        said = min(self._dice.choice(self._answers), body.get("max_tokens", 1_000_000))
        self.tokens += self._prompt + said
        return {"prompt_tokens": self._prompt, "completion_tokens": said, "total_tokens": self._prompt + said}

    async def _whole(self, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(self._seconds)
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": self._usage(body)})

    async def _stream(self, request: web.BaseRequest, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        prompt = body["messages"][0]["content"]
        for number in range(_FRAMES):
            delta = {"content": "word "}
            choice = {"index": 0, "delta": delta, "finish_reason": "stop" if number == _FRAMES - 1 else None}
            await self._say(response, {"choices": [choice]})
            if prompt == CUT and request.transport is not None:
                await asyncio.sleep(_FRAME_SECONDS)
                request.transport.abort()
                return response
            await (self.go.wait() if prompt == SLOW else asyncio.sleep(_FRAME_SECONDS))
        await self._say(response, {"choices": [], "usage": self._usage(body)})
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    async def _say(response: web.StreamResponse, event: dict[str, Any]) -> None:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


@contextlib.asynccontextmanager
async def counting(
    listener: socket.socket, *, seconds: float = 0.01, prompt_tokens: int = 5, answers: Sequence[int] = (10,)
) -> AsyncIterator[Counting]:
    """Serve at a bound socket, which stays so. Each answer has so many tokens as one of ``answers``, but at most
    ``max_tokens``.
    """
    found = Counting(seconds, prompt_tokens, answers, random.Random(1))
    runner = web.ServerRunner(web.Server(found.handle), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener.dup(), backlog=1024).start()
        yield found
    finally:
        found.go.set()
        await runner.cleanup()
