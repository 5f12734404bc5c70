"""CachePolicies: what they are to a gateway, and which of their references are missing."""

from collections.abc import Iterator

from sluice_config.compile.inputs import Resources, missing_key, missing_secret
from sluice_config.compile.providers import Providers
from sluice_config.findings import Finding, Level
from sluice_config.resources.cache_policy import CachePolicy
from sluice_config.snapshot import Cache


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


def cache_findings(policy: CachePolicy, resources: Resources, providers: Providers) -> Iterator[Finding]:
    """References of the policy that lead nowhere."""
    yield from _missing_data(policy, resources)
    embedder, namespace = policy.spec.semantic.embedder, policy.metadata.namespace
    if embedder.provider is not None and (namespace, embedder.provider) not in providers:
        message = providers.not_found(namespace, embedder.provider)
        yield Finding(policy.key, "spec.semantic.embedder.provider", Level.ERROR, "ProviderNotFound", message)


def _missing_data(policy: CachePolicy, resources: Resources) -> Iterator[Finding]:
    namespace, external = policy.metadata.namespace, policy.spec.store.external
    ref = external.secret_ref if external else None
    for part, key in (("usernameKey", ref.username_key), ("passwordKey", ref.password_key)) if ref else ():
        missing = missing_secret(resources, namespace, ref.name, key) if ref and key else None
        if missing:
            field = f"spec.store.external.secretRef.{'name' if missing.part == 'name' else part}"
            yield Finding(policy.key, field, Level.WARNING, missing.reason, missing.message)
    for index, warm in enumerate(policy.spec.warm):
        source = warm.config_map_ref
        missing = missing_key("ConfigMap", resources.config_maps, namespace, source.name, source.key)
        if missing:
            field = f"spec.warm[{index}].configMapRef.{missing.part}"
            yield Finding(policy.key, field, Level.WARNING, missing.reason, missing.message)
