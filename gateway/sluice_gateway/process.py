"""The gateway process: what is wired to what, and its life from the first signal of readiness to the last byte of the
last stream.
"""

import asyncio
import contextlib
import gc
import resource
import time
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from sluice_gateway.configuration import Configuration, Observer
from sluice_gateway.discovery.watch import Discovery
from sluice_gateway.images import Images
from sluice_gateway.in_flight import InFlight
from sluice_gateway.pipeline import Pipeline
from sluice_gateway.server.app import App
from sluice_gateway.server.connection import Server
from sluice_gateway.server.door import Door
from sluice_gateway.server.inference import Inference
from sluice_gateway.server.models import Models
from sluice_gateway.server.report import Report
from sluice_gateway.settings import Address, Settings
from sluice_gateway.sources.source import Source
from sluice_gateway.telemetry.log import Logger
from sluice_gateway.telemetry.metrics import Metrics
from sluice_gateway.telemetry.record import Recorder
from sluice_gateway.telemetry.target_figures import TargetFigures
from sluice_gateway.upstream import LeanUpstream, SessionUpstream, Upstream

_BACKLOG = 4096  # connections that wait to be accepted: a burst of clients after a roll-out
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
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
        settings, clock = self._settings, time.monotonic
        metrics, http = Metrics(), _upstream(self._environ)
        images, figures = Images(), TargetFigures()
        recorder, in_flight = Recorder(self._logger, metrics), InFlight(settings.max_in_flight)
        discovery = Discovery(http, self._logger)
        configuration = Configuration(
            http,
            auth=settings.auth,
            logger=self._logger,
            metrics=metrics,
            discovery=discovery,
            observer=self._observer,
        )
        pipeline = Pipeline(recorder, figures, clock, settings.keepalive_seconds, images)
        inference = Inference(
            configuration, pipeline, recorder, in_flight, clock, settings.max_body_bytes, settings.stall_seconds
        )
        app = App(
            inference,
            configuration,
            in_flight,
            metrics,
            models=Models(configuration, figures, clock),
            report=Report(figures, discovery, clock),
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(http.close)
            stack.push_async_callback(images.close)
            stack.push_async_callback(discovery.close)
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
                raise CannotListen(f"cannot listen on {address}: {error.strerror or error}") from error
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


def _upstream(environ: Mapping[str, str]) -> Upstream:
    """The lean leg; behind a forward proxy, aiohttp's client, which knows how to speak to one."""
    if any(environ.get(name) or environ.get(name.lower()) for name in _PROXY_VARIABLES):
        return SessionUpstream(environ)
    return LeanUpstream()


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
