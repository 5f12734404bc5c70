"""Resources sorted by the gateways that they can concern: a hundred gateways cost as much as one with all of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sluice_config.compile.inputs import Gateway, NameKey, Resources
from sluice_config.findings import Finding
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.resources.model_route import ModelRoute
from sluice_config.resources.provider_policy import ProviderPolicy


@dataclass(slots=True)
class _Place:
    """What a namespace has for its routes to refer to, and what is wrong there."""

    providers: list[ProviderPolicy] = field(default_factory=list)
    caches: list[CachePolicy] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)


class ByGateway:
    """All resources, to be had in parts; for gateways of a cluster only, which a route means by namespace and name.

    A part gives the same snapshot as all resources together, and the same findings about what is in it.
    """

    def __init__(self, resources: Resources) -> None:
        self._all = resources
        self._routes: dict[NameKey, list[ModelRoute]] = defaultdict(list)
        self._places: dict[str, _Place] = defaultdict(_Place)
        for route in resources.routes:
            ref = route.spec.gateway_ref
            self._routes[ref.namespace or route.metadata.namespace, ref.name].append(route)
        for provider in resources.providers:
            self._places[provider.metadata.namespace].providers.append(provider)
        for cache in resources.caches:
            self._places[cache.metadata.namespace].caches.append(cache)
        for finding in resources.refused:
            self._places[finding.resource.namespace if finding.resource else ""].refused.append(finding)

    def of(self, gateway: Gateway) -> Resources:
        """The routes that mean the gateway, and all else of the namespaces whose routes it takes."""
        routes = self._routes.get((gateway.namespace, gateway.name), [])
        return self._part(routes, _namespaces(gateway, routes))

    def of_none(self, gateways: Iterable[Gateway]) -> Resources:
        """What is in the part of none of these."""
        meant: set[NameKey] = set()
        near: set[str] = set()
        for gateway in gateways:
            key = (gateway.namespace, gateway.name)
            meant.add(key)
            near |= _namespaces(gateway, self._routes.get(key, []))
        routes = [route for key, found in self._routes.items() if key not in meant for route in found]
        return self._part(routes, self._places.keys() - near)

    def _part(self, routes: list[ModelRoute], namespaces: Collection[str]) -> Resources:
        places = [self._places[name] for name in sorted(namespaces) if name in self._places]
        return replace(
            self._all,
            routes=routes,
            providers=[provider for place in places for provider in place.providers],
            caches=[cache for place in places for cache in place.caches],
            refused=[finding for place in places for finding in place.refused],
        )


def _namespaces(gateway: Gateway, routes: Iterable[ModelRoute]) -> set[str]:
    found = {route.metadata.namespace for route in routes}
    return {namespace for namespace in found if gateway.takes_routes_of(namespace)}
