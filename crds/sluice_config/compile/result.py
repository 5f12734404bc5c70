"""compile itself: all of a gateway's resources at once, to its Snapshot and what there is to say about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from sluice_config.compile.inputs import Gateway, Resources
from sluice_config.compile.names import winners
from sluice_config.compile.providers import compile_provider, obstacle
from sluice_config.compile.routes import NameKey, Surroundings, attach, compile_route
from sluice_config.findings import Finding
from sluice_config.resources.base import Resource
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.snapshot import Cache, Route, Snapshot
from sluice_config.unhonoured import unhonoured

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compile gives: the snapshot, and findings sorted by resource and field."""

    snapshot: Snapshot
    findings: tuple[Finding, ...]


def compile_resources(gateway: Gateway, resources: Resources) -> Compiled:
    """Compile all resources of a gateway. No I/O, no clock; the order of the input never matters.

    The snapshot has the providers that a route's targets name or, in a namespace with a route without targets, could
    name, and the caches that a route uses: what no route can reach is not there.
    """
    providers = {
        _name(policy): (policy, obstacle(policy, resources.secrets)) for policy in _sorted(resources.providers)
    }
    caches = {_name(policy): policy for policy in _sorted(resources.caches)}
    attached = attach(gateway, _sorted(resources.routes))
    around = Surroundings(providers, frozenset(caches), winners(attached.routes, by_age=not gateway.local))
    findings = attached.findings
    routes: list[Route] = []
    for source in attached.routes:
        route, route_findings = compile_route(source, around)
        findings += route_findings
        if route:
            routes.append(route)
    findings += [problem.at(policy) for policy, problem in providers.values() if problem]
    everything: Iterable[Resource] = chain(resources.routes, resources.providers, resources.caches)
    for resource in everything:
        findings += unhonoured(resource)
    reachable = {(route.namespace, target.provider) for route in routes for target in route.targets}
    automatic = {route.namespace for route in routes if route.auto}
    snapshot = Snapshot(
        gateway=str(gateway),
        routes=tuple(routes),
        providers=tuple(
            compile_provider(policy)
            for name, (policy, problem) in providers.items()
            if not problem and (name in reachable or name[0] in automatic)
        ),
        caches=tuple(
            compile_cache(caches[name])
            for name in sorted({(route.namespace, route.cache_policy) for route in routes if route.cache_policy})
        ),
    )
    return Compiled(snapshot, tuple(sorted(set(findings))))


def compile_cache(policy: CachePolicy) -> Cache:
    """The cache as gateways see it."""
    spec = policy.spec
    return Cache(
        namespace=policy.metadata.namespace,
        name=policy.metadata.name,
        generation=policy.metadata.generation,
        mode=spec.mode,
        ttl_seconds=spec.ttl_seconds,
        scope=spec.scope,
        max_entries=spec.max_entries,
        max_entry_bytes=spec.max_entry_bytes,
        max_temperature=spec.max_temperature,
        semantic=spec.semantic,
        shadow=spec.shadow,
        store=spec.store,
        warm=spec.warm,
        purge=spec.purge,
    )


def _name(resource: Resource) -> NameKey:
    return resource.metadata.namespace, resource.metadata.name


def _sorted(resources: Sequence[R]) -> list[R]:
    return sorted(resources, key=_name)
