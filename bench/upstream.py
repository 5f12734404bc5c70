"""A provider of any wire shape that answers at once: a raw protocol, so that the load's core is never what is measured.

python -m bench.upstream PORT [CONTENT_FRAMES FRAME_SECONDS]
"""

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import cast

import uvloop

from bench.shapes import Shape, shapes
from bench.wire import CONTENT_FRAMES, FRAME_SECONDS, stream_head

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true|:streamGenerateContent')


class Exchange(asyncio.Protocol):
    """One connection; requests come one after the other. It reads only what it needs of HTTP, and trusts its client."""

    def __init__(self, answers: Sequence[Shape], pause: float) -> None:
        self._answers = answers
        self._answer = answers[0]
        self._pause = pause
        self._received = b""
        self._started = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, not their base class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + int(length[1] if length else 0):
            return
        line = self._received[: self._received.index(b"\r\n")]
        self._answer = next(shape for shape in self._answers if any(mark in line for mark in shape.marks))
        stream = _STREAM.search(self._received)
        self._received = b""
        if stream:
            self._write(stream_head())
            self._started = self._loop.time()
            self._send_frame(0)
        else:
            self._write(self._answer.plain)

    def _send_frame(self, place: int) -> None:
        self._write(self._answer.frames[place])
        if place + 1 < len(self._answer.frames) and self._transport:
            self._loop.call_at(self._started + self._pause * (place + 1), self._send_frame, place + 1)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)


async def start(port: int, content_frames: int, pause: float) -> asyncio.Server:
    """Listen on the loopback interface. ``pause``: seconds between the frames of a stream."""
    answers = shapes(content_frames)
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Exchange(answers, pause), "127.0.0.1", port, backlog=1024)


async def serve(port: int, content_frames: int, pause: float) -> None:
    """Serve until ended by a signal."""
    server = await start(port, content_frames, pause)
    await server.serve_forever()


if __name__ == "__main__":
    arguments = sys.argv[2:] or [str(CONTENT_FRAMES), str(FRAME_SECONDS)]
    uvloop.run(serve(int(sys.argv[1]), int(arguments[0]), float(arguments[1])))
