"""How full limits are: the store is asked for nothing, and says what remains."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from sluice_gateway.errors import NotFound
from sluice_gateway.limits.contract import Charge, Level, Limit, Store, Unit
from sluice_gateway.providers.provider import Provider
from sluice_gateway.routing.table import Route
from sluice_gateway.server.admin.documents import some
from sluice_gateway.server.served import Served

MOST_ROUTES = 100

_ANYBODY = "*"  # no consumer's name: they are keys of a Secret


class Limits:
    """Of routes and of providers. ``store`` keeps count: for all pods, or for this one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_routes(self, served: Served, route: str | None, consumer: str | None) -> dict[str, Any]:
        """Of all routes that have any, or of one by its ``namespace/name``; those of one consumer too when it is named.
        Raises NotFound.
        """
        limited = {one.label: one for one in served.table.routes if one.limits is not None}
        if route is not None and route not in limited:
            raise NotFound(f"there is no route {route[:320]!r} with limits, only {some(limited)}", param="route")
        shown = [limited[route]] if route is not None else list(limited.values())[:MOST_ROUTES]
        told = await asyncio.gather(*(self._told(_limits(one, consumer)) for one in shown))
        return {
            "limits": [entry for entries in told for entry in entries],
            "more": 0 if route is not None else len(limited) - len(shown),
        }

    async def of_provider(self, provider: Provider) -> list[dict[str, Any]]:
        """Of a provider's policy, as ``limits.gate`` counts them."""
        policy, holder = provider.rate_limit, f"ProviderPolicy/{provider.resource}"
        said = (
            ("requestsPerMinute", Unit.REQUESTS, policy.requests_per_minute),
            ("tokensPerMinute", Unit.TOKENS, policy.tokens_per_minute),
            ("maxConcurrent", Unit.PLACES, policy.max_concurrent),
        )
        return await self._told([Limit(holder, name, unit, most) for name, unit, most in said if most is not None])

    async def _told(self, limits: Sequence[Limit]) -> list[dict[str, Any]]:
        asked = [Charge(limit, 0) for limit in limits if limit.unit is not Unit.PLACES]  # whose number is no amount
        levels = (await self._store.reserve(asked)).levels if asked else ()
        return list(_entries(limits, levels))


def _limits(route: Route, consumer: str | None) -> list[Limit]:
    if route.limits is None:
        return []
    charges = route.limits.charges(consumer or _ANYBODY, 0)
    return [charge.limit for charge in charges if charge.limit.consumer != _ANYBODY]


def _entries(limits: Iterable[Limit], levels: Iterable[Level]) -> Iterable[dict[str, Any]]:
    """What the store does not tell is null: places, and what is refused while it can't be read."""
    known = {level.limit: level for level in levels}
    for limit in limits:
        level = known.get(limit)
        yield {
            "holder": limit.holder,
            "name": limit.name,
            "consumer": limit.consumer,
            "unit": limit.unit,
            "window": limit.span,
            "most": limit.most,
            "remaining": level.remaining if level else None,
            "resetSeconds": round(level.reset, 1) if level else None,
        }
