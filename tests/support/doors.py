"""A door of its own on a free port of loopback, for handlers that need no whole gateway."""

import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from sluice_gateway.dialects.openai_errors import OpenAIErrors
from sluice_gateway.in_flight import InFlight
from sluice_gateway.server.connection import Server
from sluice_gateway.server.door import Door, Methods
from sluice_gateway.telemetry.log import LineWriter, Logger, make_logger


@dataclass
class OpenDoor:
    """A door that is served at ``url``. ``session`` is a client of it."""

    url: str
    session: aiohttp.ClientSession
    lines: LineWriter
    file: io.BytesIO

    async def ask(self, path: str, body: Any = None, method: str = "", **headers: str) -> tuple[int, Any]:
        """Send JSON where there is a body, else only ask: the status, and what was answered."""
        sent = {"json": body} if body is not None else {}
        wanted = method or ("POST" if sent else "GET")
        async with self.session.request(wanted, self.url + path, headers=headers, **sent) as response:
            return response.status, await response.json()

    def log_text(self) -> str:
        """All that was logged."""
        self.lines.flush()
        return self.file.getvalue().decode()

    def log(self) -> list[dict[str, Any]]:
        """The same, line by line."""
        return [json.loads(line) for line in self.log_text().splitlines()]


@contextlib.asynccontextmanager
async def open_door(paths: Callable[[Logger], Mapping[str, Methods]]) -> AsyncIterator[OpenDoor]:
    """Serve the handlers that ``paths`` makes with a logger."""
    file = io.BytesIO()
    lines = LineWriter(file)
    logger = make_logger(lines)
    door = Door(paths(logger), {}, InFlight(100), lambda _path: OpenAIErrors())
    runner = web.ServerRunner(Server(door.handle, logger), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield OpenDoor(f"http://127.0.0.1:{runner.addresses[0][1]}", session, lines, file)
    finally:
        await runner.cleanup()
