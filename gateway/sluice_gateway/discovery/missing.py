"""Targets whose model the provider does not list: pure functions over a routing table."""

from collections.abc import Iterator
from typing import NamedTuple

from sluice_gateway.routing.table import Route, RoutingTable, Target


class Missing(NamedTuple):
    """A model of a provider (``namespace/name``) that it does not list, and the routes that name it."""

    provider: str
    model: str
    routes: tuple[str, ...]


def not_offered(table: RoutingTable) -> tuple[Missing, ...]:
    """All of them, in order. Nothing is said of a provider that was not asked, has not answered, or lists nothing."""
    found: dict[tuple[str, str], set[str]] = {}
    for route in table.routes:
        for target in route.targets:
            for model in _lacking(route, target):
                found.setdefault((target.provider.resource, model), set()).add(route.label)
    return tuple(Missing(*key, tuple(sorted(routes))) for key, routes in sorted(found.items()))


def _lacking(route: Route, target: Target) -> Iterator[str]:
    listing = target.provider.listing
    if listing is None or not listing.models:
        return
    names = [target.model] if target.model is not None else [name for name in route.models if not name.endswith("*")]
    yield from (name for name in names if listing.lacks(name))
