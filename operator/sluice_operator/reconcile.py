"""From what users wrote to what gateways read and users are told: gather, compile, render, apply, status.

Three kinds of work, each a key of the queue. RESOURCES reads the world afresh, and has everything else looked at; a
gateway's key has its configuration published; STATUSES has every resource told what is known about it. All of them may
be done at any time and as often as anybody likes: what is right already is not written.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from sluice_config.resources import ResourceKey
from sluice_operator.acknowledgement import Acknowledgements, Wanted
from sluice_operator.errors import OperatorError
from sluice_operator.events import Events
from sluice_operator.gather import GatewayKey, Gatherer, World
from sluice_operator.kube.errors import Forbidden, KubeError, NotFound, Rejected
from sluice_operator.kube.kinds import KINDS, metadata_of
from sluice_operator.kube.together import together
from sluice_operator.publication import Publication, Publisher
from sluice_operator.status import Deployed, Status, statuses
from sluice_operator.telemetry.log import Logger
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.work import WorkQueue
from sluice_operator.writing import Writer

RESOURCES: Final = "resources"
STATUSES: Final = "statuses"
Key = str | GatewayKey

SETTLE_SECONDS: Final = 0.2
"""For pods to say that they run what was just written: usually the first status that says so is the only one needed."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a Reconciler works with. ``watch`` is told each world: what it refers to may change too."""

    gatherer: Gatherer
    publisher: Publisher
    writer: Writer
    events: Events
    watch: Callable[[World], None]
    now: Callable[[], datetime]
    logger: Logger
    metrics: Metrics


class Reconciler:
    """Does the work of a queue, one key after the other."""

    def __init__(self, queue: WorkQueue[Key], acknowledgements: Acknowledgements, tools: Tools) -> None:
        self._queue, self._acknowledgements, self._tools = queue, acknowledgements, tools
        self._world: World | None = None
        self._published: dict[GatewayKey, Publication] = {}
        self._unswept: set[GatewayKey] = set()

    async def run(self) -> None:
        """Work until cancelled. Raises LeaseLost."""
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
        elif isinstance(key, tuple):
            await self._gateway(key)
        else:
            await self._statuses()

    def acknowledged(self, key: GatewayKey) -> None:
        """Pods have said something new."""
        done = not self._acknowledgements.behind(key)
        self._queue.add(STATUSES, 0.0 if done else SETTLE_SECONDS)
        if done and key in self._unswept:
            self._queue.add(key)

    async def _gateway(self, key: GatewayKey) -> None:
        world = self._world
        found = world.gateways.get(key) if world else None
        if world is None or found is None:
            self._forget(key)
            return
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
        if key in self._unswept and self._acknowledgements.behind(key) == 0 and not written.taken:
            await self._tools.publisher.sweep(published)
            self._unswept.discard(key)

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
        deployed = [self._deployed(key) for key in sorted(world.gateways)]
        subjects = list(world.subjects.values())
        changed = await asyncio.to_thread(statuses, subjects, world.resources, deployed, self._tools.now())
        failures = await together(partial(self._write_status, world), sorted(changed.items()))
        await self._tell_refusals(deployed)
        for failure in failures:
            if failure:
                raise failure

    def _stale(self, key: GatewayKey, world: World) -> bool:
        published = self._published.get(key)
        return published is None or published.world is not world or self._acknowledgements.said(key) is None

    def _deployed(self, key: GatewayKey) -> Deployed:
        pods = self._acknowledgements.said(key) or ()
        deployed = self._published[key].deployed
        self._tools.metrics.pods.labels(str(deployed.gateway)).set(len(pods))
        self._tools.metrics.pods_behind.labels(str(deployed.gateway)).set(self._acknowledgements.behind(key) or 0)
        return replace(deployed, pods=pods)

    async def _write_status(self, world: World, change: tuple[ResourceKey, Status]) -> KubeError | None:
        """Write one status. A resource that can't take its own keeps no other from theirs."""
        key, status = change
        document = KINDS[key.kind].document(key.namespace, key.name, status=status)
        try:
            written = await self._tools.writer.apply_status(document)
        except NotFound:  # deleted meanwhile
            return None
        except KubeError as error:
            return error
        world.subjects[key] = replace(world.subjects[key], status=written.get("status"))
        return None

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

    async def _tell_refusals(self, deployed: list[Deployed]) -> None:
        for one in deployed:
            refusals = sorted(
                f"pod {pod.pod}: {pod.refused.reason}"
                for pod in one.pods
                if pod.refused and pod.refused.digest in {None, one.digest}
            )
            published = self._published[one.gateway.namespace, one.gateway.name]
            await self._tell(published, "ConfigurationRefused", refusals[0] if refusals else "")

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
