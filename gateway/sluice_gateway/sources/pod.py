"""A pod's configuration: from the API server; from the mounted volume while that has not answered yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from sluice_gateway.sources.cluster import ClusterSource
from sluice_gateway.sources.source import Loaded, Refused, same
from sluice_gateway.sources.volume import Volume

BOOT_SECONDS = 1.5
"""How long the API server may take before the volume is served: a healthy one needs a tenth of it."""
VOLUME_SECONDS = 2.0
"""How often to look at the volume while the API server is away."""


class PodSource:
    """Events of ``cluster``; those of ``volume`` before its first one, and instead of nothing when that is a refusal.

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
            seconds: float | None = self._boot_seconds
            while True:
                answer = await _next(answers, pump, seconds)
                if seconds is not None and not isinstance(answer, Loaded):
                    mounted = await asyncio.to_thread(self._volume.read)
                    worth_saying = answer is None or isinstance(mounted, Loaded)
                    if worth_saying and (last is None or not same(mounted, last)):
                        last = mounted
                        yield mounted
                seconds = None if answer or seconds is None else self._volume_seconds
                if answer:
                    yield answer
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
