"""Load: wrk for plain requests, a raw protocol for streams. Both count and check what comes back."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bench.wire import KEY, request, request_body

CONNECTIONS = 32
_BETWEEN_CHUNKS = re.compile(rb"\r\n[0-9a-fA-F]+\r\n")
_WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{{"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Plain:
    """One run of wrk: how many answers in how many seconds, and the latency's percentiles in milliseconds."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float


def load_plain(port: int, seconds: float, folder: Path, connections: int = CONNECTIONS) -> Plain:
    """Requests as fast as they are answered, on so many connections."""
    script = folder / "chat.lua"
    script.write_text(_WRK_SCRIPT.format(body=request_body(stream=False).decode(), key=KEY))
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "-s", str(script), url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    return Plain(**json.loads(printed.strip().splitlines()[-1]))


@dataclass
class Streams:
    """What became of the streams: seconds to the first frame and to the end, and how many were not whole."""

    first_frame: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Streams that have ended, whole or not."""
        return len(self.whole) + len(self.broken)


class StreamClient(asyncio.Protocol):
    """One connection that asks for one stream after the other, as long as ``more`` says so."""

    def __init__(self, sent: bytes, frames: int, results: Streams, more: Callable[[], bool]) -> None:
        self._request = sent
        self._frames = frames
        self._results = results
        self._more = more
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._sent = 0.0
        self._first = False
        self._busy = False
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, not their base class.
        self._transport = cast("asyncio.Transport", transport)
        self._ask(self._transport)

    def _ask(self, transport: asyncio.Transport) -> None:
        if not self._more():
            transport.close()
            return
        self._pieces, self._first, self._busy = [], False, True
        self._sent = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if not self._first and b"data: " in data:
            self._first = True
            self._results.first_frame.append(time.perf_counter() - self._sent)
        if data.endswith(b"0\r\n\r\n") and self._transport:
            self._settle()
            self._ask(self._transport)

    def _settle(self) -> None:
        self._busy = False
        body = _BETWEEN_CHUNKS.sub(b"", b"".join(self._pieces))
        if body.startswith(b"HTTP/1.1 200 ") and body.count(b"data: ") == self._frames and b"data: [DONE]" in body:
            self._results.whole.append(time.perf_counter() - self._sent)
        else:
            self._results.broken.append(repr(body[:300]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._busy:
            self._results.broken.append(f"connection lost after {len(self._pieces)} pieces: {error}")
        if not self.ended.done():
            self.ended.set_result(None)


async def load_streams(
    port: int, connections: int, frames: int, results: Streams, more: Callable[[], bool], *, seconds: float = 120
) -> None:
    """Streams on so many connections, each asked for when the one before has ended, until ``more`` says no.

    Raises TimeoutError when that takes more seconds.
    """
    loop = asyncio.get_running_loop()
    sent = request(port, request_body(stream=True))
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: StreamClient(sent, frames, results, more), "127.0.0.1", port)
        clients.append(client)
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(client.ended for client in clients))


def counted(total: int) -> Callable[[], bool]:
    """Says yes so many times."""
    left = iter(range(total))
    return lambda: next(left, None) is not None
