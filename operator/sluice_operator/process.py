"""The operator process: what is wired to what, and its life from the first read to the Lease's release.

Every replica reads, watches and answers probes. Only the one that holds the Lease writes; it ends when it loses it.
"""

import asyncio
import random
from datetime import UTC, datetime
from typing import Final

from sluice_operator.acknowledgement import Acknowledgements
from sluice_operator.children import Children
from sluice_operator.events import Events
from sluice_operator.gather import GatewayKey, Gatherer
from sluice_operator.interests import interests
from sluice_operator.kube.access import Access
from sluice_operator.kube.api import Api, Stub
from sluice_operator.kube.errors import KubeError
from sluice_operator.kube.kinds import DEPLOYMENT, NAMESPACE, SECRET, Kind
from sluice_operator.kube.together import race
from sluice_operator.leader import Election
from sluice_operator.publication import Publisher
from sluice_operator.reconcile import RESOURCES, Key, Reconciler, Tools
from sluice_operator.server import Server
from sluice_operator.settings import Settings
from sluice_operator.strays import Strays
from sluice_operator.telemetry.log import Logger
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.watching.resources import Change, ResourceWatch
from sluice_operator.watching.stubs import StubWatches
from sluice_operator.work import Backoff, WorkQueue
from sluice_operator.writing import Writer

LEASE: Final = "sluice-operator"
RESYNC_SECONDS: Final = 60.0
"""Between readings that nothing has asked for: a watch that begins anew does not tell what has vanished."""
ECHO_SECONDS: Final = 0.5
"""After which an own write is known as such; a watch may tell of it before its answer is here. For what can wait."""
TROUBLE_SECONDS: Final = 5.0
RELEASE_SECONDS: Final = 2.0
FIRST_READ: Final = Backoff(most=5.0)


class Process:
    """One replica. ``run`` returns when ``stop`` was called."""

    def __init__(self, settings: Settings, access: Access, logger: Logger) -> None:
        clock = asyncio.get_running_loop().time
        self._settings, self._access, self._logger = settings, access, logger
        self._stopping = asyncio.Event()
        self._metrics = Metrics()
        self._api = Api(access)
        self._queue: WorkQueue[Key] = WorkQueue(clock, asyncio.sleep, random.random)
        self._election = Election(
            self._api,
            settings.namespace,
            LEASE,
            settings.identity,
            clock=clock,
            sleep=asyncio.sleep,
            random=random.random,
            now=_now,
        )
        self._writer = Writer(self._api, self._election.check, self._metrics)
        self._acknowledgements = Acknowledgements(self._api, clock, asyncio.sleep, self._acknowledged, logger)
        self._stubs = StubWatches(self._api, self._stub_changed, asyncio.sleep, random.random)
        self._resources = ResourceWatch(access, settings.namespaces, self._changed, random.random)
        self._reconciler = Reconciler(self._queue, self._acknowledgements, self._tools())
        self._synced = False
        self._shapes: dict[tuple[str, str, str], int] = {}

    def stop(self) -> None:
        """End: give up the Lease and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve. Raises CannotListen, LeaseLost and WatchEnded."""
        server = Server(self._unready, self._render_metrics)
        port = await server.listen(self._settings.host, self._settings.port)
        self._logger.info("listening", port=port, identity=self._settings.identity)
        try:
            await race(self._stubs.run(), self._acknowledgements.run(), self._live(), self._stopped())
        finally:
            await self._release()
            await server.close()
            await self._api.close()
            self._logger.info("stopped")

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _live(self) -> None:
        await self._first_read()
        await race(self._resources.run(), self._resync(), self._lead())

    async def _first_read(self) -> None:
        """Wait until the API server can be read, and knows the resources' kinds; kopf would give up at once."""
        failures = 0
        while not self._synced:
            try:
                await self._reconciler.gather()
                self._synced = True
            except KubeError as error:
                failures += 1
                delay = FIRST_READ.delay(failures, random.random)
                self._logger.warning("not read yet", reason=error.reason, error=str(error), again_in=round(delay, 1))
                await asyncio.sleep(delay)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            self._queue.add(RESOURCES)

    async def _lead(self) -> None:
        """Wait for the Lease, then work for as long as it is held."""
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(self._say_trouble())
            await self._election.acquire()
            saying.cancel()
        self._logger.info("leading", lease=f"{self._settings.namespace}/{LEASE}")
        self._queue.add(RESOURCES)
        await race(self._reconciler.run(), self._election.hold())

    async def _say_trouble(self) -> None:
        """One line for each reason for which nobody may be leading."""
        said = ""
        while True:
            await asyncio.sleep(TROUBLE_SECONDS)
            if self._election.trouble != said:
                said = self._election.trouble
                self._logger.warning("lease not read", error=said) if said else self._logger.info("lease read again")

    async def _release(self) -> None:
        """Let another replica lead at once. When that fails, it waits for the Lease to run out."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._election.release()
        except (KubeError, TimeoutError) as error:
            self._logger.warning("lease not released", error=str(error))

    def _tools(self) -> Tools:
        return Tools(
            gatherer=Gatherer(self._api, self._settings.namespaces),
            publisher=Publisher(Children(self._api, self._writer)),
            writer=self._writer,
            strays=Strays(self._api, self._writer, self._logger, self._settings.namespaces or ()),
            events=Events(self._writer, self._settings.identity, _now),
            watch=lambda world: self._stubs.follow(interests(world)),
            now=_now,
            clock=asyncio.get_running_loop().time,
            logger=self._logger,
            metrics=self._metrics,
        )

    def _acknowledged(self, key: GatewayKey) -> None:
        self._reconciler.acknowledged(key)

    def _stub_changed(self, kind: Kind, stub: Stub) -> None:
        """A Secret, or a child of a gateway, may have changed. A new key is urgent."""
        signs = (stub.uid,) if stub.deleted else (stub.resource_version,)
        if kind is SECRET or kind is NAMESPACE:
            self._look(*signs)
        else:
            asyncio.get_running_loop().call_later(ECHO_SECONDS, self._look, *signs)

    def _changed(self, change: Change) -> None:
        """A resource or a Deployment may have changed. Most changes of Deployments are their pods' coming and going."""
        key = (change.kind, change.namespace, change.name)
        same = change.shape == self._shapes.get(key)
        if change.shape is None:
            self._shapes.pop(key, None)
        else:
            self._shapes[key] = change.shape
        if change.kind == DEPLOYMENT.name:
            self._acknowledgements.look((change.namespace, change.gateway))
        if not same:
            self._look(change.resource_version)
        elif change.kind != DEPLOYMENT.name:
            asyncio.get_running_loop().call_later(ECHO_SECONDS, self._look, change.resource_version)

    def _look(self, *signs: str) -> None:
        """Have everything read, unless this is what was written here."""
        if not any(map(self._writer.knows, signs)):
            self._queue.add(RESOURCES)

    def _unready(self) -> str:
        return "" if self._synced and self._resources.ready else "resources were not read yet"

    def _render_metrics(self) -> bytes:
        self._metrics.leading.set(self._election.leading)
        self._metrics.queue.set(self._queue.depth)
        self._metrics.failing.set(self._queue.failing)
        return self._metrics.render()


def _now() -> datetime:
    return datetime.now(UTC)
