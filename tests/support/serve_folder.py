"""A process that follows a folder and says what it serves: ``python -m tests.support.serve_folder DIR``."""

import asyncio
import os
import sys
from pathlib import Path

from sluice_config.compile import Gateway
from sluice_gateway.sources.directory import DirectorySource
from sluice_gateway.sources.source import Loaded


async def main() -> None:
    async for event in DirectorySource([Path(sys.argv[1])], Gateway(), os.environ).events():
        if isinstance(event, Loaded):
            names = " ".join(route.name for route in event.snapshot.routes)
            sys.stdout.write(f"loaded {event.origin} {names}\n")
        else:
            sys.stdout.write(f"refused {event.reason}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
