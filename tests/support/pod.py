"""``sluice gateway`` as a process of its own: what a pod runs, without the pod."""

import contextlib
import json
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.command import SLUICE, Command, running
from tests.support.gateway import CHAT, HELLO
from tests.support.published import Published

LOADED = "configuration loaded"
REFUSED = "configuration refused"
OFF = ("--auth", "off")


@dataclass
class Pod:
    """A running gateway: its two addresses, and a client of it."""

    command: Command
    http: aiohttp.ClientSession
    api: str = ""
    internal: str = ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All that was logged."""
        whole, _, _ = self.command.err.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """Wait for a line with these fields; the last such line."""
        wanted = {"event": event, **fields}

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if wanted.items() <= line.items()]

        await self.command.until(lambda: bool(found()))
        return found()[-1]

    async def serves(self, published: Published, origin: str = "API server", **fields: int) -> None:
        """Wait until it has loaded this, with its credentials; ``fields``: how many ``callers``, for example."""
        revision = {"credentials": published.index.credentials_revision} if origin == "API server" else {}
        await self.logged(LOADED, digest=published.index.digest, origin=origin, **revision, **fields)

    async def refuses(self, reason: str) -> None:
        """Wait until it has refused something for this reason."""
        await self.command.until(lambda: any(reason in line.get("reason", "") for line in self.lines))

    async def config(self) -> Any:
        """What it tells the operator."""
        async with self.http.get(self.internal + "/internal/config") as response:
            return await response.json()

    async def ready(self) -> int:
        """The status of its readiness probe."""
        async with self.http.get(self.internal + "/ready") as response:
            return response.status

    async def ask(self, key: str = "", model: str = "chat") -> int:
        """Ask for an answer of the model; its status."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with self.http.post(self.api + CHAT, json=HELLO | {"model": model}, headers=headers) as response:
            await response.read()
            return response.status

    async def ended(self) -> int:
        """Ask it to end; the exit code."""
        self.command.send(signal.SIGTERM)
        return await self.command.ended()


@contextlib.asynccontextmanager
async def pod(
    api_server: str, volume: Path, *arguments: str | Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Pod]:
    """Run it on free ports, with this API server; yields once it listens."""
    places = ("--kube-api", api_server, "--volume", volume, "--listen", "127.0.0.1:0")
    settings = {"SLUICE_INTERNAL_LISTEN": "127.0.0.1:0"} | dict(env or {})
    async with (
        running(SLUICE, "gateway", *places, *arguments, env=settings) as command,
        aiohttp.ClientSession() as http,
    ):
        started = Pod(command, http)
        listening = await started.logged("listening")
        started.api, started.internal = (f"http://{listening[name]}" for name in ("api", "internal"))
        yield started
