"""The server side that the bare relays share: aiohttp's low-level server, with no application and no access log."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web


async def serve_forever(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int) -> None:
    """Serve on the loopback interface until ended by a signal."""
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()
