"""One task for each provider whose policy wants checks; what they have found stays over reloads."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sluice_gateway.health.history import Check, History, Outcome, Result, State
from sluice_gateway.health.questions import ask
from sluice_gateway.providers.mock import MockUpstream
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.telemetry.log import DefectsLogged, Logger
from sluice_gateway.telemetry.metrics import Metrics

FIRST_SECONDS = (5.0, 30.0)
"""The first check comes so long after a provider has become known: a policy reaches all pods at the same time, and
callers' requests that come at once spare the question.
"""
_JITTER = 0.1  # of the interval, at most: pods that started together do not ask together for ever

Ask = Callable[[Provider], Awaitable[Outcome]]
Observer = Callable[[str, bool, str], None]
"""Called with a provider (``namespace/name``) that has become healthy or unhealthy, which of the two, and why."""


class _Watched:
    """A provider that is checked. ``passed``: when a caller's request was served by it last."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.history = History()
        self.passed = float("-inf")

    def is_reached_like(self, provider: Provider) -> bool:
        """Whether what was found holds for another policy's provider: same vendor, address, key and headers."""
        mine = self.provider
        return (mine.vendor, mine.wire.name) == (provider.vendor, provider.wire.name) and (
            mine.access() == provider.access()
        )


class Checks:
    """Follows routing tables. ``observers`` are told of each provider that becomes unhealthy, or healthy again.

    ``clock`` gives seconds that only grow, ``wall`` those of the epoch, ``chance`` numbers from 0 to 1.
    """

    def __init__(
        self,
        logger: Logger,
        metrics: Metrics,
        *,
        ask: Ask = ask,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._logger = logger
        self._metrics = metrics
        self.observers: list[Observer] = []
        self._ask = ask
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._chance = chance
        self._watched: dict[str, _Watched] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, table: RoutingTable) -> None:
        """Check the providers of this table from now on, and no others."""
        wanted = {provider.resource: provider for provider in table.providers if _is_checked(provider)}
        for resource in [resource for resource in self._watched if resource not in wanted]:
            self._forget(resource)
        for resource, provider in wanted.items():
            watched = self._watched.get(resource)
            if watched is not None and watched.is_reached_like(provider):
                rhythm_stays = watched.provider.health_check == provider.health_check
                watched.provider = provider
                if rhythm_stays:
                    continue
            elif watched is not None:
                self._forget(resource)
            self._begin(resource, provider)

    def _begin(self, resource: str, provider: Provider) -> None:
        watched = self._watched.setdefault(resource, _Watched(provider))
        if resource in self._tasks:
            self._tasks[resource].cancel()
        self._tasks[resource] = asyncio.create_task(self._keep_checking(watched))

    def _forget(self, resource: str) -> None:
        del self._watched[resource]
        self._tasks.pop(resource).cancel()
        self._metrics.provider_healthy.remove(resource)

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        self._watched.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def passed(self, provider: str, now: float) -> None:
        """A caller's request was served by a provider. Called for each, so it does next to nothing."""
        watched = self._watched.get(provider)
        if watched is not None:
            watched.passed = now
            if watched.history.reason or watched.history.rejected:
                self._note(watched, Check(self._wall(), Result.TRAFFIC))

    def refused(self, provider: str) -> None:
        """A provider has refused the gateway's key to a caller's request: known until a good check, or a good answer.
        It makes nobody unhealthy; breakers see to that.
        """
        watched = self._watched.get(provider)
        if watched is not None:
            watched.history.rejected = True

    def healthy(self, provider: str) -> str:
        """Why a provider is not healthy; "" for one that is, is not checked, or of which nothing is known yet."""
        watched = self._watched.get(provider)
        return "" if watched is None else watched.history.reason

    async def _keep_checking(self, watched: _Watched) -> None:
        least, most = FIRST_SECONDS
        await self._sleep(least + self._chance() * (most - least))
        while True:
            interval = float(watched.provider.health_check.interval_seconds)
            since = self._clock() - watched.passed
            if since < interval:
                self._note(watched, Check(self._wall(), Result.TRAFFIC))
                interval_left = interval - since
            else:
                with DefectsLogged(self._logger, "checking a provider's health"):
                    await self._check(watched)
                interval_left = interval
            await self._sleep(interval_left + interval * _JITTER * self._chance())

    async def _check(self, watched: _Watched) -> None:
        provider, began = watched.provider, self._clock()
        seconds = provider.health_check.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._ask(provider)
        except TimeoutError:
            outcome = Outcome(Result.FAILED, f"no answer within {seconds} s")
        took = (self._clock() - began) * 1000
        self._note(watched, Check(self._wall(), outcome.result, took, provider.redact(outcome.reason)))

    def _note(self, watched: _Watched, check: Check) -> None:
        resource, history = watched.provider.resource, watched.history
        self._metrics.health_checks.labels(resource, check.result).inc()
        was_unhealthy = history.state is State.UNHEALTHY
        if not history.note(check, watched.provider.health_check):
            return
        is_healthy = history.state is State.HEALTHY
        self._metrics.provider_healthy.labels(resource).set(is_healthy)
        if was_unhealthy or not is_healthy:
            for observe in self.observers:
                observe(resource, is_healthy, history.reason)

    def described(self) -> list[dict[str, Any]]:
        """Each provider that is checked, with its latest checks, oldest first."""
        return [
            {
                "provider": resource,
                "state": watched.history.state,
                "reason": watched.history.reason,
                "credentialsRejected": watched.history.rejected,
                "checks": [check.described() for check in watched.history.checks],
            }
            for resource, watched in sorted(self._watched.items())
        ]


def _is_checked(provider: Provider) -> bool:
    """The mock is part of this process: it is as healthy as whoever would ask it."""
    return provider.health_check.enabled and not isinstance(provider.upstream, MockUpstream)
