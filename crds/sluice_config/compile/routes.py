"""ModelRoutes: which are the gateway's, and what remains of each when names and references are settled."""

from collections.abc import Iterator
from dataclasses import dataclass

from sluice_config.compile.inputs import Gateway, NameKey
from sluice_config.compile.names import Winners
from sluice_config.compile.providers import Providers
from sluice_config.compile.targets import Targets, compile_targets, offer_findings
from sluice_config.findings import Finding, Level
from sluice_config.resources.base import ResourceKey
from sluice_config.resources.model_route import ModelRoute
from sluice_config.snapshot import Route


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route's references can find, and who has won which name."""

    providers: Providers
    caches: frozenset[NameKey]
    won: Winners


def attachment_finding(gateway: Gateway, route: ModelRoute) -> Finding | None:
    """Why the gateway does not serve the route; None when it does."""
    namespace, field = route.metadata.namespace, "spec.gatewayRef"
    if not gateway.is_meant_by(route.spec.gateway_ref, namespace):
        message = f"the route is for another gateway than {gateway}"
        return Finding(route.key, field, Level.INFO, "GatewayNotFound", message)
    if not gateway.takes_routes_of(namespace):
        message = f"gateway {gateway} takes no routes of namespace {namespace}"
        return Finding(route.key, field, Level.ERROR, "NotGranted", message)
    return None


def compile_route(route: ModelRoute, around: Surroundings) -> tuple[Route | None, list[Finding]]:
    """The route as far as it holds, None when it lost all its names; and what is wrong with it."""
    findings = list(_lost_names(route, around.won))
    models = tuple(sorted(pattern for pattern in route.spec.models if around.won[pattern] == route.key))
    if not models:
        return None, findings
    targets = Targets()
    if route.spec.targets:
        targets = compile_targets(route, models, around.providers)
        findings += targets.findings
    else:
        findings += offer_findings(route, models, around.providers)
    spec, metadata = route.spec, route.metadata
    cached = spec.cache_policy is not None and (metadata.namespace, spec.cache_policy) in around.caches
    if spec.cache_policy is not None and not cached:
        message = f"CachePolicy {metadata.namespace}/{spec.cache_policy} not found: nothing is cached"
        findings.append(Finding(route.key, "spec.cachePolicy", Level.ERROR, "CachePolicyNotFound", message))
    compiled = Route(
        namespace=metadata.namespace,
        name=metadata.name,
        generation=metadata.generation,
        models=models,
        targets=targets.usable,
        auto=not spec.targets,
        strategy=spec.strategy,
        allowed_strategies=spec.allowed_strategies,
        scoring=spec.scoring,
        stickiness=spec.stickiness,
        fallback=spec.fallback,
        hedging=spec.hedging,
        timeouts=spec.timeouts,
        limits=spec.limits,
        cache_policy=spec.cache_policy if cached else None,
    )
    return compiled, findings


def _lost_names(route: ModelRoute, won: Winners) -> Iterator[Finding]:
    lost = [(pattern, won[pattern]) for pattern in route.spec.models if won[pattern] != route.key]
    if lost:
        everything = len(lost) == len(route.spec.models)
        names = ", ".join(f"{pattern} (to {_winner(route.key, winner)})" for pattern, winner in sorted(lost))
        message = f"{'all names are' if everything else 'names'} lost to other routes: {names}"
        level = Level.ERROR if everything else Level.WARNING
        yield Finding(route.key, "spec.models", level, "Conflicted", message)


def _winner(loser: ResourceKey, winner: ResourceKey) -> str:
    """What exists in another namespace is not told."""
    return winner.name if winner.namespace == loser.namespace else "a route of another namespace"
