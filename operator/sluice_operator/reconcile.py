"""From what users wrote to what gateways read and users are told: gather, compile, render, apply, status.

Four kinds of work, each a key of the queue. RESOURCES reads the world afresh, and has everything else looked at; a
gateway's key has its configuration published; STRAYS has deleted what Deployments have left behind; STATUSES has every
resource told what is known about it. All of them may be done at any time and as often as anybody likes: what is right
already is not written.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sluice_operator.acknowledgement import Acknowledgements, Wanted
from sluice_operator.errors import OperatorError
from sluice_operator.events import Events
from sluice_operator.gather import GatewayKey, Gatherer, World
from sluice_operator.kube.errors import Conflict, Forbidden, KubeError, NotFound, Rejected
from sluice_operator.kube.kinds import KINDS, metadata_of
from sluice_operator.kube.together import race, together
from sluice_operator.publication import Publication, Publisher
from sluice_operator.status import Deployed, Status, Subject, statuses
from sluice_operator.strays import Strays
from sluice_operator.targets import Pace, standing
from sluice_operator.telemetry.log import Logger
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.work import Clock, WorkQueue
from sluice_operator.writing import Writer

RESOURCES: Final = "resources"
STATUSES: Final = "statuses"
STRAYS: Final = "strays"
Key = str | GatewayKey

SETTLE_SECONDS: Final = 0.2
"""For pods to say that they run what was just written: usually the first status that says so is the only one needed."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a Reconciler works with. ``watch`` is told each world: what it refers to may change too.

    ``clock`` gives seconds that only grow.
    """

    gatherer: Gatherer
    publisher: Publisher
    writer: Writer
    strays: Strays
    events: Events
    watch: Callable[[World], None]
    now: Callable[[], datetime]
    clock: Clock
    logger: Logger
    metrics: Metrics


class Reconciler:
    """Does the work of a queue."""

    def __init__(self, queue: WorkQueue[Key], acknowledgements: Acknowledgements, tools: Tools) -> None:
        self._queue, self._acknowledgements, self._tools = queue, acknowledgements, tools
        self._world: World | None = None
        self._published: dict[GatewayKey, Publication] = {}
        self._unswept: set[GatewayKey] = set()
        self._pace = Pace()
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Work until cancelled. Raises LeaseLost.

        Two keys at a time: when every status has to be told a new number of pods, no configuration waits for it.
        """
        await race(self._work(), self._work())

    async def _work(self) -> None:
        while True:
            key = await self._queue.next()
            began = time.perf_counter()
            try:
                await self.reconcile(key)
            except KubeError as error:
                self._failed(key, error)
            else:
                self._queue.done(key)
                self._tools.metrics.reconciles.labels("ok").inc()
            what = key if isinstance(key, str) else "gateway"
            self._tools.metrics.duration.labels(what).observe(time.perf_counter() - began)

    async def gather(self) -> None:
        """Read the world: all that a replica does while another one leads. Raises KubeError."""
        self._world = world = await self._tools.gatherer.read()
        self._tools.watch(world)
        for kind, found in (
            ("ModelRoute", world.resources.routes),
            ("ProviderPolicy", world.resources.providers),
            ("CachePolicy", world.resources.caches),
        ):
            self._tools.metrics.resources.labels(kind).set(len(found))

    async def reconcile(self, key: Key) -> None:
        """Do one piece of work. Raises KubeError and LeaseLost."""
        if key == RESOURCES:
            await self.gather()
            keys = {*(self._world.gateways if self._world else ()), *self._published}
            for gateway in keys:
                self._queue.add(gateway)
            if not keys:
                self._queue.add(STATUSES)
            if self._world and self._tools.strays.places(self._world):
                self._queue.add(STRAYS)
        elif key == STRAYS:
            await self._strays()
        elif isinstance(key, tuple):
            await self._gateway(key)
        else:
            await self._statuses()

    def acknowledged(self, key: GatewayKey) -> None:
        """Pods have said something new."""
        done = not self._acknowledgements.behind(key)
        self._queue.add(STATUSES, 0.0 if done else SETTLE_SECONDS)

    async def _gateway(self, key: GatewayKey) -> None:
        world = self._world
        found = world.gateways.get(key) if world else None
        if world is None or found is None:
            self._forget(key)
            return
        async with self._writing:
            published = await self._tools.publisher.publish(found, world)
            if published.written.count or key not in self._published:
                self._unswept.add(key)
            self._published[key] = published
        index, written = published.index, published.written
        self._acknowledgements.expect(
            key, Wanted(metadata_of(found.deployment)["name"], index.digest, index.credentials_revision)
        )
        self._tools.metrics.snapshot_bytes.labels(str(found.gateway)).set(published.size)
        if written.count:
            self._tools.logger.info(
                "configuration written", gateway=str(found.gateway), digest=index.digest, objects=written.count
            )
        self._queue.add(STATUSES, SETTLE_SECONDS if written.count else 0.0)
        await self._tell_events(published)
        if published.failure:
            raise published.failure

    async def _strays(self) -> None:
        count = await self._tools.strays.remove(self._world) if self._world else 0
        if count:
            self._tools.logger.info("former gateways' objects deleted", objects=count)
            self._queue.add(RESOURCES)  # a name may be free now that another gateway waits for

    def _forget(self, key: GatewayKey) -> None:
        gone = self._published.pop(key, None)
        self._unswept.discard(key)
        self._acknowledgements.forget(key)
        self._tools.publisher.forget(key)
        if gone:
            self._tools.metrics.forget(str(gone.deployed.gateway))
        self._queue.add(STATUSES)

    async def _statuses(self) -> None:
        """Tell every resource. Waits for all gateways to be compiled from the same world, and their pods to be asked.

        Else what is told would be about resources of one moment and configurations of another.
        """
        world = self._world
        if world is None or any(self._stale(key, world) for key in world.gateways):
            return
        published = [self._published[key] for key in sorted(world.gateways)]
        deployed = list(map(self._deployed, published))
        subjects = list(world.subjects.values())
        clock = self._tools.clock()
        held = self._pace.held(clock)
        changed, late = await asyncio.to_thread(statuses, subjects, world.resources, deployed, self._tools.now(), held)
        if late:
            self._queue.add(STATUSES, self._pace.wait(late, clock))
        failures = await together(self._write_status, [(world.subjects[key], changed[key]) for key in sorted(changed)])
        for publication, one in zip(published, deployed, strict=True):
            await self._tell(publication, "ConfigurationRefused", _refusal(one))
        for failure in failures:
            if failure:
                raise failure
        await self._sweep()

    async def _sweep(self) -> None:
        """Delete what no pod needs any more. What is left undone is done with the next status."""
        async with self._writing:  # what is in a slot that the index does not name may be about to be named
            for key in sorted(self._unswept.intersection(self._published)):
                published = self._published[key]
                if self._acknowledgements.behind(key) == 0 and not published.failure and not published.written.taken:
                    await self._tools.publisher.sweep(published)
                    self._unswept.discard(key)

    def _stale(self, key: GatewayKey, world: World) -> bool:
        published = self._published.get(key)
        return published is None or published.world is not world or self._acknowledgements.said(key) is None

    def _deployed(self, published: Publication) -> Deployed:
        deployed = published.deployed
        key = (deployed.gateway.namespace, deployed.gateway.name)
        pods = self._acknowledgements.said(key) or ()
        self._tools.metrics.pods.labels(str(deployed.gateway)).set(len(pods))
        self._tools.metrics.pods_behind.labels(str(deployed.gateway)).set(self._acknowledgements.behind(key) or 0)
        troubles, reporting = self._acknowledgements.troubles(key)
        unasked = self._acknowledgements.failure(key)
        return replace(deployed, pods=pods, unasked=unasked, troubles=troubles, reporting=reporting)

    async def _write_status(self, change: tuple[Subject, Status]) -> KubeError | None:
        """Write one status. A resource that can't take its own keeps no other from theirs."""
        subject, status = change
        key = subject.key
        document = KINDS[key.kind].document(key.namespace, key.name, status=status)
        # Else what was made anew under the name would get it. The server does not look at the uid here.
        document["metadata"]["resourceVersion"] = subject.resource_version
        try:
            written = await self._tools.writer.apply_status(document)
        except NotFound:  # deleted meanwhile
            return None
        except Conflict:
            self._queue.add(RESOURCES)
            return None
        except KubeError as error:  # it may have been written all the same
            self._keep_pace(change)
            return error
        self._keep_pace(change)
        subjects = self._world.subjects if self._world else {}  # read before or after this was written
        if key in subjects and subjects[key].resource_version == subject.resource_version:
            version = metadata_of(written)["resourceVersion"]
            subjects[key] = replace(subjects[key], status=written.get("status"), resource_version=version)
        return None

    def _keep_pace(self, change: tuple[Subject, Status]) -> None:
        subject, status = change
        if standing(status) != standing(subject.status):
            self._pace.wrote(subject.key, self._tools.clock())

    async def _tell_events(self, published: Publication) -> None:
        """What is wrong with a gateway itself, on its Deployment. What passes by itself is not worth an Event."""
        lasting = isinstance(published.failure, Forbidden | Rejected)
        messages = {
            "InvalidGrant": published.found.wrong_grant,
            "NameTaken": published.written.taken,
            "NotWritten": str(published.failure) if lasting else "",
        }
        for reason, message in messages.items():
            await self._tell(published, reason, message)

    async def _tell(self, published: Publication, reason: str, message: str) -> None:
        try:
            await self._tools.events.tell(published.found.deployment, reason, message)
        except KubeError as error:
            self._tools.logger.warning("event not written", reason=reason, error=str(error))

    def _failed(self, key: Key, error: OperatorError) -> None:
        delay = self._queue.failed(key)
        what = key if isinstance(key, str) else "/".join(key)
        self._tools.metrics.reconciles.labels(error.reason).inc()
        self._tools.logger.warning("failed", what=what, reason=error.reason, error=str(error), again_in=round(delay, 1))


def _refusal(deployed: Deployed) -> str:
    """What the first pod says that refused the configuration; empty when none did."""
    refused = (pod for pod in deployed.pods if pod.refused and pod.refused.digest in {None, deployed.digest})
    return min((f"pod {pod.pod}: {pod.refused.reason}" for pod in refused if pod.refused), default="")
