"""Serve until interrupted: ``python -m tests.support.model_server [PORT]``."""

import asyncio
import contextlib
import sys

from tests.support.model_server.exchange import KEY
from tests.support.model_server.server import serve


async def main(port: int) -> None:
    """Say where, and serve."""
    async with serve(port) as server:
        sys.stdout.write(f"{server.url} takes the key {KEY}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
