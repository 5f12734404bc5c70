"""One caller on one keep-alive connection, who looks at which target answers."""

import asyncio
from collections.abc import Callable
from typing import Self

from bench.wire import request, request_body


class Caller:
    """Sends the same plain request again and again, ``pause`` seconds after each answer.

    Counts requests, and those that were not answered with 200.
    """

    def __init__(self, port: int, pause: float = 0.001) -> None:
        self._port = port
        self._pause = pause
        self._request = request(port, request_body(stream=False))
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None
        self.requests = 0
        self.failed = 0

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._writer:
            self._writer.close()

    async def target(self) -> str:
        """Ask once; the target that answered, as the reply's header says it."""
        assert self._writer
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        await self._reader.readexactly(int(headers["content-length"]))
        self.requests += 1
        self.failed += " 200 " not in head[0]
        return headers.get("x-sluice-target", "")

    async def ask_until(self, enough: Callable[[str], bool], seconds: float = 30) -> None:
        """Ask again and again until the target that answered is the right one. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                target = await self.target()
                if enough(target):
                    return
                await asyncio.sleep(self._pause)
