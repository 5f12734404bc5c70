"""One task for each provider that is to be asked for its models; what it has answered stays until it answers again."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sluice_gateway.discovery import sdks, servers
from sluice_gateway.discovery.answers import Offered, Unlisted
from sluice_gateway.discovery.missing import Missing, not_offered
from sluice_gateway.providers.listing import Listing, Listings
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import RoutingTable
from sluice_gateway.telemetry.log import DefectsLogged, Logger
from sluice_gateway.upstream import Upstream

FIRST_SECONDS = 0.5
"""The first question comes within so long of a configuration: a policy reaches all pods at the same time."""
LEAST_PAUSE = 5.0
"""Seconds after a first failure; with each further one twice as long, up to the interval."""
TOTAL_SECONDS = 60.0
"""Of one listing, all of its requests together."""
_JITTER = 0.1  # of each pause, more or less: pods that started together do not ask together for ever

Ask = Callable[[Provider, Upstream], Awaitable[Offered]]

_ASK: Mapping[str, Ask] = {
    "models": servers.plain,
    "cohere": servers.cohere,
    "llamacpp": servers.llamacpp,
    "ollama": servers.ollama,
    "vllm": servers.vllm,
}


async def ask(provider: Provider, http: Upstream) -> Offered:
    """The models of a provider, asked as its vendor wants to be. Raises Unlisted."""
    way = provider.lists
    if way == "":
        raise Unlisted("this kind of provider has no list of models")
    return await (_ASK[way](provider, http) if way in _ASK else sdks.ask(way, provider.access()))


class Discovery:
    """Follows routing tables.

    ``listings`` are for the providers of the next one. ``chance`` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        http: Upstream,
        logger: Logger,
        *,
        ask: Ask = ask,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.listings = Listings()
        self._http = http
        self._logger = logger
        self._ask = ask
        self._sleep = sleep
        self._chance = chance
        self._table: RoutingTable | None = None
        self._providers: dict[Listing, Provider] = {}
        self._tasks: dict[Listing, asyncio.Task[None]] = {}
        self._missing: tuple[Missing, ...] = ()

    def follow(self, table: RoutingTable) -> None:
        """Ask the providers of this table from now on, and no others."""
        self._table = table
        self._providers = {one.listing: one for one in table.providers if one.listing is not None}
        self.listings.keep(self._providers)
        for listing in [listing for listing in self._tasks if listing not in self._providers]:
            self._tasks.pop(listing).cancel()
        for listing in self._providers:
            if listing not in self._tasks:
                self._tasks[listing] = asyncio.create_task(self._keep_asking(listing))
        self._compare()

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_asking(self, listing: Listing) -> None:
        await self._sleep(self._chance() * FIRST_SECONDS)
        failures = 0
        while True:
            failures = 0 if await self._asked(listing) else failures + 1
            pause = float(self._providers[listing].discovery.interval_seconds)
            if failures:
                pause = min(pause, LEAST_PAUSE * 2.0 ** min(failures - 1, 20))
            await self._sleep(pause * (1 + _JITTER * (2 * self._chance() - 1)))

    async def _asked(self, listing: Listing) -> bool:
        """Ask once; whether there was an answer."""
        provider, problem = self._providers[listing], "a defect of the gateway; see its log"
        with DefectsLogged(self._logger, "asking a provider for its models"):
            try:
                async with asyncio.timeout(TOTAL_SECONDS):
                    offered = await self._ask(provider, self._http)
            except Unlisted as error:
                problem = provider.redact(str(error))
            except TimeoutError:
                problem = f"no answer within {TOTAL_SECONDS:.0f} s"
            else:
                self._take(provider, listing, offered)
                return True
        if listing.problem != problem:
            self._logger.warning("models not listed", provider=provider.resource, reason=problem)
        listing.problem = problem
        return False

    def _take(self, provider: Provider, listing: Listing, offered: Offered) -> None:
        before = listing.models.keys() if listing.known and listing.problem is None else None
        listing.take(offered.models, offered.slots)
        if before != listing.models.keys():
            self._logger.info("models listed", provider=provider.resource, models=len(listing.models))
        self._compare()

    def _compare(self) -> None:
        """Look for targets whose model is not offered, and say so when that is new."""
        if self._table is None:
            return
        before = {(one.provider, one.model) for one in self._missing}
        self._missing = not_offered(self._table) if self._providers else ()
        for one in self._missing:
            if (one.provider, one.model) not in before:
                self._logger.warning(
                    "model not offered", provider=one.provider, model=one.model, routes=list(one.routes)
                )

    def missing(self) -> list[dict[str, Any]]:
        """Targets whose model is not offered, as /internal/report shows them."""
        return [{"provider": one.provider, "model": one.model, "routes": list(one.routes)} for one in self._missing]

    def described(self) -> list[dict[str, Any]]:
        """Each provider that is asked, as /internal/report shows it."""
        return [
            {
                "provider": provider.resource,
                "models": len(listing.models) if listing.known else None,
                "slots": listing.slots,
                "problem": listing.problem,
            }
            for listing, provider in sorted(self._providers.items(), key=lambda item: item[1].resource)
        ]
