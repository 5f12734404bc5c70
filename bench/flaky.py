"""Providers of OpenAI's shape that take their time, fail as often as they are told to, and die and come back."""

import asyncio
import json
import random
import re
from collections import defaultdict
from typing import cast

from bench.wire import answer, stream_frames, stream_head

FRAMES = 8  # of content
_FRAME_SECONDS = 0.002
_THINK_SECONDS = 0.005
_REQUEST = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nx-request-id: *(\S+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')
_MODELS = json.dumps({"object": "list", "data": []}).encode()


def _json(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_FAILURES = (
    _json(500, b'{"error": {"message": "boom"}}'),
    _json(529, b'{"error": {"message": "overloaded"}}'),
    _json(
        429, b'{"error": {"message": "slow down"}}'
    ),  # without a time, which would have the provider left alone for it
    _json(200, b'{"error": {"message": "overloaded"}}'),
    b"",  # a reset
)


class Flaky:
    """One provider. ``fails`` is the share of requests that it fails, in one way after the other.

    ``spent`` has the seconds that it took for each request identifier, all calls together; ``cut`` counts the streams
    that had begun when it died.
    """

    def __init__(self, fails: float, dice: random.Random) -> None:
        self.fails = fails
        self.dice = dice
        self.port = 0
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.calls = self.cut = 0
        self.exchanges: set[Exchange] = set()
        self.plain, self.frames = answer(), stream_frames(FRAMES)
        self._server: asyncio.Server | None = None

    async def live(self) -> None:
        """Listen: the first time on any port, then on the same one again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Exchange(self), "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def die(self) -> None:
        """Listen no more, and reset every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for exchange in list(self.exchanges):
            self.cut += exchange.streams
            exchange.reset()


class Exchange(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, provider: Flaky) -> None:
        self._provider = provider
        self._received = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self._id = ""
        self.streams = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, not their base class.
        self._transport = cast("asyncio.Transport", transport)
        self._provider.exchanges.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._provider.exchanges.discard(self)
        self._end()

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _REQUEST.search(self._received, 0, end)
        if len(self._received) < end + 4 + int(length[1] if length else 0):
            return
        request, self._received = self._received, b""
        if request.startswith(b"GET "):
            self._write(_json(200, _MODELS))
            return
        named = _ID.search(request)
        self._id, self._began = named[1].decode() if named else "", self._loop.time()
        self._provider.calls += 1
        self._loop.call_later(
            self._provider.dice.uniform(0, 2 * _THINK_SECONDS), self._answer, bool(_STREAM.search(request))
        )

    def _answer(self, stream: bool) -> None:
        provider = self._provider
        if provider.dice.random() < provider.fails:
            failure = _FAILURES[provider.calls % len(_FAILURES)]
            self._end()
            if failure:
                self._write(failure)
            else:
                self.reset()
        elif stream:
            self._write(stream_head())
            self._send_frame(0)
        else:
            self._end()
            self._write(provider.plain)

    def _send_frame(self, place: int) -> None:
        frames = self._provider.frames
        last = place + 1 == len(frames)
        if last:
            self._end()
        self.streams = not last
        self._write(frames[place])
        if not last and self._transport:
            self._loop.call_later(_FRAME_SECONDS, self._send_frame, place + 1)

    def _end(self) -> None:
        """The provider's own part of a request is over."""
        if self._began:
            self._provider.spent[self._id] += self._loop.time() - self._began
            self._began = 0.0

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def reset(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()
