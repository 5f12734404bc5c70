"""A route's targets: which can be used, and what is wrong with the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sluice_config.compile.names import covers
from sluice_config.compile.providers import Obstacle, Providers
from sluice_config.findings import Finding, Level
from sluice_config.resources.base import ResourceKey
from sluice_config.resources.model_route import ModelRoute, RouteTarget
from sluice_config.snapshot import Provider, Target


@dataclass(slots=True)
class Targets:
    """The usable targets in their order, and findings about the others."""

    usable: tuple[Target, ...] = ()
    findings: list[Finding] = field(default_factory=list)


def compile_targets(route: ModelRoute, models: Sequence[str], providers: Providers) -> Targets:
    """Check each target of a route that has won `models`. One that cannot be used stays out, the others stay in."""
    result = Targets()
    usable: list[RouteTarget] = []
    for index, target in enumerate(route.spec.targets):
        problem = _problem(route.key, target, models, providers, f"spec.targets[{index}]")
        if problem:
            result.findings.append(problem)
        else:
            usable.append(target)
    result.usable = tuple(
        Target(provider=target.provider, model=target.model, weight=target.weight, priority=target.priority)
        for target in sorted(usable, key=lambda target: target.priority)
    )
    return result


def _problem(
    route: ResourceKey,
    target: RouteTarget,
    models: Sequence[str],
    providers: Providers,
    where: str,
) -> Finding | None:
    match providers.get((route.namespace, target.provider)):
        case None:
            message = providers.not_found(route.namespace, target.provider)
            return Finding(route, f"{where}.provider", Level.ERROR, "ProviderNotFound", message)
        case Obstacle() as obstacle:
            message = f"the target stays out: ProviderPolicy {target.provider}: {obstacle.message}"
            return Finding(route, f"{where}.provider", obstacle.level, obstacle.reason, message)
        case provider if target.model is None and not _accepts_any_of(provider, models):
            message = f"ProviderPolicy {target.provider} declares none of the route's names: set model"
            return Finding(route, where, Level.ERROR, "ModelNotFound", message)
        case provider if target.model is not None and not provider.accepts(target.model):
            message = f"ProviderPolicy {target.provider} declares no model {target.model}"
            return Finding(route, f"{where}.model", Level.ERROR, "ModelNotFound", message)
    return None


def _accepts_any_of(provider: Provider, patterns: Sequence[str]) -> bool:
    return provider.accepts_all or any(covers(pattern, model.name) for pattern in patterns for model in provider.models)


def offer_findings(route: ModelRoute, models: Sequence[str], providers: Providers) -> Iterator[Finding]:
    """For a route without targets: that no provider of its namespace offers any of its names.

    A provider offers what it declares and what it discovers. One that declares nothing accepts any name as a target,
    but offers none: which of several such providers should get an unknown name would be a guess.
    """
    namespace = route.metadata.namespace
    offering = (
        provider.offers and _accepts_any_of(provider, models)
        for (where, _), provider in providers.items()
        if where == namespace and isinstance(provider, Provider)
    )
    if not any(offering):
        message = f"no usable ProviderPolicy of namespace {namespace} declares a model that the route's names cover"
        yield Finding(route.key, "spec.targets", Level.ERROR, "ModelNotFound", message)
