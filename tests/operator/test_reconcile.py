"""The work itself, at a real API server: what one piece of it does when the world has moved on meanwhile."""

import asyncio
import random
from datetime import UTC, datetime

from sluice_operator.acknowledgement import Acknowledgements
from sluice_operator.children import Children
from sluice_operator.events import Events
from sluice_operator.gather import Gatherer
from sluice_operator.kube import Api
from sluice_operator.publication import Publisher
from sluice_operator.reconcile import RESOURCES, STATUSES, Key, Reconciler, Tools
from sluice_operator.strays import Strays
from sluice_operator.telemetry.log import make_logger
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.work import WorkQueue
from sluice_operator.writing import Writer
from tests.support.site import Site, route


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def reconciler(kube: Api, site: Site) -> tuple[Reconciler, WorkQueue[Key]]:
    """One that nobody has work for, and its queue."""
    queue: WorkQueue[Key] = WorkQueue(asyncio.get_running_loop().time, asyncio.sleep, random.random)
    writer, logger = Writer(kube, lambda: None, Metrics()), make_logger()
    tools = Tools(
        gatherer=Gatherer(kube, (site.namespace,)),
        publisher=Publisher(Children(kube, writer)),
        writer=writer,
        strays=Strays(kube, writer, logger, ()),
        events=Events(writer, "one", now),
        watch=lambda _: None,
        now=now,
        logger=logger,
        metrics=Metrics(),
    )
    return Reconciler(queue, Acknowledgements(kube, asyncio.sleep, lambda _: None, logger), tools), queue


async def test_a_resource_that_was_made_anew_does_not_get_the_status_of_the_one_before(kube: Api, site: Site):
    work, queue = reconciler(kube, site)
    site.apply(route())
    await work.gather()
    site.delete("modelroutes", "chat")
    site.apply(route())
    await work.reconcile(STATUSES)
    assert "status" not in site.get("modelroutes", "chat")
    assert await queue.next() == RESOURCES
    await work.reconcile(RESOURCES)
    await work.reconcile(STATUSES)
    assert site.get("modelroutes", "chat")["status"]["observedGeneration"] == 1


async def test_a_status_can_be_written_again_without_another_look(kube: Api, site: Site):
    work, queue = reconciler(kube, site)
    site.apply(route())
    await work.gather()
    for _ in range(2):
        await work.reconcile(STATUSES)
    site.apply(route("chat", "another"))
    await work.gather()
    await work.reconcile(STATUSES)
    assert site.get("modelroutes", "chat")["status"]["observedGeneration"] == 2
    assert queue.depth == 0
