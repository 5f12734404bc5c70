"""Following a source in a test: each event awaited with a deadline."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from sluice_config.compile import Gateway
from sluice_gateway.sources.directory import DirectorySource
from sluice_gateway.sources.source import Loaded, Refused, Source

PATIENCE = 20.0


class Following:
    """The events of a source, one after the other."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._events = source.events()

    async def event(self, within: float = PATIENCE) -> Loaded | Refused:
        return await asyncio.wait_for(anext(self._events), within)

    async def loaded(self) -> Loaded:
        event = await self.event()
        assert isinstance(event, Loaded), event
        return event

    async def refused(self) -> Refused:
        event = await self.event()
        assert isinstance(event, Refused), event
        return event

    async def serves(self, *names: str) -> Loaded:
        """Skip events until exactly these routes are served."""
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self.event()
                if isinstance(event, Loaded) and routes(event) == sorted(names):
                    return event

    async def close(self) -> None:
        closing = getattr(self._events, "aclose", None)
        if closing is not None:
            await closing()


def routes(event: Loaded) -> list[str]:
    return [route.name for route in event.snapshot.routes]


@contextlib.asynccontextmanager
async def following(*paths: Path, state: Path, rescan_seconds: float = 600, **environ: str) -> AsyncIterator[Following]:
    """Follow a folder. By default it is looked at only when the system notifies, so that this is what is tested."""
    variables: Mapping[str, str] = {"XDG_STATE_HOME": str(state), **environ}
    followed = Following(DirectorySource(paths, Gateway(), variables, rescan_seconds))
    try:
        yield followed
    finally:
        await followed.close()
