"""ProviderPolicies: which are usable, and what they are to a gateway."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from sluice_config.compile.inputs import NameKey, Resources, missing_secret
from sluice_config.findings import Finding, Level
from sluice_config.resources.provider_policy import ProviderPolicy, ServiceRef
from sluice_config.snapshot import CredentialRef, Provider

WITHOUT_VERSION_PATH = frozenset({"anthropic", "azure", "cohere", "google"})
"""Vendors whose SDKs take a base URL without a version path; the others' end in /v1."""

_MOST_GUESSES, _MOST_NAMES = 100, 100
"""How many lost names are compared to how many others: 0.1 s in all, whoever writes how many resources."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a provider cannot be used: a finding's parts."""

    field: str
    level: Level
    reason: str
    message: str

    def at(self, policy: ProviderPolicy) -> Finding:
        """As a finding about the provider itself."""
        return Finding(policy.key, self.field, self.level, self.reason, self.message)


class Providers(dict[NameKey, Provider | Obstacle]):
    """Every ProviderPolicy by its name: usable, or what keeps it from being so."""

    def __init__(self, known: Mapping[NameKey, Provider | Obstacle] | None = None) -> None:
        super().__init__(known or {})
        self._guesses: dict[NameKey, str] = {}

    def not_found(self, namespace: str, name: str) -> str:
        """That there is none of this name, and which one of the namespace was meant, as far as that can be guessed."""
        return f"ProviderPolicy {namespace}/{name} not found{self._guess(namespace, name)}"

    def _guess(self, namespace: str, name: str) -> str:
        known = self._guesses.get((namespace, name))
        if known is not None or len(self._guesses) == _MOST_GUESSES:
            return known or ""
        names = sorted(other for where, other in self if where == namespace)
        close = difflib.get_close_matches(name, names[:_MOST_NAMES], n=1)
        guess = self._guesses[namespace, name] = f"; did you mean {close[0]}?" if close else ""
        return guess


def obstacle(policy: ProviderPolicy, given: Resources) -> Obstacle | None:
    """What keeps the provider from being used, if anything does."""
    spec = policy.spec
    if not spec.enabled:
        return Obstacle("spec.enabled", Level.INFO, "ProviderDisabled", "switched off")
    if spec.credentials is None:
        return None
    ref = spec.credentials.secret_ref
    missing = missing_secret(given, policy.metadata.namespace, ref.name, ref.key)
    if missing is None:
        return None
    return Obstacle(f"spec.credentials.secretRef.{missing.part}", Level.WARNING, missing.reason, missing.message)


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
        headers=tuple(sorted((header.name, header.value) for header in spec.headers)),
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
    usual = "" if vendor in WITHOUT_VERSION_PATH else "/v1"
    return f"{ref.scheme}://{ref.name}.{namespace}.svc:{ref.port}{usual if ref.path is None else ref.path.rstrip('/')}"
