"""The work itself, at a real API server: what one piece of it does when the world has moved on meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from sluice_operator.acknowledgement import Acknowledgements
from sluice_operator.children import Children
from sluice_operator.events import Events
from sluice_operator.gather import Gatherer
from sluice_operator.kube import Api
from sluice_operator.publication import Publisher
from sluice_operator.reconcile import RESOURCES, SETTLE_SECONDS, STATUSES, Key, Reconciler, Tools
from sluice_operator.strays import Strays
from sluice_operator.targets import PACE_SECONDS
from sluice_operator.telemetry.log import make_logger
from sluice_operator.telemetry.metrics import Metrics
from sluice_operator.work import WorkQueue
from sluice_operator.writing import Writer
from tests.support.moving_time import MovingTime
from tests.support.pods import GATEWAY
from tests.support.site import Site, provider, route, secret


def now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


class Work:
    """A reconciler that nobody has work for, its queue, and what asks pods, in time that the test moves."""

    def __init__(self, kube: Api, site: Site) -> None:
        self.time = MovingTime()
        self.queue: WorkQueue[Key] = WorkQueue(self.time.clock, self.time.sleep, random.random)
        writer, logger = Writer(kube, lambda: None, Metrics()), make_logger()
        tools = Tools(
            gatherer=Gatherer(kube, (site.namespace,)),
            publisher=Publisher(Children(kube, writer)),
            writer=writer,
            strays=Strays(kube, writer, logger, ()),
            events=Events(writer, "one", now),
            watch=lambda _: None,
            now=now,
            clock=self.time.clock,
            logger=logger,
            metrics=Metrics(),
        )
        self.asked = Acknowledgements(kube, self.time.clock, self._sleep, lambda _: None, logger)
        self.asleep = asyncio.Event()
        reconciler = Reconciler(self.queue, self.asked, tools)
        self.gather, self.reconcile = reconciler.gather, reconciler.reconcile

    async def _sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.time.sleep(seconds)


class Flapping:
    """A site whose two pods report what the test has them report, and when that was written."""

    def __init__(self, work: Work, site: Site) -> None:
        self.work, self.site = work, site
        self.writes: dict[tuple[str, str], list[float]] = {
            ("modelroutes", "chat"): [],
            ("providerpolicies", "openai"): [],
        }
        self._versions: dict[tuple[str, str], str] = {}

    async def serve(self) -> None:
        """Publish, and write the first statuses."""
        await asyncio.to_thread(self.site.gateway)
        self.site.apply(secret(), provider(), route())
        await self.work.gather()
        await self.work.reconcile((self.site.namespace, GATEWAY))
        await self._told()
        await self.work.time.move(SETTLE_SECONDS)
        self.work.queue.done(await self.work.queue.next())
        self.writes = {key: [] for key in self.writes}

    async def passes(self, seconds: float, first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
        """So many seconds later both pods have reported, and every status was looked at."""
        names = {"provider": f"{self.site.namespace}/openai", "routes": [f"{self.site.namespace}/chat"]}
        for place, report in enumerate((first, second)):
            self.site.pods.reports[place] = {name: [entry | names] for name, entry in report.items()}
        self.work.asleep.clear()
        await self.work.time.move(seconds)
        await self._told()

    async def _told(self) -> None:
        async with asyncio.timeout(15):
            await self.work.asleep.wait()
        await self.work.reconcile(STATUSES)
        for key, times in self.writes.items():
            version = self.site.get(*key)["metadata"]["resourceVersion"]
            if self._versions.get(key) != version:
                times.append(self.work.time.clock())
            self._versions[key] = version

    def says(self) -> list[tuple[str, str]]:
        """Status and reason of TargetsHealthy of the route and the provider; empty without it."""
        found = [self.site.condition(*key, "TargetsHealthy") for key in self.writes]
        return [(one["status"], one["reason"]) for one in found if one]


@pytest.fixture
async def flapping(kube: Api, site: Site) -> AsyncIterator[Flapping]:
    one = Flapping(Work(kube, site), site)
    asking = asyncio.create_task(one.work.asked.run())
    await one.serve()
    yield one
    asking.cancel()
    await asyncio.wait({asking})


async def test_a_resource_that_was_made_anew_does_not_get_the_status_of_the_one_before(kube: Api, site: Site):
    work = Work(kube, site)
    site.apply(route())
    await work.gather()
    site.delete("modelroutes", "chat")
    site.apply(route())
    await work.reconcile(STATUSES)
    assert "status" not in site.get("modelroutes", "chat")
    assert await work.queue.next() == RESOURCES
    await work.reconcile(RESOURCES)
    await work.reconcile(STATUSES)
    assert site.get("modelroutes", "chat")["status"]["observedGeneration"] == 1


async def test_a_status_can_be_written_again_without_another_look(kube: Api, site: Site):
    work = Work(kube, site)
    site.apply(route())
    await work.gather()
    for _ in range(2):
        await work.reconcile(STATUSES)
    site.apply(route("chat", "another"))
    await work.gather()
    await work.reconcile(STATUSES)
    assert site.get("modelroutes", "chat")["status"]["observedGeneration"] == 2
    assert work.queue.depth == 0


OPEN = {"breakers": {"model": "gpt-4o-mini", "state": "open", "secondsLeft": 1}}
HALF_OPEN = {"breakers": {"model": "gpt-4o-mini", "state": "half_open"}}
REFUSED: Mapping[str, Any] = {"rejected": {}}
WELL: Mapping[str, Any] = {}


async def test_a_breaker_that_opens_and_closes_each_second_is_written_once(flapping: Flapping):
    await flapping.passes(10, OPEN, WELL)
    for turn in range(12):
        await flapping.passes(10, (WELL, OPEN, HALF_OPEN)[turn % 3], (WELL, HALF_OPEN)[turn % 2])
    assert flapping.says() == [("False", "BreakerOpen")] * 2
    assert [len(times) for times in flapping.writes.values()] == [1, 1]


async def test_whatever_flaps_an_object_is_written_at_most_each_half_a_minute(flapping: Flapping):
    for turn in range(18):
        await flapping.passes(10, (REFUSED, WELL)[turn % 2], (WELL, REFUSED, REFUSED)[turn % 3])
    for times in flapping.writes.values():
        assert len(times) > 2
        assert min(later - earlier for earlier, later in pairwise(times)) >= PACE_SECONDS


async def test_what_had_to_wait_is_written_when_it_may_be(flapping: Flapping):
    await flapping.passes(10, REFUSED, WELL)
    assert flapping.says() == [("False", "CredentialsRejected")] * 2
    await flapping.passes(10, WELL, WELL)
    assert flapping.says() == [("False", "CredentialsRejected")] * 2
    await flapping.work.time.move(PACE_SECONDS - 11)
    assert await _is_due(flapping.work.queue) is None
    await flapping.work.time.move(1)
    assert await _is_due(flapping.work.queue) == STATUSES
    await flapping.work.reconcile(STATUSES)
    assert flapping.says() == [("True", "Healthy")] * 2


async def _is_due(queue: WorkQueue[Key]) -> Key | None:
    """The key that is due now."""
    turn = asyncio.create_task(queue.next())
    await MovingTime.settle()
    key = turn.result() if turn.done() else None
    turn.cancel()
    await asyncio.wait({turn})
    return key
