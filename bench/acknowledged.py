"""What users are told of routes, as it is told: a watch on the statuses that the operator writes."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.cluster import ControlPlane


class Acknowledged:
    """``generations``: of each route the last generation of which all so many pods have said that they run it."""

    def __init__(self, pods: int) -> None:
        self._programmed = f"{pods}/{pods} pods"
        self._news = asyncio.Event()
        self.generations: dict[str, int] = {}

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until it is so. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def of(self, route: str, generation: int, seconds: float) -> None:
        """Wait until all pods run this generation of a route. Raises TimeoutError."""
        await self.until(lambda: self.generations[route] >= generation, seconds)

    def take(self, route: Any) -> None:
        """A route as it is now."""
        status = route.get("status") or {}
        for condition in status.get("conditions", ()):
            said = condition["type"], condition["status"], status.get("programmed")
            if said == ("Programmed", "True", self._programmed):
                self.generations[route["metadata"]["name"]] = condition["observedGeneration"]
                self._news.set()


@asynccontextmanager
async def watching(plane: ControlPlane, path: str, pods: int) -> AsyncIterator[Acknowledged]:
    """Follow the routes of a collection until the block ends; those that are there come first."""
    context = ssl.create_default_context(cafile=plane.ca_file)
    pki = plane.cluster.pki.directory
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    acknowledged = Acknowledged(pods)
    url, endless = f"{plane.server}{path}?watch=true", aiohttp.ClientTimeout()
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context, timeout=endless) as answer:

        async def follow() -> None:
            async for line in answer.content:
                acknowledged.take(json.loads(line)["object"])

        following = asyncio.create_task(follow())
        try:
            yield acknowledged
        finally:
            following.cancel()
            await asyncio.wait((following,))
