"""A gateway in the test's own event loop, on a free port of loopback, fed with resources as a user writes them."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sluice_gateway.process import Process
from sluice_gateway.settings import Address, Settings
from sluice_gateway.sources.source import Loaded, Refused
from sluice_gateway.telemetry.log import LineWriter, make_logger
from tests.support.loading import loaded, provider, route
from tests.support.upstream import PATIENCE

__all__ = [
    "CHAT",
    "HELLO",
    "LogFile",
    "RunningGateway",
    "ScriptedSource",
    "asking",
    "gateway",
    "loaded",
    "provider",
    "route",
]

CHAT = "/v1/chat/completions"
HELLO = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}


class ScriptedSource:
    """A source whose events the test sends."""

    def __init__(self, *events: Loaded | Refused) -> None:
        self.queue: asyncio.Queue[Loaded | Refused] = asyncio.Queue()
        for event in events:
            self.queue.put_nowait(event)

    async def events(self) -> AsyncIterator[Loaded | Refused]:
        while True:
            yield await self.queue.get()


class LogFile(io.BytesIO):
    """Where the log goes; ``news`` is set when something came."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def flush(self) -> None:
        self.news.set()

    async def has(self, text: str, count: int = 1) -> None:
        """Wait until ``text`` was logged so many times."""
        async with asyncio.timeout(PATIENCE):
            while self.getvalue().decode().count(text) < count:
                self.news.clear()
                await self.news.wait()


@dataclass
class RunningGateway:
    """A gateway that serves at ``url``. ``session`` is a client of it; ``taken`` holds the events that it has taken.

    ``internal_url`` is where its internal paths are: the same, unless it has two listeners.
    """

    url: str
    internal_url: str
    session: aiohttp.ClientSession
    process: Process
    source: ScriptedSource
    log_file: LogFile
    lines: LineWriter
    taken: list[Loaded | Refused] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, event: Loaded | Refused) -> None:
        """Give it a new event of its source, and wait until it has taken it."""
        count = len(self.taken)
        self.source.queue.put_nowait(event)
        await self.took(count + 1)

    async def took(self, count: int) -> None:
        """Wait until it has taken so many events."""
        async with asyncio.timeout(PATIENCE):
            while len(self.taken) < count:
                self.news.clear()
                await self.news.wait()

    async def logged(self, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of requests, once there are ``count``."""
        async with asyncio.timeout(PATIENCE):
            while len(lines := self._requests()) < count:
                self.log_file.news.clear()
                await self.log_file.news.wait()
        return lines

    def log_text(self) -> str:
        """All that was logged."""
        self.lines.flush()
        return self.log_file.getvalue().decode()

    def _requests(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log_text().splitlines()]
        return [line for line in lines if line["event"] == "request"]

    async def post(self, body: Any = HELLO, path: str = CHAT, **options: Any) -> tuple[aiohttp.ClientResponse, Any]:
        """Send JSON; the response and its body, parsed."""
        async with self.session.post(self.url + path, json=body, **options) as response:
            return response, await response.json()

    async def get(self, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, Any]:
        """Ask for JSON; the response and its body, parsed."""
        return await self._get(self.url + path, **options)

    async def get_internal(self, path: str) -> tuple[aiohttp.ClientResponse, Any]:
        """Ask the internal listener for JSON."""
        return await self._get(self.internal_url + path)

    async def _get(self, url: str, **options: Any) -> tuple[aiohttp.ClientResponse, Any]:
        async with self.session.get(url, **options) as response:
            return response, await response.json()


@contextlib.asynccontextmanager
async def asking(
    sluice: RunningGateway, body: dict[str, Any]
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A caller on a connection of its own, who has asked and reads only when the test does, but for a few KiB."""
    host, port = sluice.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    data = json.dumps(body).encode()
    writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
    try:
        yield reader, writer
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def gateway(
    *events: str | Loaded | Refused, environ: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[RunningGateway]:
    """Run a gateway on these documents or events. ``settings`` are fields of Settings."""
    source = ScriptedSource(*(loaded(event) if isinstance(event, str) else event for event in events))
    file = LogFile()
    lines = LineWriter(file)
    taken: list[Loaded | Refused] = []
    news = asyncio.Event()

    def observe(event: Loaded | Refused) -> None:
        taken.append(event)
        news.set()

    own = {"listen": Address("127.0.0.1", 0), "internal_listen": None, "auth": False, "drain_seconds": 5.0}
    wanted: dict[str, Any] = own | settings
    process = Process(
        Settings(**wanted), source, make_logger(lines, settings.get("log_level", "info")), environ or {}, observe
    )
    running = asyncio.create_task(process.run())
    await asyncio.wait((running, process.listening), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    address = process.listening.result()
    async with aiohttp.ClientSession() as session:
        urls = f"http://{address}", f"http://{process.internal or address}"
        running_gateway = RunningGateway(*urls, session, process, source, file, lines, taken, news)
        await running_gateway.took(len(events))
        try:
            yield running_gateway
        finally:
            process.stop()
            await running
