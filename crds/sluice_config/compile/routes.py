"""ModelRoutes: their names, their targets, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sluice_config.compile.inputs import Gateway
from sluice_config.compile.names import Winners
from sluice_config.compile.providers import Obstacle
from sluice_config.findings import Finding, Level
from sluice_config.resources.base import ResourceKey
from sluice_config.resources.model_route import ModelRoute, RouteTarget
from sluice_config.resources.provider_policy import ProviderPolicy
from sluice_config.snapshot import Route, Target

NameKey = tuple[str, str]
"""(namespace, name) of a resource whose kind is clear."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route's references can find: providers with their obstacles, names of caches, and who has which name."""

    providers: Mapping[NameKey, tuple[ProviderPolicy, Obstacle | None]]
    caches: frozenset[NameKey]
    won: Winners


@dataclass(slots=True)
class Attached:
    """The routes that the gateway may serve, and findings about those that it may not."""

    routes: list[ModelRoute] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def attach(gateway: Gateway, routes: Sequence[ModelRoute]) -> Attached:
    """Pick the routes that name this gateway and have its grant."""
    attached = Attached()
    for route in routes:
        namespace = route.metadata.namespace
        if not gateway.is_meant_by(route.spec.gateway_ref, namespace):
            message = f"the route names another gateway than {gateway}"
            attached.findings.append(
                Finding(route.key, "spec.gatewayRef", Level.INFO, "GatewayNotFound", message),
            )
        elif not gateway.takes_routes_of(namespace):
            message = f"gateway {gateway} does not take routes of namespace {namespace}"
            attached.findings.append(Finding(route.key, "spec.gatewayRef", Level.ERROR, "NotGranted", message))
        else:
            attached.routes.append(route)
    return attached


def compile_route(route: ModelRoute, around: Surroundings) -> tuple[Route | None, list[Finding]]:
    """The route as far as it holds, None when it lost all its names; and what is wrong with it."""
    findings = list(_lost_names(route, around.won))
    models = tuple(pattern for pattern in route.spec.models if around.won[pattern] is route)
    if not models:
        return None, findings
    targets, target_findings = _targets(route, around)
    findings += target_findings
    findings += _missing_cache(route, around)
    spec, metadata = route.spec, route.metadata
    has_cache = spec.cache_policy is not None and (metadata.namespace, spec.cache_policy) in around.caches
    compiled = Route(
        namespace=metadata.namespace,
        name=metadata.name,
        generation=metadata.generation,
        models=tuple(sorted(models)),
        targets=targets,
        auto=not spec.targets,
        strategy=spec.strategy,
        allowed_strategies=spec.allowed_strategies,
        scoring=spec.scoring,
        stickiness=spec.stickiness,
        fallback=spec.fallback,
        hedging=spec.hedging,
        timeouts=spec.timeouts,
        limits=spec.limits,
        cache_policy=spec.cache_policy if has_cache else None,
    )
    return compiled, findings


def _lost_names(route: ModelRoute, won: Winners) -> Iterator[Finding]:
    lost = [(pattern, won[pattern].key) for pattern in route.spec.models if won[pattern] is not route]
    if not lost:
        return
    names = ", ".join(f"{pattern} (to {_winner(route.key, winner)})" for pattern, winner in lost)
    if len(lost) == len(route.spec.models):
        message = f"all names belong to other routes: {names}"
        yield Finding(route.key, "spec.models", Level.ERROR, "Conflicted", message)
    else:
        yield Finding(route.key, "spec.models", Level.WARNING, "Conflicted", f"names lost to other routes: {names}")


def _winner(loser: ResourceKey, winner: ResourceKey) -> str:
    """What exists in another namespace is not told."""
    return winner.name if winner.namespace == loser.namespace else "a route of another namespace"


def _targets(route: ModelRoute, around: Surroundings) -> tuple[tuple[Target, ...], list[Finding]]:
    usable: list[RouteTarget] = []
    findings: list[Finding] = []
    for index, target in enumerate(route.spec.targets):
        problem = _target_problem(route, target, around, f"spec.targets[{index}]")
        if problem:
            findings.append(problem)
        else:
            usable.append(target)
    usable.sort(key=lambda target: target.priority)
    return tuple(
        Target(provider=target.provider, model=target.model, weight=target.weight, priority=target.priority)
        for target in usable
    ), findings


def _target_problem(route: ModelRoute, target: RouteTarget, around: Surroundings, field: str) -> Finding | None:
    found = around.providers.get((route.metadata.namespace, target.provider))
    if found is None:
        message = f"ProviderPolicy {route.metadata.namespace}/{target.provider} not found"
        return Finding(route.key, f"{field}.provider", Level.ERROR, "ProviderNotFound", message)
    policy, obstacle = found
    if obstacle:
        message = f"this target stays out: ProviderPolicy {target.provider}: {obstacle.message}"
        return Finding(route.key, f"{field}.provider", obstacle.level, obstacle.reason, message)
    declared = {model.name for model in policy.spec.models}
    if declared and not policy.spec.discovery.enabled and target.model is not None and target.model not in declared:
        message = f"ProviderPolicy {target.provider} declares no model {target.model}"
        return Finding(route.key, f"{field}.model", Level.ERROR, "ModelNotFound", message)
    return None


def _missing_cache(route: ModelRoute, around: Surroundings) -> Iterator[Finding]:
    name, namespace = route.spec.cache_policy, route.metadata.namespace
    if name is not None and (namespace, name) not in around.caches:
        message = f"CachePolicy {namespace}/{name} not found: nothing is cached"
        yield Finding(route.key, "spec.cachePolicy", Level.ERROR, "CachePolicyNotFound", message)
