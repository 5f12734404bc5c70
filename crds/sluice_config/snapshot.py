"""The Snapshot: all that a gateway needs to know, and the whole contract between the two programs.

It knows nothing of Kubernetes or HTTP, and holds references to credentials, never credentials.
"""

import hashlib
import json
from typing import Final, Literal

from pydantic import Field

from sluice_config.resources.base import Frozen, ResourceKey
from sluice_config.resources.cache_policy import Semantic, Shadow, Store, Warm
from sluice_config.resources.model_route import Fallback, Hedging, Limit, RouteTimeouts, Scoring, Strategy
from sluice_config.resources.provider_policy import (
    Azure,
    CircuitBreaker,
    Compatibility,
    Discovery,
    Google,
    HealthCheck,
    ImageFetch,
    Mock,
    Model,
    OpenAI,
    RateLimit,
    Retry,
    Timeouts,
    Vendor,
)

SCHEMA_VERSION: Final = 1
"""Raised whenever a reader of the previous version would misread a snapshot."""


_LONGEST_DATA_KEY = 253
"""Characters of a key in a Secret's data, by Kubernetes' own rule."""


class CredentialRef(Frozen):
    """Where a credential is: a key of a Secret."""

    namespace: str
    name: str
    key: str

    @property
    def data_key(self) -> str:
        """The credential's key in the one Secret of its gateway: `namespace.name.key`, or `namespace.<SHA-256>`.

        The latter where the former could be read in two ways (a Secret's name with dots) or is longer than a key of
        a Secret may be. No two references share a key: a namespace has no dots.
        """
        plain = f"{self.namespace}.{self.name}.{self.key}"
        if "." not in self.name and len(plain) <= _LONGEST_DATA_KEY:
            return plain
        whole = json.dumps([self.namespace, self.name, self.key]).encode()
        return f"{self.namespace}.{hashlib.sha256(whole).hexdigest()}"


class Target(Frozen):
    """A provider's model that may answer. `provider` is a ProviderPolicy of the route's namespace.

    `model` is None when the requested name is passed on.
    """

    provider: str
    model: str | None = None
    weight: int = 1
    priority: int = 0


class Route(Frozen):
    """A ModelRoute as far as it holds.

    `models` are the patterns that it won. `targets` are the usable ones, in order: by priority, then as written.
    With `auto` there are none: any provider of the namespace that declares the requested name may answer.
    """

    namespace: str
    name: str
    generation: int
    models: tuple[str, ...] = Field(strict=False)
    targets: tuple[Target, ...] = Field(default=(), strict=False)
    auto: bool = False
    strategy: Strategy = "priority"
    allowed_strategies: tuple[Strategy, ...] | None = Field(default=None, strict=False)
    scoring: Scoring = Scoring()
    stickiness: Literal["none", "conversation"] = "none"
    fallback: Fallback = Fallback()
    hedging: Hedging = Hedging()
    timeouts: RouteTimeouts = RouteTimeouts()
    limits: tuple[Limit, ...] = Field(default=(), strict=False)
    cache_policy: str | None = None

    @property
    def key(self) -> ResourceKey:
        """The ModelRoute that this came from."""
        return ResourceKey("ModelRoute", self.namespace, self.name)


class Provider(Frozen):
    """A usable ProviderPolicy. `base_url` is None where the vendor's own default holds."""

    namespace: str
    name: str
    generation: int
    vendor: Vendor
    enabled: bool = True
    base_url: str | None = None
    credentials: CredentialRef | None = None
    headers: tuple[tuple[str, str], ...] = Field(default=(), strict=False)
    openai: OpenAI = OpenAI()
    azure: Azure = Azure()
    google: Google = Google()
    compatibility: Compatibility = Compatibility()
    parameter_policy: Literal["strict", "clamp", "drop"] = "strict"
    models: tuple[Model, ...] = Field(default=(), strict=False)
    discovery: Discovery = Discovery()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    rate_limit: RateLimit = RateLimit()
    health_check: HealthCheck = HealthCheck()
    image_fetch: ImageFetch = ImageFetch()
    mock: Mock = Mock()

    @property
    def accepts_all(self) -> bool:
        """Whether any model's name may be asked for: the policy declares none, or others can be discovered."""
        return not self.models or self.discovery.enabled

    @property
    def offers(self) -> bool:
        """Whether it has models of its own to offer to routes without targets: declared ones, or some to discover."""
        return bool(self.models) or self.discovery.enabled

    def accepts(self, model: str) -> bool:
        """Whether a model's name may be asked for."""
        return self.accepts_all or any(declared.name == model for declared in self.models)

    @property
    def key(self) -> ResourceKey:
        """The ProviderPolicy that this came from."""
        return ResourceKey("ProviderPolicy", self.namespace, self.name)


class Cache(Frozen):
    """A CachePolicy that a route uses."""

    namespace: str
    name: str
    generation: int
    mode: Literal["off", "exact", "shadow", "semantic", "verified"] = "exact"
    ttl_seconds: int = 3600
    scope: Literal["consumer", "route"] = "consumer"
    max_entries: int = 10_000
    max_entry_bytes: int = 1_048_576
    max_temperature: str = "2"
    semantic: Semantic = Semantic()
    shadow: Shadow = Shadow()
    store: Store
    warm: tuple[Warm, ...] = Field(default=(), strict=False)
    purge: int = 0

    @property
    def key(self) -> ResourceKey:
        """The CachePolicy that this came from."""
        return ResourceKey("CachePolicy", self.namespace, self.name)


class Snapshot(Frozen):
    """The configuration of one gateway ("namespace/name"). All parts are sorted by namespace and name."""

    schema_version: Literal[1] = SCHEMA_VERSION
    gateway: str
    routes: tuple[Route, ...] = Field(default=(), strict=False)
    providers: tuple[Provider, ...] = Field(default=(), strict=False)
    caches: tuple[Cache, ...] = Field(default=(), strict=False)

    @property
    def generations(self) -> dict[str, int]:
        """Which generation of each resource this is: "ModelRoute/default/chat" -> 3."""
        parts: tuple[Route | Provider | Cache, ...] = (*self.routes, *self.providers, *self.caches)
        return {str(part.key): part.generation for part in parts}

    @property
    def credential_refs(self) -> tuple[CredentialRef, ...]:
        """Every credential that a gateway needs for this snapshot, sorted, each once."""
        refs = {provider.credentials for provider in self.providers if provider.credentials}
        for cache in self.caches:
            if cache.store.external and (secret := cache.store.external.secret_ref):
                keys = (secret.username_key, secret.password_key)
                refs |= {CredentialRef(namespace=cache.namespace, name=secret.name, key=key) for key in keys if key}
        return tuple(sorted(refs, key=lambda ref: (ref.namespace, ref.name, ref.key)))
