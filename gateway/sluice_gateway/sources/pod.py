"""A pod's configuration: from the API server; from the mounted volume while that has not answered yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.source import Loaded, Refused, same
from sluice_gateway.sources.volume import Volume

BOOT_SECONDS = 1.5
"""How long the API server may take before the volume is served: a healthy one needs a tenth of it."""
VOLUME_SECONDS = 2.0
"""How often to look at the volume while the API server is away."""


class PodSource:
    """Events of ``cluster``; those of ``volume`` before its first one, and one more when that first one is a refusal.

    Once the API server has answered, the volume is never asked again: it lags behind, and must not turn back time.
    """

    def __init__(
        self,
        cluster: ClusterSource,
        volume: Volume,
        boot_seconds: float = BOOT_SECONDS,
        volume_seconds: float = VOLUME_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._volume = volume
        self._boot_seconds = boot_seconds
        self._volume_seconds = volume_seconds

    async def events(self) -> AsyncIterator[Loaded | Refused]:
        """The first event comes after the boot time at the latest."""
        answers: asyncio.Queue[Loaded | Refused] = asyncio.Queue()
        pump = asyncio.create_task(self._pump(answers))
        try:
            last: Loaded | Refused | None = None
            seconds = self._boot_seconds
            while (answer := await _next(answers, pump, seconds)) is None:
                mounted = await asyncio.to_thread(self._volume.read)
                if isinstance(mounted, Refused):
                    mounted = replace(mounted, reason=f"the API server does not answer, and {mounted.reason}")
                if last is None or not same(mounted, last):
                    last = mounted
                    yield mounted
                seconds = self._volume_seconds
            if isinstance(answer, Refused) and not isinstance(last, Loaded):
                mounted = await asyncio.to_thread(self._volume.read)
                if isinstance(mounted, Loaded):
                    yield mounted
            while True:
                if answer is not None:
                    yield answer
                answer = await _next(answers, pump, None)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _pump(self, answers: asyncio.Queue[Loaded | Refused]) -> None:
        async with aclosing(self._cluster.events()) as events:
            async for event in events:
                answers.put_nowait(event)


async def _next(
    answers: asyncio.Queue[Loaded | Refused], pump: asyncio.Task[None], seconds: float | None
) -> Loaded | Refused | None:
    """The next answer of the API server; None when there is none in time. Raises what ended the pump."""
    getting = asyncio.create_task(answers.get())
    try:
        await asyncio.wait((getting, pump), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        if pump.done():
            pump.result()
            raise RuntimeError("the API server's events have ended")
        return None
    finally:
        getting.cancel()
