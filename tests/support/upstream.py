"""A scripted HTTP/1.1 upstream on loopback, exact to the byte: it can answer, stream, stall, cut, slow down and lie.

    async with serve(says(answer(200, b"{}"))) as upstream:
        ...  # send requests to upstream.url
    assert upstream.requests[0].json() == {...}

A script is called once per request and writes what it likes. When it returns, the connection waits for another request.
What a script raises, other than because its client has gone, fails the test when the server closes.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

Headers = Sequence[tuple[str, str]]
PATIENCE = 10.0
"""Seconds for what comes at once, unless the machine is very busy."""


@dataclass(frozen=True)
class Request:
    """One request as it came: lower-case names in `headers`, the head's bytes in `raw`, connections counted from 0."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes
    body: bytes
    connection: int

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Script = Callable[["Peer", Request], Awaitable[None]]
Greeting = Callable[["Peer"], Awaitable[None]]


class Peer(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, upstream: "ScriptedUpstream") -> None:
        self.number = -1
        self.closed = asyncio.Event()
        self.received = bytearray()
        self.transport: asyncio.Transport
        self.upstream = upstream
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    async def send(self, *pieces: bytes) -> None:
        """Write each piece, and wait until the system has taken it."""
        for piece in pieces:
            if self.closed.is_set() or self.transport.is_closing():
                raise ConnectionResetError
            self.transport.write(piece)
            await asyncio.sleep(0)
            await self._writable.wait()

    async def drip(self, data: bytes, size: int = 1) -> None:
        """Send in pieces of `size` bytes that the client reads one by one, as far as loopback allows."""
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            for _ in range(3):
                await asyncio.sleep(0)

    async def read(self, count: int) -> bytes:
        """The next `count` bytes; raises ConnectionResetError when the client closes before."""
        while len(self.received) < count:
            await self._more()
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    async def read_head(self) -> bytes:
        """Everything up to a blank line, and that line."""
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            await self._more()
        return await self.read(end + 4)

    def end(self) -> None:
        """Close in good order (FIN) once everything is written."""
        self.transport.close()

    def cut(self) -> None:
        """Reset the connection (RST): what was written and not yet read by the client may be lost to it."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def pause(self) -> None:
        """Read nothing more from the client, so that its writes get stuck."""
        self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self.transport.resume_reading()

    async def until_closed(self, within: float = PATIENCE) -> None:
        """Wait until the client has closed this connection; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self.closed.wait()

    async def pace(self, seconds: float) -> None:
        """Wait a little; raises ConnectionResetError when the client closes meanwhile."""
        with contextlib.suppress(TimeoutError):
            await self.until_closed(seconds)
            raise ConnectionResetError

    async def stall(self) -> None:
        """Say nothing until the client gives up."""
        await self.closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.number = len(self.upstream.peers)
        self.upstream.connected(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._news.set()

    def pause_writing(self) -> None:
        self._writable.clear()
        self.upstream.changed()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self._news.set()
        self._writable.set()
        self.upstream.changed()

    async def finish(self) -> None:
        """Close the connection and end its script; raises what the script raised."""
        self.transport.abort()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self._task

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            if self.upstream.greeting is not None:
                await self.upstream.greeting(self)
            while True:
                request = await self._request()
                self.upstream.requests.append(request)
                self.upstream.changed()
                await self.upstream.script(self, request)

    async def _request(self) -> Request:
        raw = await self.read_head()
        start, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        method, target, version = start.split(" ")
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), "a header came twice"
        assert "transfer-encoding" not in headers
        length = int(headers.get("content-length", "0")) if self.upstream.reads_bodies else 0
        return Request(method, target, headers, raw, await self.read(length), self.number)

    async def _more(self) -> None:
        if self.closed.is_set():
            raise ConnectionResetError
        self._news.clear()
        await self._news.wait()


@dataclass
class ScriptedUpstream:
    """A running server: where it is, what it got, and who has gone."""

    script: Script
    greeting: Greeting | None = None
    reads_bodies: bool = True
    scheme: str = "http"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    _change: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return sum(not peer.closed.is_set() for peer in self.peers)

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait until `condition` holds, looked at when a request comes, or a connection opens, closes or gets stuck."""
        async with asyncio.timeout(within):
            while not condition():
                self._change.clear()
                await self._change.wait()

    async def got(self, count: int, within: float = PATIENCE) -> None:
        """Wait until `count` requests have come."""
        await self.until(lambda: len(self.requests) >= count, within)

    async def left(self, within: float = PATIENCE) -> None:
        """Wait until no connection is open."""
        await self.until(lambda: not self.open, within)

    def connected(self, peer: Peer) -> None:
        """A client has connected; called by its peer."""
        self.peers.append(peer)
        self.changed()

    def changed(self) -> None:
        """Something that `until` may wait for has happened; called by the peers."""
        self._change.set()


@contextlib.asynccontextmanager
async def serve(
    script: Script,
    *,
    greeting: Greeting | None = None,
    reads_bodies: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ScriptedUpstream]:
    """Run a server on a free port of 127.0.0.1.

    `greeting` runs on each new connection before its first request is read. Without `reads_bodies` the script is called
    at the end of the head, and `Peer.read` gets the body.
    """
    upstream = ScriptedUpstream(script, greeting, reads_bodies, "https" if tls else "http")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(upstream), "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        await _accept_no_more(server)
        server.close()
        for peer in upstream.peers:
            await peer.finish()
        await server.wait_closed()


async def _accept_no_more(server: asyncio.Server) -> None:
    """A connection that was just accepted has its peer two turns of the loop later: asyncio's own loop would leave it
    open for ever if the server were closed in between.
    """
    for listener in server.sockets:
        server.get_loop().remove_reader(listener.fileno())
    for _ in range(3):
        await asyncio.sleep(0)


def says(*answers: bytes) -> Script:
    """Give each request the next of `answers`, the last one for ever."""
    remaining = list(answers)

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    return script


def says_then_ends(data: bytes) -> Script:
    """Send `data`, then close in good order."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        peer.end()

    return script


def says_then_cuts(data: bytes) -> Script:
    """Send `data`, then reset the connection."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        peer.cut()

    return script


def says_then_stalls(data: bytes = b"") -> Script:
    """Send `data`, then nothing more."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        await peer.stall()

    return script


def answer(status: int = 200, body: bytes = b"", headers: Headers = (), *, chunked: bool = False) -> bytes:
    """A whole answer: with a length, or as one chunk."""
    if chunked:
        return head(status, [*headers, ("transfer-encoding", "chunked")]) + chunks([body])
    return head(status, [*headers, ("content-length", str(len(body)))]) + body


def json_answer(value: Any, status: int = 200, headers: Headers = ()) -> bytes:
    """A whole answer with a JSON body."""
    return answer(status, json.dumps(value).encode(), [("content-type", "application/json"), *headers])


def event_stream(frames: Iterable[bytes], headers: Headers = ()) -> bytes:
    """A whole answer of server-sent events, each frame its own chunk."""
    return stream_head(headers) + chunks(frames)


def stream_head(headers: Headers = ()) -> bytes:
    """The head of a chunked stream of server-sent events."""
    return head(200, [("content-type", "text/event-stream"), *headers, ("transfer-encoding", "chunked")])


def head(status: int = 200, headers: Headers = ()) -> bytes:
    """A status line and exactly these headers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")


def chunk(piece: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def chunks(pieces: Iterable[bytes]) -> bytes:
    """A whole chunked body; empty pieces are left out, as an empty chunk would end it."""
    return b"".join(chunk(piece) for piece in pieces if piece) + LAST_CHUNK


LAST_CHUNK = b"0\r\n\r\n"
