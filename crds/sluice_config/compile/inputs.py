"""What compile takes: the gateway, and everything that its routes may refer to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sluice_config.findings import Finding
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.resources.model_route import GatewayRef, ModelRoute
from sluice_config.resources.provider_policy import ProviderPolicy

NameKey = tuple[str, str]
"""(namespace, name) of a resource whose kind is clear."""

DataKeys = Mapping[NameKey, frozenset[str]]
"""(namespace, name) of each Secret or ConfigMap -> the keys that it has. Never a value."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference to a Secret or ConfigMap that leads nowhere; `part` is the part of it to blame, name or key."""

    part: str
    reason: str
    message: str


def missing_key(kind: str, known: DataKeys, namespace: str, name: str, key: str) -> Missing | None:
    """Whether the object of this kind, or its key, is not there."""
    keys = known.get((namespace, name))
    if keys is None:
        return Missing("name", f"{kind}NotFound", f"{kind} {namespace}/{name} not found")
    if key not in keys:
        return Missing("key", f"{kind}KeyNotFound", f"{kind} {namespace}/{name} has no key {key}")
    return None


def missing_secret(given: "Resources", namespace: str, name: str, key: str) -> Missing | None:
    """Whether the Secret or its key is not there, or the namespace's Secrets may not be read."""
    if namespace in given.denied:
        message = f"Secrets of namespace {namespace} may not be read: {given.denied[namespace]}"
        return Missing("name", "SecretAccessDenied", message)
    return missing_key("Secret", given.secrets, namespace, name, key)


class RoutesFrom(StrEnum):
    """Whose routes a gateway takes."""

    SAME = "Same"
    """Those of its own namespace."""
    ALL = "All"
    """Those of every namespace."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway, and the namespaces whose routes it takes: its annotation sluice.dev/routes-from, a selector resolved.

    `local` is a gateway outside of any cluster: it takes the routes of every namespace whose gatewayRef has its name,
    and decides conflicts by namespace and name alone.
    """

    namespace: str = "default"
    name: str = "sluice-gateway"
    routes_from: RoutesFrom | frozenset[str] = RoutesFrom.SAME
    local: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def is_meant_by(self, ref: GatewayRef, route_namespace: str) -> bool:
        """Whether a gatewayRef in a route of that namespace names this gateway."""
        return ref.name == self.name and (self.local or (ref.namespace or route_namespace) == self.namespace)

    def takes_routes_of(self, namespace: str) -> bool:
        """Whether routes of that namespace are granted."""
        if self.local or namespace == self.namespace or self.routes_from is RoutesFrom.ALL:
            return True
        return isinstance(self.routes_from, frozenset) and namespace in self.routes_from


@dataclass(frozen=True, slots=True)
class Resources:
    """All resources that the gateway's routes may refer to, in any order.

    `refused` are findings of level error about resources that are there but can't be used: unreadable, too large. What
    is refused is left out of the others. `denied` are namespaces whose Secrets may not be read, with what to do
    about it.
    """

    routes: Sequence[ModelRoute] = ()
    providers: Sequence[ProviderPolicy] = ()
    caches: Sequence[CachePolicy] = ()
    secrets: DataKeys = field(default_factory=dict)
    config_maps: DataKeys = field(default_factory=dict)
    refused: Sequence[Finding] = ()
    denied: Mapping[str, str] = field(default_factory=dict)
