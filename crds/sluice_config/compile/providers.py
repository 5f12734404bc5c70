"""ProviderPolicies: which are usable, and what they are to a gateway."""

from collections.abc import Iterable
from dataclasses import dataclass

from sluice_config.compile.inputs import DataKeys
from sluice_config.findings import Finding, Level
from sluice_config.resources.provider_policy import Header, ProviderPolicy, ServiceRef
from sluice_config.snapshot import CredentialRef, Provider
from sluice_config.unhonoured import UNSERVED_VENDORS

ANTHROPIC_SHAPED = frozenset({"anthropic", "google", "azure", "cohere"})
"""Vendors whose SDKs take a base URL without a version path."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a provider's targets stay out."""

    level: Level
    reason: str
    message: str
    field: str

    def at(self, policy: ProviderPolicy) -> Finding:
        """As a finding on the provider itself."""
        return Finding(policy.key, self.field, self.level, self.reason, self.message)


def obstacle(policy: ProviderPolicy, secrets: DataKeys) -> Obstacle | None:
    """What keeps the provider from being used, if anything does."""
    spec = policy.spec
    if not spec.enabled:
        return Obstacle(Level.INFO, "ProviderDisabled", "the provider is switched off", "spec.enabled")
    if spec.provider in UNSERVED_VENDORS:
        message = f"accepted, but nothing serves {spec.provider} yet: its targets stay out"
        return Obstacle(Level.INFO, "NotHonoured", message, "spec.provider")
    if spec.credentials is None:
        return None
    ref = spec.credentials.secret_ref
    return missing_key(secrets, policy.metadata.namespace, ref.name, ref.key, "spec.credentials.secretRef")


def missing_key(secrets: DataKeys, namespace: str, name: str, key: str, field: str) -> Obstacle | None:
    """The obstacle that a Secret or one of its keys is not there."""
    keys = secrets.get((namespace, name))
    if keys is None:
        return Obstacle(Level.WARNING, "SecretNotFound", f"Secret {namespace}/{name} not found", f"{field}.name")
    if key not in keys:
        message = f"Secret {namespace}/{name} has no key {key}"
        return Obstacle(Level.WARNING, "SecretKeyNotFound", message, f"{field}.key")
    return None


def compile_provider(policy: ProviderPolicy) -> Provider:
    """The provider as gateways see it."""
    spec, namespace = policy.spec, policy.metadata.namespace
    ref = spec.credentials.secret_ref if spec.credentials else None
    return Provider(
        namespace=namespace,
        name=policy.metadata.name,
        generation=policy.metadata.generation,
        vendor=spec.provider,
        enabled=spec.enabled,
        base_url=service_url(spec.service_ref, namespace, spec.provider) if spec.service_ref else spec.base_url,
        credentials=CredentialRef(namespace=namespace, name=ref.name, key=ref.key) if ref else None,
        headers=_header_pairs(spec.headers),
        openai=spec.openai,
        azure=spec.azure,
        google=spec.google,
        compatibility=spec.compatibility,
        parameter_policy=spec.parameter_policy,
        models=spec.models,
        discovery=spec.discovery,
        timeouts=spec.timeouts,
        retry=spec.retry,
        circuit_breaker=spec.circuit_breaker,
        rate_limit=spec.rate_limit,
        health_check=spec.health_check,
        image_fetch=spec.image_fetch,
        mock=spec.mock,
    )


def service_url(ref: ServiceRef, namespace: str, vendor: str) -> str:
    """The Service's URL within the cluster; without a path in the reference, with the vendor's usual one."""
    usual = "" if vendor in ANTHROPIC_SHAPED else "/v1"
    return f"{ref.scheme}://{ref.name}.{namespace}.svc:{ref.port}{usual if ref.path is None else ref.path.rstrip('/')}"


def _header_pairs(headers: Iterable[Header]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((header.name, header.value) for header in headers))
