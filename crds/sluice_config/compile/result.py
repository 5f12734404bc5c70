"""compile itself: all of a gateway's resources at once, to its Snapshot and what there is to say about them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sluice_config.compile.caches import cache_findings, compile_cache
from sluice_config.compile.inputs import Gateway, NameKey, Resources
from sluice_config.compile.names import winners
from sluice_config.compile.providers import Obstacle, Providers, compile_provider, obstacle
from sluice_config.compile.routes import Surroundings, attachment_finding, compile_route
from sluice_config.findings import Finding, Level
from sluice_config.resources.base import Resource, ResourceKey
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.resources.model_route import ModelRoute
from sluice_config.snapshot import Cache, Provider, Route, Snapshot
from sluice_config.unhonoured import NOT_HONOURED, unhonoured

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What compile gives: the snapshot, and findings sorted by resource and field."""

    snapshot: Snapshot
    findings: tuple[Finding, ...]


def compile_resources(gateway: Gateway, resources: Resources) -> Compiled:
    """Compile all resources of a gateway. No I/O, no clock; the order of the input never matters.

    A target that cannot be used stays out of its route, with a finding, and takes no other along; a route that has
    none left is still there, and answers that its models do not exist. The snapshot holds the usable providers that a
    route's target names or that, in the namespace of a route without targets, could offer a model; and the caches
    that a route uses. What no route can reach is not in it.
    """
    duplicates = _duplicates((*resources.routes, *resources.providers, *resources.caches))
    unusable = {*duplicates, *(finding.resource for finding in resources.refused)}
    given = replace(
        resources,
        routes=_sorted_without(unusable, resources.routes),
        providers=_sorted_without(unusable, resources.providers),
        caches=_sorted_without(unusable, resources.caches),
    )
    findings = {
        Finding(key, "", Level.ERROR, "Invalid", "declared more than once: none of them is used") for key in duplicates
    }
    findings.update(given.refused)
    providers = Providers(_refused_providers(given.refused))
    for policy in given.providers:
        problem = obstacle(policy, given)
        providers[_name(policy)] = problem or compile_provider(policy)
        findings.update(unhonoured(policy))
        if problem and problem.reason != NOT_HONOURED:  # the table's own words have been said
            findings.add(problem.at(policy))
    for cache in given.caches:
        findings.update(cache_findings(cache, given, providers))
        findings.update(unhonoured(cache))
    caches = {_name(cache): cache for cache in given.caches}
    routes, route_findings = _compile_routes(gateway, given.routes, providers, caches)
    findings |= route_findings
    snapshot = Snapshot(
        gateway=str(gateway),
        routes=routes,
        providers=_reachable_providers(routes, providers),
        caches=_used_caches(routes, caches),
    )
    return Compiled(snapshot, tuple(sorted(findings)))


def _compile_routes(
    gateway: Gateway, given: Sequence[ModelRoute], providers: Providers, caches: dict[NameKey, CachePolicy]
) -> tuple[tuple[Route, ...], set[Finding]]:
    findings = set()
    attached = []
    for route in given:
        refusal = attachment_finding(gateway, route)
        if refusal:
            findings.add(refusal)
        else:
            attached.append(route)
    around = Surroundings(providers, frozenset(caches), winners(attached, by_age=not gateway.local))
    compiled = []
    for route in attached:
        result, route_findings = compile_route(route, around)
        findings.update(route_findings, unhonoured(route))
        if result:
            compiled.append(result)
    return tuple(compiled), findings


def _reachable_providers(routes: Iterable[Route], providers: Providers) -> tuple[Provider, ...]:
    named = {(route.namespace, target.provider) for route in routes for target in route.targets}
    automatic = {route.namespace for route in routes if route.auto}
    return tuple(
        provider
        for name, provider in providers.items()
        if isinstance(provider, Provider) and (name in named or (name[0] in automatic and provider.offers))
    )


def _used_caches(routes: Iterable[Route], caches: dict[NameKey, CachePolicy]) -> tuple[Cache, ...]:
    used = {(route.namespace, route.cache_policy) for route in routes if route.cache_policy is not None}
    return tuple(compile_cache(caches[name]) for name in sorted(used))


def _refused_providers(refused: Iterable[Finding]) -> dict[NameKey, Provider | Obstacle]:
    """So that who refers to one is told that it is there, and what is wrong with it."""
    return {
        (finding.resource.namespace, finding.resource.name): Obstacle(
            finding.field, Level.ERROR, "ProviderNotFound", f"it is not accepted: {finding.reason}"
        )
        for finding in refused
        if finding.resource and finding.resource.kind == "ProviderPolicy"
    }


def _duplicates(resources: Iterable[Resource]) -> set[ResourceKey]:
    return {key for key, count in Counter(resource.key for resource in resources).items() if count > 1}


def _sorted_without(unusable: set[ResourceKey | None], resources: Iterable[R]) -> list[R]:
    return sorted((resource for resource in resources if resource.key not in unusable), key=_name)


def _name(resource: Resource) -> NameKey:
    return resource.metadata.namespace, resource.metadata.name
