"""/admin/providers: all that a pod knows of each provider, from those who know it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sluice_gateway.errors import NotFound
from sluice_gateway.providers.provider import Provider
from sluice_gateway.resilience.breakers import Breakers
from sluice_gateway.server.admin import documents
from sluice_gateway.server.admin.limits import Limits
from sluice_gateway.server.served import Served
from sluice_gateway.telemetry.target_figures import Seen, TargetFigures

MOST_PROVIDERS = 200

Facts = Callable[[], Sequence[Mapping[str, Any]]]
"""What somebody knows of providers: entries that say whose they are in their member ``provider``."""


Occupied = tuple[str, int, int]
"""A provider, how many requests it serves now, and how many wait for it: a ``limits.gate.Occupancy``."""


class Providers:
    """Puts it together. ``health``, ``discovery`` and ``occupied`` know more of some providers; ``clock`` gives seconds
    that only grow.
    """

    def __init__(
        self,
        figures: TargetFigures,
        breakers: Breakers,
        limits: Limits,
        clock: Callable[[], float],
        *,
        health: Facts,
        discovery: Facts,
        occupied: Callable[[], Iterable[Occupied]],
    ) -> None:
        self._figures = figures
        self._breakers = breakers
        self._limits = limits
        self._clock = clock
        self._health = health
        self._discovery = discovery
        self._occupied = occupied

    async def described(self, served: Served, only: str | None = None) -> dict[str, Any]:
        """All providers, or one by its ``namespace/name``. Raises NotFound."""
        if only is not None and only not in served.providers:
            names = documents.some(served.providers)
            raise NotFound(f"there is no provider {only[:320]!r}, only {names}", param="provider")
        shown = [only] if only is not None else sorted(served.providers)[:MOST_PROVIDERS]
        now = self._clock()
        seen: defaultdict[str, dict[str, Seen]] = defaultdict(dict)
        breakers: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for (provider, model), one in self._figures.all(now).items():
            seen[provider][model] = one
        for found in self._breakers.all(now):
            breakers[found.provider].append(documents.breaker(found))
        health, discovery = _by_provider(self._health()), _by_provider(self._discovery())
        occupied = {provider: {"inside": inside, "waiting": waiting} for provider, inside, waiting in self._occupied()}
        limits = await asyncio.gather(*(self._limits.of_provider(served.providers[name]) for name in shown))
        return {
            "providers": [
                {
                    **_told(served, served.providers[name]),
                    "health": health.get(name),
                    "targets": [
                        documents.target(model, seen[name].get(model), served.routes_to(name, model))
                        for model in sorted({*served.named_models(name), *seen[name]})
                    ],
                    "breakers": breakers[name],
                    "limits": levels,
                    "requests": occupied.get(name),
                    "discovery": discovery.get(name),
                }
                for name, levels in zip(shown, limits, strict=True)
            ],
            "more": 0 if only is not None else len(served.providers) - len(shown),
        }


def _told(served: Served, provider: Provider) -> dict[str, Any]:
    return {
        "provider": provider.resource,
        "vendor": provider.vendor,
        **documents.cut("routes", served.routes_of(provider.resource), documents.MOST_ROUTES),
    }


def _by_provider(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without the name that they are found by."""
    return {str(one["provider"]): {key: one[key] for key in one if key != "provider"} for one in entries}
