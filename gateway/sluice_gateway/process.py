"""The life of a gateway process, from the first signal of readiness to the last byte of the last stream."""

import asyncio
import contextlib
import gc
import os
import resource
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from sluice_gateway.configuration import Configuration, Observer
from sluice_gateway.in_flight import InFlight
from sluice_gateway.server.connection import Server
from sluice_gateway.server.door import Door
from sluice_gateway.settings import Address, Settings
from sluice_gateway.sources.source import Source
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.wiring import wired

_BACKLOG = 4096  # connections that wait to be accepted: a burst of clients after a roll-out
_CLOSE_SECONDS = 2.0  # for connections to close once the last request has ended


class CannotListen(Exception):
    """The address is taken, or not ours."""


class Process:
    """One gateway.

    ``run`` returns when ``stop`` was called and the last request has ended, or the grace period is over.
    ``listening`` gives the address that is served, once it is; then ``internal`` is that of the internal paths, or
    None when they are served there too.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        logger: Logger,
        environ: Mapping[str, str],
        observer: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._logger = logger
        self._environ = environ
        self._observer = observer
        self._stopping = asyncio.Event()
        self.internal: Address | None = None
        self._grace: asyncio.Timeout | None = None
        self.listening: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        """Begin to drain."""
        self._stopping.set()

    def interrupt(self) -> None:
        """Begin to drain; the second time, end at once: somebody sits in front of it and waits."""
        if self._grace is not None:
            self._grace.reschedule(0)
        self.stop()

    async def run(self) -> None:
        """Serve. Raises CannotListen."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            parts = wired(settings, self._environ, self._logger, self._observer)
            configuration, in_flight, app = await stack.enter_async_context(parts)
            if settings.internal_listen is not None:  # entered first: it is closed last
                self.internal = (
                    await stack.enter_async_context(self._listening(app.internal(), settings.internal_listen))
                )[1]
            door = app.api() if self.internal else app.both()
            site, address = await stack.enter_async_context(self._listening(door, settings.listen))
            self.listening.set_result(address)
            await self._until_stopped(configuration)
            await self._drain(site, in_flight)

    @contextlib.asynccontextmanager
    async def _listening(self, door: Door, address: Address) -> AsyncIterator[tuple[web.TCPSite, Address]]:
        """Serve a door. Gives the site and its address, in which a port of 0 is replaced. Raises CannotListen."""
        runner = web.ServerRunner(Server(door.handle, self._logger, door.errors), shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, address.host or None, address.port, backlog=_BACKLOG)
            try:
                await site.start()
            except OSError as error:
                number = error.errno or 0  # asyncio's own words repeat the address; a name's failure has no such number
                reason = os.strerror(number) if number > 0 else error.strerror or str(error)
                raise CannotListen(f"cannot listen on {address}: {reason}") from error
            yield site, Address(address.host, runner.addresses[0][1])
        finally:
            await runner.cleanup()

    async def _until_stopped(self, configuration: Configuration) -> None:
        """Follow the source until told to stop."""
        following = asyncio.create_task(configuration.follow(self._source))
        try:
            await self._stopping.wait()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _drain(self, site: web.TCPSite, in_flight: InFlight) -> None:
        """Not ready at once, no new connection; what is being served may end."""
        in_flight.draining = True
        self._logger.info("draining", in_flight=in_flight.count, seconds=self._settings.drain_seconds)
        await site.stop()
        try:
            async with asyncio.timeout(self._settings.drain_seconds) as grace:
                self._grace = grace
                await in_flight.drained()
        except TimeoutError:
            self._logger.warning("grace period over", in_flight=in_flight.count)
            in_flight.give_up()
        finally:
            self._grace = None
        self._logger.info("stopped")


def allow_many_connections() -> None:
    """Raise the soft limit of open files: each connection is one, and the usual 1,024 is for users of select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_memory() -> None:
    """Keep the garbage collector from walking through what start-up made, which costs 4.5 % of a request's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
